//! `/api/v1/projects/{p}/environments/{e}/reports/disagreements/repair`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use flags_core::Shape;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::http::body::{Checked, Shaped};
use crate::http::evaluate::live;
use crate::http::path::Keys;
use crate::http::plan::DryRun;
use crate::http::post::Post;
use crate::http::problem::Problem;
use crate::schema::{Body, named, with_modes};
use crate::service::plan::Prepared;
use crate::service::report::repair::{Left, Patience, Repair, Repaired, plan};
use crate::service::tenant::shape::EXCEPTION;
use crate::service::{Service, Unit, now};
use crate::store::View;

impl Shaped for Repair {
    const SHAPE: &'static Shape = Self::SHAPE;
    const EXAMPLE: &'static str = r#"{"flag": "sso-login", "by": "grant", "tenants": ["acme", "globex"],
        "override": {"mode": "set", "value": true, "end": "2027-01-01T00:00:00Z", "reason": "pilot"}}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        named("Repair", generator, |generator| {
            let exception = with_modes(Body::of(&EXCEPTION, generator).schema());
            let ways =
                [("untarget", None), ("target", Some("variant")), ("grant", Some("override"))];
            let ways = ways.map(|(by, with)| {
                let way = Body::of(Self::SHAPE, generator).with("by", json_schema!({"const": by}));
                let way = way.with("override", exception.clone());
                let names = ["flag", "by", "tenants"].into_iter().chain(with);
                let way = way.only(&names.collect::<Vec<_>>());
                with.into_iter().fold(way, Body::requires).schema()
            });
            json_schema!({"oneOf": ways})
        })
    }
}

/// What was repaired, or would be.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Repaired")]
pub(in crate::http) struct Shown {
    dry_run: bool,
    revision: u64,
    /// About how many tenants the flag and their contracts agree now.
    repaired: usize,
    /// Those who stay as they are, in the order of the request.
    left: Vec<Left>,
}

fn show(repaired: Repaired, dry_run: bool) -> Response {
    let Repaired { revision, repaired, left } = repaired;
    Json(Shown { dry_run, revision, repaired, left }).into_response()
}

pub(in crate::http) async fn create(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    DryRun(dry_run): DryRun,
    post: Post,
    Checked(repair): Checked<Repair>,
) -> Result<Response, Problem> {
    let live = live(&service, &project, &environment)?;
    let at = service.enter_preview().await?;
    let (author, ruleset) = (post.author().clone(), live.ruleset());
    let wanted = Arc::new((project, environment, repair));
    let first = Arc::clone(&wanted);
    if dry_run {
        let told = service.read_at(at, move |view| {
            let (project, environment, repair) = &*first;
            let asking = (&author, now(), Patience::beside());
            plan(view, ruleset, (project, environment), repair, asking)?.told(view)
        });
        return Ok(show(told.await?, true));
    }
    let prepared = service.read_at(at, move |view| {
        let (project, environment, repair) = &*first;
        let path = (&**project, &**environment);
        let asking = (&author, now(), Patience::beside());
        Ok(Prepared::new(view, path, |view| plan(view, ruleset, path, repair, asking)))
    });
    let prepared = prepared.await?;
    let verb = move |unit: &mut Unit<'_>| {
        let (project, environment, repair) = &*wanted;
        let path = (&**project, &**environment);
        let asking = (unit.author, unit.now, Patience::on_the_writer());
        let again = |view: &dyn View| plan(view, live.ruleset(), path, repair, asking);
        prepared.present(unit.tx, path, again)?.apply(unit)
    };
    post.run(&service, verb, |done| show(done, false)).await
}
