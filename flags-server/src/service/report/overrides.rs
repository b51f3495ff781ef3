//! Overrides that end soon, and those that are to be looked at.
//!
//! They are in what is stored of tenants: each page of the list reads all of those that have some, a
//! part at a time, each part of what is then committed.

use std::collections::BinaryHeap;
use std::time::Instant;

use flags_core::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unfinished;
use crate::limits::{MAX_PAGE_BYTES, OVERRIDDEN_TENANTS_PER_READ, REPORT_TIMEOUT};
use crate::service::contract::NotedOverride;
use crate::service::fault::Fault;
use crate::service::tenant::Tenant;
use crate::service::tenants_alone::{Stopped, keep_first};
use crate::service::{Service, project};
use crate::store::Page;

/// For what an override is due.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Due {
    /// It ends.
    Ends,
    /// It is to be looked at again.
    Review,
}

/// Where an override stands in the list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    /// In milliseconds.
    pub(crate) at: i64,
    pub(crate) tenant: String,
    pub(crate) id: String,
    pub(crate) due: Due,
}

/// An override that is due.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) key: Key,
    pub(crate) noted: NotedOverride,
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Found {}

/// Which overrides are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Which {
    /// For either, unless one is said.
    pub(crate) due: Option<Due>,
    pub(crate) now: Timestamp,
    /// Up to when.
    pub(crate) until: Timestamp,
    /// What comes after this.
    pub(crate) after: Option<Key>,
    pub(crate) limit: usize,
}

impl Which {
    /// For what an override is due that is asked for, and when.
    fn dues(&self, noted: &NotedOverride) -> impl Iterator<Item = (Due, Timestamp)> {
        let read = |at: &Option<String>| at.as_deref().and_then(Timestamp::parse);
        let end = read(&noted.definition.end);
        let has_ended = end.is_some_and(|end| end <= self.now);
        let review = read(&noted.note.review_at);
        [(Due::Ends, end), (Due::Review, review)]
            .into_iter()
            .filter(move |_| !has_ended)
            .filter_map(|(due, at)| Some((due, at?)))
            .filter(|(due, at)| *at <= self.until && self.due.is_none_or(|asked| asked == *due))
    }

    fn add(&self, tenant: &Tenant, first: &mut BinaryHeap<Found>) {
        for exception in &tenant.definition.contract.overrides {
            let Some(noted) = tenant.noted(&exception.id) else { continue };
            for (due, at) in self.dues(&noted) {
                let (at, id) = (at.as_millis(), exception.id.clone());
                let key = Key { at, tenant: tenant.key.clone(), id, due };
                if self.after.as_ref().is_none_or(|after| key > *after) {
                    keep_first(first, Found { key, noted: noted.clone() }, self.limit);
                }
            }
        }
    }
}

/// The first of them in their order.
///
/// # Errors
/// When too many wait for their turn already, or it takes too long.
pub(crate) async fn list(
    service: &Service,
    (project, environment): (&str, &str),
    which: Which,
) -> Result<Vec<Found>, Fault> {
    let _place = service.enter_preview().await?;
    let deadline = Instant::now() + REPORT_TIMEOUT;
    let (mut first, mut after) = (BinaryHeap::new(), None);
    loop {
        let here = (project.to_owned(), environment.to_owned());
        let which = which.clone();
        let limit = OVERRIDDEN_TENANTS_PER_READ;
        let page = Page { after, limit, archived: false, bytes: MAX_PAGE_BYTES };
        let part = service.read(move |view| {
            let (_, environment) = project::find_environment(view, &here.0, &here.1)?;
            let tenants = view.tenants_with_overrides(environment.id, &page)?;
            for stored in &tenants {
                which.add(&Tenant::read(stored)?, &mut first);
            }
            Ok((first, tenants.into_iter().next_back().map(|last| last.key)))
        });
        (first, after) = part.await?;
        if after.is_none() {
            return Ok(first.into_sorted_vec());
        }
        if Instant::now() >= deadline {
            return Err(unfinished(Stopped::TooLong));
        }
    }
}
