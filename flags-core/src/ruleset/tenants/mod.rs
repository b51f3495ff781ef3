//! What is stored about tenants: a million of them fit where few do.

mod record;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use serde_json::Map;

use super::Slot;
use crate::compile::compile_attributes;
use crate::condition::Derived;
use crate::context::{AttributeValue, Strings};
use crate::diagnostic::Diagnostic;
use crate::entitlement::{
    Catalogue, Contract, Contracts, Entitlement, EntitlementReason, Feature, Place, Touched,
};
use crate::key::is_context_key;
use crate::key_map::{KeyMap, KeyTable, Text, hash};

/// The kind of context that a tenant is.
pub(crate) const TENANT: &str = "tenant";

/// Stored tenants by key. A clone shares everything; a change to a clone copies the few hundred
/// tenants around the one that it changes.
///
/// Behind each key lies a [`record`] of where its contract is and of its attributes. Names occur in most records and are
/// numbers there; values lie in the record itself, which takes no more than a number would for
/// those that occur often (`DE`, `pro`), and leaves nothing to clear up after those that do not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tenants {
    records: KeyMap<Text>,
    names: KeyTable<u32>,
    /// Those of which nothing is known but that they are there.
    invalid: KeyMap<()>,
    contracts: Contracts,
}

impl Tenants {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { records: KeyMap::with_capacity(capacity), ..Self::default() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.records.len() == 0
    }

    pub(crate) fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        Counted { left: self.records.len(), keys: self.records.iter().map(|(key, _)| key) }
    }

    /// The attribute of a tenant, if both are there.
    pub(crate) fn attribute(&self, key: &str, name: &str) -> Option<AttributeValue<'_>> {
        let record = self.records.text(key)?;
        let number = self.names.get(hash(name), name).copied();
        record::find(record, number, name)
    }

    /// What rules can ask of the contract of a tenant, at an instant that is asked for only where it
    /// matters.
    pub(crate) fn derived(
        &self,
        key: &str,
        derived: Derived,
        now: impl FnOnce() -> i64,
    ) -> Option<AttributeValue<'_>> {
        let standing = self.contracts.standing(self.place(key)?, now)?;
        Some(match derived {
            Derived::Plan => AttributeValue::String(standing.plan()?),
            Derived::Addons => AttributeValue::List(Strings::Packed(standing.addons())),
            Derived::Features => AttributeValue::List(Strings::Features(standing.feature_list())),
        })
    }

    /// What the contract of a tenant grants of a feature.
    #[inline]
    pub(crate) fn entitlement<'r>(
        &'r self,
        key: &str,
        feature: impl FnOnce() -> Result<(Slot, &'r Feature), EntitlementReason>,
    ) -> Entitlement<'r> {
        // Before the feature: that is close by, and found while this is waited for.
        let Some(record) = self.records.text(key) else {
            return Entitlement::none(self.absence(key, feature().err()));
        };
        match feature() {
            Ok((slot, feature)) => {
                let (place, plan_since) = record::contract(record);
                self.contracts.entitlement(place, slot, feature, plan_since)
            }
            Err(reason) => Entitlement::none(reason),
        }
    }

    /// Why a tenant without a record has no access to a feature.
    #[cold]
    fn absence(&self, key: &str, feature: Option<EntitlementReason>) -> EntitlementReason {
        if self.invalid.contains(key) {
            feature.unwrap_or(EntitlementReason::FeatureInvalid)
        } else {
            EntitlementReason::TenantUnknown
        }
    }

    /// Stores what is said of a tenant in place of what was; no contract for one that cannot be
    /// read. One that is wrong is left as it was.
    pub(crate) fn set(
        &mut self,
        key: &str,
        attributes: &Map<String, serde_json::Value>,
        contract: Option<Contract>,
        touched: &mut Touched,
    ) -> Result<(), Vec<Diagnostic>> {
        let fault = |code: &str, message: &str| {
            let (code, message) = (code.into(), message.into());
            Err(vec![Diagnostic { pointer: String::new(), code, message }])
        };
        if !is_context_key(key) {
            return fault("invalid_key", "this is not a key of a tenant");
        }
        if self.records.is_crowded() && !self.records.contains(key) {
            return fault("crowded", "the keys of too many tenants hash alike");
        }
        let attributes = compile_attributes(attributes)?;
        self.invalid.remove(key);
        let before = self.place(key);
        let plan_since = contract.as_ref().and_then(|contract| contract.plan_since);
        let place = match contract {
            Some(contract) => self.contracts.insert(contract, touched),
            None => Place::Broken,
        };
        let mut record = record::write_contract(place, plan_since);
        record::write_attributes(&attributes, &mut self.names, &mut record);
        self.records.set_text(key, &record);
        // Last, so that what both have in common stays.
        before.into_iter().for_each(|before| self.contracts.remove(before));
        Ok(())
    }

    /// Stores a tenant of which nothing can be read.
    pub(crate) fn set_invalid(&mut self, key: &str) {
        self.remove(key);
        if is_context_key(key) && !self.invalid.is_crowded() {
            // It is not there any more.
            let _ = self.invalid.insert(key, ());
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.invalid.remove(key);
        let before = self.place(key);
        self.records.remove(key);
        before.into_iter().for_each(|before| self.contracts.remove(before));
    }

    /// Accounts for what was touched.
    pub(crate) fn settle(&mut self, catalogue: &Catalogue, touched: &Touched) {
        self.contracts.settle(catalogue, touched);
    }

    fn place(&self, key: &str) -> Option<Place> {
        self.records.text(key).map(|record| record::contract(record).0)
    }

    /// Gives back memory that was taken in advance.
    pub(crate) fn shrink(&mut self) {
        self.records.shrink();
    }
}

struct Counted<I> {
    left: usize,
    keys: I,
}

impl<'t, I: Iterator<Item = &'t str>> Iterator for Counted<I> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let key = self.keys.next()?;
        self.left -= 1;
        Some(key)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'t, I: Iterator<Item = &'t str>> ExactSizeIterator for Counted<I> {}
