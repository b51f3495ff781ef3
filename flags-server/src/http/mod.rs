//! HTTP: the routes, and what requests and answers look like. HTTP's types end here.

mod audit;
mod auth;
mod body;
mod environment;
mod erasure;
mod evaluate;
mod export;
mod flag;
mod health;
mod history;
mod list;
mod members;
mod metrics;
mod path;
mod plan;
mod post;
mod preview;
mod problem;
mod project;
mod propagation;
mod rate;
mod request;
mod routes;
mod schedule;
mod sdk_snapshot;
mod sdk_stream;
mod sdk_telemetry;
mod segment;
mod state;
mod stream_life;
mod tenant;
mod token;
mod trace;
mod write;

#[cfg(test)]
mod access_tests;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;

use self::auth::Guard;
use self::problem::Problem;
use self::routes::{Needs, Routes, Within, delete, get, patch, post, put};
use crate::quota::AddressMeters;
use crate::service::{Fault, Service, panic_message};

/// Everything that the server answers.
pub(crate) fn router(service: Arc<Service>) -> Router {
    guard(routes(), service)
}

/// Every route, with who may use it. What is not here is closed.
fn routes() -> Routes {
    Routes::default()
        .and(project_routes)
        .and(flag_routes)
        .and(segment_routes)
        .and(environment_routes)
        .and(other_routes)
}

const VIEW: Needs = Needs::viewer(Within::Environment);
const EDIT: Needs = Needs::editor(Within::Environment);
const ADMINISTER: Needs = Needs::admin(Within::Environment);
const VIEW_SHARED: Needs = Needs::viewer(Within::PartOfProject);
const EDIT_SHARED: Needs = Needs::editor(Within::Project);
const ADMINISTER_SHARED: Needs = Needs::admin(Within::Project);

/// What is below one project.
fn of(rest: &str) -> String {
    format!("/api/v1/projects/{{p}}{rest}")
}

/// What is below one environment.
fn at(rest: &str) -> String {
    of(&format!("/environments/{{e}}{rest}"))
}

fn project_routes(routes: Routes) -> Routes {
    routes
        .route(
            "/api/v1/projects",
            [
                get(Needs::viewer(Within::Anything), project::list),
                post(Needs::admin(Within::Everything), project::create),
            ],
        )
        .route(&of(""), [get(VIEW_SHARED, project::get), patch(ADMINISTER_SHARED, project::rename)])
        .route(&of("/archive"), [post(ADMINISTER_SHARED, project::archive)])
        .route(&of("/restore"), [post(ADMINISTER_SHARED, project::restore)])
        .route(
            &of("/environments"),
            [get(VIEW_SHARED, environment::list), post(ADMINISTER_SHARED, environment::create)],
        )
        .route(&at(""), [get(VIEW, environment::get), patch(ADMINISTER, environment::rename)])
        .route(&at("/archive"), [post(ADMINISTER, environment::archive)])
        .route(&at("/restore"), [post(ADMINISTER, environment::restore)])
}

fn flag_routes(routes: Routes) -> Routes {
    routes
        .route(&of("/flags"), [get(VIEW_SHARED, flag::list), post(EDIT_SHARED, flag::create)])
        .route(
            &of("/flags/{flag}"),
            [
                get(VIEW_SHARED, flag::get),
                put(EDIT_SHARED, flag::put),
                patch(EDIT_SHARED, flag::patch),
            ],
        )
        .route(&of("/flags/{flag}/archive"), [post(EDIT_SHARED, flag::archive)])
        .route(&of("/flags/{flag}/restore"), [post(EDIT_SHARED, flag::restore)])
        .route(&at("/flags"), [get(VIEW, state::list)])
        .route(
            &at("/flags/{flag}"),
            [get(VIEW, state::get), put(EDIT, state::put), patch(EDIT, state::patch)],
        )
        .route(&at("/flags/{flag}/on"), [post(EDIT, state::on)])
        .route(&at("/flags/{flag}/off"), [post(EDIT, state::off)])
        .route(&at("/flags/{flag}/rollout"), [post(EDIT, state::rollout)])
        .route(
            &at("/flags/{flag}/tenants/{tenant}"),
            [put(EDIT, state::target), delete(EDIT, state::untarget)],
        )
        .route(&at("/flags/{flag}/history"), [get(VIEW, history::of_flag)])
        .route(&at("/flags/{flag}/revert"), [post(EDIT, plan::revert_flag)])
        .route(&at("/flags/{flag}/copy"), [post(EDIT, plan::copy_flag)])
}

