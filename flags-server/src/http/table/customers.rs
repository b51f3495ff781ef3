//! Routes of what is sold, and of those who have it.

use flags_core::{AddonDefinition, FeatureDefinition, PlanDefinition};

use super::{EDIT, VIEW, at};
use crate::http::list::Summed;
use crate::http::report::{disagreements, over_limit, overrides, repair, thresholds};
use crate::http::routes::{Routes, delete, get, patch, post, put};
use crate::http::{
    catalogue, contract, entitlement, history, moves, plan, seat, tenant, usage, write,
};
use crate::service::uses::usage::Usage;
use crate::service::uses::{Over, Standing};

pub(super) fn catalogue_routes(routes: Routes) -> Routes {
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
                    .or_refuses(409)
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
                    .or_refuses(409)
                    .with_etag()
                    .or_creates(),
                patch(EDIT, catalogue::patch::<FeatureDefinition>)
                    .says::<FeatureShown>("Change members of a feature")
                    .or_refuses(409)
                    .with_etag(),
                delete(EDIT, catalogue::delete::<FeatureDefinition>)
                    .says::<write::Deleted>("Delete a feature that nothing grants")
                    .or_refuses(409),
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
                .says::<plan::Shown>("Make a feature what it is in another environment")
                .or_refuses(409)],
        )
        .route(
            &at("/plans"),
            [
                get(VIEW, catalogue::list::<PlanDefinition>)
                    .lists::<PlanShown>("The plans of an environment"),
                post(EDIT, catalogue::create::<PlanDefinition>)
                    .creates::<PlanShown>("Create a plan")
                    .or_refuses(409)
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
                    .or_refuses(409)
                    .with_etag()
                    .or_creates(),
                patch(EDIT, catalogue::patch::<PlanDefinition>)
                    .says::<PlanShown>("Call a plan something else")
                    .with_etag(),
                delete(EDIT, catalogue::delete::<PlanDefinition>)
                    .says::<write::Deleted>("Delete a plan that nobody has")
                    .or_refuses(409),
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
                .or_refuses(409)
                .with_etag()],
        )
        .route(
            &at("/plans/{plan}/move"),
            [post(EDIT, moves::plan)
                .says::<moves::Shown>("Move tenants to another version, or to another plan")],
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
                    .or_refuses(409)
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
                    .or_refuses(409)
                    .with_etag()
                    .or_creates(),
                patch(EDIT, catalogue::patch::<AddonDefinition>)
                    .says::<AddonShown>("Change members of an add-on")
                    .with_etag(),
                delete(EDIT, catalogue::delete::<AddonDefinition>)
                    .says::<write::Deleted>("Delete an add-on that nobody has")
                    .or_refuses(409),
            ],
        )
        .route(
            &at("/addons/{addon}/history"),
            [get(VIEW, history::of_sold::<AddonDefinition>)
                .lists::<history::Shown>("What was changed of an add-on, the newest first")],
        )
}

pub(super) fn tenant_routes(routes: Routes) -> Routes {
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
                    .or_refuses(409)
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
                delete(EDIT, contract::delete).says::<contract::Deleted>("Take an exception away"),
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

pub(super) fn use_routes(routes: Routes) -> Routes {
    routes
        .route(
            &at("/tenants/{tenant}/seats/{feature}"),
            [get(VIEW, seat::list)
                .says::<Summed<Standing, seat::Shown>>("Who has a seat, and how many there are")
                .with_header("Link")
                .or_refuses(422)],
        )
        .route(
            &at("/tenants/{tenant}/seats/{feature}/{user}"),
            [
                put(EDIT, seat::assign)
                    .says::<Standing>("Assign a seat")
                    .or_creates()
                    .demands_no_version()
                    .or_refuses(409),
                delete(EDIT, seat::release).says::<Standing>("Release a seat").demands_no_version(),
            ],
        )
        .route(
            &at("/tenants/{tenant}/usage/{feature}"),
            [
                get(VIEW, usage::get)
                    .says::<Usage>("What a product says that a tenant uses")
                    .or_refuses(422),
                put(EDIT, usage::put)
                    .says::<Usage>("Say how much a tenant uses")
                    .demands_no_version(),
            ],
        )
}

pub(super) fn report_routes(routes: Routes) -> Routes {
    routes
        .route(
            &at("/reports/disagreements"),
            [get(VIEW, disagreements::sums)
                .says::<disagreements::Shown<'_>>(
                    "About how many tenants flags and contracts disagree",
                )
                .or_refuses(422)],
        )
        .route(
            &at("/reports/disagreements/tenants"),
            [get(VIEW, disagreements::tenants)
                .says::<disagreements::Page<'_>>("About which tenants flags and contracts disagree")
                .with_header("Link")
                .or_refuses(409)
                .or_refuses(422)],
        )
        .route(
            &at("/reports/disagreements/repair"),
            [post(EDIT, repair::create)
                .says::<repair::Shown>("End disagreements about some tenants")],
        )
        .route(
            &at("/reports/overrides"),
            [get(VIEW, overrides::list)
                .lists::<overrides::Shown>("Exceptions that end soon, or are to be looked at")
                .or_refuses(422)],
        )
        .route(
            &at("/reports/over-limit"),
            [get(VIEW, over_limit::list).lists::<Over>("Who uses more than is granted")],
        )
        .route(
            &at("/reports/thresholds"),
            [get(VIEW, thresholds::list)
                .lists::<thresholds::Shown>("Who came to 80, 95 or 100 % of a limit")],
        )
}
