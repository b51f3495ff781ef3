//! The table of all routes.

mod customers;

use crate::http::routes::{Needs, Routes, Within, delete, get, patch, post, put};
use crate::http::{
    audit, docs, environment, erasure, evaluate, export, flag, health, history, members, metrics,
    openapi, plan, preview, project, propagation, schedule, sdk_snapshot, sdk_stream,
    sdk_telemetry, segment, state, token, write,
};
use crate::service::export as document;

/// Every route, with who may use it and what it answers. What is not here is closed.
pub(super) fn routes() -> Routes {
    Routes::default()
        .about("projects", "Projects and their environments", project_routes)
        .about("flags", "What environments share of flags", flag_routes)
        .about("states", "What flags serve in one environment", state_routes)
        .about("segments", "Named sets of contexts, of one environment", segment_routes)
        .about("catalogue", "What is sold, in one environment", customers::catalogue_routes)
        .about("tenants", "What is stored of tenants", customers::tenant_routes)
        .about("uses", "What tenants use of their limits", customers::use_routes)
        .about("reports", "What somebody should look at", customers::report_routes)
        .about("questions", "What services would see, and what a change would do", question_routes)
        .about("schedule", "Changes at a time", schedule_routes)
        .about(
            "environments",
            "Whole environments: history, copies, and who has them",
            environment_routes,
        )
        .about("tokens", "Tokens of people, programs and SDKs", token_routes)
        .about("audit", "Who did what, and forgetting it", audit_routes)
        .about("SDK", "The SDK protocol", sdk_routes)
        .about("operations", "How the server is doing", operation_routes)
}

const VIEW: Needs = Needs::viewer(Within::Environment);
const EDIT: Needs = Needs::editor(Within::Environment);
const ADMINISTER: Needs = Needs::admin(Within::Environment);
const VIEW_SHARED: Needs = Needs::viewer(Within::PartOfProject);
const EDIT_SHARED: Needs = Needs::editor(Within::Project);
const ADMINISTER_SHARED: Needs = Needs::admin(Within::Project);
const WITHIN_REACH: Needs = Needs::admin(Within::Anything);

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
                get(Needs::viewer(Within::Anything), project::list)
                    .lists::<project::Shown>("The projects within the token's scope"),
                post(Needs::admin(Within::Everything), project::create)
                    .creates::<project::Shown>("Create a project")
                    .or_refuses(409),
            ],
        )
        .route(
            &of(""),
            [
                get(VIEW_SHARED, project::get).says::<project::Shown>("A project"),
                patch(ADMINISTER_SHARED, project::rename)
                    .says::<project::Shown>("Rename a project"),
            ],
        )
        .route(
            &of("/archive"),
            [post(ADMINISTER_SHARED, project::archive)
                .says::<project::Shown>("Put a project away")],
        )
        .route(
            &of("/restore"),
            [post(ADMINISTER_SHARED, project::restore)
                .says::<project::Shown>("Bring a project back")],
        )
        .route(
            &of("/environments"),
            [
                get(VIEW_SHARED, environment::list)
                    .lists::<environment::Shown>("The environments within the token's scope"),
                post(ADMINISTER_SHARED, environment::create)
                    .creates::<environment::Shown>(
                        "Create an environment, with every flag of the project, off",
                    )
                    .or_refuses(409),
            ],
        )
        .route(
            &at(""),
            [
                get(VIEW, environment::get)
                    .says::<environment::Shown>("An environment, its revision and its limits"),
                patch(ADMINISTER, environment::rename)
                    .says::<environment::Shown>("Rename an environment"),
            ],
        )
        .route(
            &at("/archive"),
            [post(ADMINISTER, environment::archive)
                .says::<environment::Shown>("Put an environment away")],
        )
        .route(
            &at("/restore"),
            [post(ADMINISTER, environment::restore)
                .says::<environment::Shown>("Bring an environment back")],
        )
}

fn flag_routes(routes: Routes) -> Routes {
    routes
        .route(
            &of("/flags"),
            [
                get(VIEW_SHARED, flag::list).lists::<flag::Shown>("The flags of a project"),
                post(EDIT_SHARED, flag::create)
                    .creates::<flag::Shown>("Create a flag, off in every environment")
                    .or_refuses(409)
                    .with_etag(),
            ],
        )
        .route(
            &of("/flags/{flag}"),
            [
                get(VIEW_SHARED, flag::get).says::<flag::Shown>("A flag").with_etag(),
                put(EDIT_SHARED, flag::put)
                    .says::<flag::Shown>("Replace or create a flag")
                    .or_refuses(409)
                    .with_etag()
                    .or_creates(),
                patch(EDIT_SHARED, flag::patch)
                    .says::<flag::Shown>("Change members of a flag")
                    .or_refuses(409)
                    .with_etag(),
            ],
        )
        .route(
            &of("/flags/{flag}/archive"),
            [post(EDIT_SHARED, flag::archive)
                .says::<flag::Shown>("Take a flag out of every environment")
                .or_refuses(409)
                .with_etag()],
        )
        .route(
            &of("/flags/{flag}/restore"),
            [post(EDIT_SHARED, flag::restore)
                .says::<flag::Shown>("Bring a flag back, off")
                .with_etag()],
        )
}

