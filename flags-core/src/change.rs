//! What travels from the server to a client: whole environments and single changes.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::members::{MembersChange, Pending};
use crate::revision::{Epoch, Position, Revision};

/// The `kind` of an [`Object`] that holds a [`FlagDefinition`](crate::FlagDefinition).
pub const FLAG_KIND: &str = "flag";

/// The `kind` of an [`Object`] that holds a [`SegmentDefinition`](crate::SegmentDefinition).
pub const SEGMENT_KIND: &str = "segment";

/// The `kind` of an [`Object`] that holds a [`TenantDefinition`](crate::TenantDefinition).
pub const TENANT_KIND: &str = "tenant";

/// The `kind` of an [`Object`] that holds a [`FeatureDefinition`](crate::FeatureDefinition).
pub const FEATURE_KIND: &str = "feature";

/// The `kind` of an [`Object`] that holds a [`PlanDefinition`](crate::PlanDefinition).
pub const PLAN_KIND: &str = "plan";

/// The `kind` of an [`Object`] that holds an [`AddonDefinition`](crate::AddonDefinition).
pub const ADDON_KIND: &str = "addon";

/// One definition in its envelope.
///
/// The definition itself stays unparsed, so that one that cannot be read (a newer server, a
/// damaged file) is broken alone: its key, its version and its neighbours are still known.
///
/// ```
/// use flags_core::{FLAG_KIND, Object};
///
/// let object: Object = serde_json::from_str(
///     r#"{"kind": "flag", "key": "exports", "version": 3, "definition": {"of": "a later form"}}"#,
/// )?;
/// assert_eq!((&*object.kind, &*object.key, object.version), (FLAG_KIND, "exports", 3));
/// assert_eq!(object.definition.get(), r#"{"of": "a later form"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Object {
    /// [`FLAG_KIND`], [`SEGMENT_KIND`], [`TENANT_KIND`], [`FEATURE_KIND`], [`PLAN_KIND`],
    /// [`ADDON_KIND`], or a kind that this version does not know.
    pub kind: String,
    /// Unique within the kind and the environment.
    pub key: String,
    /// The revision that last changed it.
    pub version: Revision,
    /// Capabilities without which it must not be evaluated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// The definition, as JSON.
    pub definition: Box<RawValue>,
}

impl Object {
    /// Wraps a definition, which needs no capabilities.
    ///
    /// # Errors
    /// When `definition` cannot be written as JSON, such as a map with keys that are not strings.
    /// [`FlagDefinition`](crate::FlagDefinition) and
    /// [`SegmentDefinition`](crate::SegmentDefinition) always can.
    ///
    /// ```
    /// use flags_core::{Object, SEGMENT_KIND};
    ///
    /// let beta = serde_json::json!({"kind": "tenant", "included": ["acme"]});
    /// let object = Object::new(SEGMENT_KIND, "beta", 7, &beta)?;
    /// assert!(object.needs.is_empty());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn new(
        kind: &str,
        key: &str,
        version: Revision,
        definition: &impl Serialize,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            kind: kind.to_owned(),
            key: key.to_owned(),
            version,
            needs: Vec::new(),
            definition: serde_json::value::to_raw_value(definition)?,
        })
    }
}

/// All definitions of one environment at one revision: what a snapshot carries.
///
/// ```
/// use flags_core::{Document, Ruleset};
///
/// let document: Document = serde_json::from_str(r#"{
///     "epoch": "0192f0c1", "revision": 1,
///     "objects": [{"kind": "flag", "key": "new-checkout", "version": 1, "definition": {
///         "type": "boolean",
///         "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
///         "state": {"on": true, "off_variant": "off", "fallthrough": {"variant": "on"}}
///     }}]
/// }"#)?;
/// let (ruleset, report) = Ruleset::compile(&document);
/// assert!(report.is_clean());
/// assert_eq!(ruleset.revision(), 1);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Document {
    /// Which history the revision belongs to.
    pub epoch: Epoch,
    /// The revision it shows.
    pub revision: Revision,
    /// In no particular order; a kind and a key occur once.
    pub objects: Vec<Object>,
}

