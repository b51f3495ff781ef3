//! The shared definition of a flag.

use flags_core::{
    Diagnostic, FLAG_TYPE, Field, FlagDefinition, FlagType, Shape, Text, VARIANTS, Variant,
    check_flag,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::{Fault, diagnostic};
use super::model::{
    Beginning, Flag, FlagDocument, Revisions, SharedFlag, json as to_json, parse, revisions_of,
};
use super::precondition::Precondition;
use super::project;
use super::publish::{Deed, Edit, Unit};
use super::received::{Received, all_right};
use super::sizes::check_document;
use super::state::references;
use super::text;
use crate::limits::{MAX_FLAGS, MAX_TAGS};
use crate::store::{
    Environment, Listed, ObjectKind, Page, Project, ProjectId, Scope, StoredFlag, Transaction, View,
};

pub(super) static NAME: Shape = Shape::Nullable(&Shape::Text(&text::NAME));
pub(super) static DESCRIPTION: Shape = Shape::Nullable(&Shape::Text(&text::DESCRIPTION));
pub(super) static TAGS: Shape =
    Shape::Within(0..=MAX_TAGS as u64, &Shape::List(&Shape::Text(&text::TAG)));
pub(super) static EXPIRY: Shape = Shape::Nullable(&Shape::Text(&Text::TIME));

pub(crate) static CREATE: Shape = Shape::Object(&[
    Field::required("type", &FLAG_TYPE).says("What its values are; it never changes."),
    Field::optional("variants", &VARIANTS),
    Field::optional("off_variant", &Shape::Text(&Text::VARIANT_NAME))
        .says("The variant that is served while it is off; `off` of a boolean one."),
    Field::optional("fallthrough", &Shape::Text(&Text::VARIANT_NAME))
        .says("The variant that it begins with for everybody; `on` of a boolean one."),
    Field::optional("name", &NAME),
    Field::optional("description", &DESCRIPTION),
    Field::optional("owner", &NAME),
    Field::optional("tags", &TAGS),
    Field::optional("permanent", &Shape::Boolean),
    Field::optional("expiry", &EXPIRY),
]);

pub(crate) static UPDATE: Shape = Shape::Object(&[
    Field::optional("variants", &VARIANTS),
    Field::optional("name", &NAME),
    Field::optional("description", &DESCRIPTION),
    Field::optional("owner", &NAME),
    Field::optional("tags", &TAGS),
    Field::optional("permanent", &Shape::Boolean),
    Field::optional("expiry", &EXPIRY),
]);

/// The members of a patch; their values are checked after merging.
static PATCH: Shape = Shape::Object(&[
    Field::optional("variants", &Shape::Any),
    Field::optional("name", &Shape::Any),
    Field::optional("description", &Shape::Any),
    Field::optional("owner", &Shape::Any),
    Field::optional("tags", &Shape::Any),
    Field::optional("permanent", &Shape::Any),
    Field::optional("expiry", &Shape::Any),
]);

/// A shared definition as it is sent.
#[derive(Deserialize)]
struct Said {
    #[serde(rename = "type")]
    flag_type: FlagType,
    variants: Option<Vec<Variant>>,
    off_variant: Option<String>,
    fallthrough: Option<String>,
    name: Option<String>,
    description: Option<String>,
    owner: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    permanent: bool,
    expiry: Option<String>,
}

impl Said {
    /// Fills in what a boolean flag may leave out.
    fn into_document(self, beginning: Option<Beginning>) -> Result<FlagDocument, Fault> {
        let by_default = self.flag_type == FlagType::Boolean && self.variants.is_none();
        let (on, off) = if by_default { (Some("on"), Some("off")) } else { (None, None) };
        let creating = beginning.is_none();
        let beginning = beginning.unwrap_or_else(|| Beginning {
            off_variant: self.off_variant.or(off.map(Into::into)).unwrap_or_default(),
            fallthrough: self.fallthrough.or(on.map(Into::into)).unwrap_or_default(),
        });
        let mut missing = Vec::new();
        let mut need = |there: bool, name: &str| {
            if !there {
                missing.push(diagnostic("", "missing_field", format!("`{name}` is missing")));
            }
        };
        need(by_default || self.variants.is_some(), "variants");
        need(!creating || !beginning.off_variant.is_empty(), "off_variant");
        need(!creating || !beginning.fallthrough.is_empty(), "fallthrough");
        all_right(missing)?;
        let boolean = |name: &str, value: bool| Variant { name: name.into(), value: value.into() };
        let variants = || vec![boolean("on", true), boolean("off", false)];
        Ok(FlagDocument {
            shared: SharedFlag {
                flag_type: self.flag_type,
                variants: self.variants.unwrap_or_else(variants),
                name: self.name,
                description: self.description,
                owner: self.owner,
                tags: self.tags,
                permanent: self.permanent,
                expiry: self.expiry,
            },
            beginning,
        })
    }
}

pub(super) fn not_found(key: &str) -> Fault {
    Fault::NotFound(format!("there is no flag `{key}`"))
}

/// The flag `key` of a project, as it is stored.
pub(super) fn find(
    view: &dyn View,
    project: ProjectId,
    key: &str,
) -> Result<(StoredFlag, FlagDocument), Fault> {
    let stored = view.flag(project, key)?.ok_or_else(|| not_found(key))?;
    let document = FlagDocument::read(&stored)?;
    Ok((stored, document))
}

fn shown(stored: StoredFlag, shared: SharedFlag, revisions: Option<Revisions>) -> Flag {
    let StoredFlag { key, version, archived_at, .. } = stored;
    Flag { key, shared, version, archived_at, revisions }
}

/// The first state of a flag in an environment.
pub(super) fn first_object<'a>(
    key: &'a str,
    document: &'a FlagDocument,
) -> Result<Edit<'a>, Fault> {
    Ok(Edit::Flag {
        key,
        document: to_json(&document.first_state())?,
        shared: &document.shared,
        references: Vec::new(),
        limited: true,
    })
}

