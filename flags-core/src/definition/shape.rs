//! The JSON shapes of the definitions, as data, so that every misplaced field and wrong type of a
//! document is found at once: serde reports only the first.
//!
//! A document that has its shape is accepted by serde, and the other way round (tested, and fuzzed);
//! but serde also takes a list for an object's fields in their order, and `null` for none.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::entitlement::CONTRACT_FIELDS;
use crate::limits::{MAX_PREREQUISITES, MAX_RULES, MAX_VARIANTS, TOTAL_WEIGHT};
use crate::text::Text;

/// What a JSON value must look like.
///
/// [`check`](Self::check) looks at the form: types and fields. What else a shape says, [kinds of texts](Self::Text)
/// and [how many or how large](Self::Within), describes what whoever reads the value checks then, by
/// the same [`Text`]s and limits.
///
/// A request body of a service that builds on the core can be described in the same way, and then
/// gets the same diagnostics:
///
/// ```
/// use flags_core::{Field, Shape};
///
/// static RENAME: Shape = Shape::Object(&[
///     Field::required("name", &Shape::String),
///     Field::optional("reason", &Shape::String),
/// ]);
/// let found = RENAME.check(&serde_json::json!({"nam": "x", "reason": 1}));
/// let at: Vec<_> = found.iter().map(|d| (&*d.pointer, &*d.code)).collect();
/// assert_eq!(at, [("/nam", "unknown_field"), ("/reason", "wrong_type"), ("", "missing_field")]);
/// ```
#[derive(Debug)]
pub enum Shape {
    /// Any value.
    Any,
    /// `true` or `false`.
    Boolean,
    /// A string.
    String,
    /// A string of this kind.
    Text(&'static Text),
    /// One of these strings.
    Word(&'static [&'static str]),
    /// An integer from 0 to 2³² − 1.
    U32,
    /// An integer from 0 to 2⁶⁴ − 1.
    U64,
    /// Any number.
    Number,
    /// `null`, or what the inner shape says.
    Nullable(&'static Shape),
    /// A list of the inner shape.
    List(&'static Shape),
    /// A number from the first to the last of these, or a list of so many elements.
    Within(RangeInclusive<u64>, &'static Shape),
    /// An object of attributes, whose fields are [names of attributes](Text::ATTRIBUTE_NAME).
    Attributes,
    /// An object of what is granted, whose fields are the [keys](Text::KEY) of features, up to
    /// [`MAX_GRANTS`](crate::MAX_GRANTS), and whose values are not `null`.
    Grants,
    /// An object with these fields and no others.
    Object(&'static [Field]),
    /// An object whose shape follows from the first of these fields that it has.
    Choice(&'static [(&'static str, &'static Shape)]),
}

/// A field of a [`Shape::Object`].
#[derive(Debug, Clone, Copy)]
pub struct Field {
    name: &'static str,
    shape: &'static Shape,
    required: bool,
    meaning: &'static str,
}

impl Field {
    /// A field that must be there.
    #[must_use]
    pub const fn required(name: &'static str, shape: &'static Shape) -> Self {
        Self { name, shape, required: true, meaning: "" }
    }

    /// A field that may be left out.
    #[must_use]
    pub const fn optional(name: &'static str, shape: &'static Shape) -> Self {
        Self { name, shape, required: false, meaning: "" }
    }

    /// The same with what it means, for whoever reads a description of the shape: a sentence, in which
    /// code stands between backticks.
    ///
    /// ```
    /// use flags_core::{Field, Shape};
    ///
    /// const NAME: Field = Field::required("name", &Shape::String).says("What people call it.");
    /// assert_eq!(NAME.meaning(), "What people call it.");
    /// ```
    #[must_use]
    pub const fn says(self, meaning: &'static str) -> Self {
        let Self { name, shape, required, meaning: _ } = self;
        Self { name, shape, required, meaning }
    }

    /// What it means; empty where nothing was said.
    #[must_use]
    pub const fn meaning(&self) -> &'static str {
        self.meaning
    }

    /// Its name in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What its value must look like.
    #[must_use]
    pub const fn shape(&self) -> &'static Shape {
        self.shape
    }

    /// Whether it must be there.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        self.required
    }
}

impl Shape {
    /// Reports every place where `value` differs from the shape, up to
    /// [`MAX_DIAGNOSTICS`](crate::MAX_DIAGNOSTICS); nothing where it has the shape.
    ///
    /// The codes are `wrong_type`, `missing_field` and `unknown_field`.
    #[must_use]
    pub fn check(&self, value: &Value) -> Vec<Diagnostic> {
        let mut diagnostics = Diagnostics::default();
        self.walk(value, &mut diagnostics);
        diagnostics.into_vec()
    }

    fn walk(&self, value: &Value, diagnostics: &mut Diagnostics) {
        let fits = match self {
            Self::Any => true,
            Self::Boolean => value.is_boolean(),
            Self::String | Self::Text(_) => value.is_string(),
            Self::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::U32 => value.as_u64().is_some_and(|n| u32::try_from(n).is_ok()),
            Self::U64 => value.is_u64(),
            Self::Number => value.is_number(),
            Self::Nullable(inner) => {
                if !value.is_null() {
                    inner.walk(value, diagnostics);
                }
                true
            }
            Self::List(inner) => value.as_array().is_some_and(|list| {
                for (index, element) in list.iter().enumerate() {
                    diagnostics.at(index, |d| inner.walk(element, d));
                }
                true
            }),
            Self::Within(_, inner) => {
                inner.walk(value, diagnostics);
                true
            }
            Self::Attributes | Self::Grants => value.is_object(),
            Self::Object(fields) => value.as_object().is_some_and(|object| {
                for (name, member) in object {
                    diagnostics.at(name, |d| match fields.iter().find(|f| f.name == name) {
                        Some(field) => field.shape.walk(member, d),
                        None => d.report("unknown_field", unknown(name, fields)),
                    });
                }
                for field in fields.iter().filter(|f| f.required) {
                    if !object.contains_key(field.name) {
                        diagnostics.report("missing_field", format!("`{}` is missing", field.name));
                    }
                }
                true
            }),
            Self::Choice(choices) => value.as_object().is_some_and(|object| {
                match choices.iter().find(|(name, _)| object.contains_key(*name)) {
                    Some((_, shape)) => shape.walk(value, diagnostics),
                    None => {
                        let names: Vec<String> =
                            choices.iter().map(|(name, _)| format!("`{name}`")).collect();
                        diagnostics.report(
                            "missing_field",
                            format!("one of {} is needed here", names.join(", ")),
                        );
                    }
                }
                true
            }),
        };
        if !fits {
            diagnostics.report(
                "wrong_type",
                format!("expected {}, found {}", self.expectation(), found(value)),
            );
        }
    }

    fn expectation(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Any => "any value",
            Self::Boolean => "true or false",
            Self::String | Self::Text(_) => "a string",
            Self::Word(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                let one_of = if words.len() > 1 { "one of " } else { "" };
                return Cow::Owned(format!("{one_of}{}", words.join(", ")));
            }
            Self::U32 => "an integer from 0 to 4294967295",
            Self::U64 => "an integer from 0 up",
            Self::Number => "a number",
            Self::Nullable(inner) | Self::Within(_, inner) => return inner.expectation(),
            Self::List(_) => "a list",
            Self::Attributes | Self::Grants | Self::Object(_) | Self::Choice(_) => "an object",
        })
    }
}

