use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;

use smol_str::SmolStr;

use super::definition::{
    AddonQuantity, BlockDefinition, BlockEffect, ContractDefinition, ContractOverride, Lane,
    OverrideMode, SubscriptionDefinition, SubscriptionState,
};
use super::exception::Exception;
use super::plan::{PlanId, check_key, check_version};
use super::window::{Window, millis};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::limits::{
    MAX_ADDON_QUANTITY, MAX_TENANT_ADDONS, MAX_TENANT_BLOCKS, MAX_TENANT_OVERRIDES,
};

/// What a tenant has bought, compiled: what [`Catalogue::timeline`](crate::Catalogue::timeline)
/// asks for.
#[derive(Debug, Default)]
pub struct Contract {
    pub(super) plan: Option<PlanId>,
    pub(crate) plan_since: Option<i64>,
    /// By key.
    pub(super) addons: Box<[(SmolStr, u32)]>,
    pub(super) trial: Option<(PlanId, Window)>,
    /// There while an invoice is unpaid.
    pub(super) unpaid_since: Option<i64>,
    pub(super) ends_at: Option<i64>,
    /// By feature and id.
    overrides: Box<[Exception]>,
    pub(super) blocks: Box<[Block]>,
}

#[derive(Debug)]
pub(super) struct Block {
    pub(super) lane: Lane,
    pub(super) effect: BlockEffect,
    pub(super) window: Window,
}

/// Everything that is wrong with a contract by itself: whether there are such plans, add-ons and
/// features, and whether overrides fit them, is not looked at.
///
/// ```
/// use flags_core::{ContractDefinition, check_contract};
///
/// let contract: ContractDefinition = serde_json::from_value(serde_json::json!({
///     "plan": "pro",
///     "trial": {"plan": "max", "plan_version": 1,
///               "start": "2026-11-20T00:00:00Z", "end": "2026-11-19T00:00:00Z"},
///     "subscription": {"state": "past_due"},
/// }))?;
/// let found: Vec<_> = check_contract(&contract).iter().map(ToString::to_string).collect();
/// assert_eq!(found, [
///     "`plan` and `plan_version` are there together",
///     "/trial/end: `end` has to be after `start`",
///     "/subscription: `unpaid_since` is there where the state is `past_due`, and only then",
/// ]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn check_contract(definition: &ContractDefinition) -> Vec<Diagnostic> {
    Contract::compile(definition).err().unwrap_or_default()
}

impl Contract {
    /// Compiles a contract.
    ///
    /// # Errors
    /// Everything that is wrong with it by itself, as [`check_contract`] says it.
    pub fn compile(said: &ContractDefinition) -> Result<Self, Vec<Diagnostic>> {
        let mut d = Diagnostics::default();
        let plan = compile_plan(said, &mut d);
        let plan_since =
            said.plan_since.as_ref().and_then(|text| d.at("plan_since", |d| millis(text, d)));
        let addons = d.at("addons", |d| compile_addons(&said.addons, d));
        let trial = said.trial.as_ref().map(|trial| {
            d.at("trial", |d| {
                let plan = compile_plan_id(&trial.plan, trial.plan_version, d);
                (plan, Window::compile(Some(&trial.start), Some(&trial.end), d))
            })
        });
        let (unpaid_since, ends_at) = match &said.subscription {
            Some(said) => d.at("subscription", |d| compile_subscription(said, d)),
            None => (None, None),
        };
        let overrides = d.at("overrides", |d| compile_overrides(&said.overrides, d));
        let blocks = d.at("blocks", |d| compile_blocks(&said.blocks, d));
        let contract =
            Self { plan, plan_since, addons, trial, unpaid_since, ends_at, overrides, blocks };
        if d.is_clean() { Ok(contract) } else { Err(d.into_vec()) }
    }

    /// Whether there is more to it than a plan and add-ons.
    pub(super) fn is_special(&self) -> bool {
        self.trial.is_some()
            || self.unpaid_since.is_some()
            || self.ends_at.is_some()
            || !self.overrides.is_empty()
            || !self.blocks.is_empty()
    }

    /// The keys of the features that have overrides, each once.
    pub(super) fn overridden(&self) -> impl Iterator<Item = &SmolStr> {
        self.overrides
            .chunk_by(|a, b| a.feature == b.feature)
            .flat_map(|same| same.first().map(|exception| &exception.feature))
    }

    /// The overrides of one feature, by id.
    pub(super) fn overrides_of(&self, feature: &str) -> &[Exception] {
        let overrides = &self.overrides;
        let start = overrides.partition_point(|known| *known.feature < *feature);
        let end = overrides.partition_point(|known| *known.feature <= *feature);
        overrides.get(start..end).unwrap_or_default()
    }
}