pub(crate) fn get(view: &dyn View, project: &str, key: &str) -> Result<Flag, Fault> {
    let project = project::find(view, project)?;
    let (stored, document) = find(view, project.id, key)?;
    Ok(shown(stored, document.shared, None))
}

pub(crate) fn list(view: &dyn View, project: &str, page: &Page) -> Result<Listed<Flag>, Fault> {
    let project = project::find(view, project)?;
    let read = |stored: StoredFlag| {
        let shared = FlagDocument::read(&stored)?.shared;
        Ok(shown(stored, shared, None))
    };
    let found = view.flags(project.id, page)?;
    Listed::of(found, page, |stored| stored.document.len()).try_map(read)
}

/// Creates a flag, off in every environment. `key` comes from the path where that names one.
pub(crate) fn create(
    unit: &mut Unit<'_>,
    project: &str,
    key: Option<&str>,
    body: Value,
) -> Result<Flag, Fault> {
    let project = project::find(unit.tx, project)?;
    let mut received = Received::new(body)?;
    received.take_sent_back(None);
    let key = received.take_new_key(key);
    received.check(&CREATE);
    let document = received.read::<Said>()?.into_document(None)?;
    let mut faults = shared_faults(&document);
    for found in check_flag(&document.shared.with_state(document_state(&document))) {
        let pointer = match &*found.pointer {
            "/state/off_variant" => "/off_variant",
            "/state/fallthrough/variant" => "/fallthrough",
            pointer => pointer,
        };
        faults.push(diagnostic(pointer, &found.code, found.message));
    }
    all_right(faults)?;
    let scope = Scope::Flags(project.id);
    project::check_new(unit.tx, scope, &key, ("flags", MAX_FLAGS))?;

    let stored =
        StoredFlag { key, version: 1, document: stored_json(&document)?, archived_at: None };
    unit.tx.put_flag(project.id, &stored)?;
    let mut environments = unit.tx.environments(Some(project.id), &Page::ALL)?;
    for environment in &mut environments {
        let edit = first_object(&stored.key, &document)?;
        unit.publish(environment, vec![edit])?;
    }
    let revisions = revisions_of(&environments);
    record(unit, "flag.create", &project, &stored.key, None, &document.shared, &revisions)?;
    Ok(shown(stored, document.shared, Some(revisions)))
}

