//! The state of a flag in one environment.

use flags_core::{
    FLAG_STATE, Field, FlagDefinition, FlagState, Object, ObjectChange, Revision, Shape,
    check_flag, flag_references, unknown_variant,
};
use serde_json::{Value, json};

use super::fault::Fault;
use super::model::{FlagDocument, State, json as to_json, parse, wire_flag};
use super::needs::Needs;
use super::precondition::Precondition;
use super::prerequisites::{Prerequisites, Violation};
use super::publish::{Deed, Edit, Unit};
use super::received::{Received, all_right};
use super::sizes::{Sizes, check_document, wire_bytes};
use super::{flag, project, rule_ids};
use crate::store::{
    Environment, Listed, ObjectKind, Page, Project, Reference, StoredFlag, StoredObject, View,
};

/// The members of a patch; their values are checked after merging.
static PATCH: Shape = Shape::Object(&[
    Field::optional("on", &Shape::Any),
    Field::optional("off_variant", &Shape::Any),
    Field::optional("requires", &Shape::Any),
    Field::optional("salt", &Shape::Any),
    Field::optional("prerequisites", &Shape::Any),
    Field::optional("targets", &Shape::Any),
    Field::optional("rules", &Shape::Any),
    Field::optional("fallthrough", &Shape::Any),
]);

/// Where a flag's state is found.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) project: String,
    pub(crate) environment: String,
    pub(crate) flag: String,
}

/// A flag's state with everything around it.
pub(super) struct Place {
    pub(super) project: Project,
    pub(super) environment: Environment,
    pub(super) key: String,
    pub(super) document: FlagDocument,
    version: u64,
    bytes: u64,
    pub(super) state: FlagState,
}

impl Place {
    pub(super) fn find(
        view: &dyn View,
        path: &Path,
        precondition: &Precondition,
    ) -> Result<Self, Fault> {
        let (project, environment) =
            project::find_environment(view, &path.project, &path.environment)?;
        let (stored, document) = flag::find(view, project.id, &path.flag)?;
        let object = view.object(environment.id, ObjectKind::Flag, &stored.key)?;
        let object = object.ok_or_else(|| flag::not_found(&stored.key))?;
        precondition.check(Some(object.version))?;
        let state = parse(&object.document)?;
        let StoredObject { version, bytes, .. } = object;
        Ok(Self { project, environment, key: stored.key, document, version, bytes, state })
    }

    /// That the flag has the variant which a request names as `variant`.
    pub(super) fn needs_variant(&self, name: &str) -> Result<(), Fault> {
        let variants = &self.document.shared.variants;
        if variants.iter().any(|variant| variant.name == name) {
            return Ok(());
        }
        Err(Fault::at("/variant", "unknown_variant", unknown_variant(variants, name)))
    }

    /// Everything that is wrong with another state of the flag; pointers lead into the state.
    pub(super) fn check(&self, view: &dyn View, after: &FlagState) -> Result<(), Fault> {
        let definition = self.document.shared.with_state(after.clone());
        let mut faults = check_flag(&definition);
        for found in &mut faults {
            if let Some(pointer) = found.pointer.strip_prefix("/state") {
                found.pointer = pointer.to_owned();
            }
        }
        // First by itself, which bounds what is looked up.
        all_right(faults)?;
        all_right(Needs::new(view, self.project.id, &self.environment).faults(after)?)?;
        if !after.prerequisites.is_empty() && after.prerequisites != self.state.prerequisites {
            self.check_cycles(view, after)?;
        }
        Ok(())
    }

    fn check_cycles(&self, view: &dyn View, after: &FlagState) -> Result<(), Fault> {
        let mut graph = Prerequisites::new(view.prerequisites(self.environment.id)?);
        let keys = after.prerequisites.iter().map(|prerequisite| prerequisite.flag.clone());
        graph.replace(&self.key, keys.collect()).map_err(|violation| match &violation {
            Violation::Cycle(path) => {
                let first = path.get(1);
                let mut keys = after.prerequisites.iter().map(|prerequisite| &prerequisite.flag);
                let index = keys.position(|key| Some(key) == first).unwrap_or_default();
                violation.at(&format!("/prerequisites/{index}/flag"))
            }
            _ => violation.at("/prerequisites"),
        })
    }

    fn wanted(self, view: &dyn View, mut received: Received) -> Result<(Self, FlagState), Fault> {
        rule_ids::assign(&mut received.members, &self.state.rules);
        received.check(&FLAG_STATE);
        let after: FlagState = received.read()?;
        self.check(view, &after)?;
        Ok((self, after))
    }

    /// A switch is the same state but for that, and limits of size do not apply to it.
    fn is_limited(&self, after: &FlagState) -> bool {
        *after != FlagState { on: after.on, ..self.state.clone() }
    }

    /// What [`save`](Self::save) would publish; nothing where it is the present state.
    pub(super) fn proposed(
        self,
        view: &dyn View,
        after: &FlagState,
    ) -> Result<Option<ObjectChange>, Fault> {
        if *after == self.state {
            return Ok(None);
        }
        let (next, document) = (self.environment.revision + 1, to_json(after)?);
        let limited = self.is_limited(after);
        if limited {
            check_document(&document, "")?;
        }
        let wire = self.wire(next, &document)?;
        if limited {
            let bytes = (self.bytes, wire_bytes(&wire));
            Sizes::check_replaced(view, self.environment.id, bytes, Default::default())?;
        }
        Ok(Some(ObjectChange::Upsert(wire)))
    }