fn state_routes(routes: Routes) -> Routes {
    routes
        .route(&at("/flags"), [get(VIEW, state::list).lists::<state::Listed>("All states")])
        .route(
            &at("/flags/{flag}"),
            [
                get(VIEW, state::get).says::<state::Shown>("The state of a flag").with_etag(),
                put(EDIT, state::put)
                    .says::<state::Shown>("Replace the state of a flag")
                    .with_etag(),
                patch(EDIT, state::patch)
                    .says::<state::Shown>("Change members of the state of a flag")
                    .with_etag(),
            ],
        )
        .route(
            &at("/flags/{flag}/on"),
            [post(EDIT, state::on).says::<state::Shown>("Switch a flag on").with_etag()],
        )
        .route(
            &at("/flags/{flag}/off"),
            [post(EDIT, state::off)
                .says::<state::Shown>("Switch a flag off: the kill switch")
                .with_etag()],
        )
        .route(
            &at("/flags/{flag}/rollout"),
            [post(EDIT, state::rollout)
                .says::<state::Shown>("Roll a variant out by percentage")
                .or_refuses(409)
                .with_etag()],
        )
        .route(
            &at("/flags/{flag}/tenants/{tenant}"),
            [
                put(EDIT, state::target)
                    .says::<state::Shown>("Target one tenant")
                    .with_etag()
                    .demands_no_version(),
                delete(EDIT, state::untarget)
                    .says::<state::Shown>("Take one tenant out of all targets")
                    .with_etag()
                    .demands_no_version(),
            ],
        )
        .route(
            &at("/flags/{flag}/history"),
            [get(VIEW, history::of_flag)
                .lists::<history::Shown>("What was changed of a flag, the newest first")],
        )
        .route(
            &at("/flags/{flag}/revert"),
            [post(EDIT, plan::revert_flag)
                .says::<plan::Shown>("Give a flag the state of an earlier revision")],
        )
        .route(
            &at("/flags/{flag}/copy"),
            [post(EDIT, plan::copy_flag)
                .says::<plan::Shown>("Give a flag the state that it has in another environment")],
        )
}

fn segment_routes(routes: Routes) -> Routes {
    routes
        .route(
            &at("/segments"),
            [
                get(VIEW, segment::list)
                    .lists::<segment::Shown>("The segments of an environment, without their lists"),
                post(EDIT, segment::create)
                    .creates::<segment::Shown>("Create a segment")
                    .or_refuses(409)
                    .with_etag(),
            ],
        )
        .route(
            &at("/segments/{segment}"),
            [
                get(VIEW, segment::get).says::<segment::Shown>("A segment").with_etag(),
                put(EDIT, segment::put)
                    .says::<segment::Shown>("Replace or create a segment")
                    .or_refuses(409)
                    .with_etag()
                    .or_creates(),
                patch(EDIT, segment::patch)
                    .says::<segment::Shown>("Change members of a segment")
                    .with_etag(),
                delete(EDIT, segment::delete)
                    .says::<write::Deleted>("Delete a segment that no flag refers to")
                    .or_refuses(409),
            ],
        )
        .route(
            &at("/segments/{segment}/members"),
            [
                get(VIEW, members::list).lists::<String>("The keys that a segment lists"),
                post(EDIT, members::change)
                    .says::<members::Shown>("Add and remove keys in bulk")
                    .with_etag(),
            ],
        )
        .route(
            &at("/segments/{segment}/history"),
            [get(VIEW, history::of_segment)
                .lists::<history::Shown>("What was changed of a segment, the newest first")],
        )
        .route(
            &at("/segments/{segment}/revert"),
            [post(EDIT, plan::revert_segment)
                .says::<plan::Shown>("Make a segment what it was at an earlier revision")],
        )
        .route(
            &at("/segments/{segment}/copy"),
            [post(EDIT, plan::copy_segment)
                .says::<plan::Shown>("Make a segment what it is in another environment")],
        )
}

