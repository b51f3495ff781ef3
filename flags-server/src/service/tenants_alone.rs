//! Asking for all stored tenants: each with a context that has its key alone, so that what is stored
//! of it is all that is known.

use std::cell::Cell;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flags_core::{AttributeValue, Context, Ruleset, TENANT_KIND};

use super::fault::Fault;

/// How many tenants are asked for before it is looked whether anybody still waits for it.
const TENANTS_PER_LOOK: usize = 1_024;

/// Until when it is worked on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch<'a> {
    /// Set once nobody waits for it any more.
    pub(super) stop: &'a AtomicBool,
    /// When it is given up.
    pub(super) deadline: Instant,
}

/// Why it did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Nobody waits for it.
    Unwanted,
    /// It takes too long.
    TooLong,
}

impl Stopped {
    /// In terms of the domain; `limit` is what it is called that says how long it may take.
    pub(super) fn told(self, limit: &'static str, maximum: Duration) -> Fault {
        match self {
            Self::Unwanted => Fault::Internal("nobody waited".into()),
            Self::TooLong => Fault::limit(limit, maximum.as_secs()),
        }
    }
}

impl Watch<'_> {
    /// Whether it is worked on any longer.
    pub(super) fn look(self) -> Result<(), Stopped> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Stopped::Unwanted);
        }
        if Instant::now() >= self.deadline {
            return Err(Stopped::TooLong);
        }
        Ok(())
    }
}

/// Visits each stored tenant after the one given, in no order.
pub(super) fn each_tenant<'r>(
    ruleset: &'r Ruleset,
    watch: Watch<'_>,
    after: Option<&str>,
    mut visit: impl FnMut(&'r str),
) -> Result<(), Stopped> {
    for (index, tenant) in ruleset.tenants().enumerate() {
        if index.is_multiple_of(TENANTS_PER_LOOK) {
            watch.look()?;
        }
        if after.is_none_or(|after| tenant > after) {
            visit(tenant);
        }
    }
    Ok(())
}

/// Adds to the first `limit`.
pub(super) fn keep_first<T: Ord>(first: &mut BinaryHeap<T>, item: T, limit: usize) {
    if first.len() < limit {
        first.push(item);
    } else if let Some(mut last) = first.peek_mut()
        && item < *last
    {
        *last = item;
    }
}

/// A tenant of which no more is known than what is stored, and whether more was asked for.
pub(super) struct TenantAlone<'k> {
    key: &'k str,
    more: Cell<bool>,
}

impl<'k> TenantAlone<'k> {
    pub(super) fn new(key: &'k str) -> Self {
        Self { key, more: Cell::new(false) }
    }

    /// Whether an answer depends on more than the tenant.
    pub(super) fn was_not_enough(&self) -> bool {
        self.more.get()
    }
}

impl Context for TenantAlone<'_> {
    fn key(&self, kind: &str) -> Option<&str> {
        if kind == TENANT_KIND {
            return Some(self.key);
        }
        self.more.set(true);
        None
    }

    fn attribute(&self, kind: &str, _name: &str) -> Option<AttributeValue<'_>> {
        if kind != TENANT_KIND {
            self.more.set(true);
        }
        None
    }
}