fn compile_plan(said: &ContractDefinition, d: &mut Diagnostics) -> Option<PlanId> {
    match (&said.plan, said.plan_version) {
        (Some(plan), Some(version)) => Some(compile_plan_id(plan, version, d)),
        (None, None) => None,
        _ => {
            d.report("missing_field", "`plan` and `plan_version` are there together");
            None
        }
    }
}

/// Reads the fields `plan` and `plan_version`.
fn compile_plan_id(plan: &str, version: u32, d: &mut Diagnostics) -> PlanId {
    d.at("plan", |d| check_key("a plan", plan, d));
    d.at("plan_version", |d| check_version(version, d));
    PlanId { plan: SmolStr::new(plan), version }
}

fn compile_addons(said: &[AddonQuantity], d: &mut Diagnostics) -> Box<[(SmolStr, u32)]> {
    check_count(said.len(), MAX_TENANT_ADDONS, "add-ons", d);
    let mut addons: Vec<(SmolStr, u32)> = Vec::with_capacity(said.len());
    for (index, said) in said.iter().enumerate().take(MAX_TENANT_ADDONS) {
        d.at(index, |d| {
            d.at("addon", |d| check_key("an add-on", &said.addon, d));
            if !(1..=MAX_ADDON_QUANTITY).contains(&said.quantity) {
                d.at("quantity", |d| {
                    let text = format!("a quantity is from 1 to {MAX_ADDON_QUANTITY}");
                    d.report("out_of_range", text);
                });
            }
            match addons.binary_search_by(|(known, _)| (**known).cmp(&said.addon)) {
                Err(place) => addons.insert(place, (SmolStr::new(&said.addon), said.quantity)),
                Ok(_) => d.at("addon", |d| twice("add-on", &said.addon, d)),
            }
        });
    }
    addons.into()
}

/// Since when an invoice is unpaid, and when the contract ends.
fn compile_subscription(
    said: &SubscriptionDefinition,
    d: &mut Diagnostics,
) -> (Option<i64>, Option<i64>) {
    if (said.state == SubscriptionState::PastDue) != said.unpaid_since.is_some() {
        let text = "`unpaid_since` is there where the state is `past_due`, and only then";
        d.report("wrong_state", text);
    }
    if said.state == SubscriptionState::Cancelled && said.ends_at.is_none() {
        d.report("missing_field", "a cancelled subscription has an instant `ends_at`");
    }
    let mut at = |name: &str, text: &Option<String>| {
        text.as_ref().and_then(|text| d.at(name, |d| millis(text, d)))
    };
    (at("unpaid_since", &said.unpaid_since), at("ends_at", &said.ends_at))
}

fn compile_overrides(said: &[ContractOverride], d: &mut Diagnostics) -> Box<[Exception]> {
    check_count(said.len(), MAX_TENANT_OVERRIDES, "overrides", d);
    let mut overrides: Vec<Exception> = Vec::with_capacity(said.len());
    for (index, said) in said.iter().enumerate().take(MAX_TENANT_OVERRIDES) {
        d.at(index, |d| {
            let exception = Exception::compile(said, d);
            if overrides.iter().any(|known| known.id == exception.id) {
                d.at("id", |d| twice("override", &exception.id, d));
            }
            let is_set = |of: &Exception| of.mode == OverrideMode::Set;
            let other = overrides.iter().find(|known| {
                known.feature == exception.feature
                    && known.window.meets(exception.window)
                    && is_set(known)
                    && is_set(&exception)
            });
            if let Some(other) = other {
                let id = &other.id;
                let text = format!("`{id}` sets the same feature at the same time");
                d.report("overlap", text);
            }
            overrides.push(exception);
        });
    }
    overrides.sort_by(|a, b| (&a.feature, &a.id).cmp(&(&b.feature, &b.id)));
    overrides.into()
}

fn compile_blocks(said: &[BlockDefinition], d: &mut Diagnostics) -> Box<[Block]> {
    check_count(said.len(), MAX_TENANT_BLOCKS, "blocks", d);
    let compile = |(index, said): (usize, &BlockDefinition)| Block {
        lane: said.lane,
        effect: said.effect,
        window: d.at(index, |d| Window::compile(said.start.as_deref(), said.end.as_deref(), d)),
    };
    said.iter().enumerate().take(MAX_TENANT_BLOCKS).map(compile).collect()
}

fn check_count(count: usize, most: usize, what: &str, d: &mut Diagnostics) {
    if count > most {
        d.report("too_many", format!("a tenant has at most {most} {what}"));
    }
}

fn twice(what: &str, name: impl Display, d: &mut Diagnostics) {
    d.report("duplicate", format!("there are two of the {what} `{name}`"));
}
