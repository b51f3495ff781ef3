//! Where the story happens: its files, its processes, and what can be seen of them.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::process::Process;
use crate::service::{Account, Health, Page};

/// How long a change may take to show; far more than it does.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where the parts keep their files, and how they are reached.
pub(crate) struct Stage {
    folder: TempDir,
    pub(crate) http: reqwest::Client,
}

/// Which tenants were served what.
#[derive(PartialEq, Eq)]
pub(crate) struct Seen {
    tenants: usize,
    pub(crate) dashboards: BTreeSet<String>,
    pub(crate) checkouts: BTreeSet<String>,
}

impl Seen {
    pub(crate) fn summary(&self) -> String {
        format!(
            "new dashboard {} on, {} off; new checkout {} on, {} off",
            self.dashboards.len(),
            self.tenants - self.dashboards.len(),
            self.checkouts.len(),
            self.tenants - self.checkouts.len(),
        )
    }
}

impl Stage {
    pub(crate) fn new() -> Result<Self> {
        let folder =
            tempfile::tempdir().context("making a folder for the database and the logs")?;
        Ok(Self { folder, http: reqwest::Client::new() })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn server(&self, address: &str) -> Result<Process> {
        let database = self.file("flags.db");
        let arguments = ["--listen", address, "--database", text(&database)?];
        Process::start("server", &arguments, &[], &self.file("server.log")).await
    }

    pub(crate) async fn service(&self, number: u8, server: &str, token: &str) -> Result<Process> {
        let cache = self.file(&format!("service-{number}.cache"));
        let arguments = ["--flags-url", server, "--cache-file", text(&cache)?];
        let variables = [("FLAGS_SDK_TOKEN", token)];
        Process::start("service", &arguments, &variables, &self.file("service.log")).await
    }

    pub(crate) async fn page(&self, service: &Process, tenant: &str) -> Result<Page> {
        let url = format!("{}/tenants/{tenant}", service.url);
        Ok(self.http.get(url).send().await?.error_for_status()?.json().await?)
    }

    pub(crate) async fn health(&self, service: &Process) -> Result<Health> {
        let url = format!("{}/health", service.url);
        Ok(self.http.get(url).send().await?.error_for_status()?.json().await?)
    }

    pub(crate) async fn account(&self, service: &Process, tenant: &str) -> Result<Account> {
        let url = format!("{}/tenants/{tenant}/account", service.url);
        Ok(self.http.get(url).send().await?.error_for_status()?.json().await?)
    }

    /// Serves every tenant once.
    pub(crate) async fn everyone(&self, service: &Process, tenants: &[&str]) -> Result<Seen> {
        let mut seen = Seen {
            tenants: tenants.len(),
            dashboards: BTreeSet::new(),
            checkouts: BTreeSet::new(),
        };
        for tenant in tenants {
            let page = self.page(service, tenant).await?;
            ensure!(page.tenant == *tenant, "a page is of the tenant it was asked for");
            if page.new_dashboard {
                seen.dashboards.insert(page.tenant.clone());
            }
            if page.new_checkout {
                seen.checkouts.insert(page.tenant);
            }
        }
        Ok(seen)
    }

    /// Asks for a tenant's page until it shows the change; says how long after the answer of the
    /// API that was.
    pub(crate) async fn until(
        &self,
        service: &Process,
        tenant: &str,
        answered: Instant,
        changed: impl Fn(&Page) -> bool,
    ) -> Result<String> {
        eventually("the change did not reach the service", async || {
            Ok(changed(&self.page(service, tenant).await?))
        })
        .await?;
        Ok(format!("{:.1} ms after the API's answer", milliseconds(answered)))
    }

    /// Waits until the service's disk cache is at a revision.
    pub(crate) async fn cached(&self, service: &Process, revision: u64) -> Result<()> {
        eventually("the service's disk cache did not follow", async || {
            Ok(self.health(service).await?.cached_revision >= revision)
        })
        .await
    }

    /// Waits until the service's rules are at a revision.
    pub(crate) async fn reach(&self, service: &Process, revision: u64) -> Result<()> {
        eventually("the service did not catch up", async || {
            Ok(self.health(service).await?.revision >= revision)
        })
        .await
    }
}

/// Asks until it is so.
pub(crate) async fn eventually<F: Future<Output = Result<bool>>>(
    failure: &str,
    mut condition: impl FnMut() -> F,
) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await? {
        ensure!(Instant::now() < deadline, "{failure} within {} s", PATIENCE.as_secs());
        tokio::task::yield_now().await;
    }
    Ok(())
}

pub(crate) fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the temporary folder's name is UTF-8")
}

pub(crate) fn title(text: &str) {
    println!("\n{text}");
}

pub(crate) fn say(text: &str) {
    println!("  {text}");
}
