//! What a proposed change would do to all stored tenants.
//!
//! The change is that which the write itself would make: its verb runs and is rolled back. What it
//! would do, the evaluator says, asked with the rules before and after.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flags_core::{
    AttributeValue, Change, Context, FLAG_KIND, Gap, ObjectChange, Revision, Ruleset, SEGMENT_KIND,
    TENANT_KIND, Timestamp,
};

use super::Fault;
use crate::limits::{MAX_PREVIEW_ANSWERS, MAX_PREVIEW_EXAMPLES};
use crate::store::{EnvironmentId, ObjectKind, View};

/// How many answers are given before it is looked whether anybody still waits for them.
const ANSWERS_PER_LOOK: usize = 1_024;

/// The flags whose answers a change of objects may alter, sorted: those that it names, and those
/// that need one of these.
pub(crate) fn affected(
    view: &dyn View,
    environment: EnvironmentId,
    objects: &[ObjectChange],
) -> Result<BTreeSet<String>, Fault> {
    let mut flags = BTreeSet::new();
    let mut open = Vec::new();
    for object in objects {
        match object.object() {
            (FLAG_KIND, key) => {
                flags.insert(key.to_owned());
                open.push((ObjectKind::Flag, key.to_owned()));
            }
            (SEGMENT_KIND, key) => open.push((ObjectKind::Segment, key.to_owned())),
            _ => {}
        }
    }
    while let Some((kind, key)) = open.pop() {
        for referrer in view.referrers(environment, kind, &key)? {
            if flags.insert(referrer.flag.clone()) {
                open.push((ObjectKind::Flag, referrer.flag));
            }
        }
    }
    Ok(flags)
}

/// The rules before and after a change, and the flags to be asked for.
pub(crate) struct Preview {
    before: Arc<Ruleset>,
    after: Ruleset,
    flags: Vec<String>,
    now: Timestamp,
}

/// What a change would do to the answers of one flag.
#[derive(Debug)]
pub(crate) struct Effects<'p> {
    pub(crate) flag: &'p str,
    pub(crate) transitions: BTreeMap<Transition<'p>, Seen<'p>>,
}

/// From which variant to which; there is none where the answer is the caller's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Transition<'p> {
    pub(crate) from: Option<&'p str>,
    pub(crate) to: Option<&'p str>,
    /// One of the two answers was asked for something of another kind than the tenant.
    pub(crate) dependent: bool,
}

/// Tenants that a transition is that of.
#[derive(Debug, Default)]
pub(crate) struct Seen<'p> {
    pub(crate) tenants: usize,
    /// The first of them by their keys.
    pub(crate) examples: BinaryHeap<&'p str>,
}

/// What a change would do to one tenant.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Affected<'p> {
    pub(crate) flag: &'p str,
    pub(crate) tenant: &'p str,
    pub(crate) transition: Transition<'p>,
}

impl Preview {
    /// Of changes of the present definitions, and of `flags`.
    ///
    /// # Errors
    /// When there are too many answers to give.
    pub(crate) fn new(
        before: Arc<Ruleset>,
        changes: &[Change],
        flags: Vec<String>,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let answers = before.tenants().len() as u64 * flags.len() as u64;
        if answers > MAX_PREVIEW_ANSWERS {
            return Err(Fault::limit("preview_answers", MAX_PREVIEW_ANSWERS));
        }
        let mut after = Ruleset::clone(&before);
        for change in changes {
            // Others may have written since it was tried: then it follows them.
            let previous = after.revision();
            let change = Change { previous, revision: previous + 1, ..change.clone() };
            let next = after.apply(&change);
            after = next.map_err(|gap: Gap| Fault::Internal(gap.to_string()))?.0;
        }
        Ok(Self { before, after, flags, now })
    }

    /// The revision that it starts from.
    pub(crate) fn revision(&self) -> Revision {
        self.before.revision()
    }

    pub(crate) fn tenants(&self) -> usize {
        self.before.tenants().len()
    }

