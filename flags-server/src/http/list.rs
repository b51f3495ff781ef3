//! Lists, a page at a time.

use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::http::header::{HeaderName, LINK};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::openapi::{Describes, Operation};
use super::problem::Problem;
use crate::limits::{DEFAULT_PAGE_ITEMS, MAX_PAGE_BYTES, MAX_PAGE_ITEMS};
use crate::schema;
use crate::store::{Listed, MemberList, Page};

/// Which page is asked for.
pub(super) struct ListQuery {
    path: String,
    /// What else names the list, as it stands in a query before the rest.
    which: String,
    after: Option<String>,
    limit: u32,
    archived: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Said {
    /// How many items a page has at most.
    #[schemars(range(min = 1, max = MAX_PAGE_ITEMS))]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[schemars(regex(pattern = schema::CURSOR))]
    cursor: Option<String>,
}

/// Which page of a list is asked for that hides what is archived, or shows it too.
pub(super) struct Archivable(pub(super) ListQuery);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SaidOfArchivable {
    /// Whether the list shows what is archived, too.
    #[serde(default)]
    archived: bool,
    /// How many items a page has at most.
    #[schemars(range(min = 1, max = MAX_PAGE_ITEMS))]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[schemars(regex(pattern = schema::CURSOR))]
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Archivable {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let SaidOfArchivable { archived, limit, cursor } = said(parts, state).await?;
        let which = if archived { "archived=true&" } else { "" };
        let query = ListQuery::new(parts, which, Said { limit, cursor })?;
        Ok(Self(ListQuery { archived, ..query }))
    }
}

/// A page of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct List<T> {
    items: Vec<T>,
    /// Names the next page, while there is one.
    next_cursor: Option<String>,
}

/// A page of a list beside what all of it comes to.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct Summed<S, T> {
    #[serde(flatten)]
    sums: S,
    #[serde(flatten)]
    list: List<T>,
}

type Link = [(HeaderName, String); 1];

/// Which page of which list of a segment is asked for.
pub(super) struct MembersQuery {
    pub(super) list: MemberList,
    pub(super) query: ListQuery,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SaidOfMembers {
    /// Which of the segment's lists; `included` unless said.
    list: Option<ListName>,
    /// How many items a page has at most.
    #[schemars(range(min = 1, max = MAX_PAGE_ITEMS))]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[schemars(regex(pattern = schema::CURSOR))]
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ListName {
    Included,
    Excluded,
}

async fn said<T: DeserializeOwned, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<T, Problem> {
    let query = Query::<T>::from_request_parts(parts, state).await;
    query.map(|Query(said)| said).map_err(|rejection| Problem::query_rejected(&rejection))
}

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let said = said(parts, state).await?;
        Self::new(parts, "", said)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MembersQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let SaidOfMembers { list, limit, cursor } = said(parts, state).await?;
        let (list, which) = match list.unwrap_or(ListName::Included) {
            ListName::Included => (MemberList::Included, "list=included&"),
            ListName::Excluded => (MemberList::Excluded, "list=excluded&"),
        };
        Ok(Self { list, query: ListQuery::new(parts, which, Said { limit, cursor })? })
    }
}

impl Describes for ListQuery {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<Said>();
    }
}

impl Describes for Archivable {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<SaidOfArchivable>();
    }
}

impl Describes for MembersQuery {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<SaidOfMembers>();
    }
}

impl ListQuery {
    fn new(parts: &Parts, which: &str, said: Said) -> Result<Self, Problem> {
        let limit = said.limit.unwrap_or(DEFAULT_PAGE_ITEMS);
        if !(1..=MAX_PAGE_ITEMS).contains(&limit) {
            return Err(Problem::query(format!("`limit` is 1 to {MAX_PAGE_ITEMS}")));
        }
        let after = said.cursor.map(|cursor| {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().filter(|bytes| !bytes.is_empty());
            let key = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            key.ok_or_else(|| Problem::query("`cursor` is not one that a list gave"))
        });
        Ok(Self {
            path: parts.uri.path().to_owned(),
            which: which.to_owned(),
            after: after.transpose()?,
            limit,
            archived: false,
        })
    }

    /// What to read: one item more than the page has tells whether there is a next one.
    pub(super) fn page(&self) -> Page {
        let Self { after, limit, archived, .. } = self;
        Page { after: after.clone(), limit: limit + 1, archived: *archived, bytes: MAX_PAGE_BYTES }
    }

    /// A list of what else the query says, whatever that is.
    pub(super) fn filtered(
        parts: &Parts,
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default().split('&');
        let which = query
            .filter(|part| !part.is_empty())
            .filter(|part| !part.starts_with("limit=") && !part.starts_with("cursor="))
            .map(|part| format!("{part}&"));
        Self::new(parts, &which.collect::<String>(), Said { limit, cursor })
    }

    /// Whether it is the page with which a list begins.
    pub(super) fn is_first(&self) -> bool {
        self.after.is_none()
    }

    /// After what to go on.
    pub(super) fn text(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// After which number to go on, in lists that are sorted by one.
    pub(super) fn number(&self) -> Result<Option<u64>, Problem> {
        let number = self.after.as_ref().map(|after| {
            let number: Option<u64> = after.parse().ok();
            number.ok_or_else(|| Problem::query("`cursor` is not one that this list gave"))
        });
        number.transpose()
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// The answer with what was read.
    pub(super) fn answer<T, J: Serialize>(
        self,
        found: impl Into<Listed<T>>,
        key: impl Fn(&T) -> &str,
        show: impl FnMut(T) -> J,
    ) -> Response {
        let limit = self.limit as usize;
        let Listed { items: mut found, is_cut } = found.into();
        let more = is_cut || found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| key(last).to_owned());
        self.part(found.into_iter().map(show).collect(), next.as_deref())
    }

    /// The same beside what all of the list comes to.
    pub(super) fn answer_with<T, J: Serialize>(
        self,
        sums: impl Serialize,
        mut found: Vec<T>,
        key: impl Fn(&T) -> &str,
        show: impl FnMut(T) -> J,
    ) -> Response {
        let limit = self.limit as usize;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| key(last).to_owned());
        self.part_with(sums, found.into_iter().map(show).collect(), next.as_deref())
    }

    /// The answer with a part of a list that knows where it goes on, beside what all of it comes to.
    pub(super) fn part_with<J: Serialize>(
        self,
        sums: impl Serialize,
        items: Vec<J>,
        next: Option<&str>,
    ) -> Response {
        let (link, list) = self.linked(items, next);
        respond(link, Summed { sums, list })
    }

    /// The answer with a part of a list that knows where it goes on.
    pub(super) fn part<J: Serialize>(self, items: Vec<J>, next: Option<&str>) -> Response {
        let (link, list) = self.linked(items, next);
        respond(link, list)
    }

    /// A part of a list, and the header that leads to the next one.
    fn linked<J>(self, items: Vec<J>, next: Option<&str>) -> (Option<Link>, List<J>) {
        let next_cursor = next.map(|next| URL_SAFE_NO_PAD.encode(next));
        let link = next_cursor.as_ref().map(|cursor| {
            let Self { path, which, limit, .. } = &self;
            [(LINK, format!("<{path}?{which}limit={limit}&cursor={cursor}>; rel=\"next\""))]
        });
        (link, List { items, next_cursor })
    }
}

fn respond(link: Option<Link>, body: impl Serialize) -> Response {
    match link {
        Some(link) => (link, Json(body)).into_response(),
        None => Json(body).into_response(),
    }
}
