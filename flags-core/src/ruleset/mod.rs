//! The immutable compiled form of an environment.

mod object;
mod overrides;
mod paths;
mod slots;

pub use object::References;
pub(crate) use object::{
    Flag, FlagBody, FlagRules, Members, Prerequisite, Questions, Rule, Segment, TargetEntry,
    Targets, Variant, VariantIndex,
};
pub use overrides::Override;
pub(crate) use slots::{Slot, Slots};

use paths::Paths;

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use serde::de::DeserializeOwned;

use crate::capability::CAPABILITIES;
use crate::change::{Change, Document, FLAG_KIND, Gap, Object, ObjectChange, SEGMENT_KIND};
use crate::compile::{Linker, change_members, compile_flag, compile_segment};
use crate::condition::AttributePath;
use crate::definition::FlagType;
use crate::diagnostic::Diagnostic;
use crate::members::MembersChange;
use crate::revision::{Position, Revision};

/// All flags and segments of one environment at one revision, compiled: what questions are asked
/// of.
///
/// Immutable and cheap to share. A change gives a new ruleset that shares everything else with
/// the old one, so its cost follows the size of the change. The default ruleset is that of a
/// client which has not heard of its server yet: every answer is
/// [`Reason::NotReady`](crate::Reason::NotReady).
#[derive(Debug, Clone, Default)]
pub struct Ruleset {
    position: Option<Position>,
    pub(crate) flags: Slots<Flag>,
    pub(crate) segments: Slots<Segment>,
    paths: Paths,
}

/// What compiling found that is broken or not for this version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Objects that will not be evaluated, each broken alone.
    pub invalid: Vec<InvalidObject>,
    /// How many objects were of a kind that this version does not know.
    pub ignored: usize,
}

impl Report {
    /// Whether everything was understood.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.invalid.is_empty() && self.ignored == 0
    }
}

/// An object that cannot be evaluated, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidObject {
    /// [`FLAG_KIND`] or [`SEGMENT_KIND`].
    pub kind: String,
    /// Its key.
    pub key: String,
    /// Everything that is wrong; pointers lead into its definition.
    pub diagnostics: Vec<Diagnostic>,
}

impl Ruleset {
    /// Compiles a whole environment. Never fails: a broken object is broken alone and reported.
    #[must_use]
    pub fn compile(document: &Document) -> (Self, Report) {
        let mut ruleset = Self { position: Some(document.position()), ..Self::default() };
        let mut report = Report::default();
        for object in &document.objects {
            ruleset.upsert(object, &mut report);
        }
        (ruleset, report)
    }

