//! Several objects of an environment changed at once: checked as a whole, told before, and made
//! one revision.

mod apply;
mod check;
mod prepared;

pub(crate) use self::prepared::{Prepared, Scale};
pub(crate) use super::catalogue::WantedSold;

use flags_core::{FlagState, Revision, SegmentDefinition, TENANT_KIND};
use serde::Serialize;
use serde_json::{Value, json};

use super::catalogue::{PlannedSold, WantedCatalogue};
use super::history::{Touched, tell};
use super::members::MembersEdit;
use super::model::{FlagDocument, Revisions, Segment};
use super::segment::{shown, with_changed};
use super::sizes::Sizes;
use super::tenant::{TenantsEdit, Upsert};
use crate::limits::MAX_SHOWN_OBJECTS;
use crate::store::{Environment, ObjectKind, Project};

/// What some objects of an environment are to be; the others stay as they are.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) flags: Vec<WantedFlag>,
    pub(crate) segments: Vec<WantedSegment>,
    /// Segments that are to go.
    pub(crate) gone: Vec<String>,
    pub(crate) tenants: Vec<Upsert>,
    pub(crate) sold: WantedCatalogue,
}

/// A flag as it is to be.
#[derive(Debug)]
pub(crate) struct WantedFlag {
    /// Where the state stands in the request: what pointers begin with.
    pub(crate) at: String,
    pub(crate) key: String,
    pub(crate) state: FlagState,
    /// For a flag that is not there yet.
    pub(crate) new: Option<FlagDocument>,
}

/// A segment as it is to be, and where it stands in the request.
#[derive(Debug)]
pub(crate) struct WantedSegment {
    pub(crate) at: String,
    pub(crate) key: String,
    pub(crate) definition: SegmentDefinition,
}

/// What will be done: everything that differs from what is there, and nothing that breaks it.
#[derive(Debug)]
pub(crate) struct Plan {
    project: Project,
    environment: Environment,
    flags: Vec<PlannedFlag>,
    segments: Vec<PlannedSegment>,
    deleted: Vec<Segment>,
    sold: Vec<PlannedSold>,
    tenants: TenantsEdit,
    kept: Vec<Kept>,
    /// What the objects of the environment come to, now and then.
    sizes: (Sizes, Sizes),
    /// What the flags that are created come to in each of the other environments, in bytes.
    elsewhere: u64,
}

/// Something that stays as it is, though it might be expected to change.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Kept {
    pub(crate) kind: ObjectKind,
    pub(crate) key: String,
    pub(crate) why: &'static str,
}

#[derive(Debug)]
struct PlannedFlag {
    /// Where its state stands in the request.
    at: String,
    key: String,
    document: FlagDocument,
    /// `None` for a flag that is created.
    before: Option<FlagState>,
    after: FlagState,
}

#[derive(Debug)]
struct PlannedSegment {
    at: String,
    before: Option<Segment>,
    after: Segment,
    members: MembersEdit,
}

/// What was done, or would be.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    /// The present one where nothing was done.
    pub(crate) revision: Revision,
    /// Of all environments that changed; only flags that are created change others.
    #[serde(skip_serializing_if = "Revisions::is_empty")]
    pub(crate) revisions: Revisions,
    /// The first of the objects.
    pub(crate) objects: Vec<Touched>,
    pub(crate) objects_count: u64,
    pub(crate) kept: Vec<Kept>,
}

impl Plan {
    /// The same, with what it leaves alone.
    pub(crate) fn keeping(self, kept: Vec<Kept>) -> Self {
        Self { kept, ..self }
    }

    fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How many [documents](Self::documents) there are.
    fn count(&self) -> usize {
        let tenants = usize::from(!self.tenants.is_empty());
        self.flags.len() + self.segments.len() + self.deleted.len() + self.sold.len() + tenants
    }

    /// What it would do.
    pub(crate) fn told(&self) -> Done {
        let mut objects = Vec::new();
        for (kind, key, before, after) in self.documents().take(MAX_SHOWN_OBJECTS as usize) {
            let change = tell(kind, before, after);
            objects.push(Touched { kind: kind.to_owned(), key: key.to_owned(), change });
        }
        Done {
            revision: self.environment.revision,
            revisions: Revisions::new(),
            objects,
            objects_count: self.count() as u64,
            kept: self.kept.clone(),
        }
    }

    /// Each object with what the audit log says of it, before and after; all tenants are one.
    fn documents(&self) -> impl Iterator<Item = (&str, &str, Option<Value>, Option<Value>)> {
        let flags = self.flags.iter().map(|flag| {
            let before = flag.before.as_ref().map(|before| json!(before));
            ("flag_state", &*flag.key, before, Some(json!(flag.after)))
        });
        let segments = self.segments.iter().map(|segment| {
            let after = with_changed(shown(&segment.after), &segment.members);
            ("segment", &*segment.after.key, segment.before.as_ref().map(shown), Some(after))
        });
        let deleted = self
            .deleted
            .iter()
            .map(|segment| ("segment", &*segment.key, Some(shown(segment)), None));
        let tenants =
            (!self.tenants.is_empty()).then(|| (TENANT_KIND, "", None, Some(self.tenants.told())));
        let sold = self.sold.iter().map(|sold| {
            (sold.kind.name(), &*sold.key, sold.before.clone(), Some(sold.after.clone()))
        });
        sold.chain(flags).chain(segments).chain(deleted).chain(tenants)
    }
}