/// The first state exactly as it was asked for, right or wrong.
fn document_state(document: &FlagDocument) -> flags_core::FlagState {
    let mut state = document.first_state();
    state.off_variant.clone_from(&document.beginning.off_variant);
    state.fallthrough = flags_core::Serve::Variant(document.beginning.fallthrough.clone());
    state
}

pub(crate) fn put(
    unit: &mut Unit<'_>,
    project: &str,
    key: &str,
    precondition: &Precondition,
    body: Value,
) -> Result<Flag, Fault> {
    precondition.demand()?;
    let found = project::find(unit.tx, project)?;
    if unit.tx.flag(found.id, key)?.is_none() && *precondition == Precondition::Absent {
        return create(unit, project, Some(key), body);
    }
    change(unit, &found, key, precondition, "flag.put", body, |_, _| ())
}

pub(crate) fn patch(
    unit: &mut Unit<'_>,
    project: &str,
    key: &str,
    precondition: &Precondition,
    body: Value,
) -> Result<Flag, Fault> {
    precondition.demand()?;
    let found = project::find(unit.tx, project)?;
    change(unit, &found, key, precondition, "flag.patch", body, |shared, received| {
        let mut present = json!(shared);
        if let Value::Object(members) = &mut present {
            members.remove("type");
        }
        received.merge_into(present, &PATCH);
    })
}

/// Changes the shared definition, and with it every environment, or nothing.
fn change(
    unit: &mut Unit<'_>,
    project: &Project,
    key: &str,
    precondition: &Precondition,
    action: &str,
    body: Value,
    take_over: impl FnOnce(&SharedFlag, &mut Received),
) -> Result<Flag, Fault> {
    let (stored, before) = find(unit.tx, project.id, key)?;
    if stored.archived_at.is_some() {
        return Err(Fault::Archived(format!("the flag `{key}` is archived: restore it first")));
    }
    precondition.check(Some(stored.version))?;
    let mut received = Received::new(body)?;
    received.take_sent_back(Some(stored.version));
    received.take_immutable("key", key);
    received.take_immutable("type", &before.shared.flag_type.to_string());
    take_over(&before.shared, &mut received);
    received.check(&UPDATE);
    received.members.insert("type".into(), json!(before.shared.flag_type));
    let after = received.read::<Said>()?.into_document(Some(before.beginning.clone()))?;

    let mut environments = unit.tx.environments(Some(project.id), &Page::ALL)?;
    if after == before {
        let revisions = Some(revisions_of(&environments));
        return Ok(shown(stored, after.shared, revisions));
    }
    let mut faults = shared_faults(&after);
    faults.extend(check_flag(&after.shared.with_state(after.first_state())));
    all_right(faults)?;

    let mut definitions = Vec::with_capacity(environments.len());
    let mut broken = Vec::new();
    for environment in &environments {
        let object = unit.tx.object(environment.id, ObjectKind::Flag, key)?;
        let object = object.ok_or_else(|| not_found(key))?;
        let definition = after.shared.with_state(parse(&object.document)?);
        broken.extend(breaks(unit.tx, environment, key, &definition)?);
        definitions.push((object.document, definition));
    }
    all_right(broken)?;

    let version = stored.version + 1;
    let stored = StoredFlag { version, document: stored_json(&after)?, ..stored };
    unit.tx.put_flag(project.id, &stored)?;
    for (environment, (document, definition)) in environments.iter_mut().zip(definitions) {
        let edit = Edit::Flag {
            key,
            document,
            shared: &after.shared,
            references: references(&definition),
            limited: true,
        };
        unit.publish(environment, vec![edit])?;
    }
    let revisions = revisions_of(&environments);
    record(unit, action, project, key, Some(&before.shared), &after.shared, &revisions)?;
    Ok(shown(stored, after.shared, Some(revisions)))
}