fn segment_routes(routes: Routes) -> Routes {
    routes
        .route(&at("/segments"), [get(VIEW, segment::list), post(EDIT, segment::create)])
        .route(
            &at("/segments/{segment}"),
            [
                get(VIEW, segment::get),
                put(EDIT, segment::put),
                patch(EDIT, segment::patch),
                delete(EDIT, segment::delete),
            ],
        )
        .route(
            &at("/segments/{segment}/members"),
            [get(VIEW, members::list), post(EDIT, members::change)],
        )
        .route(&at("/segments/{segment}/history"), [get(VIEW, history::of_segment)])
        .route(&at("/segments/{segment}/revert"), [post(EDIT, plan::revert_segment)])
        .route(&at("/segments/{segment}/copy"), [post(EDIT, plan::copy_segment)])
}

fn environment_routes(routes: Routes) -> Routes {
    routes
        .route(&at("/tenants"), [get(VIEW, tenant::list), post(EDIT, tenant::upsert)])
        .route(
            &at("/tenants/{tenant}"),
            [
                get(VIEW, tenant::get),
                put(EDIT, tenant::put),
                patch(EDIT, tenant::patch),
                delete(EDIT, tenant::delete),
            ],
        )
        .route(&at("/preview"), [post(VIEW, preview::summary)])
        .route(&at("/preview/tenants"), [post(VIEW, preview::tenants)])
        .route(&at("/evaluate"), [post(VIEW, evaluate::evaluate)])
        .route(&at("/explain"), [post(VIEW, evaluate::explain)])
        .route(&at("/schedule"), [get(VIEW, schedule::list), post(EDIT, schedule::create)])
        .route(
            &at("/schedule/{schedule}"),
            [get(VIEW, schedule::get), patch(EDIT, schedule::edit), delete(EDIT, schedule::cancel)],
        )
        .route(&at("/propagation/{revision}"), [get(VIEW, propagation::get)])
        .route(&at("/instances"), [get(VIEW, propagation::list)])
        .route(&at("/history"), [get(VIEW, history::of_environment)])
        .route(&at("/revert"), [post(EDIT, plan::revert_environment)])
        .route(&at("/export"), [get(VIEW, export::export)])
        // It creates the flags that are missing, in every environment.
        .route(&at("/import"), [post(EDIT_SHARED, export::import)])
}

fn other_routes(routes: Routes) -> Routes {
    const WITHIN_REACH: Needs = Needs::admin(Within::Anything);

    routes
        .route("/api/v1/audit", [get(WITHIN_REACH, audit::list)])
        .route(
            "/api/v1/tokens",
            [get(WITHIN_REACH, token::list), post(WITHIN_REACH, token::create)],
        )
        .route(
            "/api/v1/tokens/{id}",
            [get(WITHIN_REACH, token::get), delete(WITHIN_REACH, token::revoke)],
        )
        .route("/api/v1/tokens/{id}/rotate", [post(WITHIN_REACH, token::rotate)])
        .route("/api/v1/erasures", [post(Needs::admin(Within::Everything), erasure::create)])
        .route("/sdk/v1/snapshot", [get(Needs::Sdk, sdk_snapshot::get)])
        .route("/sdk/v1/stream", [get(Needs::Sdk, sdk_stream::get)])
        .route("/sdk/v1/telemetry", [post(Needs::Sdk, sdk_telemetry::post)])
        .route("/metrics", [get(Needs::viewer(Within::Everything), metrics::get)])
        .route("/livez", [get(Needs::Nothing, health::live)])
        .route("/readyz", [get(Needs::Nothing, health::ready)])
}

/// What every route has around it; the last layer is the outermost one.
fn guard(routes: Routes, service: Arc<Service>) -> Router {
    let Routes { router, declared } = routes;
    let quota = service.tokens.quotas().failed_authentications_per_minute;
    let failed = AddressMeters::new("failed-authentication", quota);
    let guard = Arc::new(Guard { service: Arc::clone(&service), declared, failed });
    router
        .layer(from_fn_with_state(guard, auth::check))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(&service), request::around))
        .with_state(service)
}

