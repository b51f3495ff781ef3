use flags_core::{
    AddonDefinition, Diagnostic, FeatureDefinition, MAX_DIAGNOSTICS, PlanDefinition, folded_key,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::item::{Document, Item, Presentation, raw};
use super::needs::Needs;
use super::sold::Sold;
use crate::service::fault::{Fault, diagnostic};
use crate::service::model::json as to_json;
use crate::service::publish::Edit;
use crate::service::received::all_right;
use crate::service::sizes::check_document;
use crate::store::{EnvironmentId, ObjectKind, Reference, Scope, View};

/// Something of the catalogue as it is to be, and where it stands in the request.
#[derive(Debug, Clone)]
pub(crate) struct WantedSold<D> {
    pub(crate) at: String,
    pub(crate) key: String,
    /// `None` where that stays as it is.
    pub(crate) presentation: Option<Presentation>,
    pub(crate) definition: D,
}

/// What is to be of the catalogue; the rest stays as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct WantedCatalogue {
    pub(crate) features: Vec<WantedSold<FeatureDefinition>>,
    pub(crate) plans: Vec<WantedSold<PlanDefinition>>,
    pub(crate) addons: Vec<WantedSold<AddonDefinition>>,
}

/// A change of something in the catalogue.
#[derive(Debug)]
pub(crate) struct PlannedSold {
    pub(crate) kind: ObjectKind,
    pub(crate) key: String,
    /// As the audit log has it; `None` for one that is new.
    pub(crate) before: Option<Value>,
    pub(crate) after: Value,
    /// What it counted so far, in bytes.
    pub(crate) bytes_before: u64,
    document: String,
    definition: Box<RawValue>,
    references: Vec<Reference>,
}

impl PlannedSold {
    /// What it will count.
    pub(crate) fn bytes(&self) -> u64 {
        self.definition.get().len() as u64
    }

    /// Whether it needs others of its kind, which may come after it.
    pub(crate) fn needs_its_kind(&self) -> bool {
        self.references.iter().any(|reference| reference.kind == self.kind)
    }

    pub(crate) fn edit(&self) -> Edit<'_> {
        Edit::Sold {
            kind: self.kind,
            key: &self.key,
            document: self.document.clone(),
            definition: self.definition.clone(),
            references: self.references.clone(),
        }
    }
}

/// One that is right by itself and makes a difference, as it is wanted.
struct Right<D> {
    at: String,
    definition: D,
}

impl WantedCatalogue {
    /// What is to be done, in an order in which features come before what needs them.
    ///
    /// # Errors
    /// Everything that would be wrong.
    pub(crate) fn plan(
        self,
        view: &dyn View,
        environment: EnvironmentId,
        needs: &mut Needs<'_>,
    ) -> Result<Vec<PlannedSold>, Fault> {
        let Self { features, plans, addons } = self;
        let (mut planned, mut faults) = (Vec::new(), Vec::new());
        let mut add = Add { view, environment, planned: &mut planned, faults: &mut faults };
        let features = add.all(features, needs)?;
        let plans = add.all(plans, needs)?;
        let addons = add.all(addons, needs)?;
        all_right(faults)?;
        let mut faults = check(&features, needs)?;
        faults.extend(check(&plans, needs)?);
        faults.extend(check(&addons, needs)?);
        faults.truncate(MAX_DIAGNOSTICS);
        all_right(faults)?;
        Ok(planned)
    }
}

struct Add<'a> {
    view: &'a dyn View,
    environment: EnvironmentId,
    planned: &'a mut Vec<PlannedSold>,
    faults: &'a mut Vec<Diagnostic>,
}

impl Add<'_> {
    fn all<D: Sold>(
        &mut self,
        wanted: Vec<WantedSold<D>>,
        needs: &mut Needs<'_>,
    ) -> Result<Vec<Right<D>>, Fault> {
        let mut right = Vec::new();
        let mut new = 0;
        for wanted in wanted {
            if self.faults.len() >= MAX_DIAGNOSTICS {
                break;
            }
            right.extend(self.one(wanted, &mut new, needs)?);
        }
        let (limit, maximum) = D::LIMIT;
        let scope = Scope::Objects(self.environment, D::KIND);
        if new > 0 && self.view.count(scope)? + new > maximum {
            return Err(Fault::limit(limit, maximum));
        }
        Ok(right)
    }

    fn one<D: Sold>(
        &mut self,
        wanted: WantedSold<D>,
        new: &mut u64,
        needs: &mut Needs<'_>,
    ) -> Result<Option<Right<D>>, Fault> {
        let WantedSold { at, key, presentation, definition } = wanted;
        let below =
            |found: Diagnostic| Diagnostic { pointer: format!("{at}{}", found.pointer), ..found };
        let found = definition.check();
        if !found.is_empty() {
            self.faults.extend(found.into_iter().map(below));
            return Ok(None);
        }
        let object = self.view.object(self.environment, D::KIND, &key)?;
        let bytes_before = object.as_ref().map_or(0, |object| object.bytes);
        let before = object.map(Item::<D>::read).transpose()?.map(|item| item.document);
        let scope = Scope::Objects(self.environment, D::KIND);
        if before.is_none()
            && let Some(existing) = self.view.key_like(scope, &folded_key(&key))?
        {
            let kind = D::KIND.noun();
            let message = format!("`{key}` is too like the {kind} `{existing}`");
            self.faults.push(diagnostic(&at, "key_conflict", message));
            return Ok(None);
        }
        let present = before.as_ref().map(|before| &before.definition);
        let whole = definition.clone().onto(present).and_then(|whole| {
            let found = whole.check();
            if found.is_empty() { Ok(whole) } else { Err(found) }
        });
        let whole = match whole {
            Ok(whole) => whole,
            Err(found) => {
                self.faults.extend(found.into_iter().map(below));
                return Ok(None);
            }
        };
        whole.announce(&key, needs);
        let stays = || before.as_ref().map(|before| before.presentation.clone());
        let presentation = presentation.or_else(stays).unwrap_or_default();
        let document = Document { presentation, definition: whole };
        if before.as_ref() == Some(&document) {
            return Ok(None);
        }
        if let Some(before) = &before {
            let (before, after) = (&before.definition, &document.definition);
            before.check_change(after, self.view, self.environment, &key)?;
        } else {
            *new += 1;
        }
        let text = to_json(&document)?;
        check_document(&text, &at)?;
        self.planned.push(PlannedSold {
            kind: D::KIND,
            before: before.map(|before| json!(before)),
            after: json!(document),
            bytes_before,
            document: text,
            definition: raw(&document.definition)?,
            references: document.definition.references(),
            key,
        });
        Ok(Some(Right { at, definition }))
    }
}

/// Whether all that they need will be there.
fn check<D: Sold>(right: &[Right<D>], needs: &mut Needs<'_>) -> Result<Vec<Diagnostic>, Fault> {
    let mut faults = Vec::new();
    for Right { at, definition } in right {
        for found in definition.faults(needs)? {
            faults.push(Diagnostic { pointer: format!("{at}{}", found.pointer), ..found });
        }
        if faults.len() >= MAX_DIAGNOSTICS {
            break;
        }
    }
    Ok(faults)
}
