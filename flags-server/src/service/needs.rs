//! What the state of a flag needs of other objects: whether it is there.

use std::collections::{HashMap, HashSet};

use flags_core::{Condition, Diagnostic, FlagState, folded_key};
use serde::Deserialize;

use super::fault::{Fault, diagnostic};
use super::model::parse;
use crate::store::{Environment, EnvironmentId, ObjectKind, ProjectId, Scope, View};

/// The names of a flag's variants.
type Names = HashSet<String>;

/// The flags and segments that states need, as they are or will be. Each is looked up once, however
/// many states name it: a flag may be long, and the writer may be waiting.
pub(super) struct Needs<'v> {
    environment: &'v str,
    /// `None` for a flag that is not there.
    flags: Found<'v, Option<Names>>,
    segments: Found<'v, bool>,
}

impl<'v> Needs<'v> {
    pub(super) fn new(
        view: &'v dyn View,
        project: ProjectId,
        environment: &'v Environment,
    ) -> Self {
        let Environment { id, key, .. } = environment;
        Self {
            environment: key,
            flags: Found::new(move |key| variants(view, project, key)),
            segments: Found::new(move |key| has_segment(view, *id, key)),
        }
    }

    /// A flag that is to come has these variants.
    pub(super) fn flag_comes(&mut self, key: &str, variants: impl Iterator<Item = String>) {
        self.flags.known.insert(key.to_owned(), Some(variants.collect()));
    }

    /// Whether a segment will be there.
    pub(super) fn segment_will_be(&mut self, key: &str, there: bool) {
        self.segments.known.insert(key.to_owned(), there);
    }

    /// What is not there of all that a state names; pointers lead into the state.
    pub(super) fn faults(&mut self, state: &FlagState) -> Result<Vec<Diagnostic>, Fault> {
        let mut faults = Vec::new();
        for (index, prerequisite) in state.prerequisites.iter().enumerate() {
            let (key, at) = (&prerequisite.flag, format!("/prerequisites/{index}"));
            let Some(names) = self.flags.get(key)? else {
                let message = format!("there is no flag `{key}`");
                faults.push(diagnostic(&format!("{at}/flag"), "unknown_flag", message));
                continue;
            };
            for (place, name) in prerequisite.variants.iter().enumerate() {
                if !names.contains(name) {
                    let message = format!("the flag `{key}` has no variant `{name}`");
                    let pointer = format!("{at}/variants/{place}");
                    faults.push(diagnostic(&pointer, "unknown_variant", message));
                }
            }
        }
        if let Some(requires) = &state.requires {
            // No environment stores features.
            let (environment, feature) = (self.environment, &requires.feature);
            let message = format!("the environment `{environment}` has no feature `{feature}`");
            faults.push(diagnostic("/requires/feature", "unknown_feature", message));
        }
        let mut named = Vec::new();
        for (index, rule) in state.rules.iter().enumerate() {
            segments_of(&rule.when, &format!("/rules/{index}/when"), &mut named);
        }
        for (pointer, key) in named {
            if !*self.segments.get(key)? {
                let message =
                    format!("the environment `{}` has no segment `{key}`", self.environment);
                faults.push(diagnostic(&pointer, "unknown_segment", message));
            }
        }
        Ok(faults)
    }
}

type LookUp<'v, T> = Box<dyn Fn(&str) -> Result<T, Fault> + 'v>;

/// What was looked up, by key.
struct Found<'v, T> {
    known: HashMap<String, T>,
    look_up: LookUp<'v, T>,
}

impl<'v, T> Found<'v, T> {
    fn new(look_up: impl Fn(&str) -> Result<T, Fault> + 'v) -> Self {
        Self { known: HashMap::new(), look_up: Box::new(look_up) }
    }

    fn get(&mut self, key: &str) -> Result<&T, Fault> {
        if !self.known.contains_key(key) {
            let found = (self.look_up)(key)?;
            self.known.insert(key.to_owned(), found);
        }
        self.known.get(key).ok_or_else(|| Fault::Internal("what was found is gone".into()))
    }
}