/// What went wrong with something that nobody waited for.
pub(crate) fn tell(fault: Fault) -> Value {
    Problem::from(fault).told()
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    Problem::internal(panic_message(&*panic)).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::{MAX_EXPORTS, MAX_WAITING_EXPORTS};
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use serde_json::json;
    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt;

    async fn get_problem(router: Router, path: &str) -> (StatusCode, Value) {
        let request = Request::get(path).header("x-request-id", "r-1").body(Body::empty());
        let response = router.oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["instance"], "r-1");
        (status, body)
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_that_does_not_tell_why() {
        let dir = tempfile::tempdir().unwrap();
        let (service, _) = crate::service::tests::start(&dir);
        async fn boom() -> Response {
            panic!("a secret")
        }
        let routes = Routes::default().route("/livez", [get(Needs::Nothing, boom)]);
        let router = guard(routes, service);
        let (status, body) = get_problem(router, "/livez").await;
        assert_eq!((status.as_u16(), &body["code"]), (500, &"internal".into()));
        assert!(!body.to_string().contains("secret"), "{body}");
    }

    /// Whoever gets around the declarations gets no further than anybody.
    #[tokio::test]
    async fn a_route_that_access_was_forgotten_for_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let (service, _) = crate::service::tests::start(&dir);
        let mut routes = Routes::default();
        routes.router = routes.router.route("/forgotten", axum::routing::get(health::live));
        let router = guard(routes, service);
        let (status, body) = get_problem(router.clone(), "/forgotten").await;
        assert_eq!((status.as_u16(), &body["code"]), (401, &"unauthenticated".into()));
        let request = Request::get("/forgotten").header("authorization", "Bearer secret");
        let answer = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 404);
    }

    /// Something of a token that may do everything.
    async fn ask(router: Router, method: &str, path: &str, body: Value) -> Response {
        let request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        let request = request.header("authorization", "Bearer secret");
        router.oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap()
    }

    /// A server with an environment `e` of a project `p`, and a flag `f`.
    async fn furnished(dir: &tempfile::TempDir) -> (Arc<Service>, Router) {
        let (service, _) = crate::service::tests::start(dir);
        crate::service::tests::store_token(&service).await;
        let router = router(Arc::clone(&service));
        for (path, said) in [
            ("/projects", json!({"key": "p"})),
            ("/projects/p/environments", json!({"key": "e"})),
            ("/projects/p/flags", json!({"key": "f", "type": "boolean"})),
        ] {
            assert_eq!(ask(router.clone(), "POST", path, said).await.status(), 201);
        }
        (service, router)
    }

    #[tokio::test]
    async fn whoever_waits_for_an_export_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        let (service, router) = furnished(&dir).await;
        // As clients that do not read keep the exporters.
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        for _ in 0..MAX_EXPORTS {
            let released = Arc::clone(&released);
            service
                .export(move |_| assert!(released.lock().unwrap().recv().is_err()))
                .await
                .unwrap();
        }
        let path = "/projects/p/environments/e/export";
        let export = || ask(router.clone(), "GET", path, Value::Null);
        // Nobody keeps the body of an answer, so that each makes way for the next one.
        let status = || {
            let export = export();
            tokio::spawn(async { export.await.status() })
        };
        let waiting: Vec<_> = (0..MAX_WAITING_EXPORTS).map(|_| status()).collect();
        let wait = async {
            let begun = format!("in_flight{{area=\"admin\"}} {MAX_WAITING_EXPORTS}\n");
            let given_back = "flags_pool_busy{pool=\"admin_requests\"} 0\n";
            loop {
                let text = service.metrics_text().await.unwrap();
                if text.contains(&begun) && text.contains(given_back) {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("they wait");
        let busy = export().await;
        assert_eq!(busy.status(), 503);
        assert!(busy.headers().contains_key("retry-after"));
        drop(release);
        for waited in waiting {
            assert_eq!(waited.await.unwrap(), 200);
        }
    }

    #[tokio::test]
    async fn a_preview_is_nothing_to_the_writer() {
        let dir = tempfile::tempdir().unwrap();
        let (service, router) = furnished(&dir).await;
        let (release, released) = std::sync::mpsc::channel::<()>();
        let writing = tokio::spawn(async move {
            let author = crate::service::Author::server();
            service.write(author, move |_| Ok(assert!(released.recv().is_err()))).await
        });
        let path = "/projects/p/environments/e/preview";
        let proposal = json!({"flag": "f", "patch": {"on": true}});
        let asked = ask(router, "POST", path, proposal);
        let answer = tokio::time::timeout(Duration::from_secs(20), asked).await;
        assert_eq!(answer.expect("an answer").status(), 200);
        assert!(!writing.is_finished());
        drop(release);
        writing.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_stopping_server_is_not_ready() {
        let dir = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (service, _) = crate::service::tests::start_until(&dir, stop.clone());
        stop.cancel();
        let (status, body) = get_problem(router(service), "/readyz").await;
        assert_eq!((status.as_u16(), &body["code"]), (503, &"not_ready".into()));
        assert_eq!(body["detail"], "the server is stopping");
    }
}