fn question_routes(routes: Routes) -> Routes {
    routes
        .route(
            &at("/evaluate"),
            [post(VIEW, evaluate::evaluate)
                .says::<evaluate::Answered<'_>>("The answer of one flag, or of all")],
        )
        .route(
            &at("/explain"),
            [post(VIEW, evaluate::explain)
                .says::<evaluate::Explained<'_>>("The answer of a flag with every step to it")
                .or_text()],
        )
        .route(
            &at("/preview"),
            [post(VIEW, preview::summary)
                .says::<preview::Shown<'_>>("What a change would do to the stored tenants")],
        )
        .route(
            &at("/preview/tenants"),
            [post(VIEW, preview::tenants)
                .says::<preview::Page<'_>>("The tenants whose variant a change would alter")],
        )
}

fn schedule_routes(routes: Routes) -> Routes {
    routes
        .route(
            &at("/schedule"),
            [
                get(VIEW, schedule::list)
                    .lists::<schedule::Shown>("Scheduled changes in order of time"),
                post(EDIT, schedule::create)
                    .creates::<schedule::Shown>("Have a change made at a time")
                    .or_refuses(409)
                    .with_etag(),
            ],
        )
        .route(
            &at("/schedule/{schedule}"),
            [
                get(VIEW, schedule::get).says::<schedule::Shown>("A scheduled change").with_etag(),
                patch(EDIT, schedule::edit)
                    .says::<schedule::Shown>("Another time, or another change")
                    .or_refuses(409)
                    .with_etag(),
                delete(EDIT, schedule::cancel)
                    .says::<schedule::Shown>("Cancel a scheduled change")
                    .or_refuses(409)
                    .with_etag()
                    .demands_no_version(),
            ],
        )
}

fn environment_routes(routes: Routes) -> Routes {
    routes
        .route(
            &at("/history"),
            [get(VIEW, history::of_environment)
                .lists::<history::Shown>("The revisions of an environment, the newest first")],
        )
        .route(
            &at("/revert"),
            [post(EDIT, plan::revert_environment)
                .says::<plan::Shown>("Make an environment what it was at an earlier revision")
                .or_refuses(409)],
        )
        .route(
            &at("/export"),
            [get(VIEW, export::export)
                .says::<document::Exported<'_>>("A whole environment as one document")],
        )
        // It creates the flags that are missing, in every environment.
        .route(
            &at("/import"),
            [post(EDIT_SHARED, export::import)
                .says::<plan::Shown>("Make an environment what a document says")
                .or_refuses(409)],
        )
        .route(
            &at("/instances"),
            [get(VIEW, propagation::list)
                .lists::<propagation::Shown>("The SDK instances that are connected")],
        )
        .route(
            &at("/propagation/{revision}"),
            [get(VIEW, propagation::get)
                .says::<propagation::Answer>("Which instances have applied a revision")],
        )
}

fn token_routes(routes: Routes) -> Routes {
    routes
        .route(
            "/api/v1/tokens",
            [
                get(WITHIN_REACH, token::list)
                    .lists::<token::Shown>("The tokens within the token's scope"),
                post(WITHIN_REACH, token::create)
                    .creates::<token::Shown>("Create a token: its secret is told once"),
            ],
        )
        .route(
            "/api/v1/tokens/{id}",
            [
                get(WITHIN_REACH, token::get).says::<token::Shown>("A token"),
                delete(WITHIN_REACH, token::revoke)
                    .says::<token::Shown>("Revoke a token")
                    .or_refuses(409),
            ],
        )
        .route(
            "/api/v1/tokens/{id}/rotate",
            [post(WITHIN_REACH, token::rotate)
                .says::<token::Shown>("Give a token another secret, which is told once")
                .or_refuses(409)],
        )
}

fn audit_routes(routes: Routes) -> Routes {
    routes
        .route(
            "/api/v1/audit",
            [get(WITHIN_REACH, audit::list).lists::<audit::Shown>("Search the audit log")],
        )
        .route(
            "/api/v1/erasures",
            [post(Needs::admin(Within::Everything), erasure::create)
                .says::<erasure::Report>("Take the key of a user or a tenant out of everything")
                .or_refuses(404)],
        )
}

fn sdk_routes(routes: Routes) -> Routes {
    routes
        .route(
            "/sdk/v1/snapshot",
            [get(Needs::Sdk, sdk_snapshot::get)
                .says::<sdk_snapshot::Snapshot>("All definitions of the token's environment")
                .with_etag()
                .or_is_not_modified()],
        )
        .route(
            "/sdk/v1/stream",
            [get(Needs::Sdk, sdk_stream::get)
                .writes("text/event-stream", "Changes as they are made")
                .with_header("Flags-Receipt-Window-Ms")],
        )
        .route(
            "/sdk/v1/telemetry",
            [post(Needs::Sdk, sdk_telemetry::post)
                .says::<sdk_telemetry::Window>("What an instance has in force")],
        )
}

fn operation_routes(routes: Routes) -> Routes {
    routes
        .route(
            "/metrics",
            [get(Needs::viewer(Within::Everything), metrics::get)
                .writes("text/plain", "What is measured, for Prometheus")],
        )
        .route(
            "/livez",
            [get(Needs::Nothing, health::live).says::<health::Fine>("Whether the process answers")],
        )
        .route(
            "/readyz",
            [get(Needs::Nothing, health::ready)
                .says::<health::Fine>("Whether requests can be served")],
        )
        .route(
            "/openapi.json",
            [get(Needs::Nothing, openapi::get).says::<openapi::Document>("This document")],
        )
        .route(
            "/docs",
            [get(Needs::Nothing, docs::get)
                .writes("text/html", "This document as a page for people")
                .with_etag()
                .or_is_not_modified()],
        )
}