    /// The ruleset after `change`; this one stays as it is.
    ///
    /// # Errors
    /// [`Gap`] when the change does not follow this ruleset's revision. Nothing else fails: a
    /// broken object is broken alone and reported.
    ///
    /// ```
    /// use flags_core::{Change, Document, Epoch, Ruleset};
    ///
    /// let (empty, _) = Ruleset::compile(&Document::empty(Epoch::new("e1")));
    /// let change: Change = serde_json::from_str(
    ///     r#"{"epoch": "e1", "previous": 0, "revision": 1, "objects": []}"#,
    /// )?;
    /// let (next, report) = empty.apply(&change).unwrap();
    /// assert_eq!((next.revision(), report.is_clean()), (1, true));
    /// assert!(next.apply(&change).unwrap_err().is_repeat());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn apply(&self, change: &Change) -> Result<(Self, Report), Gap> {
        let nowhere = || Document::empty(change.epoch.clone()).position();
        change.follows(&self.position.clone().unwrap_or_else(nowhere))?;
        let mut next = self.clone();
        next.position = Some(change.position());
        let mut report = Report::default();
        for object in &change.objects {
            match object {
                ObjectChange::Upsert(object) => next.upsert(object, &mut report),
                ObjectChange::Delete { kind, key } => next.delete(kind, key, &mut report),
                ObjectChange::Members(change) => next.change_members(change, &mut report),
            }
        }
        Ok((next, report))
    }

    /// Where it stands; `None` before the first snapshot.
    #[must_use]
    #[inline]
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// The revision it shows; 0 before the first snapshot.
    #[must_use]
    #[inline]
    pub fn revision(&self) -> Revision {
        self.position.as_ref().map_or(0, |position| position.revision)
    }

    /// The key, the type and the version of every flag, in no particular order; no type for a flag
    /// that cannot be evaluated.
    pub fn flags(&self) -> impl Iterator<Item = (&str, Option<FlagType>, Revision)> {
        self.flags.iter().map(|(key, flag)| (key, flag.flag_type, flag.version))
    }

    fn upsert(&mut self, object: &Object, report: &mut Report) {
        let diagnostics = match &*object.kind {
            FLAG_KIND => {
                let body = readable(object)
                    .and_then(|definition| compile_flag(&object.key, &definition, self));
                let (body, diagnostics) = match body {
                    Ok(rules) => (FlagBody::Rules(rules), Vec::new()),
                    Err(diagnostics) => (FlagBody::Invalid, diagnostics),
                };
                let slot = self.flags.slot(&object.key);
                self.flags.set(slot, Some(Arc::new(Flag::new(object.version, body))));
                diagnostics
            }
            SEGMENT_KIND => {
                let members =
                    readable(object).and_then(|definition| compile_segment(&definition, self));
                let (segment, diagnostics) = match members {
                    Ok(members) => (Segment::Members(members), Vec::new()),
                    Err(diagnostics) => (Segment::Invalid, diagnostics),
                };
                let slot = self.segments.slot(&object.key);
                self.segments.set(slot, Some(Arc::new(segment)));
                diagnostics
            }
            _ => {
                report.ignored += 1;
                return;
            }
        };
        if !diagnostics.is_empty() {
            let (kind, key) = (object.kind.clone(), object.key.clone());
            report.invalid.push(InvalidObject { kind, key, diagnostics });
        }
    }

    /// A segment that is not there, or is broken, stays so until it comes whole again.
    fn change_members(&mut self, change: &MembersChange, report: &mut Report) {
        let MembersChange { kind, key, .. } = change;
        if kind != SEGMENT_KIND {
            report.ignored += 1;
            return;
        }
        let Some(Segment::Members(members)) = self.segments.find_by_key(key) else {
            return;
        };
        let segment = match change_members(members, change) {
            Ok(members) => Segment::Members(members),
            Err(diagnostics) => {
                let (kind, key) = (kind.clone(), key.clone());
                report.invalid.push(InvalidObject { kind, key, diagnostics });
                Segment::Invalid
            }
        };
        let slot = self.segments.slot(key);
        self.segments.set(slot, Some(Arc::new(segment)));
    }

    fn delete(&mut self, kind: &str, key: &str, report: &mut Report) {
        match kind {
            FLAG_KIND => {
                let slot = self.flags.slot(key);
                self.flags.set(slot, None);
            }
            SEGMENT_KIND => {
                let slot = self.segments.slot(key);
                self.segments.set(slot, None);
            }
            _ => report.ignored += 1,
        }
    }
}

impl Linker for Ruleset {
    fn flag(&mut self, key: &str) -> Slot {
        self.flags.slot(key)
    }

    fn segment(&mut self, key: &str) -> Slot {
        self.segments.slot(key)
    }

    fn path(&mut self, kind: &str, name: Option<&str>) -> Arc<AttributePath> {
        self.paths.path(kind, name)
    }
}

/// Parses the definition of an object whose needs this version meets.
fn readable<D: DeserializeOwned>(object: &Object) -> Result<D, Vec<Diagnostic>> {
    let problem = |code: &str, message: String| {
        vec![Diagnostic { pointer: String::new(), code: code.into(), message }]
    };
    if let Some(need) = object.needs.iter().find(|need| !CAPABILITIES.contains(&need.as_str())) {
        return Err(problem("unknown_capability", format!("this version lacks `{need}`")));
    }
    serde_json::from_str(object.definition.get())
        .map_err(|error| problem("unreadable", format!("{error}")))
}
