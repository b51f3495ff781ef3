//! Why an answer is what it is: the same evaluation, written down.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;

use crate::condition::{OneOfStrings, Test, Truth};
use crate::context::Context;
use crate::evaluation::Evaluation;
use crate::flag::FlagKey;
use crate::json_text::{JsonText, write_list};
use crate::observer::{Asked, Found, Observer};
use crate::ruleset::Ruleset;
use crate::time::Now;

/// How many values of a condition an explanation shows.
const VALUES_SHOWN: usize = 10;

/// What the text says of a value that the context does not say itself.
const OF_THE_STORED_TENANT: &str = " (of the stored tenant)";

/// An answer with every step that led to it.
///
/// Its `Display` is a text for people, its JSON a tree for programs: the fields of the
/// [`Evaluation`], `flag`, and `steps`. Values of a context stand in it, so it is as confidential as
/// the context is.
///
/// ```
/// use flags_core::{Document, Entity, Ruleset, Timestamp};
///
/// let document: Document = serde_json::from_str(r#"{
///     "epoch": "e1", "revision": 4,
///     "objects": [{"kind": "flag", "key": "exports", "version": 4, "definition": {
///         "type": "boolean",
///         "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
///         "state": {
///             "on": true, "off_variant": "off", "fallthrough": {"variant": "off"},
///             "rules": [{"id": "eu", "serve": {"variant": "on"}, "when":
///                 {"attribute": "tenant.country", "op": "in", "values": ["DE", "FR"]}}]
///         }
///     }}]
/// }"#)?;
/// let (ruleset, _) = Ruleset::compile(&document);
/// let country = [("country", "US".into())];
/// let acme = Entity::tenant("acme").with(&country);
/// let explanation = ruleset.explain("exports", &acme, Timestamp::from_millis(0));
/// assert_eq!(explanation.to_string(), r#"exports serves `off`: fallthrough
///   the flag is on: true
///   rule `eu`: no match
///     tenant.country in ["DE", "FR"], is "US": false
///   fallthrough: `off`
/// "#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct Explanation<'r> {
    /// The key that was asked for.
    pub flag: String,
    /// The answer.
    #[serde(flatten)]
    pub evaluation: Evaluation<'r>,
    /// In the order they were taken.
    pub steps: Vec<Step>,
}

/// One step of an evaluation, with those that it consists of.
///
/// ```
/// use flags_core::{Outcome, Question, Step};
///
/// let step = Step { question: Question::State, outcome: Outcome::True, steps: Vec::new() };
/// assert_eq!(serde_json::to_string(&step)?, r#"{"step":"state","outcome":"true"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// What was asked.
    #[serde(flatten)]
    pub question: Question,
    /// What it came to.
    pub outcome: Outcome,
    /// The steps it consists of; steps after one that decides are not taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// What a step asks.
///
/// In JSON its fields stand in the step, with its name as `step`. Its `Display` is a clause.
///
/// ```
/// use flags_core::Question;
///
/// assert_eq!(Question::Segment { key: "beta".into() }.to_string(), "in segment `beta`");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Question {
    /// Whether the flag is on.
    State,
    /// Whether another flag serves one of some variants.
    Prerequisite {
        /// The other flag's key.
        flag: String,
        /// The variants that satisfy.
        variants: Vec<String>,
    },
    /// Whether the tenant of the context is entitled to a feature.
    Requires {
        /// The feature's key.
        feature: String,
        /// Whether read-only access is not enough.
        #[serde(skip_serializing_if = "core::ops::Not::not")]
        write: bool,
        /// What the tenant may do: [`Access::name`](crate::Access::name).
        access: &'static str,
        /// Why: [`EntitlementReason::name`](crate::EntitlementReason::name).
        entitlement: &'static str,
    },
    /// Whether the context is targeted by a key.
    Targets,
    /// Whether a rule decides.
    Rule {
        /// The rule's id.
        id: String,
    },
    /// What everybody else gets.
    Fallthrough,
    /// Whether all of some conditions are true.
    All,
    /// Whether one of some conditions is true.
    Any,
    /// Whether a condition is false.
    Not,
    /// Whether the context is in a segment.
    Segment {
        /// The segment's key.
        key: String,
    },
    /// Whether an attribute meets a test.
    Attribute {
        /// `<kind>.<name>`.
        attribute: String,
        /// The operator.
        op: &'static str,
        /// Whether strings compare ignoring case; their values are then shown folded.
        #[serde(skip_serializing_if = "core::ops::Not::not")]
        ignore_case: bool,
        /// Up to ten values it is compared with, each as JSON text, sorted where their order means
        /// nothing.
        values: Vec<String>,
        /// How many further values there are.
        #[serde(skip_serializing_if = "is_zero")]
        further: usize,
        /// What the context says, as JSON text; `None` where it says nothing that can be compared.
        found: Option<String>,
        /// Whether the context does not say it, but the stored tenant that it names.
        #[serde(skip_serializing_if = "core::ops::Not::not")]
        stored: bool,
    },
    /// Which share a unit falls into.
    Split {
        /// The unit, as `<kind>.<name>`.
        by: String,
        /// Whether it is that of the stored tenant.
        #[serde(skip_serializing_if = "core::ops::Not::not")]
        stored: bool,
    },
}