/// What a new shared definition breaks in an environment: the flag's own state, and flags that
/// need a variant which is gone.
fn breaks(
    tx: &dyn Transaction,
    environment: &Environment,
    key: &str,
    definition: &FlagDefinition,
) -> Result<Vec<Diagnostic>, Fault> {
    let mut broken = Vec::new();
    for found in check_flag(definition) {
        let place = found.pointer.strip_prefix("/state").unwrap_or(&found.pointer);
        let message = format!(
            "in environment `{}`, at {place} of the state: {}",
            environment.key, found.message
        );
        broken.push(diagnostic("/variants", &found.code, message));
    }
    let known = |name: &String| definition.variants.iter().any(|variant| variant.name == *name);
    for referrer in tx.referrers(environment.id, ObjectKind::Flag, key)? {
        for variant in referrer.variants.iter().filter(|name| !known(name)) {
            let message = format!(
                "in environment `{}`, the flag `{}` has `{key}` as a prerequisite with the variant \
                 `{variant}`",
                environment.key, referrer.flag
            );
            broken.push(diagnostic("/variants", "variant_in_use", message));
        }
    }
    Ok(broken)
}

/// What is too long, too much or no text of a shared definition.
pub(super) fn shared_faults(document: &FlagDocument) -> Vec<Diagnostic> {
    let shared = &document.shared;
    let mut faults = Vec::new();
    let texts = [
        ("/name", "a name", &text::NAME, &shared.name),
        ("/description", "a description", &text::DESCRIPTION, &shared.description),
        ("/owner", "an owner", &text::NAME, &shared.owner),
    ];
    for (pointer, what, kind, said) in texts {
        faults.extend(said.iter().flat_map(|said| text::faults(pointer, what, kind, said)));
    }
    if shared.tags.len() > MAX_TAGS {
        let message = format!("a flag has at most {MAX_TAGS} tags");
        faults.push(diagnostic("/tags", "limit_exceeded", message));
    }
    for (index, tag) in shared.tags.iter().enumerate() {
        faults.extend(text::faults(&format!("/tags/{index}"), "a tag", &text::TAG, tag));
    }
    let expiry = shared.expiry.as_ref();
    if expiry.is_some_and(|expiry| !Text::TIME.fits(expiry)) {
        let message = "an expiry is a time such as `2027-01-31T12:00:00Z`";
        faults.push(diagnostic("/expiry", "invalid_time", message));
    }
    if expiry.is_some() && shared.permanent {
        let message = "a permanent flag has no expiry";
        faults.push(diagnostic("/expiry", "permanent", message));
    }
    faults
}

pub(super) fn stored_json(document: &FlagDocument) -> Result<String, Fault> {
    let text = to_json(document)?;
    // What cannot be read again must not be stored.
    parse::<FlagDocument>(&text)?;
    check_document(&text, "")?;
    Ok(text)
}

fn record(
    unit: &mut Unit<'_>,
    action: &str,
    project: &Project,
    key: &str,
    before: Option<&SharedFlag>,
    after: &SharedFlag,
    revisions: &Revisions,
) -> Result<(), Fault> {
    let before = before.map(|before| json!(before));
    unit.record(&Deed {
        action,
        project: Some(project),
        environment: None,
        kind: "flag",
        key,
        before: before.as_ref(),
        after: Some(&json!(after)),
        revisions,
    })
}