/// The names of the variants of a flag that is there and not archived. Their values are not read.
fn variants(view: &dyn View, project: ProjectId, key: &str) -> Result<Option<Names>, Fault> {
    #[derive(Deserialize)]
    struct Flag {
        variants: Vec<Variant>,
    }
    #[derive(Deserialize)]
    struct Variant {
        name: String,
    }
    let stored = view.flag(project, key)?.filter(|flag| flag.archived_at.is_none());
    let names = |flag: Flag| flag.variants.into_iter().map(|variant| variant.name).collect();
    stored.map(|stored| parse(&stored.document).map(names)).transpose()
}

/// By the key alone: a segment itself may be large.
fn has_segment(view: &dyn View, environment: EnvironmentId, key: &str) -> Result<bool, Fault> {
    let scope = Scope::Objects(environment, ObjectKind::Segment);
    Ok(view.key_like(scope, &folded_key(key))?.as_deref() == Some(key))
}

/// Where a condition names segments, and which.
fn segments_of<'a>(condition: &'a Condition, at: &str, found: &mut Vec<(String, &'a str)>) {
    match condition {
        Condition::All(conditions) => segments_of_each(conditions, &format!("{at}/all"), found),
        Condition::Any(conditions) => segments_of_each(conditions, &format!("{at}/any"), found),
        Condition::Not(condition) => segments_of(condition, &format!("{at}/not"), found),
        Condition::Segment(key) => found.push((format!("{at}/segment"), key)),
        Condition::Attribute { .. } => {}
    }
}

fn segments_of_each<'a>(conditions: &'a [Condition], at: &str, found: &mut Vec<(String, &'a str)>) {
    for (index, condition) in conditions.iter().enumerate() {
        segments_of(condition, &format!("{at}/{index}"), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flags_core::{Prerequisite, Rule, Serve};
    use std::cell::RefCell;

    fn state(prerequisites: &[&str], segments: &[&str]) -> FlagState {
        let prerequisite =
            |flag: &&str| Prerequisite { flag: (*flag).into(), variants: vec!["on".into()] };
        let rule = |key: &&str| Rule {
            id: (*key).into(),
            when: Condition::Segment((*key).into()),
            serve: Serve::Variant("on".into()),
        };
        FlagState {
            on: true,
            off_variant: "off".into(),
            requires: None,
            salt: None,
            prerequisites: prerequisites.iter().map(prerequisite).collect(),
            targets: Vec::new(),
            rules: segments.iter().map(rule).collect(),
            fallthrough: Serve::Variant("on".into()),
        }
    }

    #[test]
    fn each_object_is_looked_up_once_however_many_states_name_it() {
        let looked_up = RefCell::new(Vec::new());
        let look = |key: &str| looked_up.borrow_mut().push(key.to_owned());
        let mut needs = Needs {
            environment: "production",
            flags: Found::new(|key| {
                look(key);
                Ok((key == "there").then(|| Names::from(["on".into()])))
            }),
            segments: Found::new(|key| {
                look(key);
                Ok(key == "beta")
            }),
        };
        needs.flag_comes("new", ["off".to_owned()].into_iter());
        needs.segment_will_be("comes", true);
        needs.segment_will_be("goes", false);
        let state = state(&["there", "not", "new"], &["beta", "gamma", "comes", "goes", "beta"]);
        for _ in 0..100 {
            let faults = needs.faults(&state).unwrap();
            let faults: Vec<_> = faults.iter().map(|f| (&*f.pointer, &*f.code)).collect();
            assert_eq!(
                faults,
                [
                    ("/prerequisites/1/flag", "unknown_flag"),
                    ("/prerequisites/2/variants/0", "unknown_variant"),
                    ("/rules/1/when/segment", "unknown_segment"),
                    ("/rules/3/when/segment", "unknown_segment"),
                ]
            );
        }
        drop(needs);
        assert_eq!(looked_up.into_inner(), ["there", "not", "beta", "gamma"]);
    }
}
