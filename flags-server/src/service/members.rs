//! Members of a segment, in bulk and without the rest of it.

use std::collections::HashMap;

use flags_core::{Diagnostic, Field, KeysChange, MAX_DIAGNOSTICS, Revision, Shape, is_context_key};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::{Fault, diagnostic};
use super::model::parse_value;
use super::precondition::Precondition;
use super::project;
use super::publish::{Deed, Unit};
use super::received::all_right;
use super::segment::{Path, counts_json, find};
use crate::limits::{MAX_AUDITED_KEYS, MAX_MEMBERS_PER_REQUEST};
use crate::store::{MemberCounts, MemberList, Page, View};

/// What is to become of the lists of a segment: valid keys, sorted, that do not contradict each
/// other.
#[derive(Debug, Default)]
pub(crate) struct MembersEdit {
    pub(super) included: KeysChange,
    pub(super) excluded: KeysChange,
}

impl MembersEdit {
    /// Reads it from JSON.
    ///
    /// # Errors
    /// Everything that is wrong with the form, or with the keys.
    pub(crate) fn read(body: Value) -> Result<Self, Fault> {
        all_right(EDIT.check(&body))?;
        let Lists { included, excluded } = parse_value(body)?;
        Self::new(included, excluded)
    }

    /// Checks what was asked for. May take its time, for many keys.
    ///
    /// # Errors
    /// Everything that is wrong, up to [`MAX_DIAGNOSTICS`]; pointers lead into
    /// `{included: {add, remove}, excluded: {add, remove}}`.
    pub(crate) fn new(included: KeysChange, excluded: KeysChange) -> Result<Self, Fault> {
        check_count([
            ("/included/add", included.add.len()),
            ("/included/remove", included.remove.len()),
            ("/excluded/add", excluded.add.len()),
            ("/excluded/remove", excluded.remove.len()),
        ])?;
        all_right(Self::faults(&included, &excluded))?;
        Ok(Self::sorted(included, excluded))
    }

    /// What there will be, if all of it changes something.
    pub(super) fn applied_to(&self, counts: MemberCounts) -> MemberCounts {
        let list = |before: u64, change: &KeysChange| {
            (before + change.add.len() as u64).saturating_sub(change.remove.len() as u64)
        };
        let bytes = |keys: [&Vec<String>; 2]| {
            keys.into_iter().flatten().map(|key| key.len() as u64).sum::<u64>()
        };
        let added = bytes([&self.included.add, &self.excluded.add]);
        let removed = bytes([&self.included.remove, &self.excluded.remove]);
        MemberCounts {
            included: list(counts.included, &self.included),
            excluded: list(counts.excluded, &self.excluded),
            bytes: (counts.bytes + added).saturating_sub(removed),
        }
    }

    pub(super) fn sorted(mut included: KeysChange, mut excluded: KeysChange) -> Self {
        for keys in [&mut included, &mut excluded] {
            keys.add.sort_unstable();
            keys.remove.sort_unstable();
        }
        Self { included, excluded }
    }

