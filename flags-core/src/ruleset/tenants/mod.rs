//! What is stored about tenants: a million of them fit where few do.

mod record;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::compile::compile_tenant;
use crate::context::AttributeValue;
use crate::definition::TenantDefinition;
use crate::diagnostic::Diagnostic;
use crate::key::is_context_key;
use crate::key_map::{KeyMap, KeyTable, Text, hash};

/// The kind of context that a tenant is.
pub(crate) const TENANT: &str = "tenant";

/// Stored tenants by key. A clone shares everything; a change to a clone copies the few hundred
/// tenants around the one that it changes.
///
/// Behind each key lies a [`record`] of its attributes. Names occur in most records and are
/// numbers there; values lie in the record itself, which takes no more than a number would for
/// those that occur often (`DE`, `pro`), and leaves nothing to clear up after those that do not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tenants {
    records: KeyMap<Text>,
    names: KeyTable<u32>,
}

impl Tenants {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { records: KeyMap::with_capacity(capacity), names: KeyTable::default() }
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

    /// Stores what is said of a tenant in place of what was. One that is wrong is not there.
    pub(crate) fn set(
        &mut self,
        key: &str,
        definition: &TenantDefinition,
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
        let attributes = compile_tenant(definition)?;
        self.records.set_text(key, &record::write(&attributes, &mut self.names));
        Ok(())
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.records.remove(key);
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