impl Document {
    /// An environment before its first change: revision 0, without objects.
    #[must_use]
    pub fn empty(epoch: Epoch) -> Self {
        Self { epoch, revision: 0, objects: Vec::new() }
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch.clone(), revision: self.revision }
    }

    /// Applies changes in their order, definitions unparsed: what a log of changes folds to.
    ///
    /// For whoever keeps definitions as JSON, such as a cache file. To compile the outcome gives what
    /// [`Ruleset::apply`](crate::Ruleset::apply) gives, change by change.
    ///
    /// # Errors
    /// [`Gap`] at the first change that does not follow; the changes before it are applied.
    ///
    /// ```
    /// use flags_core::{Change, Document, Epoch};
    ///
    /// let change: Change = serde_json::from_str(r#"{
    ///     "epoch": "e1", "previous": 0, "revision": 1,
    ///     "objects": [{"upsert": {"kind": "segment", "key": "beta", "version": 1,
    ///                             "definition": {"kind": "tenant", "included": ["acme"]}}}]
    /// }"#)?;
    /// let mut document = Document::empty(Epoch::new("e1"));
    /// assert!(document.fold([&change]).is_ok());
    /// assert_eq!((document.revision, document.objects.len()), (1, 1));
    /// assert!(document.fold([&change]).unwrap_err().is_repeat());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn fold<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) -> Result<(), Gap> {
        let objects = core::mem::take(&mut self.objects).into_iter();
        let mut fold = Fold { objects: objects.map(Fold::entry).collect() };
        let mut outcome = Ok(());
        for change in changes {
            outcome = change.follows(&self.position());
            if outcome.is_err() {
                break;
            }
            self.revision = change.revision;
            for change in &change.objects {
                fold.push(change);
            }
        }
        self.objects = fold.finish();
        outcome
    }
}

/// Objects by kind and key, each with what has become of its lists since its definition.
struct Fold {
    objects: BTreeMap<(String, String), (Object, Option<Pending>)>,
}

impl Fold {
    fn entry(object: Object) -> ((String, String), (Object, Option<Pending>)) {
        ((object.kind.clone(), object.key.clone()), (object, None))
    }

    fn push(&mut self, change: &ObjectChange) {
        match change {
            ObjectChange::Upsert(object) => self.objects.extend([Self::entry(object.clone())]),
            ObjectChange::Delete { kind, key } => {
                self.objects.remove(&(kind.clone(), key.clone()));
            }
            ObjectChange::Members(change) => {
                let identity = (change.kind.clone(), change.key.clone());
                if change.kind == SEGMENT_KIND
                    && let Some((object, pending)) = self.objects.get_mut(&identity)
                {
                    object.version = change.version;
                    pending.get_or_insert_default().push(change);
                }
            }
        }
    }

    fn finish(self) -> Vec<Object> {
        let objects = self.objects.into_values().map(|(mut object, pending)| {
            if let Some(pending) = pending {
                object.definition = pending.write_into(&object.definition);
            }
            object
        });
        objects.collect()
    }
}

/// One step of an environment's history, as an SDK sees it.
///
/// [`Ruleset::apply`](crate::Ruleset::apply) makes the next ruleset of it, [`Document::fold`] the
/// next document.
///
/// ```
/// use flags_core::{Change, ObjectChange};
///
/// let change: Change = serde_json::from_str(r#"{
///     "epoch": "e1", "previous": 57, "revision": 58,
///     "objects": [{"delete": {"kind": "flag", "key": "exports"}}]
/// }"#)?;
/// assert_eq!(change.position().to_string(), "e1.58");
/// assert!(matches!(&change.objects[0], ObjectChange::Delete { key, .. } if key == "exports"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Change {
    /// Which history it belongs to.
    pub epoch: Epoch,
    /// The revision it leads to.
    pub revision: Revision,
    /// The revision it starts from.
    pub previous: Revision,
    /// What it did.
    pub objects: Vec<ObjectChange>,
}

