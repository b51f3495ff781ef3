//! The immutable compiled form of an environment.

mod object;
mod overrides;
mod paths;
mod slots;
mod tenants;
mod variants;

pub use object::References;
pub(crate) use object::{
    Flag, FlagBody, FlagRules, Members, Prerequisite, Questions, Requires, Rule, Segment,
    TargetEntry, Targets,
};
pub use overrides::Override;
pub(crate) use slots::{Slot, Slots};
pub(crate) use tenants::TENANT;
pub(crate) use variants::{Served, VariantIndex, Variants};

use paths::Paths;
use tenants::Tenants;

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use serde::de::DeserializeOwned;
use serde_json::Map;
use smol_str::SmolStr;

use crate::capability::CAPABILITIES;
use crate::change::{
    ADDON_KIND, Change, Document, FEATURE_KIND, FLAG_KIND, Gap, Object, ObjectChange, PLAN_KIND,
    SEGMENT_KIND, TENANT_KIND,
};
use crate::compile::{Linker, change_members, compile_flag, compile_segment};
use crate::condition::AttributePath;
use crate::decoders::{Decoders, Undecodable};
use crate::definition::{FlagType, TenantDefinition};
use crate::diagnostic::Diagnostic;
use crate::entitlement::{
    Catalogue, Contract, ContractDefinition, Entitlement, EntitlementReason, FeatureKey,
    FeatureType, Touched,
};
use crate::flag::{Flag as TypedFlag, FlagValue};
use crate::members::MembersChange;
use crate::misfit::Misfit;
use crate::revision::{Position, Revision};
use crate::value::Stored;

/// All flags, segments and stored tenants of one environment at one revision, compiled: what questions are asked
/// of.
///
/// Immutable and cheap to share, behind an [`Arc`] above all. A change gives a new ruleset that shares everything else with
/// the old one, so its cost follows the size of the change. The default ruleset is that of a
/// client which has not heard of its server yet: every answer is
/// [`Reason::NotReady`](crate::Reason::NotReady), but for [overrides](Self::overriding).
///
/// ```
/// use std::{sync::Arc, thread};
///
/// use flags_core::{Document, Epoch, Ruleset, Timestamp};
///
/// let (ruleset, _) = Ruleset::compile(&Document::empty(Epoch::new("e1")));
/// let shared = Arc::new(ruleset);
/// let elsewhere = Arc::clone(&shared);
/// let worker = thread::spawn(move || {
///     elsewhere.evaluate("exports", &(), Timestamp::from_millis(0)).is_true()
/// });
/// assert!(!worker.join().unwrap());
/// assert_eq!(shared.revision(), 0);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Ruleset {
    position: Option<Position>,
    pub(crate) flags: Slots<Flag>,
    pub(crate) segments: Slots<Segment>,
    pub(crate) tenants: Arc<Tenants>,
    catalogue: Arc<Catalogue>,
    paths: Paths,
    decoders: Decoders,
}

/// What compiling found that is broken or not for this version.
///
/// A report of [`Ruleset::apply`] is about the objects of the change alone.
///
/// ```
/// use flags_core::{Document, Ruleset};
///
/// let document: Document = serde_json::from_str(r#"{
///     "epoch": "e1", "revision": 2,
///     "objects": [
///         {"kind": "segment", "key": "beta", "version": 2, "definition": {"kind": "ten.ant"}},
///         {"kind": "experiment", "key": "e", "version": 2, "definition": {}}
///     ]
/// }"#)?;
/// let (_, report) = Ruleset::compile(&document);
/// assert!(!report.is_clean());
/// assert_eq!((&*report.invalid[0].key, report.ignored), ("beta", 1));
/// assert_eq!(report.invalid[0].diagnostics[0].code, "invalid_kind");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Objects that will not be evaluated, each broken alone; a stored tenant of which nothing but the
    /// contract is broken keeps its attributes.
    pub invalid: Vec<InvalidObject>,
    /// Flags with values that are not of the types that the service has registered for them.
    pub undecodable: Vec<Undecodable>,
    /// How many objects were of a kind that this version does not know.
    pub ignored: usize,
}

