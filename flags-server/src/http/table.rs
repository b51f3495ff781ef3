//! The table of all routes.

use flags_core::{AddonDefinition, FeatureDefinition, PlanDefinition};

use super::routes::{Needs, Routes, Within, delete, get, patch, post, put};
use super::{
    audit, catalogue, contract, docs, entitlement, environment, erasure, evaluate, export, flag,
    health, history, members, metrics, openapi, plan, preview, project, propagation, schedule,
    sdk_snapshot, sdk_stream, sdk_telemetry, segment, state, tenant, token, write,
};
use crate::service::export as document;

/// Every route, with who may use it and what it answers. What is not here is closed.
pub(super) fn routes() -> Routes {
    Routes::default()
        .about("projects", "Projects and their environments", project_routes)
        .about("flags", "What environments share of flags", flag_routes)
        .about("states", "What flags serve in one environment", state_routes)
        .about("segments", "Named sets of contexts, of one environment", segment_routes)
        .about("catalogue", "What is sold, in one environment", catalogue_routes)
        .about("tenants", "What is stored of tenants", tenant_routes)
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
                    .creates::<project::Shown>("Create a project"),
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
                post(ADMINISTER_SHARED, environment::create).creates::<environment::Shown>(
                    "Create an environment, with every flag of the project, off",
                ),
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
                    .with_etag(),
            ],
        )
        .route(
            &of("/flags/{flag}"),
            [
                get(VIEW_SHARED, flag::get).says::<flag::Shown>("A flag").with_etag(),
                put(EDIT_SHARED, flag::put)
                    .says::<flag::Shown>("Replace or create a flag")
                    .with_etag()
                    .or_creates(),
                patch(EDIT_SHARED, flag::patch)
                    .says::<flag::Shown>("Change members of a flag")
                    .with_etag(),
            ],
        )
        .route(
            &of("/flags/{flag}/archive"),
            [post(EDIT_SHARED, flag::archive)
                .says::<flag::Shown>("Take a flag out of every environment")
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
                    .with_etag(),
            ],
        )
        .route(
            &at("/segments/{segment}"),
            [
                get(VIEW, segment::get).says::<segment::Shown>("A segment").with_etag(),
                put(EDIT, segment::put)
                    .says::<segment::Shown>("Replace or create a segment")
                    .with_etag()
                    .or_creates(),
                patch(EDIT, segment::patch)
                    .says::<segment::Shown>("Change members of a segment")
                    .with_etag(),
                delete(EDIT, segment::delete)
                    .says::<write::Deleted>("Delete a segment that no flag refers to"),
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

fn catalogue_routes(routes: Routes) -> Routes {
    type FeatureShown = catalogue::Shown<FeatureDefinition>;
    type PlanShown = catalogue::Shown<PlanDefinition>;
    type AddonShown = catalogue::Shown<AddonDefinition>;
    routes
        .route(
            &at("/features"),
            [
                get(VIEW, catalogue::list::<FeatureDefinition>)
                    .lists::<FeatureShown>("The features of an environment"),
                post(EDIT, catalogue::create::<FeatureDefinition>)
                    .creates::<FeatureShown>("Create a feature")
                    .with_etag(),
            ],
        )
        .route(
            &at("/features/{feature}"),
            [
                get(VIEW, catalogue::get::<FeatureDefinition>)
                    .says::<FeatureShown>("A feature")
                    .with_etag(),
                put(EDIT, catalogue::put::<FeatureDefinition>)
                    .says::<FeatureShown>("Replace or create a feature")
                    .with_etag()
                    .or_creates(),
                patch(EDIT, catalogue::patch::<FeatureDefinition>)
                    .says::<FeatureShown>("Change members of a feature")
                    .with_etag(),
                delete(EDIT, catalogue::delete::<FeatureDefinition>)
                    .says::<write::Deleted>("Delete a feature that nothing grants"),
            ],
        )
        .route(
            &at("/features/{feature}/history"),
            [get(VIEW, history::of_sold::<FeatureDefinition>)
                .lists::<history::Shown>("What was changed of a feature, the newest first")],
        )
        .route(
            &at("/features/{feature}/copy"),
            [post(EDIT, plan::copy_sold::<FeatureDefinition>)
                .says::<plan::Shown>("Make a feature what it is in another environment")],
        )
        .route(
            &at("/plans"),
            [
                get(VIEW, catalogue::list::<PlanDefinition>)
                    .lists::<PlanShown>("The plans of an environment"),
                post(EDIT, catalogue::create::<PlanDefinition>)
                    .creates::<PlanShown>("Create a plan")
                    .with_etag(),
            ],
        )
        .route(
            &at("/plans/{plan}"),
            [
                get(VIEW, catalogue::get::<PlanDefinition>)
                    .says::<PlanShown>("A plan with all its versions")
                    .with_etag(),
                put(EDIT, catalogue::put::<PlanDefinition>)
                    .says::<PlanShown>("Call a plan something else, or create it")
                    .with_etag()
                    .or_creates(),
                patch(EDIT, catalogue::patch::<PlanDefinition>)
                    .says::<PlanShown>("Call a plan something else")
                    .with_etag(),
                delete(EDIT, catalogue::delete::<PlanDefinition>)
                    .says::<write::Deleted>("Delete a plan that nobody has"),
            ],
        )
        .route(
            &at("/plans/{plan}/versions"),
            [post(EDIT, catalogue::add_version)
                .says::<PlanShown>("Add the next version of a plan")
                .with_etag()],
        )
        .route(
            &at("/plans/{plan}/versions/{version}"),
            [delete(EDIT, catalogue::delete_version)
                .says::<PlanShown>("Take away a version of a plan that nobody has")
                .with_etag()],
        )
        .route(
            &at("/plans/{plan}/history"),
            [get(VIEW, history::of_sold::<PlanDefinition>)
                .lists::<history::Shown>("What was changed of a plan, the newest first")],
        )
        .route(
            &at("/plans/{plan}/copy"),
            [post(EDIT, plan::copy_sold::<PlanDefinition>)
                .says::<plan::Shown>("Add the versions that a plan has in another environment")],
        )
        .route(
            &at("/addons"),
            [
                get(VIEW, catalogue::list::<AddonDefinition>)
                    .lists::<AddonShown>("The add-ons of an environment"),
                post(EDIT, catalogue::create::<AddonDefinition>)
                    .creates::<AddonShown>("Create an add-on")
                    .with_etag(),
            ],
        )
        .route(
            &at("/addons/{addon}"),
            [
                get(VIEW, catalogue::get::<AddonDefinition>)
                    .says::<AddonShown>("An add-on")
                    .with_etag(),
                put(EDIT, catalogue::put::<AddonDefinition>)
                    .says::<AddonShown>("Replace or create an add-on")
                    .with_etag()
                    .or_creates(),
                patch(EDIT, catalogue::patch::<AddonDefinition>)
                    .says::<AddonShown>("Change members of an add-on")
                    .with_etag(),
                delete(EDIT, catalogue::delete::<AddonDefinition>)
                    .says::<write::Deleted>("Delete an add-on that nobody has"),
            ],
        )
        .route(
            &at("/addons/{addon}/history"),
            [get(VIEW, history::of_sold::<AddonDefinition>)
                .lists::<history::Shown>("What was changed of an add-on, the newest first")],
        )
}

fn tenant_routes(routes: Routes) -> Routes {
    routes
        .route(
            &at("/tenants"),
            [
                get(VIEW, tenant::list).lists::<tenant::Shown>("The stored tenants"),
                post(EDIT, tenant::upsert).says::<tenant::ShownUpserts>("Store many tenants"),
            ],
        )
        .route(
            &at("/tenants/{tenant}"),
            [
                get(VIEW, tenant::get).says::<tenant::Shown>("A stored tenant").with_etag(),
                put(EDIT, tenant::put)
                    .says::<tenant::Shown>("Replace or store a tenant")
                    .with_etag()
                    .or_creates(),
                patch(EDIT, tenant::patch)
                    .says::<tenant::Shown>("Change attributes of a stored tenant, or its contract")
                    .with_etag(),
                delete(EDIT, tenant::delete)
                    .says::<write::Deleted>("Take away what is stored of a tenant"),
            ],
        )
        .route(
            &at("/tenants/{tenant}/overrides"),
            [
                get(VIEW, contract::list)
                    .lists::<contract::Shown>("The exceptions of a tenant's contract"),
                post(EDIT, contract::create)
                    .creates::<contract::Shown>("Make an exception for a tenant")
                    .with_etag(),
            ],
        )
        .route(
            &at("/tenants/{tenant}/overrides/{override}"),
            [
                get(VIEW, contract::get)
                    .says::<contract::Shown>("An exception of a contract")
                    .with_etag(),
                put(EDIT, contract::put)
                    .says::<contract::Shown>("Replace or make an exception")
                    .with_etag()
                    .or_creates(),
                delete(EDIT, contract::delete).says::<write::Deleted>("Take an exception away"),
            ],
        )
        .route(
            &at("/tenants/{tenant}/blocks"),
            [get(VIEW, contract::list_blocks)
                .says::<contract::ShownBlocks>("What takes a tenant's access away")
                .with_etag()],
        )
        .route(
            &at("/tenants/{tenant}/blocks/{lane}"),
            [
                put(EDIT, contract::block)
                    .says::<contract::ShownBlocks>("Block a tenant by a lane")
                    .with_etag()
                    .demands_no_version(),
                delete(EDIT, contract::unblock)
                    .says::<contract::ShownBlocks>("End what a lane blocks")
                    .with_etag()
                    .demands_no_version(),
            ],
        )
        .route(
            &at("/tenants/{tenant}/entitlements"),
            [get(VIEW, entitlement::list)
                .lists::<entitlement::Listed<'_>>("What a tenant is entitled to")],
        )
        .route(
            &at("/tenants/{tenant}/entitlements/{feature}"),
            [get(VIEW, entitlement::get).says::<entitlement::Shown<'_>>(
                "What a tenant is entitled to of a feature, and why",
            )],
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
                    .with_etag(),
            ],
        )
        .route(
            &at("/schedule/{schedule}"),
            [
                get(VIEW, schedule::get).says::<schedule::Shown>("A scheduled change").with_etag(),
                patch(EDIT, schedule::edit)
                    .says::<schedule::Shown>("Another time, or another change")
                    .with_etag(),
                delete(EDIT, schedule::cancel)
                    .says::<schedule::Shown>("Cancel a scheduled change")
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
                .says::<plan::Shown>("Make an environment what it was at an earlier revision")],
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
                .says::<plan::Shown>("Make an environment what a document says")],
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
                delete(WITHIN_REACH, token::revoke).says::<token::Shown>("Revoke a token"),
            ],
        )
        .route(
            "/api/v1/tokens/{id}/rotate",
            [post(WITHIN_REACH, token::rotate)
                .says::<token::Shown>("Give a token another secret, which is told once")],
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
