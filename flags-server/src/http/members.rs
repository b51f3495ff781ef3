//! `/api/v1/projects/{p}/environments/{e}/segments/{segment}/members`

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use flags_core::KeysChange;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::body::{Bulk, Form, parse};
use super::list::MembersQuery;
use super::post::Post;
use super::problem::Problem;
use super::segment::{Counts, Triple, path};
use super::write::etag;
use crate::schema::Body;
use crate::service::members::{self, Changed, EDIT, MembersEdit};
use crate::service::{Precondition, Service, Unit};

/// What came of a change of the lists.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MembersChange")]
pub(super) struct Shown {
    key: String,
    added: usize,
    removed: usize,
    member_counts: Counts,
    warnings: Vec<&'static str>,
    version: u64,
    revision: u64,
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    keys: Triple,
    MembersQuery { list, query }: MembersQuery,
) -> Result<Response, Problem> {
    let (path, page) = (path(keys), query.page());
    let found = service.read(move |view| members::list(view, &path, list, &page)).await?;
    Ok(query.answer(found, |key| key, |key| key))
}

pub(super) async fn change(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    post: Post,
    Bulk(body, ..): Bulk<MembersEdit>,
) -> Result<Response, Problem> {
    let path = path(keys);
    let edit = service.compute(move || read(&body)).await??;
    let change = move |unit: &mut Unit<'_>| members::change(unit, &path, &precondition, &edit);
    post.run(&service, change, answer).await
}

impl Form for MembersEdit {
    const NAME: &'static str = "MembersEdit";
    const EXAMPLE: &'static str = r#"{"included": {"add": ["globex", "initech"], "remove": ["acme"]},
        "excluded": {"remove": ["globex"]}}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        Body::of(&EDIT, generator).schema()
    }
}

fn answer(changed: Changed) -> Response {
    let shown = Shown {
        key: changed.key,
        added: changed.added,
        removed: changed.removed,
        member_counts: changed.members.into(),
        // To be included does not help a key that is excluded.
        warnings: if changed.some_excluded { vec!["excluded"] } else { Vec::new() },
        version: changed.version,
        revision: changed.revision,
    };
    (etag(shown.version), Json(shown)).into_response()
}

/// Reads a body without making a tree of it, which would take many times the room; unless there is
/// something wrong, which is found in the tree.
fn read(body: &[u8]) -> Result<MembersEdit, Problem> {
    match serde_json::from_slice::<Lists>(body).ok().and_then(take) {
        Some([included, excluded]) => Ok(MembersEdit::new(included, excluded)?),
        None => Ok(MembersEdit::read(parse(body)?)?),
    }
}

/// The included and the excluded keys; `None` where there is something else.
fn take(Members(lists): Lists) -> Option<[KeysChange; 2]> {
    let mut change = [KeysChange::default(), KeysChange::default()];
    let [included, excluded] = &mut change;
    for (name, Members(keys)) in lists {
        let list = match &*name {
            "included" => &mut *included,
            "excluded" => &mut *excluded,
            _ => return None,
        };
        for (name, keys) in keys {
            match &*name {
                "add" => list.add = keys,
                "remove" => list.remove = keys,
                _ => return None,
            }
        }
    }
    Some(change)
}

type Lists = Members<Members<Vec<String>>>;

/// An object in JSON, its members with different names.
struct Members<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Members<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, T)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, T>()? {
                    if members.iter().any(|(known, _)| *known == name) || members.len() > 1 {
                        return Err(A::Error::custom("a member too many"));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(body: &str) -> Option<[KeysChange; 2]> {
        serde_json::from_str::<Lists>(body).ok().and_then(take)
    }

    #[test]
    fn a_body_is_read_without_a_tree() {
        let [included, excluded] =
            edit(r#"{"excluded": {"remove": ["b"]}, "included": {"add": ["a", "\u00e4"]}}"#)
                .unwrap();
        assert_eq!(included.add, ["a", "\u{e4}"]);
        assert_eq!(excluded.remove, ["b"]);
        assert!(edit("{}").is_some());
        for strange in [
            "[]",
            r#"{"included": []}"#,
            r#"{"included": {"add": [1]}}"#,
            r#"{"included": {}, "included": {}}"#,
            r#"{"included": {"add": [], "add": ["a"]}}"#,
            r#"{"members": {}}"#,
            r#"{"included": {"keys": []}}"#,
            r#"{"included": {"add": [], "remove": [], "keys": []}}"#,
        ] {
            assert!(edit(strange).is_none(), "{strange}");
            assert!(read(strange.as_bytes()).is_err(), "{strange}");
        }
    }
}