/// A name in a message.
fn unknown(name: &str, fields: &[Field]) -> String {
    let name = brief(name);
    if fields.is_empty() {
        return format!("`{name}` is not a field here");
    }
    let fields: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
    format!("`{name}` is not a field here; the fields are {}", fields.join(", "))
}

fn brief(name: &str) -> String {
    name.chars().take(80).collect()
}

/// Names a value in a message, without repeating more of it than a person wants to read.
fn found(value: &Value) -> String {
    match value {
        Value::String(text) if text.len() > 40 => "a long string".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        value => value.to_string(),
    }
}

/// The shape of a [`FlagType`](crate::FlagType).
pub static FLAG_TYPE: Shape = Shape::Word(&["boolean", "string", "integer", "float", "json"]);

/// The shape of the list of a flag's [`Variant`](crate::Variant)s.
pub static VARIANTS: Shape = Shape::Within(
    1..=MAX_VARIANTS as u64,
    &Shape::List(&Shape::Object(&[
        Field::required("name", &VARIANT_NAME).says("The name of the variant."),
        Field::required("value", &Shape::Any).says("What it gives, of the flag's type."),
    ])),
);

pub(crate) static KEY: Shape = Shape::Text(&Text::KEY);
static KIND: Shape = Shape::Text(&Text::KIND);
static CONTEXT_KEYS: Shape = Shape::List(&Shape::Text(&Text::CONTEXT_KEY));
static VARIANT_NAME: Shape = Shape::Text(&Text::VARIANT_NAME);
static UNIT: Shape = Shape::Text(&Text::UNIT);
pub(crate) static TIME: Shape = Shape::Text(&Text::TIME);

/// A share, in thousandths of a per cent.
static SHARE: Shape = Shape::Within(0..=TOTAL_WEIGHT as u64, &Shape::U32);