impl Report {
    /// Whether everything was understood.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.invalid.is_empty() && self.undecodable.is_empty() && self.ignored == 0
    }
}

/// An object that cannot be evaluated, and why. [`Report`] has an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidObject {
    /// Its kind, one that this version knows: [`FLAG_KIND`] and its like.
    pub kind: String,
    /// Its key.
    pub key: String,
    /// Everything that is wrong; pointers lead into its definition.
    pub diagnostics: Vec<Diagnostic>,
}

impl Ruleset {
    /// Compiles a whole environment. Never fails: a broken object is broken alone and reported.
    ///
    /// Of two objects of one kind and key, the later holds.
    ///
    /// ```
    /// use flags_core::{Document, Epoch, Ruleset};
    ///
    /// let (ruleset, report) = Ruleset::compile(&Document::empty(Epoch::new("e1")));
    /// assert!(report.is_clean());
    /// assert_eq!(ruleset.position().map(ToString::to_string).as_deref(), Some("e1.0"));
    /// ```
    #[must_use]
    pub fn compile(document: &Document) -> (Self, Report) {
        Self::compile_with(document, &Decoders::new())
    }

    /// [Compiles](Self::compile) a whole environment, and decodes the values of JSON flags into
    /// the types that are registered for them. Every ruleset that is made from it does the same.
    ///
    /// [`Decoded`](crate::Decoded) has an example.
    ///
    /// # Panics
    /// Where the `Deserialize` of a registered type does.
    #[must_use]
    pub fn compile_with(document: &Document, decoders: &Decoders) -> (Self, Report) {
        let mut ruleset = Self::with_decoders(decoders.clone());
        ruleset.position = Some(document.position());
        let mut report = Report::default();
        let tenants = document.objects.iter().filter(|object| object.kind == TENANT_KIND).count();
        ruleset.tenants = Arc::new(Tenants::with_capacity(tenants));
        let mut touched = Touched::default();
        for object in &document.objects {
            ruleset.upsert(object, &mut report, &mut touched);
        }
        ruleset.settle(&touched);
        (ruleset, report)
    }

    /// The default ruleset, with types for JSON values to be decoded into: overrides made of JSON
    /// need them even before there is a snapshot.
    ///
    /// ```
    /// use flags_core::{Decoded, Decoders, Flag, Override, Ruleset, Timestamp, Value};
    ///
    /// const PORTS: Flag<Decoded<Vec<u16>>> = Flag::new("ports", Decoded(&DEFAULT));
    /// static DEFAULT: Vec<u16> = Vec::new();
    ///
    /// let by_hand = Override::new("ports", Value::Json(&serde_json::json!([80, 443])));
    /// let ruleset = Ruleset::with_decoders(Decoders::new().with(&PORTS)).overriding([&by_hand]);
    /// assert_eq!(ruleset.get(&PORTS, &(), Timestamp::from_millis(0)).value, &[80, 443]);
    /// ```
    #[must_use]
    pub fn with_decoders(decoders: Decoders) -> Self {
        Self { decoders, ..Self::default() }
    }

    /// The ruleset after `change`; this one stays as it is.
    ///
    /// A ruleset that has not had a snapshot stands at revision 0 of any epoch. An upsert replaces an
    /// override of the same flag, and a delete removes it.
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
        let mut touched = Touched::default();
        for object in &change.objects {
            match object {
                ObjectChange::Upsert(object) => next.upsert(object, &mut report, &mut touched),
                ObjectChange::Delete { kind, key } => {
                    next.delete(kind, key, &mut report, &mut touched);
                }
                ObjectChange::Members(change) => next.change_members(change, &mut report),
            }
        }
        next.settle(&touched);
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
    /// that cannot be evaluated. An override counts as a flag.
    ///
    /// ```
    /// use flags_core::{FlagType, Override, Ruleset, Value};
    ///
    /// let ruleset = Ruleset::default().overriding([&Override::new("size", Value::Integer(5))]);
    /// assert_eq!(ruleset.flags().next(), Some(("size", Some(FlagType::Integer), 0)));
    /// ```
    pub fn flags(&self) -> impl Iterator<Item = (&str, Option<FlagType>, Revision)> {
        self.flags.iter().map(|(key, flag)| (key, flag.flag_type, flag.version))
    }

