//! `/api/v1/projects/{p}/environments/{e}/reports/…`: what somebody should look at.

pub(super) mod disagreements;
pub(super) mod over_limit;
pub(super) mod overrides;
pub(super) mod repair;
pub(super) mod thresholds;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::list::ListQuery;
use super::problem::Problem;

/// Where a list goes on that is sorted by more than one key.
fn read_cursor<T: DeserializeOwned>(query: &ListQuery) -> Result<Option<T>, Problem> {
    let unread = |_| Problem::query("`cursor` is not one that this list gave");
    query.text().map(|text| serde_json::from_str(text).map_err(unread)).transpose()
}

fn write_cursor(cursor: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(cursor).map_err(|error| Problem::internal(error.to_string()))
}