    fn faults(included: &KeysChange, excluded: &KeysChange) -> Vec<Diagnostic> {
        /// A place, its keys, its mark, and with which other marks a key of it is wrong, and how.
        type Place<'a> = (&'static str, &'a [String], u8, &'static [(u8, &'static str)]);
        const TWICE: &str = "is here twice";
        const BOTH_WAYS: &str = "is both added and removed";
        const BOTH_LISTS: &str = "is added to both lists, and can only be excluded then";
        let places: [Place<'_>; 4] = [
            ("included/remove", &included.remove, 1, &[(1, TWICE)]),
            ("included/add", &included.add, 2, &[(2, TWICE), (1, BOTH_WAYS)]),
            ("excluded/remove", &excluded.remove, 4, &[(4, TWICE)]),
            ("excluded/add", &excluded.add, 8, &[(8, TWICE), (4, BOTH_WAYS), (2, BOTH_LISTS)]),
        ];
        let mut seen: HashMap<&str, u8> = HashMap::new();
        let mut faults = Vec::new();
        for (place, keys, mark, conflicts) in places {
            for (index, key) in keys.iter().enumerate() {
                if faults.len() >= MAX_DIAGNOSTICS {
                    return faults;
                }
                let mut report = |code: &str, message: String| {
                    faults.push(diagnostic(&format!("/{place}/{index}"), code, message));
                };
                if !is_context_key(key) {
                    let message =
                        "a key is 1 to 512 bytes without control characters, not `.` or `..`";
                    report("invalid_key", message.to_owned());
                    continue;
                }
                let marks = seen.entry(key).or_default();
                if let Some((_, what)) = conflicts.iter().find(|(other, _)| *marks & other != 0) {
                    report("duplicate", format!("`{key}` {what}"));
                }
                *marks |= mark;
            }
        }
        faults
    }

    /// How many keys come and go, in the included and in the excluded ones.
    pub(super) fn counts(&self) -> [usize; 2] {
        [&self.included, &self.excluded].map(|keys| keys.add.len() + keys.remove.len())
    }

    /// Refuses more of them than one request may change; pointers lead into the segment.
    pub(super) fn check_counts(&self) -> Result<(), Fault> {
        let [included, excluded] = self.counts();
        check_count([("/included", included), ("/excluded", excluded)])
    }

    pub(super) fn is_empty(&self) -> bool {
        self.included.is_empty() && self.excluded.is_empty()
    }

    /// Whether what comes and goes has fewer bytes than the lists that come of it.
    pub(super) fn is_less_than_all_of(&self, before: &MemberCounts) -> bool {
        // Each key between quotes and followed by a comma.
        let bytes = |keys: &[String]| keys.iter().map(|key| key.len() as u64 + 3).sum::<u64>();
        let removed = bytes(&self.included.remove) + bytes(&self.excluded.remove);
        // What comes is a part of both.
        removed <= (before.bytes + 3 * before.keys()).saturating_sub(removed)
    }
}

/// Refuses more keys than one request adds to segments and removes from them: the one place for this
/// rule. `changes` are places of the request, and how many keys come and go because of each.
pub(super) fn check_count<'a>(
    changes: impl IntoIterator<Item = (&'a str, usize)>,
) -> Result<(), Fault> {
    let mut keys = 0;
    for (at, more) in changes {
        keys += more as u64;
        if keys > MAX_MEMBERS_PER_REQUEST {
            return Err(Fault::limit_at(at, "members_per_request", MAX_MEMBERS_PER_REQUEST));
        }
    }
    Ok(())
}

static LIST: Shape = Shape::Object(&[
    Field::optional("add", &Shape::List(&Shape::String)).says("Keys that come."),
    Field::optional("remove", &Shape::List(&Shape::String))
        .says("Keys that go; before others come."),
]);

pub(crate) static EDIT: Shape = Shape::Object(&[
    Field::optional("included", &LIST).says("Keys that are in the segment."),
    Field::optional("excluded", &LIST),
]);

/// What [`EDIT`] lets through.
#[derive(Deserialize)]
struct Lists {
    #[serde(default)]
    included: KeysChange,
    #[serde(default)]
    excluded: KeysChange,
}

/// What came of a change of members.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) key: String,
    pub(crate) version: Revision,
    pub(crate) revision: Revision,
    pub(crate) members: MemberCounts,
    /// How many keys came and went, in both lists.
    pub(crate) added: usize,
    pub(crate) removed: usize,
    /// Some of the keys that were to be included are excluded all the same.
    pub(crate) some_excluded: bool,
}

/// Adds and removes members; everything that is so already stays so.
pub(crate) fn change(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    edit: &MembersEdit,
) -> Result<Changed, Fault> {
    let (project, mut environment, object) = find(unit.tx, path)?;
    precondition.check(Some(object.version))?;
    let key = object.key;
    let changed = unit.publish_members(&mut environment, &key, edit)?;
    let (version, members) = match &changed {
        None => (object.version, object.members),
        Some(change) => {
            let (_, _, after) = find(unit.tx, path)?;
            unit.record(&Deed {
                action: "segment.members",
                project: Some(&project),
                environment: Some(&environment),
                kind: "segment",
                key: &key,
                before: Some(&json!({"member_counts": counts_json(&object.members)})),
                after: Some(&json!({
                    "member_counts": counts_json(&after.members),
                    "included": told(&change.included),
                    "excluded": told(&change.excluded),
                })),
                revisions: &project::at_revision(&environment, change.version),
            })?;
            (change.version, after.members)
        }
    };
    let some_excluded = members.excluded > 0
        && unit.tx.has_members(environment.id, &key, MemberList::Excluded, &edit.included.add)?;
    let count = |keys: fn(&KeysChange) -> &Vec<String>| {
        let lists = changed.iter().flat_map(|change| [&change.included, &change.excluded]);
        lists.map(|list| keys(list).len()).sum()
    };
    Ok(Changed {
        added: count(|list| &list.add),
        removed: count(|list| &list.remove),
        revision: environment.revision,
        key,
        version,
        members,
        some_excluded,
    })
}

/// What the audit log says of a list that changed: how much it was, and the first of its keys. All of them
/// are in the change log, under the revision.
pub(super) fn told(list: &KeysChange) -> Value {
    let keys = |keys: &[String]| json!({"count": keys.len(), "first": keys.get(..MAX_AUDITED_KEYS).unwrap_or(keys)});
    json!({"add": keys(&list.add), "remove": keys(&list.remove)})
}

/// A page of a list.
pub(crate) fn list(
    view: &dyn View,
    path: &Path,
    list: MemberList,
    page: &Page,
) -> Result<Vec<String>, Fault> {
    let (_, environment, object) = find(view, path)?;
    Ok(view.members(environment.id, &object.key, list, page)?)
}
