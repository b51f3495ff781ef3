//! An exported document, taken into an environment.

use std::collections::HashSet;

use flags_core::{
    ADDON, Diagnostic, FEATURE, FLAG_STATE, FLAG_TYPE, Field, FlagState, MAX_DIAGNOSTICS, PLAN,
    SEGMENT, SegmentDefinition, Serve, Shape, Text, VARIANTS, folded_key, is_key,
};
use schemars::{Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Value, json};

use super::catalogue::{self, Document, Sold, WantedCatalogue, WantedSold};
use super::export::FORMAT;
use super::fault::{Fault, diagnostic};
use super::flag::{DESCRIPTION, EXPIRY, NAME, TAGS, shared_faults};
use super::model::{Beginning, FlagDocument, SharedFlag};
use super::plan::{Kept, Plan, Wanted, WantedFlag, WantedSegment};
use super::precondition::Precondition;
use super::received::{INVALID_KEY, Received, all_right};
use super::tenant::shape::EXPORTED;
use super::tenant::{self, Upsert};
use super::{project, rule_ids};
use crate::limits::{
    MAX_ADDONS, MAX_FEATURES, MAX_FLAGS, MAX_IMPORTED_TENANTS, MAX_SEGMENTS, MAX_SOLD_PLANS,
};
use crate::schema::{Body, text, with_types, with_values};
use crate::store::{ObjectKind, ProjectId, Scope, View};

/// What the audit log calls it.
pub(crate) const ACTION: &str = "environment.import";

static DOCUMENT: Shape = Shape::Object(&[
    Field::optional("format", &Shape::Within(FORMAT..=FORMAT, &Shape::U64)),
    Field::optional("project", &Shape::String).says("Where it is from; says nothing."),
    Field::optional("environment", &Shape::String).says("Where it is from; says nothing."),
    Field::optional("revision", &Shape::U64).says("Which revision it is of; says nothing."),
    Field::optional("flags", &Shape::Within(0..=MAX_FLAGS, &Shape::List(&FLAG)))
        .says("Flags with their definition and their state here."),
    // Checked without their keys, which a definition does not have.
    Field::optional("segments", &Shape::Within(0..=MAX_SEGMENTS, &Shape::List(&Shape::Any)))
        .says("Segments with all their keys."),
    Field::optional("features", &Shape::Within(0..=MAX_FEATURES, &Shape::List(&Shape::Any)))
        .says("What is sold."),
    Field::optional("plans", &Shape::Within(0..=MAX_SOLD_PLANS, &Shape::List(&Shape::Any)))
        .says("Plans with their versions."),
    Field::optional("addons", &Shape::Within(0..=MAX_ADDONS, &Shape::List(&Shape::Any)))
        .says("What is sold besides."),
    Field::optional("tenants", &Shape::Within(0..=MAX_IMPORTED_TENANTS, &EXPORTED))
        .says("Stored tenants."),
]);

static FLAG: Shape = Shape::Object(&[
    Field::required("key", &Shape::Text(&Text::KEY)).says("The key of the flag."),
    Field::required("type", &FLAG_TYPE),
    Field::required("variants", &VARIANTS),
    Field::optional("name", &NAME),
    Field::optional("description", &DESCRIPTION),
    Field::optional("owner", &NAME),
    Field::optional("tags", &TAGS),
    Field::optional("permanent", &Shape::Boolean),
    Field::optional("expiry", &EXPIRY),
    Field::required("state", &FLAG_STATE).says("Its state in this environment."),
]);

/// What is to be imported, right in its form.
#[derive(Debug, Clone)]
pub(crate) struct Imported {
    flags: Vec<ImportedFlag>,
    segments: Vec<(String, SegmentDefinition)>,
    sold: WantedCatalogue,
    tenants: Vec<Upsert>,
}