/// The shape of a [`FlagDefinition`](crate::FlagDefinition).
///
/// ```
/// let found = flags_core::FLAG.check(&serde_json::json!({"type": "bool", "variants": []}));
/// let at: Vec<_> = found.iter().map(|d| (&*d.pointer, &*d.code)).collect();
/// assert_eq!(at, [("/type", "wrong_type"), ("", "missing_field")]);
/// ```
pub static FLAG: Shape = Shape::Object(&[
    Field::required("type", &FLAG_TYPE),
    Field::required("variants", &VARIANTS),
    Field::required("state", &FLAG_STATE),
]);

/// The shape of a [`FlagState`](crate::FlagState): what a body that changes one environment's state
/// has.
pub static FLAG_STATE: Shape = Shape::Object(&[
    Field::required("on", &Shape::Boolean).says("Whether the flag is on; off, it serves `off_variant` to everybody."),
    Field::required("off_variant", &VARIANT_NAME).says("The variant that is served while the flag is off."),
    Field::optional("requires", &Shape::Nullable(&REQUIRES)).says("A feature to which the tenant has to be entitled; or else `off_variant` is served."),
    Field::optional("salt", &Shape::Nullable(&Shape::String)).says("What buckets are drawn with; the flag's key where there is none. Another salt draws all lots anew."),
    Field::optional("prerequisites", &Shape::Within(0..=MAX_PREREQUISITES as u64, &Shape::List(&PREREQUISITE))).says("Other flags that have to serve certain variants; or else `off_variant` is served."),
    Field::optional("targets", &Shape::List(&TARGET)).says("Who gets a variant by name, before any rule."),
    Field::optional("rules", &Shape::Within(0..=MAX_RULES as u64, &Shape::List(&RULE))).says("Asked in their order; the first that matches decides."),
    Field::required("fallthrough", &SERVE).says("What everybody gets for whom nothing else is said."),
]);

/// The shape of a [`SegmentDefinition`](crate::SegmentDefinition).
///
/// ```
/// let problems = flags_core::SEGMENT.check(&serde_json::json!({"kind": "tenant", "include": []}));
/// assert_eq!(
///     problems[0].to_string(),
///     "/include: `include` is not a field here; the fields are `kind`, `included`, `excluded`, `when`",
/// );
/// ```
pub static SEGMENT: Shape = Shape::Object(&[
    Field::required("kind", &KIND).says("Whose keys the segment has, such as `tenant` or `user`."),
    Field::optional("included", &CONTEXT_KEYS).says("Keys that are in it."),
    Field::optional("excluded", &CONTEXT_KEYS)
        .says("Keys that are not in it, whatever else says that they are."),
    Field::optional("when", &Shape::Nullable(&CONDITION))
        .says("A condition: whoever meets it is in it."),
]);

/// The shape of a [`TenantDefinition`](crate::TenantDefinition), with the fields of its contract; what
/// its attributes may be, [`check_tenant`](crate::check_tenant) knows.
///
/// ```
/// let problems = flags_core::TENANT.check(&serde_json::json!({"attributes": []}));
/// assert_eq!(problems[0].to_string(), "/attributes: expected an object, found a list");
/// ```
pub static TENANT: Shape = Shape::Object(&TENANT_FIELDS);

static TENANT_FIELDS: [Field; 9] = {
    let attributes = Field::optional("attributes", &Shape::Attributes).says(
        "What is known of the tenant: names with booleans, numbers, strings or lists of strings.",
    );
    let [plan, version, since, addons, trial, subscription, overrides, blocks] = CONTRACT_FIELDS;
    [attributes, plan, version, since, addons, trial, subscription, overrides, blocks]
};

static PREREQUISITE: Shape = Shape::Object(&[
    Field::required("flag", &KEY).says("The key of the other flag."),
    Field::required("variants", &Shape::Within(1..=u64::MAX, &Shape::List(&VARIANT_NAME)))
        .says("One of these has to be served."),
]);

static REQUIRES: Shape = Shape::Object(&[
    Field::required("feature", &KEY).says("The key of the feature."),
    Field::optional("write", &Shape::Boolean).says("Whether read-only access is not enough."),
]);

static TARGET: Shape = Shape::Object(&[
    Field::required("kind", &KIND).says("The kind of these keys, such as `tenant` or `user`."),
    Field::required("keys", &CONTEXT_KEYS).says("Who."),
    Field::required("variant", &VARIANT_NAME).says("What they get."),
]);

static RULE: Shape = Shape::Object(&[
    Field::required("id", &KEY).says(
        "Names the rule in answers and in the history; made up where it is left out, and kept.",
    ),
    Field::required("when", &CONDITION).says("The condition under which the rule matches."),
    Field::required("serve", &SERVE).says("What is served then."),
]);