    /// The flag as SDKs would get it with another state.
    pub(super) fn with_state(&self, state: &FlagState) -> Result<Object, Fault> {
        self.wire(self.environment.revision + 1, &to_json(state)?)
    }

    fn wire(&self, version: Revision, document: &str) -> Result<Object, Fault> {
        wire_flag(&self.key, version, document, &self.document.shared)
    }

    /// Writes another state, unless it is the present one.
    pub(super) fn save(
        mut self,
        unit: &mut Unit<'_>,
        action: &str,
        after: FlagState,
    ) -> Result<State, Fault> {
        if after == self.state {
            let revision = Some(self.environment.revision);
            return Ok(State { state: after, version: self.version, revision });
        }
        let limited = self.is_limited(&after);
        let definition = self.document.shared.with_state(after);
        let edit = Edit::Flag {
            key: &self.key,
            document: to_json(&definition.state)?,
            shared: &self.document.shared,
            references: references(&definition),
            limited,
        };
        let revision = unit.publish(&mut self.environment, vec![edit])?;
        unit.record(&Deed {
            action,
            project: Some(&self.project),
            environment: Some(&self.environment),
            kind: "flag_state",
            key: &self.key,
            before: Some(&json!(self.state)),
            after: Some(&json!(definition.state)),
            revisions: &project::at_revision(&self.environment, revision),
        })?;
        Ok(State { state: definition.state, version: revision, revision: Some(revision) })
    }
}

/// What a flag needs of other objects of its environment.
pub(super) fn references(definition: &FlagDefinition) -> Vec<Reference> {
    let references = flag_references(definition);
    let flags = references.flags.into_iter().map(|prerequisite| Reference {
        kind: ObjectKind::Flag,
        key: prerequisite.flag,
        names: prerequisite.variants,
    });
    let segments = references.segments.into_iter().map(|key| Reference {
        kind: ObjectKind::Segment,
        key,
        names: Vec::new(),
    });
    let features = definition.state.requires.iter().map(|requires| Reference {
        kind: ObjectKind::Feature,
        key: requires.feature.clone(),
        names: Vec::new(),
    });
    flags.chain(segments).chain(features).collect()
}

pub(crate) fn get(view: &dyn View, path: &Path) -> Result<State, Fault> {
    let place = Place::find(view, path, &Precondition::None)?;
    Ok(State { state: place.state, version: place.version, revision: None })
}

/// The flags of an environment: the shared part and the state of each.
pub(crate) fn list(
    view: &dyn View,
    project: &str,
    environment: &str,
    page: &Page,
) -> Result<Listed<(StoredFlag, FlagDocument, State)>, Fault> {
    let (project, environment) = project::find_environment(view, project, environment)?;
    // Every flag has a state in every environment: the two lists have the same keys.
    let states = view.objects(environment.id, ObjectKind::Flag, page)?;
    let read = |(stored, object): (StoredFlag, StoredObject)| {
        let document = FlagDocument::read(&stored)?;
        let state = parse(&object.document)?;
        Ok((stored, document, State { state, version: object.version, revision: None }))
    };
    let found = view.flags(project.id, page)?.into_iter().zip(states).collect();
    let bytes =
        |(flag, state): &(StoredFlag, StoredObject)| flag.document.len() + state.document.len();
    Listed::of(found, page, bytes).try_map(read)
}

pub(crate) fn put(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<State, Fault> {
    precondition.demand()?;
    let (place, after) = wanted_by_put(unit.tx, path, precondition, body)?;
    place.save(unit, "flag_state.put", after)
}

pub(crate) fn patch(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<State, Fault> {
    precondition.demand()?;
    let (place, after) = wanted_by_patch(unit.tx, path, precondition, body)?;
    place.save(unit, "flag_state.patch", after)
}

/// What a state is to be that is sent as a whole.
pub(super) fn wanted_by_put(
    view: &dyn View,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<(Place, FlagState), Fault> {
    let place = Place::find(view, path, precondition)?;
    let mut received = Received::new(body)?;
    received.take_sent_back(Some(place.version));
    place.wanted(view, received)
}

/// What a state is to be of which some members are sent.
pub(super) fn wanted_by_patch(
    view: &dyn View,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<(Place, FlagState), Fault> {
    let place = Place::find(view, path, precondition)?;
    let mut received = Received::new(body)?;
    received.take_sent_back(Some(place.version));
    received.merge_into(json!(place.state), &PATCH);
    place.wanted(view, received)
}

/// Switches a flag on or off. That checks nothing, so that nothing is in the way of switching off.
pub(crate) fn switch(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    on: bool,
) -> Result<State, Fault> {
    let place = Place::find(unit.tx, path, precondition)?;
    let after = FlagState { on, ..place.state.clone() };
    place.save(unit, if on { "flag_state.on" } else { "flag_state.off" }, after)
}
