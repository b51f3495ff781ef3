//! The JSON shapes of the catalogue and of contracts.

use crate::definition::shape::{Field, KEY, Shape, TIME};
use crate::limits::{
    MAX_ADDON_QUANTITY, MAX_FEATURE_OPTIONS, MAX_GRACE_MS, MAX_PLAN_VERSIONS, MAX_TENANT_ADDONS,
    MAX_TENANT_BLOCKS, MAX_TENANT_OVERRIDES,
};
use crate::text::Text;

/// The shape of a [`FeatureDefinition`](crate::FeatureDefinition).
///
/// ```
/// let problems = flags_core::FEATURE.check(&serde_json::json!({"type": "quota", "combine": "sum"}));
/// assert_eq!(problems[0].pointer, "/type");
/// ```
pub static FEATURE: Shape = Shape::Object(&[
    Field::required("type", &Shape::Word(&["boolean", "limit", "options", "json"])),
    Field::required("combine", &Shape::Word(&["any", "max", "sum", "union", "priority"])),
    Field::optional("options", &Shape::Within(0..=MAX_FEATURE_OPTIONS as u64, &Shape::List(&KEY))),
    Field::optional(
        "over_limit",
        &Shape::Nullable(&Shape::Object(&[
            Field::required("policy", &Shape::Word(&["block_growth", "read_only", "none"])),
            Field::optional("grace_ms", &GRACE_MS),
        ])),
    ),
]);

static GRACE_MS: Shape = Shape::Within(0..=MAX_GRACE_MS, &Shape::U64);

static VERSION: Shape = Shape::Within(1..=u32::MAX as u64, &Shape::U32);

static BLOCK_EFFECT: Shape = Shape::Word(&["none", "read_only"]);

/// The shape of a [`PlanDefinition`](crate::PlanDefinition).
pub static PLAN: Shape = Shape::Object(&[Field::required(
    "versions",
    &Shape::Within(1..=MAX_PLAN_VERSIONS as u64, &Shape::List(&PLAN_VERSION)),
)]);

/// The shape of a [`PlanVersionDefinition`](crate::PlanVersionDefinition).
pub static PLAN_VERSION: Shape = Shape::Object(&[
    Field::required("version", &VERSION),
    Field::optional("grants", &Shape::Grants),
    Field::optional("priority", &Shape::U32),
    Field::optional("grace_ms", &GRACE_MS),
    Field::optional("after_grace", &BLOCK_EFFECT),
    Field::optional(
        "fallback",
        &Shape::Nullable(&Shape::Object(&[
            Field::required("plan", &KEY),
            Field::required("version", &VERSION),
        ])),
    ),
]);

/// The shape of an [`AddonDefinition`](crate::AddonDefinition).
pub static ADDON: Shape = Shape::Object(&[
    Field::optional("grants", &Shape::Grants),
    Field::optional("priority", &Shape::U32),
]);

static NULLABLE_TIME: Shape = Shape::Nullable(&TIME);

/// The shape of a [`ContractDefinition`](crate::ContractDefinition).
///
/// ```
/// let problems = flags_core::CONTRACT.check(&serde_json::json!({
///     "addons": [{"addon": "seats-10", "quantity": 1.5}]
/// }));
/// assert_eq!(
///     problems[0].to_string(),
///     "/addons/0/quantity: expected an integer from 0 to 4294967295, found 1.5",
/// );
/// ```
pub static CONTRACT: Shape = Shape::Object(&CONTRACT_FIELDS);

/// The fields of a [`ContractDefinition`](crate::ContractDefinition), for shapes that have some of them.
pub static CONTRACT_FIELDS: [Field; 8] = [
    Field::optional("plan", &Shape::Nullable(&KEY)).says("The key of the tenant's plan."),
    Field::optional("plan_version", &Shape::Nullable(&VERSION))
        .says("The version of the plan that the tenant has."),
    Field::optional("plan_since", &NULLABLE_TIME)
        .says("Since when the tenant has this version of this plan."),
    Field::optional(
        "addons",
        &Shape::Within(0..=MAX_TENANT_ADDONS as u64, &Shape::List(&ADDON_QUANTITY)),
    )
    .says("Add-ons, each once."),
    Field::optional("trial", &Shape::Nullable(&TRIAL)).says("Another plan to try, for a while."),
    Field::optional("subscription", &Shape::Nullable(&SUBSCRIPTION))
        .says("Whether it is paid for, and until when it is; active where it is left out."),
    Field::optional(
        "overrides",
        &Shape::Within(0..=MAX_TENANT_OVERRIDES as u64, &Shape::List(&OVERRIDE)),
    )
    .says("Exceptions of the contract."),
    Field::optional("blocks", &Shape::Within(0..=MAX_TENANT_BLOCKS as u64, &Shape::List(&BLOCK)))
        .says("What takes access away."),
];

static ADDON_QUANTITY: Shape = Shape::Object(&[
    Field::required("addon", &KEY).says("The key of the add-on."),
    Field::required("quantity", &Shape::Within(1..=MAX_ADDON_QUANTITY as u64, &Shape::U32))
        .says("How many of it."),
]);

static TRIAL: Shape = Shape::Object(&[
    Field::required("plan", &KEY).says("The key of the plan."),
    Field::required("plan_version", &VERSION).says("The version of the plan."),
    Field::required("start", &TIME).says("When it begins, in RFC 3339."),
    Field::required("end", &TIME).says("When it is over, in RFC 3339."),
]);

static SUBSCRIPTION: Shape = Shape::Object(&[
    Field::optional("state", &Shape::Word(&["active", "past_due", "cancelled"]))
        .says("How it stands."),
    Field::optional("unpaid_since", &NULLABLE_TIME)
        .says("Since when an invoice is unpaid; there where the state is `past_due`."),
    Field::optional("ends_at", &NULLABLE_TIME).says("From when on the plan's fallback holds."),
]);

static OVERRIDE: Shape = Shape::Object(&OVERRIDE_FIELDS);

/// The fields of a [`ContractOverride`](crate::ContractOverride), for shapes that have more.
pub static OVERRIDE_FIELDS: [Field; 7] = [
    Field::required("id", &KEY).says("Names it in decisions."),
    Field::required("feature", &KEY).says("The key of the feature."),
    Field::required("mode", &Shape::Word(&["deny", "set", "add", "remove", "at_least", "at_most"]))
        .says("What it does."),
    Field::optional("value", &Shape::Any)
        .says("What it does it with, of the feature's type; nothing under `deny`."),
    START,
    END,
    Field::optional("contract", &Shape::Nullable(&Shape::Text(&Text::CONTRACT_REFERENCE)))
        .says("Where it is agreed, in one line."),
];

static BLOCK: Shape = Shape::Object(&BLOCK_FIELDS);

/// The fields of a [`BlockDefinition`](crate::BlockDefinition), for shapes that have some of them.
pub static BLOCK_FIELDS: [Field; 4] = [
    Field::required("lane", &Shape::Word(&["billing", "fraud", "manual", "legal"]))
        .says("Who blocks."),
    Field::required("effect", &BLOCK_EFFECT).says("What is left."),
    START,
    END,
];

const START: Field = Field::optional("start", &NULLABLE_TIME)
    .says("When it begins, in RFC 3339; it always has where this is left out.");
const END: Field = Field::optional("end", &NULLABLE_TIME)
    .says("When it is over, in RFC 3339; never where this is left out.");