    /// The key of every stored tenant, in no particular order.
    ///
    /// ```
    /// use flags_core::{Document, Ruleset};
    ///
    /// let document: Document = serde_json::from_str(r#"{
    ///     "epoch": "e1", "revision": 1,
    ///     "objects": [{"kind": "tenant", "key": "acme", "version": 1,
    ///                  "definition": {"attributes": {"country": "DE"}}}]
    /// }"#)?;
    /// let (ruleset, _) = Ruleset::compile(&document);
    /// assert!(ruleset.tenants().eq(["acme"]));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn tenants(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tenants.keys()
    }

    /// What is sold: the features, plans and add-ons that contracts name.
    ///
    /// ```
    /// use flags_core::{Access, Contract, Document, Ruleset, Timestamp};
    ///
    /// let document: Document = serde_json::from_str(r#"{
    ///     "epoch": "e1", "revision": 1,
    ///     "objects": [
    ///         {"kind": "feature", "key": "sso", "version": 1,
    ///          "definition": {"type": "boolean", "combine": "any"}},
    ///         {"kind": "plan", "key": "pro", "version": 1,
    ///          "definition": {"versions": [{"version": 1, "grants": {"sso": true}}]}}
    ///     ]
    /// }"#)?;
    /// let (ruleset, report) = Ruleset::compile(&document);
    /// assert!(report.is_clean());
    ///
    /// let said = serde_json::from_str(r#"{"plan": "pro", "plan_version": 1}"#)?;
    /// let timeline = ruleset.catalogue().timeline(&Contract::compile(&said).unwrap(), "sso");
    /// assert_eq!(timeline.check(Timestamp::from_millis(0)).access, Access::Full);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What the contract of a stored tenant grants of a feature.
    ///
    /// It is a lookup: what a contract comes to was worked out when the ruleset was made. Where the
    /// tenant or the feature is not there, nobody has access.
    ///
    /// ```
    /// use flags_core::{Document, EntitlementReason, FeatureKey, Limit, Ruleset, Timestamp};
    ///
    /// const SEATS: FeatureKey<'static> = FeatureKey::new("seats");
    ///
    /// let document: Document = serde_json::from_str(r#"{
    ///     "epoch": "e1", "revision": 1,
    ///     "objects": [
    ///         {"kind": "feature", "key": "seats", "version": 1,
    ///          "definition": {"type": "limit", "combine": "sum"}},
    ///         {"kind": "plan", "key": "pro", "version": 1,
    ///          "definition": {"versions": [{"version": 1, "grants": {"seats": 5}}]}},
    ///         {"kind": "tenant", "key": "acme", "version": 1, "definition": {
    ///             "plan": "pro", "plan_version": 1,
    ///             "overrides": [{"id": "c-7", "feature": "seats", "mode": "at_least", "value": 50,
    ///                            "end": "2027-01-01T00:00:00Z"}]}}
    ///     ]
    /// }"#)?;
    /// let (ruleset, report) = Ruleset::compile(&document);
    /// assert!(report.is_clean());
    ///
    /// let end = Timestamp::parse("2027-01-01T00:00:00Z").unwrap();
    /// let before = Timestamp::from_millis(end.as_millis() - 1);
    /// let seats = ruleset.entitlement("acme", SEATS);
    /// assert_eq!((seats.check(before).limit, seats.check(end).limit),
    ///            (Some(Limit::At(50)), Some(Limit::At(5))));
    /// let sixth = seats.check_limit(5, 1, end);
    /// assert_eq!(sixth.reason, EntitlementReason::LimitReached);
    ///
    /// let unknown = ruleset.entitlement("globex", "seats").check(end);
    /// assert_eq!(unknown.reason, EntitlementReason::TenantUnknown);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn entitlement<'r, 'k>(
        &'r self,
        tenant: &str,
        feature: impl Into<FeatureKey<'k>>,
    ) -> Entitlement<'r> {
        let feature = feature.into();
        self.entitlement_of(tenant, feature.hash, feature.key())
    }

    /// [`entitlement`](Self::entitlement), with the hash of the feature's key.
    #[inline]
    pub(crate) fn entitlement_of(&self, tenant: &str, hash: u64, feature: &str) -> Entitlement<'_> {
        self.tenants.entitlement(tenant, || self.catalogue.find(hash, feature))
    }

    /// How a flag differs from what the code says of it; `None` where it does not, and where that
    /// is not known: before the first snapshot, and of a flag that cannot be evaluated.
    ///
    /// ```
    /// use flags_core::{Document, Epoch, Flag, Misfit, Ruleset};
    ///
    /// const EXPORTS: Flag<bool> = Flag::new("exports", false);
    ///
    /// assert_eq!(Ruleset::default().misfit(&EXPORTS), None);
    /// let (empty, _) = Ruleset::compile(&Document::empty(Epoch::new("e1")));
    /// assert_eq!(empty.misfit(&EXPORTS), Some(Misfit::Missing));
    /// assert_eq!(empty.overriding([&EXPORTS.to(true)]).misfit(&EXPORTS), None);
    /// ```
    #[must_use]
    pub fn misfit<T: FlagValue>(&self, flag: &TypedFlag<T>) -> Option<Misfit> {
        let Some(found) = self.flags.find_by_key(flag.key()) else {
            return self.position.is_some().then_some(Misfit::Missing);
        };
        if found.is_other_than(Some(T::TYPE)) {
            return found.flag_type.map(Misfit::OtherType);
        }
        if found.variants.values().iter().all(|value| T::read(Stored(value)).is_some()) {
            None
        } else if T::is_registered(flag.key(), &self.decoders) {
            Some(Misfit::Undecodable(found.version))
        } else {
            Some(Misfit::Unregistered)
        }
    }

    /// How a feature differs from what the code says of it; `None` where it does not, and where that
    /// is not known: before the first snapshot, and of a feature that cannot be read.
    ///
    /// ```
    /// use flags_core::{Document, Epoch, FeatureType, Misfit, Ruleset};
    ///
    /// let (empty, _) = Ruleset::compile(&Document::empty(Epoch::new("e1")));
    /// let misfit = empty.feature_misfit("sso", FeatureType::Boolean);
    /// assert_eq!(misfit, Some(Misfit::NoFeature));
    /// assert_eq!(Ruleset::default().feature_misfit("sso", FeatureType::Boolean), None);
    /// ```
    #[must_use]
    pub fn feature_misfit<'k>(
        &self,
        feature: impl Into<FeatureKey<'k>>,
        asked: FeatureType,
    ) -> Option<Misfit> {
        let feature = feature.into();
        match self.catalogue.find(feature.hash, feature.key()) {
            Err(EntitlementReason::FeatureUnknown) => {
                self.position.is_some().then_some(Misfit::NoFeature)
            }
            Err(_) => None,
            Ok((_, found)) => {
                let found = found.feature_type;
                (found != asked).then_some(Misfit::OtherFeatureType(found))
            }
        }
    }

    fn upsert(&mut self, object: &Object, report: &mut Report, touched: &mut Touched) {
        let diagnostics = match &*object.kind {
            FLAG_KIND => {
                let body = readable(object)
                    .and_then(|definition| compile_flag(&object.key, &definition, self));
                let (flag, diagnostics) = match body {
                    Ok((mut variants, rules)) => {
                        let (key, version, values) =
                            (&*object.key, object.version, variants.values_mut());
                        self.decoders.decode_variants(
                            key,
                            version,
                            values,
                            &mut report.undecodable,
                        );
                        (Flag::of_rules(version, variants, rules), Vec::new())
                    }
                    Err(diagnostics) => (Flag::invalid(object.version), diagnostics),
                };
                self.flags.set(&object.key, Some(flag));
                diagnostics
            }
            SEGMENT_KIND => {
                let members =
                    readable(object).and_then(|definition| compile_segment(&definition, self));
                let (segment, diagnostics) = match members {
                    Ok(members) => (Segment::Members(members), Vec::new()),
                    Err(diagnostics) => (Segment::Invalid, diagnostics),
                };
                self.segments.set(&object.key, Some(segment));
                diagnostics
            }
            TENANT_KIND => {
                let tenants = Arc::make_mut(&mut self.tenants);
                let stored = readable_tenant(object).and_then(|(attributes, contract)| {
                    let (contract, wrong) = match contract.and_then(|said| Contract::compile(&said))
                    {
                        Ok(contract) => (Some(contract), Vec::new()),
                        Err(wrong) => (None, wrong),
                    };
                    tenants.set(&object.key, &attributes, contract, touched)?;
                    Ok(wrong)
                });
                stored.unwrap_or_else(|diagnostics| {
                    tenants.set_invalid(&object.key);
                    diagnostics
                })
            }
            FEATURE_KIND => {
                touched.features.insert(SmolStr::new(&object.key));
                let catalogue = Arc::make_mut(&mut self.catalogue);
                let stored = readable(object)
                    .and_then(|definition| catalogue.set_feature(&object.key, &definition));
                stored
                    .err()
                    .inspect(|_| catalogue.set_invalid_feature(&object.key))
                    .unwrap_or_default()
            }
            PLAN_KIND => {
                touched.plans.insert(SmolStr::new(&object.key));
                let catalogue = Arc::make_mut(&mut self.catalogue);
                let stored = readable(object)
                    .and_then(|definition| catalogue.set_plan(&object.key, &definition));
                stored.err().inspect(|_| catalogue.remove_plan(&object.key)).unwrap_or_default()
            }
            ADDON_KIND => {
                touched.addons.insert(SmolStr::new(&object.key));
                let catalogue = Arc::make_mut(&mut self.catalogue);
                let stored = readable(object)
                    .and_then(|definition| catalogue.set_addon(&object.key, &definition));
                stored.err().inspect(|_| catalogue.remove_addon(&object.key)).unwrap_or_default()
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
        self.segments.set(key, Some(segment));
    }

    fn delete(&mut self, kind: &str, key: &str, report: &mut Report, touched: &mut Touched) {
        match kind {
            FLAG_KIND => self.flags.set(key, None),
            SEGMENT_KIND => self.segments.set(key, None),
            TENANT_KIND => Arc::make_mut(&mut self.tenants).remove(key),
            FEATURE_KIND => {
                touched.features.insert(SmolStr::new(key));
                Arc::make_mut(&mut self.catalogue).remove_feature(key);
            }
            PLAN_KIND => {
                touched.plans.insert(SmolStr::new(key));
                Arc::make_mut(&mut self.catalogue).remove_plan(key);
            }
            ADDON_KIND => {
                touched.addons.insert(SmolStr::new(key));
                Arc::make_mut(&mut self.catalogue).remove_addon(key);
            }
            _ => report.ignored += 1,
        }
    }
}

impl Ruleset {
    /// Works out what changed contracts and a changed catalogue come to, and gives back memory that was
    /// taken in advance for tenants, if any have changed.
    fn settle(&mut self, touched: &Touched) {
        if !touched.is_empty() {
            Arc::make_mut(&mut self.tenants).settle(&self.catalogue, touched);
        }
        if let Some(tenants) = Arc::get_mut(&mut self.tenants) {
            tenants.shrink();
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

type TenantParts = (Map<String, serde_json::Value>, Result<ContractDefinition, Vec<Diagnostic>>);

/// The attributes of a tenant and its contract; each may be unreadable, and a tenant whose contract
/// is keeps its attributes.
fn readable_tenant(object: &Object) -> Result<TenantParts, Vec<Diagnostic>> {
    #[derive(serde::Deserialize)]
    struct Attributes {
        #[serde(default, deserialize_with = "crate::definition::plain::object")]
        attributes: Map<String, serde_json::Value>,
    }
    match readable(object) {
        Ok(TenantDefinition { attributes, contract }) => Ok((attributes, Ok(contract))),
        Err(found) => match readable(object) {
            Ok(Attributes { attributes }) => Ok((attributes, Err(found))),
            Err(_) => Err(found),
        },
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
    // Serde would take a list for an object's fields in their order; whoever changes the members of
    // a segment would not.
    if object.definition.get().trim_start().starts_with('[') {
        return Err(problem("unreadable", "expected an object, found a list".into()));
    }
    serde_json::from_str(object.definition.get())
        .map_err(|error| problem("unreadable", format!("{error}")))
}