/// What a step came to. Its `Display` is a clause, as [`Question`]'s.
///
/// ```
/// use flags_core::Outcome;
///
/// assert_eq!(Outcome::Serves("on".into()).to_string(), "`on`");
/// let bucket = Outcome::Bucket { bucket: 7, from: 0, below: 5_000, variant: Some("on".into()) };
/// assert_eq!(bucket.to_string(), "7, and those from 0 to below 5000 get `on`");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Holds.
    True,
    /// Does not hold.
    False,
    /// An attribute or a kind is absent or of a type that the operator does not apply to, a segment
    /// is missing or invalid, or the answer has taken more work than it may.
    Unknown,
    /// Decides for a variant.
    Serves(String),
    /// A bucket, from 0 to 99,999.
    Bucket {
        /// The bucket.
        bucket: u32,
        /// The first bucket of the share that it falls into.
        from: u32,
        /// The first bucket after that share.
        below: u32,
        /// What the share gets; `None` goes on to the next rule.
        variant: Option<String>,
    },
    /// Decides nothing: not targeted, or conditions that are not true.
    Nothing,
    /// The context lacks the unit of a split.
    UnitMissing,
}

impl Ruleset {
    /// Evaluates a flag of any type and keeps every step.
    ///
    /// The answer is that of [`evaluate`](Self::evaluate), because it is the same evaluation, watched.
    /// For people and tools: it allocates. [`Explanation`] has an example.
    pub fn explain<'k>(
        &self,
        flag: impl Into<FlagKey<'k>>,
        context: &(impl Context + ?Sized),
        now: impl Now,
    ) -> Explanation<'_> {
        let flag = flag.into();
        let mut recorder = Recorder { open: Vec::new(), steps: Vec::new() };
        let decision = self.decide(flag, None, context, now, &mut recorder);
        let evaluation = decision.evaluation(self.revision());
        // An evaluation that was given up leaves steps open; what they held is still worth seeing.
        while !recorder.open.is_empty() {
            recorder.leave(Found::Nothing);
        }
        Explanation { flag: flag.key.into(), evaluation, steps: recorder.steps }
    }
}

/// Builds the tree: finished steps at the present level, and the levels around it.
struct Recorder {
    open: Vec<(Question, Vec<Step>)>,
    steps: Vec<Step>,
}

impl Observer for Recorder {
    fn enter(&mut self, asked: Asked<'_>) {
        self.open.push((question(&asked), core::mem::take(&mut self.steps)));
    }

    fn leave(&mut self, found: Found<'_>) {
        if let Some((question, outer)) = self.open.pop() {
            let steps = core::mem::replace(&mut self.steps, outer);
            self.steps.push(Step { question, outcome: outcome(&found), steps });
        }
    }

    fn found(&mut self, asked: Asked<'_>, found: Found<'_>) {
        self.enter(asked);
        self.leave(found);
    }
}

fn question(asked: &Asked<'_>) -> Question {
    match asked {
        Asked::State => Question::State,
        Asked::Prerequisite { flag, variants } => Question::Prerequisite {
            flag: (*flag).into(),
            variants: variants.iter().map(ToString::to_string).collect(),
        },
        Asked::Requires { feature, write, access, reason } => Question::Requires {
            feature: (*feature).into(),
            write: *write,
            access: access.name(),
            entitlement: reason.name(),
        },
        Asked::Targets => Question::Targets,
        Asked::Rule { id } => Question::Rule { id: (*id).into() },
        Asked::Fallthrough => Question::Fallthrough,
        Asked::All => Question::All,
        Asked::Any => Question::Any,
        Asked::Not => Question::Not,
        Asked::Segment { key } => Question::Segment { key: (*key).into() },
        Asked::Attribute { path, test, value, stored } => {
            let (values, further) = shown(test);
            Question::Attribute {
                attribute: path.to_string(),
                op: test.operator().name(),
                ignore_case: test.ignores_case(),
                values,
                further,
                found: value.map(|value| value.to_string()),
                stored: *stored,
            }
        }
        Asked::Unit { unit, stored } => {
            Question::Split { by: unit.path.to_string(), stored: *stored }
        }
    }
}

fn outcome(found: &Found<'_>) -> Outcome {
    match found {
        Found::Truth(Truth::True) => Outcome::True,
        Found::Truth(Truth::False) => Outcome::False,
        Found::Truth(Truth::Unknown) => Outcome::Unknown,
        Found::Variant(name) => Outcome::Serves((*name).into()),
        Found::Bucket { bucket, share, variant } => Outcome::Bucket {
            bucket: *bucket,
            from: share.from,
            below: share.end,
            variant: variant.map(Into::into),
        },
        Found::Nothing => Outcome::Nothing,
        Found::UnitMissing => Outcome::UnitMissing,
    }
}

