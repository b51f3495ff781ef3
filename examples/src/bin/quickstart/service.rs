//! A small B2B service: axum, the flags client, and a page for each tenant.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::get;
use axum::{Json, Router};
use clap::Args;
use flags_client::{Client, Feature, Flag, Guard, Limit, Position, Ruling};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use crate::sample::{Sample, Tenant};

const NEW_DASHBOARD: Flag<bool> = Flag::new("new-dashboard", false);
const NEW_CHECKOUT: Flag<bool> = Flag::new("new-checkout", false);
const SEARCH_ENGINE: Flag<&str> = Flag::new("search-engine", "classic");
const PAGE_SIZE: Flag<i64> = Flag::new("search-page-size", 50);
const SEATS: Feature<Limit> = Feature::new("seats");
const REPORTS: Feature = Feature::new("reports");

/// What the service needs to know to start.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Where the flags come from.
    #[arg(long)]
    flags_url: String,
    /// The SDK token.
    #[arg(long, env = "FLAGS_SDK_TOKEN", hide_env_values = true)]
    token: String,
    /// Where the last known rules are kept for a start without the server.
    #[arg(long)]
    cache_file: PathBuf,
}

/// What a tenant gets to see.
#[derive(Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) tenant: String,
    pub(crate) new_dashboard: bool,
    pub(crate) new_checkout: bool,
    pub(crate) search_engine: String,
    pub(crate) page_size: i64,
    /// The revision of the rules that decided all of the above.
    pub(crate) revision: u64,
}

/// What a tenant's contract grants.
#[derive(Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) seats: Granted,
    pub(crate) reports: Granted,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Granted {
    pub(crate) limit: Option<u64>,
    pub(crate) reason: String,
    /// Until when, by what is known today.
    pub(crate) until: Option<String>,
}

/// How the service's client is doing.
#[derive(Serialize, Deserialize)]
pub(crate) struct Health {
    pub(crate) flags: String,
    pub(crate) revision: u64,
    /// The revision that a start without the server would begin with.
    pub(crate) cached_revision: u64,
}

struct Service {
    flags: Client,
    tenants: HashMap<String, Tenant>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let flags = Client::builder(&arguments.flags_url, arguments.token)
        .cache_file(arguments.cache_file)
        .first_snapshot_timeout(Duration::from_secs(5))
        .connect()
        .await?;
    let tenants = Sample::read()?.tenants.into_iter().map(|t| (t.key.clone(), t)).collect();
    // Whoever has not bought reports, or has not paid for them, gets 402 and is told what to do.
    let reports = Guard::new(&flags, &REPORTS, |request: &Parts| {
        request.uri.path().split('/').nth(2).map(Cow::from)
    });
    let service = Arc::new(Service { flags, tenants });
    let router = Router::new()
        .route("/tenants/{tenant}/reports", get(read_reports).post(make_report))
        .route_layer(reports)
        .route("/tenants/{tenant}/account", get(account))
        .route("/tenants/{tenant}", get(page))
        .route("/health", get(health))
        .with_state(service);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        terminate.recv().await;
    };
    axum::serve(listener, router).with_graceful_shutdown(stop).await?;
    Ok(())
}

async fn page(
    State(service): State<Arc<Service>>,
    Path(tenant): Path<String>,
) -> Result<Json<Page>, StatusCode> {
    let tenant = service.tenants.get(&tenant).ok_or(StatusCode::NOT_FOUND)?;
    // One snapshot for the whole page: all of it follows the same revision.
    let flags = service.flags.snapshot();
    let search_engine = flags.get(&SEARCH_ENGINE, tenant);
    Ok(Json(Page {
        tenant: tenant.key.clone(),
        new_dashboard: flags.get(&NEW_DASHBOARD, tenant).value,
        new_checkout: flags.get(&NEW_CHECKOUT, tenant).value,
        search_engine: search_engine.value.to_owned(),
        page_size: flags.get(&PAGE_SIZE, tenant).value,
        revision: search_engine.revision,
    }))
}

async fn account(State(service): State<Arc<Service>>, Path(tenant): Path<String>) -> Json<Account> {
    let granted = |ruling: Ruling| Granted {
        limit: match ruling.limit {
            Some(Limit::At(limit)) => Some(limit),
            _ => None,
        },
        reason: ruling.reason.name().to_owned(),
        until: ruling.valid_until.map(|until| until.to_string()),
    };
    Json(Account {
        seats: granted(service.flags.entitlement(&SEATS, &tenant)),
        reports: granted(service.flags.entitlement(&REPORTS, &tenant)),
    })
}

async fn read_reports() -> &'static str {
    "the reports of last week"
}

async fn make_report() -> &'static str {
    "a new report"
}

async fn health(State(service): State<Arc<Service>>) -> Json<Health> {
    let status = service.flags.status();
    let revision = |position: &Option<Position>| position.as_ref().map_or(0, |at| at.revision);
    Json(Health {
        flags: status.to_string(),
        revision: revision(&status.position),
        cached_revision: revision(&status.cached),
    })
}
