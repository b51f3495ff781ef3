use clap::Args;
use flags_core::{Epoch, Timestamp};
use uuid::Uuid;

use super::DatabaseFile;
use super::output::{Failure, Output, end_progress, progress};
use crate::Error;
use crate::database::{attach, open_existing};
use crate::service::prune::{Cut, Report, look, prune};
use crate::service::{Author, Unit, now};
use crate::store::{Store, StoreError};

/// The arguments of `flags-server prune`.
#[derive(Args)]
pub(super) struct Prune {
    #[command(flatten)]
    what: What,
    /// Does it; without this, tells what would be cut off
    #[arg(long)]
    yes: bool,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    file: DatabaseFile,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
#[group(required = true, multiple = true)]
struct What {
    /// Cuts off the changes before this time (RFC 3339), of all environments
    #[arg(long, value_name = "TIME", value_parser = time)]
    history_before: Option<Timestamp>,
    /// Cuts off the rows of the audit log before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    audit_before: Option<Timestamp>,
    /// Removes scheduled changes that were done, failed or were cancelled before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    schedule_before: Option<Timestamp>,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "expected a time such as 2026-01-31T00:00:00Z".to_owned())
}

impl Prune {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        let What { history_before, audit_before, schedule_before } = self.what;
        let cut = Cut { history_before, audit_before, schedule_before };
        progress("reading the logs");
        let report = self.report(&cut);
        end_progress();
        Ok(self.output.print(&report?, |report| self.text(report))?)
    }

    fn report(&self, cut: &Cut) -> Result<Report, Error> {
        let database = &self.file.path()?;
        if !self.yes {
            return Ok(look(&*attach(database)?.view()?, cut, &mut progress)?);
        }
        let store = open_existing(database)?;
        let request_id = Uuid::now_v7().simple().to_string();
        let author = Author::operator(request_id, self.reason.clone());
        let mut report = Report::default();
        store.write_first(|tx| {
            let epoch: Epoch = tx.epoch()?;
            let effects = Vec::new();
            let mut unit = Unit { tx, epoch: &epoch, author: &author, now: now(), effects };
            let pruned = prune(&mut unit, cut, &mut progress).map_err(Error::from);
            report = pruned.map_err(|error| StoreError::new(error.to_string()))?;
            Ok(())
        })?;
        Ok(report)
    }

    fn text(&self, report: &Report) -> String {
        let mut text = String::new();
        for (place, revision) in &report.changes_through {
            text.push_str(&format!("{place}: changes up to revision {revision}\n"));
        }
        text.push_str(&format!("audit log: rows up to {}\n", report.audit_through));
        text.push_str(&format!("scheduled changes that have ended: {}\n", report.scheduled));
        text.push_str(match self.yes {
            true => "are cut off",
            false => "would be cut off; say --yes to do it",
        });
        text
    }
}
