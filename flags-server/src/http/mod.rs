//! HTTP: the routes, and what requests and answers look like. HTTP's types end here.

mod audit;
mod auth;
mod body;
mod catalogue;
mod client_address;
mod contract;
mod docs;
mod entitlement;
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
mod moves;
mod openapi;
mod path;
mod plan;
mod post;
mod preview;
mod problem;
mod project;
mod propagation;
mod rate;
mod report;
mod request;
mod routes;
mod schedule;
mod sdk_snapshot;
mod sdk_stream;
mod sdk_telemetry;
mod seat;
mod segment;
mod state;
mod stream_life;
mod table;
mod tenant;
mod token;
mod trace;
mod usage;
mod write;

#[cfg(test)]
mod access_tests;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;

use self::auth::Guard;
use self::problem::Problem;
use self::routes::Routes;
use self::table::routes;
use crate::quota::AddressMeters;
use crate::service::{Fault, Service, panic_message};

/// Everything that the server answers.
pub(crate) fn router(service: Arc<Service>, trusted_proxies: Vec<IpNet>) -> Router {
    guard(routes(), service, trusted_proxies)
}

/// What every route has around it; the last layer is the outermost one.
fn guard(routes: Routes, service: Arc<Service>, trusted_proxies: Vec<IpNet>) -> Router {
    let Routes { router, declared, .. } = routes;
    let quota = service.tokens.quotas().failed_authentications_per_minute;
    let failed = AddressMeters::new("failed-authentication", quota);
    let guard =
        Arc::new(Guard { service: Arc::clone(&service), declared, failed, trusted_proxies });
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

    use super::routes::{Needs, get};
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
        let routes =
            Routes::default().route("/livez", [get(Needs::Nothing, boom).says::<String>("")]);
        let router = guard(routes, service, Vec::new());
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
        let router = guard(routes, service, Vec::new());
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
        let router = router(Arc::clone(&service), Vec::new());
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
            service.write(author, move |_| Ok(released.recv().is_err())).await
        });
        let path = "/projects/p/environments/e/preview";
        let proposal = json!({"flag": "f", "patch": {"on": true}});
        let asked = ask(router, "POST", path, proposal);
        let answer = tokio::time::timeout(Duration::from_secs(20), asked).await;
        assert_eq!(answer.expect("an answer").status(), 200);
        assert!(!writing.is_finished());
        drop(release);
        assert!(writing.await.unwrap().unwrap());
    }

    #[tokio::test]
    async fn a_stopping_server_is_not_ready() {
        let dir = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (service, _) = crate::service::tests::start_until(&dir, stop.clone());
        stop.cancel();
        let (status, body) = get_problem(router(service, Vec::new()), "/readyz").await;
        assert_eq!((status.as_u16(), &body["code"]), (503, &"not_ready".into()));
        assert_eq!(body["detail"], "the server is stopping");
    }
}