    /// What becomes of all tenants, flag by flag; `None` once `stop` says so.
    pub(crate) fn effects(&self, stop: &AtomicBool) -> Option<Vec<Effects<'_>>> {
        let effects = self.flags.iter().map(|flag| {
            let mut transitions: BTreeMap<Transition<'_>, Seen<'_>> = BTreeMap::new();
            self.each(flag, stop, |tenant, transition| {
                let seen = transitions.entry(transition).or_default();
                seen.tenants += 1;
                keep_first(&mut seen.examples, tenant, MAX_PREVIEW_EXAMPLES);
            })?;
            Some(Effects { flag, transitions })
        });
        effects.collect()
    }

    /// The first `limit` whose variant changes, sorted by flag and tenant, after the flag and tenant
    /// given; `None` once `stop` says so.
    pub(crate) fn changed(
        &self,
        after: Option<(&str, &str)>,
        limit: usize,
        stop: &AtomicBool,
    ) -> Option<Vec<Affected<'_>>> {
        let mut found = Vec::new();
        for flag in &self.flags {
            let after = match after {
                Some((last, _)) if **flag < *last => continue,
                Some((last, tenant)) if flag == last => Some(tenant),
                _ => None,
            };
            let mut first = BinaryHeap::new();
            self.each(flag, stop, |tenant, transition| {
                if transition.from != transition.to && after.is_none_or(|after| tenant > after) {
                    keep_first(&mut first, Affected { flag, tenant, transition }, limit);
                }
            })?;
            found.extend(first.into_sorted_vec());
            if found.len() >= limit {
                found.truncate(limit);
                break;
            }
        }
        Some(found)
    }

    fn each<'p>(
        &'p self,
        flag: &'p str,
        stop: &AtomicBool,
        mut visit: impl FnMut(&'p str, Transition<'p>),
    ) -> Option<()> {
        for (index, tenant) in self.before.tenants().enumerate() {
            if index.is_multiple_of(ANSWERS_PER_LOOK) && stop.load(Ordering::Relaxed) {
                return None;
            }
            let context = TenantAlone { key: tenant, more: Cell::new(false) };
            let from = self.before.evaluate(flag, &context, self.now).variant;
            let to = self.after.evaluate(flag, &context, self.now).variant;
            visit(tenant, Transition { from, to, dependent: context.more.get() });
        }
        Some(())
    }
}

/// Adds to the first `limit`.
fn keep_first<T: Ord>(first: &mut BinaryHeap<T>, item: T, limit: usize) {
    if first.len() < limit {
        first.push(item);
    } else if let Some(mut last) = first.peek_mut()
        && item < *last
    {
        *last = item;
    }
}

/// A tenant of which no more is known than what is stored, and whether more was asked for.
struct TenantAlone<'k> {
    key: &'k str,
    more: Cell<bool>,
}

impl Context for TenantAlone<'_> {
    fn key(&self, kind: &str) -> Option<&str> {
        if kind == TENANT_KIND {
            return Some(self.key);
        }
        self.more.set(true);
        None
    }

    fn attribute(&self, kind: &str, _name: &str) -> Option<AttributeValue<'_>> {
        if kind != TENANT_KIND {
            self.more.set(true);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flags_core::Document;

    #[test]
    fn it_ends_when_nobody_waits() {
        let document: Document = serde_json::from_str(
            r#"{"epoch": "e", "revision": 1, "objects": [
                {"kind": "tenant", "key": "acme", "version": 1, "definition": {}}]}"#,
        )
        .unwrap();
        let (before, _) = Ruleset::compile(&document);
        let now = Timestamp::from_millis(0);
        let preview = Preview::new(Arc::new(before), &[], vec!["f".into()], now).unwrap();
        let stop = AtomicBool::new(false);
        assert_eq!(preview.effects(&stop).unwrap().len(), 1);
        assert_eq!(preview.changed(None, 1, &stop), Some(Vec::new()));
        stop.store(true, Ordering::Relaxed);
        assert!(preview.effects(&stop).is_none());
        assert!(preview.changed(None, 1, &stop).is_none());
    }

    #[test]
    fn too_many_answers_are_not_begun() {
        let (before, _) = Ruleset::compile(&Document::empty(flags_core::Epoch::new("e")));
        let tenant = |number: u64| {
            let definition = flags_core::TenantDefinition::default();
            let key = number.to_string();
            ObjectChange::Upsert(
                flags_core::Object::new(TENANT_KIND, &key, 1, &definition).unwrap(),
            )
        };
        let change = Change {
            epoch: flags_core::Epoch::new("e"),
            revision: 1,
            previous: 0,
            objects: (0..1_000).map(tenant).collect(),
        };
        let before = Arc::new(before.apply(&change).unwrap().0);
        let preview = |flags| {
            let flags = vec![String::new(); flags];
            Preview::new(Arc::clone(&before), &[], flags, Timestamp::from_millis(0))
        };
        assert!(preview(20_000).is_ok());
        assert!(matches!(preview(20_001), Err(Fault::LimitExceeded { .. })));
    }
}
