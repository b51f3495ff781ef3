//! What a proposed change would do to all stored tenants.
//!
//! The change is that which the write itself would publish: what is to come of it is found out as
//! the write finds it out, on one committed state. What it would do, the evaluator says, asked with
//! the rules before and after. The writer has nothing to do with it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use flags_core::{
    AttributeValue, Change, Context, Epoch, FLAG_KIND, Gap, ObjectChange, Revision, Ruleset,
    SEGMENT_KIND, TENANT_KIND, Timestamp,
};
use serde_json::Value;

use super::rollout::{self, Rollout};
use super::{Fault, Precondition, segment, state};
use crate::limits::{MAX_PREVIEW_ANSWERS, MAX_PREVIEW_EXAMPLES, PREVIEW_TIMEOUT};
use crate::store::{EnvironmentId, ObjectKind, View};

/// How many answers are given before it is looked whether anybody still waits for them.
const ANSWERS_PER_LOOK: usize = 1_024;

/// A write that is proposed.
pub(crate) enum Write {
    Flag(state::Path, How),
    Rollout(state::Path, Rollout),
    Segment(segment::Path, How),
}

pub(crate) enum How {
    Put(Value),
    Patch(Value),
}

/// What a write would change; nothing where everything is so already.
///
/// # Errors
/// When the write would be refused for what it says; pointers lead into the proposal.
pub(crate) fn proposed(view: &dyn View, write: Write) -> Result<Option<ObjectChange>, Fault> {
    // What it is now is what it is compared with, whichever version that has.
    let present = &Precondition::Exists;
    let state = |wanted: Result<(state::Place, _), Fault>| {
        wanted.and_then(|(place, after)| place.proposed(view, &after))
    };
    let segment = |path: &segment::Path, body, take_over| {
        segment::wanted(view, path, present, body, take_over)?.proposed(view)
    };
    let (proposed, at) = match write {
        Write::Flag(path, How::Put(body)) => {
            (state(state::wanted_by_put(view, &path, present, body)), "/put")
        }
        Write::Flag(path, How::Patch(body)) => {
            (state(state::wanted_by_patch(view, &path, present, body)), "/patch")
        }
        Write::Rollout(path, rollout) => {
            (state(rollout::wanted(view, &path, present, rollout)), "/rollout")
        }
        Write::Segment(path, How::Put(body)) => (segment(&path, body, segment::as_sent), "/put"),
        Write::Segment(path, How::Patch(body)) => (segment(&path, body, segment::merged), "/patch"),
    };
    proposed.map_err(|fault| fault.below(at))
}