impl Imported {
    /// The schema of the document.
    pub(crate) fn document(generator: &mut SchemaGenerator) -> Schema {
        let state = Body::of(&FLAG_STATE, generator).rules_without_ids().schema();
        let flag = Body::of(&FLAG, generator).with("state", state).schema();
        let flag = with_values(flag, &[], false);
        let key = text(&Text::KEY);
        let segment = Body::of(&SEGMENT, generator).with("key", key).requires("key").schema();
        let list =
            |most: u64, items: Schema| json!({"type": "array", "items": items, "maxItems": most});
        let mut sold = |shape| Body::of(shape, generator).presented().requires("key");
        let features = list(MAX_FEATURES, with_types(sold(&FEATURE).schema()));
        let plans = list(MAX_SOLD_PLANS, sold(&PLAN).versions_without_numbers().schema());
        let addons = list(MAX_ADDONS, sold(&ADDON).schema());
        Body::of(&DOCUMENT, generator)
            .with("features", features)
            .with("plans", plans)
            .with("addons", addons)
            .with("flags", list(MAX_FLAGS, flag))
            .with("segments", list(MAX_SEGMENTS, segment))
            .schema()
    }
}

#[derive(Debug, Clone, Deserialize)]
struct ImportedFlag {
    key: String,
    #[serde(flatten)]
    shared: SharedFlag,
    state: FlagState,
}

impl Imported {
    /// Reads a document. May take its time, for a long one.
    ///
    /// # Errors
    /// Everything that is wrong with its form; pointers lead into it.
    pub(crate) fn read(mut document: Value) -> Result<Self, Fault> {
        check_counts(&document)?;
        let list = |document: &mut Value, name: &str| -> Vec<Value> {
            match document.get_mut(name) {
                Some(Value::Array(list)) => std::mem::take(list),
                _ => Vec::new(),
            }
        };
        for flag in document.get_mut("flags").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(Value::Object(state)) = flag.get_mut("state") {
                rule_ids::assign(state, &[]);
            }
        }
        let mut faults = DOCUMENT.check(&document);
        if let Some(format) = document.get("format").and_then(Value::as_u64)
            && format != FORMAT
        {
            let message = format!("this server imports the format {FORMAT}, not {format}");
            faults.push(diagnostic("/format", "unknown_format", message));
        }
        let (flags, segments) = (list(&mut document, "flags"), list(&mut document, "segments"));
        let tenants = list(&mut document, "tenants");
        let segments = read_segments(segments, &mut faults);
        let sold = WantedCatalogue {
            features: read_sold("features", list(&mut document, "features"), &mut faults)?,
            plans: read_sold("plans", list(&mut document, "plans"), &mut faults)?,
            addons: read_sold("addons", list(&mut document, "addons"), &mut faults)?,
        };
        all_right(faults)?;
        let mut faults = Vec::new();
        let flags = flags.into_iter().enumerate();
        let flags: Vec<ImportedFlag> = flags
            .map(|(index, flag)| {
                serde_json::from_value(flag).map_err(|error| {
                    Fault::at(&format!("/flags/{index}"), "invalid", error.to_string())
                })
            })
            .collect::<Result<_, _>>()?;
        let tenants: Vec<Upsert> = serde_json::from_value(tenants.into())
            .map_err(|error| Fault::at("/tenants", "invalid", error.to_string()))?;
        check_keys("flags", flags.iter().map(|flag| &*flag.key), &mut faults);
        check_keys("segments", segments.iter().map(|(key, _)| &**key), &mut faults);
        check_keys("features", sold.features.iter().map(|sold| &*sold.key), &mut faults);
        check_keys("plans", sold.plans.iter().map(|sold| &*sold.key), &mut faults);
        check_keys("addons", sold.addons.iter().map(|sold| &*sold.key), &mut faults);
        faults.extend(tenant::check(&tenants));
        faults.truncate(MAX_DIAGNOSTICS);
        all_right(faults)?;
        Ok(Self { flags, segments, sold, tenants })
    }
}

