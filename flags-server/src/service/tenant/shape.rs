//! What bodies and answers have of a tenant.

use flags_core::{CONTRACT_FIELDS, Field, MAX_TENANT_OVERRIDES, OVERRIDE_FIELDS, Shape, Text};

use crate::limits::MAX_TENANTS_PER_REQUEST;
use crate::service::text::{NAME, WORDS};

/// What a body says of a tenant; `null` takes a part of its contract away.
pub(crate) static WHOLE: Shape = Shape::Object(&WHOLE_FIELDS);

/// What is shown of one.
pub(crate) static SHOWN: Shape = Shape::Object(&SHOWN_FIELDS);

/// Many of them.
pub(crate) static UPSERTS: Shape =
    Shape::Within(0..=MAX_TENANTS_PER_REQUEST as u64, &Shape::List(&UPSERT));

/// The same in an export, with what has routes of its own.
pub(crate) static EXPORTED: Shape = Shape::List(&EXPORTED_ONE);

/// One of these.
pub(crate) static EXPORTED_ONE: Shape = Shape::Object(&EXPORTED_FIELDS);

/// An override with what people say of it, as it is written.
pub(crate) static NEW_OVERRIDE: Shape = Shape::Object(&NEW_OVERRIDE_FIELDS);

/// The same where several tenants are given it alike, of a feature that is known.
pub(crate) static EXCEPTION: Shape = Shape::Object(&EXCEPTION_FIELDS);

static TIME: Shape = Shape::Text(&Text::TIME);
static NULLABLE_TIME: Shape = Shape::Nullable(&TIME);

static NULLABLE_ADDONS: Shape = {
    let [_, _, _, addons, ..] = CONTRACT_FIELDS;
    Shape::Nullable(addons.shape())
};

const ADDONS: Field = Field::optional("addons", &NULLABLE_ADDONS).says("Add-ons, each once.");

const ATTRIBUTES: Field = Field::optional("attributes", &Shape::Attributes);

const KEY: Field = Field::required("key", &Shape::Text(&Text::CONTEXT_KEY))
    .says("The key of the tenant, as services name it.");

const REASON: Field =
    Field::required("reason", &Shape::Text(&WORDS)).says("Why the tenant has it.");

const REVIEW_AT: Field = Field::optional("review_at", &NULLABLE_TIME)
    .says("When it is to be looked at again, in RFC 3339; needed where it has no end.");

static WHOLE_FIELDS: [Field; 6] = {
    let [plan, version, _, _, trial, subscription, ..] = CONTRACT_FIELDS;
    [ATTRIBUTES, plan, version, ADDONS, trial, subscription]
};

static SHOWN_FIELDS: [Field; 7] = {
    let [plan, version, since, addons, trial, subscription, ..] = CONTRACT_FIELDS;
    [ATTRIBUTES, plan, version, since, addons, trial, subscription]
};

static UPSERT: Shape = Shape::Object(&UPSERT_FIELDS);

static UPSERT_FIELDS: [Field; 7] = {
    let [attributes, plan, version, addons, trial, subscription] = WHOLE_FIELDS;
    [KEY, attributes, plan, version, addons, trial, subscription]
};

static EXPORTED_FIELDS: [Field; 10] = {
    let [key, attributes, plan, version, addons, trial, subscription] = UPSERT_FIELDS;
    let [_, _, since, .., blocks] = CONTRACT_FIELDS;
    let overrides =
        Field::optional("overrides", &EXPORTED_OVERRIDES).says("Exceptions of the contract.");
    [key, attributes, plan, version, since, addons, trial, subscription, overrides, blocks]
};

static EXPORTED_OVERRIDES: Shape =
    Shape::Within(0..=MAX_TENANT_OVERRIDES as u64, &Shape::List(&EXPORTED_OVERRIDE));

/// An override in an export.
pub(crate) static EXPORTED_OVERRIDE: Shape = Shape::Object(&EXPORTED_OVERRIDE_FIELDS);

static EXPORTED_OVERRIDE_FIELDS: [Field; 11] = {
    let [id, feature, mode, value, start, end, contract] = OVERRIDE_FIELDS;
    let actor = Field::required("actor", &ACTOR).says("Who wrote it.");
    let created = Field::required("created_at", &TIME);
    [id, feature, mode, value, start, end, contract, REASON, REVIEW_AT, actor, created]
};

static ACTOR: Shape = Shape::Object(&[
    Field::required("id", &Shape::Text(&Text::KEY)).says("The id of their token."),
    Field::required("name", &Shape::Text(&NAME)).says("What the token was called then."),
]);

static NEW_OVERRIDE_FIELDS: [Field; 9] = {
    let [id, feature, mode, value, start, end, contract] = OVERRIDE_FIELDS;
    [id, feature, mode, value, start, end, contract, REASON, REVIEW_AT]
};

static EXCEPTION_FIELDS: [Field; 7] = {
    let [_, _, mode, value, start, end, contract, reason, review_at] = NEW_OVERRIDE_FIELDS;
    [mode, value, start, end, contract, reason, review_at]
};
