//! The JSON shapes of the catalogue and of contracts.

use crate::definition::shape::{Field, Shape};

/// The shape of a [`FeatureDefinition`](crate::FeatureDefinition).
///
/// ```
/// let problems = flags_core::FEATURE.check(&serde_json::json!({"type": "quota", "combine": "sum"}));
/// assert_eq!(problems[0].pointer, "/type");
/// ```
pub static FEATURE: Shape = Shape::Object(&[
    Field::required("type", &Shape::Word(&["boolean", "limit", "options", "json"])),
    Field::required("combine", &Shape::Word(&["any", "max", "sum", "union", "priority"])),
    Field::optional("options", &Shape::List(&Shape::String)),
    Field::optional(
        "over_limit",
        &Shape::Nullable(&Shape::Object(&[
            Field::required("policy", &Shape::Word(&["block_growth", "read_only", "none"])),
            Field::optional("grace_ms", &Shape::U64),
        ])),
    ),
]);

static BLOCK_EFFECT: Shape = Shape::Word(&["none", "read_only"]);

/// The shape of a [`PlanDefinition`](crate::PlanDefinition).
pub static PLAN: Shape = Shape::Object(&[Field::required("versions", &Shape::List(&PLAN_VERSION))]);

/// The shape of a [`PlanVersionDefinition`](crate::PlanVersionDefinition).
pub static PLAN_VERSION: Shape = Shape::Object(&[
    Field::required("version", &Shape::U32),
    Field::optional("grants", &Shape::Members),
    Field::optional("priority", &Shape::U32),
    Field::optional("grace_ms", &Shape::U64),
    Field::optional("after_grace", &BLOCK_EFFECT),
    Field::optional(
        "fallback",
        &Shape::Nullable(&Shape::Object(&[
            Field::required("plan", &Shape::String),
            Field::required("version", &Shape::U32),
        ])),
    ),
]);

/// The shape of an [`AddonDefinition`](crate::AddonDefinition).
pub static ADDON: Shape = Shape::Object(&[
    Field::optional("grants", &Shape::Members),
    Field::optional("priority", &Shape::U32),
]);

static INSTANT: Shape = Shape::Nullable(&Shape::String);

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
pub static CONTRACT: Shape = Shape::Object(&[
    Field::optional("plan", &Shape::Nullable(&Shape::String)),
    Field::optional("plan_version", &Shape::Nullable(&Shape::U32)),
    Field::optional("plan_since", &INSTANT),
    Field::optional(
        "addons",
        &Shape::List(&Shape::Object(&[
            Field::required("addon", &Shape::String),
            Field::required("quantity", &Shape::U32),
        ])),
    ),
    Field::optional(
        "trial",
        &Shape::Nullable(&Shape::Object(&[
            Field::required("plan", &Shape::String),
            Field::required("plan_version", &Shape::U32),
            Field::required("start", &Shape::String),
            Field::required("end", &Shape::String),
        ])),
    ),
    Field::optional(
        "subscription",
        &Shape::Nullable(&Shape::Object(&[
            Field::optional("state", &Shape::Word(&["active", "past_due", "cancelled"])),
            Field::optional("unpaid_since", &INSTANT),
            Field::optional("ends_at", &INSTANT),
        ])),
    ),
    Field::optional("overrides", &Shape::List(&OVERRIDE)),
    Field::optional(
        "blocks",
        &Shape::List(&Shape::Object(&[
            Field::required("lane", &Shape::Word(&["billing", "fraud", "manual", "legal"])),
            Field::required("effect", &BLOCK_EFFECT),
            Field::optional("start", &INSTANT),
            Field::optional("end", &INSTANT),
        ])),
    ),
]);

static OVERRIDE: Shape = Shape::Object(&[
    Field::required("id", &Shape::String),
    Field::required("feature", &Shape::String),
    Field::required("mode", &Shape::Word(&["deny", "set", "add", "remove", "at_least", "at_most"])),
    Field::optional("value", &Shape::Any),
    Field::optional("start", &INSTANT),
    Field::optional("end", &INSTANT),
]);