/// Refuses more than there can be, before anything else is looked at.
fn check_counts(document: &Value) -> Result<(), Fault> {
    for (list, limit, maximum) in [
        ("flags", "flags", MAX_FLAGS),
        ("segments", "segments", MAX_SEGMENTS),
        ("features", "features", MAX_FEATURES),
        ("plans", "plans", MAX_SOLD_PLANS),
        ("addons", "addons", MAX_ADDONS),
        ("tenants", "imported_tenants", MAX_IMPORTED_TENANTS),
    ] {
        let many = document.get(list).and_then(Value::as_array);
        if many.is_some_and(|many| many.len() as u64 > maximum) {
            return Err(Fault::limit_at(&format!("/{list}"), limit, maximum));
        }
    }
    Ok(())
}

fn read_segments(
    list: Vec<Value>,
    faults: &mut Vec<Diagnostic>,
) -> Vec<(String, SegmentDefinition)> {
    let mut segments = Vec::with_capacity(list.len());
    for (index, mut segment) in list.into_iter().enumerate() {
        let at = format!("/segments/{index}");
        if faults.len() >= MAX_DIAGNOSTICS {
            break;
        }
        let key = segment.as_object_mut().map(|members| members.remove("key"));
        let found = SEGMENT.check(&segment);
        let right = found.is_empty();
        faults.extend(
            found
                .into_iter()
                .map(|found| Diagnostic { pointer: format!("{at}{}", found.pointer), ..found }),
        );
        match key {
            Some(Some(Value::String(key))) if right => match serde_json::from_value(segment) {
                Ok(definition) => segments.push((key, definition)),
                Err(error) => faults.push(diagnostic(&at, "invalid", error.to_string())),
            },
            Some(None) => faults.push(diagnostic(&at, "missing_field", "`key` is missing")),
            Some(Some(key)) if !key.is_string() => {
                let pointer = format!("{at}/key");
                faults.push(diagnostic(&pointer, "wrong_type", "expected a string"));
            }
            _ => {}
        }
    }
    segments
}

/// Things of the catalogue with what people call them.
fn read_sold<D: Sold>(
    name: &str,
    list: Vec<Value>,
    faults: &mut Vec<Diagnostic>,
) -> Result<Vec<WantedSold<D>>, Fault> {
    let mut sold = Vec::with_capacity(list.len());
    for (index, item) in list.into_iter().enumerate() {
        let at = format!("/{name}/{index}");
        if faults.len() >= MAX_DIAGNOSTICS {
            break;
        }
        let Ok(mut received) = Received::new(item) else {
            faults.push(diagnostic(&at, "wrong_type", "expected an object"));
            continue;
        };
        let key = match received.members.remove("key") {
            Some(Value::String(key)) => key,
            Some(_) => {
                received.report("/key", "wrong_type", "expected a string");
                String::new()
            }
            None => {
                received.report("", "missing_field", "`key` is missing");
                String::new()
            }
        };
        D::complete(&mut received);
        match catalogue::read::<D>(received).map_err(|fault| fault.below(&at)) {
            Ok(Document { presentation, definition }) => {
                let presentation = Some(presentation);
                sold.push(WantedSold { at, key, presentation, definition });
            }
            Err(Fault::Invalid(found)) => faults.extend(found),
            Err(fault) => return Err(fault),
        }
    }
    Ok(sold)
}

fn check_keys<'a>(list: &str, keys: impl Iterator<Item = &'a str>, faults: &mut Vec<Diagnostic>) {
    let mut seen = HashSet::new();
    for (index, key) in keys.enumerate() {
        let pointer = format!("/{list}/{index}/key");
        if faults.len() >= MAX_DIAGNOSTICS {
            return;
        }
        if !is_key(key) {
            faults.push(diagnostic(&pointer, "invalid_key", INVALID_KEY));
        } else if !seen.insert(folded_key(key)) {
            let message = format!("`{key}` is here twice, or too like another one");
            faults.push(diagnostic(&pointer, "duplicate", message));
        }
    }
}