impl Change {
    /// Where it leads to.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch.clone(), revision: self.revision }
    }

    /// Whether it starts where `position` stands, and leads on.
    ///
    /// # Errors
    /// [`Gap`] when the epochs differ, when `previous` is not the position's revision, or when the
    /// change's own revision is not above it.
    ///
    /// ```
    /// use flags_core::{Change, Epoch};
    ///
    /// let change = Change { epoch: Epoch::new("e1"), revision: 8, previous: 7, objects: vec![] };
    /// assert!(change.follows(&"e1.7".parse()?).is_ok());
    /// let gap = change.follows(&"e1.5".parse()?).unwrap_err();
    /// assert_eq!(gap.to_string(), "change e1.8 follows revision 7, not e1.5");
    /// # Ok::<(), flags_core::PositionError>(())
    /// ```
    pub fn follows(&self, position: &Position) -> Result<(), Gap> {
        if self.epoch == position.epoch
            && self.previous == position.revision
            && self.revision > self.previous
        {
            Ok(())
        } else {
            Err(Gap { at: position.clone(), change: self.position(), previous: self.previous })
        }
    }
}

/// What a change did to one object. In JSON it is an object with one field, `upsert`, `delete` or
/// `members`.
///
/// A form that this version does not know makes the change unreadable, as to ignore it would leave
/// the object as it no longer is: whoever receives such a change asks for a snapshot instead.
///
/// ```
/// use flags_core::ObjectChange;
///
/// let gone: ObjectChange = serde_json::from_str(r#"{"delete": {"kind": "flag", "key": "exports"}}"#)?;
/// assert!(matches!(gone, ObjectChange::Delete { key, .. } if key == "exports"));
/// assert!(serde_json::from_str::<ObjectChange>(r#"{"merge": {}}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectChange {
    /// Created or replaced.
    Upsert(Object),
    /// Gone.
    Delete {
        /// As in [`Object::kind`].
        kind: String,
        /// As in [`Object::key`].
        key: String,
    },
    /// A segment lists other keys; nothing where there is no such segment, or an invalid one.
    Members(MembersChange),
}

impl ObjectChange {
    /// The kind and the key of the object.
    ///
    /// ```
    /// use flags_core::ObjectChange;
    ///
    /// let gone: ObjectChange = serde_json::from_str(r#"{"delete": {"kind": "flag", "key": "exports"}}"#)?;
    /// assert_eq!(gone.object(), ("flag", "exports"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn object(&self) -> (&str, &str) {
        match self {
            Self::Upsert(object) => (&object.kind, &object.key),
            Self::Delete { kind, key } => (kind, key),
            Self::Members(change) => (&change.kind, &change.key),
        }
    }
}

/// A change that does not follow what it was applied to: something between the two is missing, or
/// the change is there already, which [`is_repeat`](Gap::is_repeat) tells. A repeat is skipped; for
/// anything else, get a new snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("change {change} follows revision {previous}, not {at}")]
pub struct Gap {
    at: Position,
    change: Position,
    previous: Revision,
}

impl Gap {
    /// Whether the change is already part of what it was applied to, so that nothing is missing: it
    /// is of the same epoch, and its revision is not above the one reached.
    ///
    /// ```
    /// use flags_core::{Change, Epoch};
    ///
    /// let change = Change { epoch: Epoch::new("e1"), revision: 8, previous: 7, objects: vec![] };
    /// assert!(change.follows(&"e1.9".parse()?).unwrap_err().is_repeat());
    /// assert!(!change.follows(&"e1.6".parse()?).unwrap_err().is_repeat());
    /// # Ok::<(), flags_core::PositionError>(())
    /// ```
    #[must_use]
    pub fn is_repeat(&self) -> bool {
        self.at.epoch == self.change.epoch && self.change.revision <= self.at.revision
    }
}