/// The first values of a test as JSON, and how many there are besides.
fn shown(test: &Test) -> (Vec<String>, usize) {
    let mut values: Vec<String> = match test {
        Test::Exists => Vec::new(),
        Test::OneOf(one_of) => {
            let [no, yes] = one_of.booleans;
            let strings = match &one_of.strings {
                OneOfStrings::None => Vec::new(),
                OneOfStrings::One(string) => sorted([&**string].into_iter()),
                OneOfStrings::Many(strings) => sorted(strings.iter().map(|(text, ())| text)),
                OneOfStrings::Listed(texts) => sorted(texts.iter()),
                OneOfStrings::Shared(list) => sorted(list.texts()),
                OneOfStrings::Folded(strings) => sorted(strings.iter()),
            };
            let booleans = [(no, false), (yes, true)].into_iter().filter(|(there, _)| *there);
            let booleans = booleans.map(|(_, boolean)| json(boolean));
            booleans.chain(one_of.numbers.iter().map(json)).chain(strings).collect()
        }
        Test::Affix(affixes) => sorted(affixes.values()),
        Test::Contains(values) => values.iter().map(json).collect(),
        Test::ContainsFolded(values) => values.iter().map(|value| json(value.text())).collect(),
        Test::Compare { than, .. } => Vec::from([json(than)]),
        Test::Between { from, to } => Vec::from([json(from), json(to)]),
        Test::Date { than, .. } => Vec::from([json(than.to_string())]),
        Test::Version { written, .. } => Vec::from([json(written)]),
        Test::Matches(patterns) => patterns.iter().map(|pattern| json(pattern.text())).collect(),
        Test::InCidr(networks) => {
            networks.networks().map(|network| json(network.to_string())).collect()
        }
    };
    let further = values.len().saturating_sub(VALUES_SHOWN);
    values.truncate(VALUES_SHOWN);
    (values, further)
}

fn sorted<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut texts: Vec<&str> = texts.collect();
    texts.sort_unstable();
    texts.into_iter().map(json).collect()
}

fn json(value: impl Serialize) -> String {
    JsonText(value).to_string()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.evaluation.reason;
        match self.evaluation.variant {
            Some(variant) => writeln!(f, "{} serves `{variant}`: {reason}", self.flag)?,
            None if self.evaluation.value.is_some() => {
                writeln!(f, "{} serves a local value: {reason}", self.flag)?;
            }
            None => writeln!(f, "{} serves the caller's default: {reason}", self.flag)?,
        }
        self.steps.iter().try_for_each(|step| step.write(f, 1))
    }
}

impl Step {
    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "{:indent$}{}: {}", "", self.question, self.outcome, indent = depth * 2)?;
        let unit_missing = |step: &Self| step.outcome == Outcome::UnitMissing;
        if self.question == Question::Fallthrough && self.steps.iter().any(unit_missing) {
            f.write_str(", the off variant")?;
        }
        writeln!(f)?;
        self.steps.iter().try_for_each(|step| step.write(f, depth + 1))
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State => f.write_str("the flag is on"),
            Self::Prerequisite { flag, variants } => {
                write!(f, "prerequisite `{flag}` serves one of ")?;
                write_list(f, variants.iter())
            }
            Self::Requires { feature, write, access, entitlement } => {
                let to = if *write { "to write " } else { "" };
                write!(f, "entitled {to}to `{feature}`, has access {access} ({entitlement})")
            }
            Self::Targets => f.write_str("targeted by key"),
            Self::Rule { id } => write!(f, "rule `{id}`"),
            Self::Fallthrough => f.write_str("fallthrough"),
            Self::All => f.write_str("all of"),
            Self::Any => f.write_str("any of"),
            Self::Not => f.write_str("not"),
            Self::Segment { key } => write!(f, "in segment `{key}`"),
            Self::Attribute { attribute, op, ignore_case, values, further, found, stored } => {
                write!(f, "{attribute} {op}")?;
                if *ignore_case {
                    f.write_str(" (ignoring case)")?;
                }
                if !values.is_empty() {
                    write!(f, " [{}", values.join(", "))?;
                    if *further > 0 {
                        write!(f, " and {further} more")?;
                    }
                    f.write_str("]")?;
                }
                match found {
                    Some(found) => write!(f, ", is {found}")?,
                    None => f.write_str(", is not there")?,
                }
                f.write_str(if *stored { OF_THE_STORED_TENANT } else { "" })
            }
            Self::Split { by, stored } => {
                write!(f, "bucket of {by}")?;
                f.write_str(if *stored { OF_THE_STORED_TENANT } else { "" })
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::True => f.write_str("true"),
            Self::False => f.write_str("false"),
            Self::Unknown => f.write_str("unknown"),
            Self::Serves(variant) => write!(f, "`{variant}`"),
            Self::Bucket { bucket, from, below, variant } => {
                write!(f, "{bucket}, and those from {from} to below {below} ")?;
                match variant {
                    Some(variant) => write!(f, "get `{variant}`"),
                    None => f.write_str("go on to the next rule"),
                }
            }
            Self::Nothing => f.write_str("no match"),
            Self::UnitMissing => f.write_str("the context has none, so this decides nothing"),
        }
    }
}