/// Makes everything that the document names what it says there; what it does not name stays. Flags
/// that are not there yet are created; the shared definition of others stays as it is.
pub(crate) fn plan(
    view: &dyn View,
    project: &str,
    environment: &str,
    precondition: &Precondition,
    imported: Imported,
) -> Result<Plan, Fault> {
    let place = project::find_environment(view, project, environment)?;
    precondition.check(Some(place.1.revision))?;
    let (mut faults, mut kept) = (Vec::new(), Vec::new());
    let mut wanted = Wanted::default();
    for (index, flag) in imported.flags.into_iter().enumerate() {
        if faults.len() >= MAX_DIAGNOSTICS {
            break;
        }
        let at = format!("/flags/{index}");
        let ImportedFlag { key, shared, state } = flag;
        let (new, is_kept) = match present(view, place.0.id, &key, &shared) {
            Err(PresentFault::Wrong(place, code, message)) => {
                faults.push(diagnostic(&format!("{at}{place}"), code, message));
                continue;
            }
            Err(PresentFault::Fault(fault)) => return Err(fault),
            Ok(Present::Same) => (None, false),
            Ok(Present::Differs) => (None, true),
            Ok(Present::Not) => {
                let document = new_document(shared, &state);
                for found in shared_faults(&document) {
                    let pointer = format!("{at}{}", found.pointer);
                    faults.push(Diagnostic { pointer, ..found });
                }
                (Some(document), false)
            }
        };
        if is_kept {
            let why = "shared_definition";
            kept.push(Kept { kind: ObjectKind::Flag, key: key.clone(), why });
        }
        wanted.flags.push(WantedFlag { at: format!("{at}/state"), key, state, new });
    }
    all_right(faults)?;
    for (index, (key, definition)) in imported.segments.into_iter().enumerate() {
        wanted.segments.push(WantedSegment { at: format!("/segments/{index}"), key, definition });
    }
    wanted.sold = imported.sold;
    wanted.tenants = imported.tenants;
    Ok(Plan::new(view, place, wanted)?.keeping(kept))
}

/// What there is of a flag already.
enum Present {
    Not,
    Same,
    /// In what people read, which stays.
    Differs,
}

enum PresentFault {
    Wrong(&'static str, &'static str, String),
    Fault(Fault),
}

impl<F: Into<Fault>> From<F> for PresentFault {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

fn present(
    view: &dyn View,
    project: ProjectId,
    key: &str,
    shared: &SharedFlag,
) -> Result<Present, PresentFault> {
    let Some(stored) = view.flag(project, key)? else {
        return match view.key_like(Scope::Flags(project), &folded_key(key))? {
            None => Ok(Present::Not),
            Some(existing) => {
                let message = format!("`{key}` is too like the flag `{existing}`");
                Err(PresentFault::Wrong("/key", "key_conflict", message))
            }
        };
    };
    if stored.archived_at.is_some() {
        let message = format!("the flag `{key}` is archived: restore it first");
        return Err(PresentFault::Wrong("/key", "archived", message));
    }
    let present = FlagDocument::read(&stored)?.shared;
    if present.flag_type != shared.flag_type {
        let message = format!("the flag `{key}` is of the type {}", present.flag_type);
        return Err(PresentFault::Wrong("/type", "immutable", message));
    }
    if present.variants != shared.variants {
        let message = format!(
            "the flag `{key}` has other variants: they belong to all environments, change them first"
        );
        return Err(PresentFault::Wrong("/variants", "different", message));
    }
    Ok(if present == *shared { Present::Same } else { Present::Differs })
}

/// Other environments begin with what is served here to those whom no rule names.
fn new_document(shared: SharedFlag, state: &FlagState) -> FlagDocument {
    let fallthrough = match &state.fallthrough {
        Serve::Variant(variant) => variant.clone(),
        Serve::Split(_) | Serve::Ramp(_) => {
            shared.variants.first().map(|variant| variant.name.clone()).unwrap_or_default()
        }
    };
    let beginning = Beginning { off_variant: state.off_variant.clone(), fallthrough };
    FlagDocument { shared, beginning }
}