/// The shape of a [`Condition`](crate::Condition).
pub static CONDITION: Shape = Shape::Choice(&[
    (
        "all",
        &Shape::Object(&[
            Field::required("all", &Shape::List(&CONDITION)).says("All of them have to hold.")
        ]),
    ),
    (
        "any",
        &Shape::Object(&[
            Field::required("any", &Shape::List(&CONDITION)).says("One of them has to hold.")
        ]),
    ),
    ("not", &Shape::Object(&[Field::required("not", &CONDITION).says("It must not hold.")])),
    (
        "segment",
        &Shape::Object(&[Field::required("segment", &KEY)
            .says("The key of a segment that the context has to be in.")]),
    ),
    (
        "attribute",
        &Shape::Object(&[
            Field::required("attribute", &Shape::Text(&Text::ATTRIBUTE))
                .says("A kind and a name, such as `tenant.country`; `tenant.key` is the key."),
            Field::required(
                "op",
                &Shape::Word(&[
                    "exists",
                    "equals",
                    "in",
                    "starts_with",
                    "ends_with",
                    "contains",
                    "lt",
                    "lte",
                    "gt",
                    "gte",
                    "between",
                    "before",
                    "after",
                    "semver_eq",
                    "semver_lt",
                    "semver_lte",
                    "semver_gt",
                    "semver_gte",
                    "matches",
                    "in_cidr",
                ]),
            )
            .says("How the attribute is compared."),
            Field::optional("values", &Shape::List(&Shape::Any))
                .says("With what it is compared; one of them is enough."),
            Field::optional("ignore_case", &Shape::Boolean)
                .says("Whether upper and lower case are the same."),
        ]),
    ),
]);

static BUCKETING: Shape = Shape::Word(&["sip13-1"]);

/// The shape of a [`Serve`](crate::Serve).
pub static SERVE: Shape = Shape::Choice(&[
    (
        "variant",
        &Shape::Object(&[Field::required("variant", &VARIANT_NAME).says("The name of a variant.")]),
    ),
    (
        "split",
        &Shape::Object(&[Field::required("split", &SPLIT).says("A part of the units each.")]),
    ),
    (
        "ramp",
        &Shape::Object(&[Field::required("ramp", &RAMP).says("A share that grows with time.")]),
    ),
]);

static SPLIT: Shape = Shape::Object(&[
    Field::optional("bucketing", &BUCKETING).says("The algorithm that draws lots; there is one."),
    Field::required("by", &UNIT)
        .says("The unit that is drawn for: a kind, such as `tenant`, or an attribute."),
    Field::optional("salt", &Shape::Nullable(&Shape::String))
        .says("What buckets are drawn with, instead of the flag's salt."),
    Field::required(
        "weights",
        &Shape::List(&Shape::Object(&[
            Field::optional("variant", &Shape::Nullable(&VARIANT_NAME))
                .says("The variant; in a rule, without one, it is the next rule's turn."),
            Field::required("weight", &SHARE).says("In thousandths of a per cent: 1,000 is 1 %."),
        ])),
    )
    .says("How much each variant gets, 100,000 in all."),
]);

static RAMP: Shape = Shape::Object(&[
    Field::optional("bucketing", &BUCKETING).says("The algorithm that draws lots; there is one."),
    Field::required("by", &UNIT)
        .says("The unit that is drawn for: a kind, such as `tenant`, or an attribute."),
    Field::optional("salt", &Shape::Nullable(&Shape::String))
        .says("What buckets are drawn with, instead of the flag's salt."),
    Field::required("variant", &VARIANT_NAME).says("The variant that grows."),
    Field::required("rest", &VARIANT_NAME).says("What the others get."),
    Field::required("from", &SHARE).says("The share before `start`, in thousandths of a per cent."),
    Field::required("to", &SHARE).says("The share from `end` on, in thousandths of a per cent."),
    Field::required("start", &TIME).says("When it begins to grow, in RFC 3339."),
    Field::required("end", &TIME).says("When it has grown, in RFC 3339."),
]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Operator;

    /// Where a condition has its operator.
    fn operators() -> &'static [&'static str] {
        let Shape::Choice(choices) = &CONDITION else { panic!() };
        let (_, Shape::Object(fields)) = choices[4] else { panic!() };
        let Shape::Word(words) = fields[1].shape() else { panic!() };
        words
    }

    #[test]
    fn the_words_are_those_of_the_types() {
        assert_eq!(operators(), Operator::ALL.map(Operator::name));
        let Shape::Word(types) = &FLAG_TYPE else { panic!() };
        for word in *types {
            let read: crate::FlagType = serde_json::from_value((*word).into()).unwrap();
            assert_eq!(read.to_string(), *word);
        }
    }
}
