use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::DatabaseFile;
use super::api::Server;
use super::local::with_service;
use super::output::{Failure, Output, end_progress, progress};
use crate::Error;
use crate::database::attach;
use crate::service::erase::{Erasure, Report, erase, look};
use crate::store::Store;

/// The arguments of `flags-server erase`.
#[derive(Args)]
pub(super) struct Erase {
    #[command(flatten)]
    whose: Whose,
    /// Only in this project; in all of them without it
    #[arg(long, value_name = "KEY")]
    project: Option<String>,
    /// Tells what would be touched, and touches nothing
    #[arg(long)]
    dry_run: bool,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    file: DatabaseFile,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// The key of a user
    #[arg(long, value_name = "KEY")]
    user: Option<String>,
    /// The key of a tenant
    #[arg(long, value_name = "KEY")]
    tenant: Option<String>,
}

impl Erase {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let (kind, key) = match (self.whose.user, self.whose.tenant) {
            (Some(key), None) => ("user", key),
            (None, Some(key)) => ("tenant", key),
            _ => return Err(Error::new("name a user or a tenant").into()),
        };
        progress("erasing");
        let report = match self.server.api()? {
            Some(api) => {
                let body = json!({"kind": kind, "key": key, "project": self.project,
                    "dry_run": self.dry_run});
                let reason = self.reason.as_deref().map(|reason| ("reason", reason));
                let query: Vec<_> = reason.into_iter().collect();
                let answer = api.send(Method::POST, &["erasures"], &query, Some(&body))?;
                serde_json::from_value(answer)
                    .map_err(|error| Error::new(format!("the answer makes no sense: {error}")))?
            }
            None => {
                let erasure = Erasure::new(kind.to_owned(), key, self.project)?;
                let database = &self.file.path()?;
                match self.dry_run {
                    true => look(&*attach(database)?.view()?, &erasure, progress)?,
                    false => with_service(database, self.reason, async |service, author| {
                        erase(service, author, erasure, progress).await
                    })?,
                }
            }
        };
        end_progress();
        Ok(self.output.print(&report, text)?)
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for touched in &report.environments {
        text.push_str(&format!("{}/{}: ", touched.project, touched.environment));
        for (what, keys) in [("flags", &touched.flags), ("segments", &touched.segments)] {
            if !keys.is_empty() {
                text.push_str(&format!("{what} {}; ", keys.join(", ")));
            }
        }
        if touched.seats > 0 {
            text.push_str(&format!("{} seats; ", touched.seats));
        }
        text.push_str(&format!("{} entries of the change log; ", touched.changes));
        text.push_str(&format!("{} scheduled changes\n", touched.scheduled));
        let verb = if report.dry_run { "would be" } else { "is" };
        for id in &touched.cancelled {
            text.push_str(&format!(
                "  the scheduled change {id} {verb} cancelled: it was about nobody else\n"
            ));
        }
    }
    let verb = if report.dry_run { "would be erased" } else { "erased" };
    text.push_str(&format!("{} rows of the audit log\n", report.audit_rows));
    match report.environments.is_empty() && report.audit_rows == 0 {
        true => text.push_str("nothing names it"),
        false => text.push_str(verb),
    }
    text
}