/// The flags whose answers a change of an object may alter, sorted: the one that it names, and
/// those that need it.
pub(crate) fn affected(
    view: &dyn View,
    environment: EnvironmentId,
    object: Option<&ObjectChange>,
) -> Result<BTreeSet<String>, Fault> {
    let mut flags = BTreeSet::new();
    let mut open = Vec::new();
    if let Some(object) = object {
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
        // Nothing but flags needs flags and segments.
        for referrer in view.referrers(environment, kind, &key)? {
            if flags.insert(referrer.key.clone()) {
                open.push((ObjectKind::Flag, referrer.key));
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
    /// When it is given up.
    deadline: Instant,
}

/// Why a preview did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Nobody waits for it.
    Unwanted,
    /// It takes too long.
    TooLong,
}

impl From<Stopped> for Fault {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Unwanted => Self::Internal("nobody waited".into()),
            Stopped::TooLong => Self::limit("preview_seconds", PREVIEW_TIMEOUT.as_secs()),
        }
    }
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
    /// Of a change of the present definitions, and of `flags`.
    ///
    /// # Errors
    /// When there are too many answers to give.
    pub(crate) fn new(
        before: Arc<Ruleset>,
        epoch: Epoch,
        object: Option<ObjectChange>,
        flags: Vec<String>,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let answers = before.tenants().len() as u64 * flags.len() as u64;
        if answers > MAX_PREVIEW_ANSWERS {
            return Err(Fault::limit("preview_answers", MAX_PREVIEW_ANSWERS));
        }
        // Others may have written since it was proposed: then it follows them.
        let previous = before.revision();
        let objects = object.into_iter().collect();
        let change = Change { epoch, revision: previous + 1, previous, objects };
        let after = before.apply(&change).map_err(|gap: Gap| Fault::Internal(gap.to_string()))?.0;
        Ok(Self { before, after, flags, now, deadline: Instant::now() + PREVIEW_TIMEOUT })
    }

    /// The revision that it starts from.
    pub(crate) fn revision(&self) -> Revision {
        self.before.revision()
    }

    pub(crate) fn tenants(&self) -> usize {
        self.before.tenants().len()
    }

    /// What becomes of all tenants, flag by flag, unless `stop` says that nobody waits for it.
    pub(crate) fn effects(&self, stop: &AtomicBool) -> Result<Vec<Effects<'_>>, Stopped> {
        let effects = self.flags.iter().map(|flag| {
            let mut transitions: BTreeMap<Transition<'_>, Seen<'_>> = BTreeMap::new();
            self.each(flag, stop, None, |tenant, transition| {
                let seen = transitions.entry(transition).or_default();
                seen.tenants += 1;
                keep_first(&mut seen.examples, tenant, MAX_PREVIEW_EXAMPLES);
            })?;
            Ok(Effects { flag, transitions })
        });
        effects.collect()
    }

    /// The first `limit` whose variant changes, sorted by flag and tenant, after the flag and tenant
    /// given, unless `stop` says that nobody waits for it.
    pub(crate) fn changed(
        &self,
        after: Option<(&str, &str)>,
        limit: usize,
        stop: &AtomicBool,
    ) -> Result<Vec<Affected<'_>>, Stopped> {
        let mut found = Vec::new();
        for flag in &self.flags {
            let after = match after {
                Some((last, _)) if **flag < *last => continue,
                Some((last, tenant)) if flag == last => Some(tenant),
                _ => None,
            };
            let mut first = BinaryHeap::new();
            self.each(flag, stop, after, |tenant, transition| {
                if transition.from != transition.to {
                    keep_first(&mut first, Affected { flag, tenant, transition }, limit);
                }
            })?;
            found.extend(first.into_sorted_vec());
            if found.len() >= limit {
                found.truncate(limit);
                break;
            }
        }
        Ok(found)
    }

    /// Asks for each tenant after the one given, in no order.
    fn each<'p>(
        &'p self,
        flag: &'p str,
        stop: &AtomicBool,
        after: Option<&str>,
        mut visit: impl FnMut(&'p str, Transition<'p>),
    ) -> Result<(), Stopped> {
        for (index, tenant) in self.before.tenants().enumerate() {
            if index.is_multiple_of(ANSWERS_PER_LOOK) {
                if stop.load(Ordering::Relaxed) {
                    return Err(Stopped::Unwanted);
                }
                if Instant::now() >= self.deadline {
                    return Err(Stopped::TooLong);
                }
            }
            if after.is_some_and(|after| tenant <= after) {
                continue;
            }
            let context = TenantAlone { key: tenant, more: Cell::new(false) };
            let from = self.before.evaluate(flag, &context, self.now).variant;
            let to = self.after.evaluate(flag, &context, self.now).variant;
            visit(tenant, Transition { from, to, dependent: context.more.get() });
        }
        Ok(())
    }
}

/// Adds to the first `limit`.
pub(super) fn keep_first<T: Ord>(first: &mut BinaryHeap<T>, item: T, limit: usize) {
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
    fn it_ends_when_nobody_waits_and_when_it_takes_too_long() {
        let document: Document = serde_json::from_str(
            r#"{"epoch": "e", "revision": 1, "objects": [
                {"kind": "tenant", "key": "acme", "version": 1, "definition": {}}]}"#,
        )
        .unwrap();
        let (before, _) = Ruleset::compile(&document);
        let now = Timestamp::from_millis(0);
        let (before, flags) = (Arc::new(before), vec!["f".into()]);
        let mut preview = Preview::new(before, Epoch::new("e"), None, flags, now).unwrap();
        let stop = AtomicBool::new(false);
        assert_eq!(preview.effects(&stop).unwrap().len(), 1);
        assert_eq!(preview.changed(None, 1, &stop), Ok(Vec::new()));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(preview.effects(&stop).unwrap_err(), Stopped::Unwanted);
        assert_eq!(preview.changed(None, 1, &stop), Err(Stopped::Unwanted));
        stop.store(false, Ordering::Relaxed);
        preview.deadline = Instant::now();
        assert_eq!(preview.effects(&stop).unwrap_err(), Stopped::TooLong);
        assert_eq!(preview.changed(None, 1, &stop), Err(Stopped::TooLong));
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
            let (epoch, now) = (Epoch::new("e"), Timestamp::from_millis(0));
            Preview::new(Arc::clone(&before), epoch, None, flags, now)
        };
        assert!(preview(20_000).is_ok());
        assert!(matches!(preview(20_001), Err(Fault::LimitExceeded { .. })));
    }
}
