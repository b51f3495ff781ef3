use std::path::{Path, PathBuf};

use clap::Args;
use flags_core::{Epoch, Revision};
use serde::Serialize;
use uuid::Uuid;

use super::DatabaseFile;
use super::output::{Failure, Output, end_progress, progress};
use crate::Error;
use crate::database::open_existing;
use crate::service::audit::RESTORE;
use crate::service::check::check;
use crate::service::revert;
use crate::service::{Author, Deed, Revisions, Unit, now};
use crate::store::sqlite::{Placed, Replacement, copy};
use crate::store::{Store, StoreError, Transaction};

/// The arguments of `flags-server restore`.
#[derive(Args)]
pub(super) struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    backup: PathBuf,
    /// Gives one environment the definitions that it had at this revision
    #[arg(long, value_name = "REVISION", requires = "project", requires = "environment")]
    to_revision: Option<Revision>,
    /// The project of that environment
    #[arg(long, value_name = "KEY", requires = "to_revision")]
    project: Option<String>,
    /// The environment
    #[arg(long, value_name = "KEY", requires = "to_revision")]
    environment: Option<String>,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    file: DatabaseFile,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Restored {
    epoch: String,
    /// Of the environment that went back to an earlier revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
    /// Where the database is kept that was there.
    kept: Option<String>,
    /// What is left to do before a server can open it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Restore {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        let restored = self.restore();
        end_progress();
        Ok(self.output.print(&restored?, |restored| {
            let mut text = format!("restored, with the epoch {}", restored.epoch);
            if let Some(revision) = restored.revision {
                text.push_str(&format!("; what was wanted is revision {revision}"));
            }
            if let Some(kept) = &restored.kept {
                text.push_str(&format!("\nthe database that was there is {kept}"));
            }
            if let Some(advice) = &restored.advice {
                text.push_str(&format!("\n{advice}"));
            }
            text
        })?)
    }

    fn restore(&self) -> Result<Restored, Error> {
        let database = &self.file.path()?;
        let refused = |error: StoreError| {
            Error::new(format!("cannot replace {}: {}", database.display(), error.cause()))
        };
        let place = Replacement::begin(database).map_err(refused)?;
        let backup = self.backup.display();
        copy(&self.backup, &place.path(), &mut progress)
            .map_err(|error| Error::new(format!("cannot read {backup}: {}", error.cause())))?;
        let (epoch, revision) = self.prepare(&place.path())?;
        let Placed { kept, advice } = place.finish(&format!("before-{epoch}")).map_err(refused)?;
        let kept = kept.map(|path| path.display().to_string());
        Ok(Restored { epoch: epoch.to_string(), revision, kept, advice })
    }

    /// Makes of a copy of the backup what is to be served; nothing else knows it yet.
    fn prepare(&self, copy: &Path) -> Result<(Epoch, Option<Revision>), Error> {
        let store = open_existing(copy)?;
        let report = check(&*store.view()?, &mut progress)?;
        if let Some(first) = report.findings.first() {
            return Err(Error::new(format!(
                "{} is damaged: {}: {}; `flags-server check` tells all",
                self.backup.display(),
                first.place,
                first.message
            )));
        }
        let epoch = Epoch::new(&Uuid::now_v7().simple().to_string());
        let mut revision = None;
        store.write_first(|tx| {
            revision =
                self.write(tx, &epoch).map_err(|error| StoreError::new(error.to_string()))?;
            Ok(())
        })?;
        Ok((epoch, revision))
    }

    fn write(&self, tx: &mut dyn Transaction, epoch: &Epoch) -> Result<Option<Revision>, Error> {
        let former = tx.epoch()?;
        tx.begin_epoch(epoch)?;
        let request_id = Uuid::now_v7().simple().to_string();
        let author = Author::operator(request_id, self.reason.clone());
        let mut unit = Unit { tx, epoch, author: &author, now: now(), effects: Vec::new() };
        unit.record(&Deed {
            action: RESTORE,
            project: None,
            environment: None,
            kind: "database",
            key: "",
            before: Some(&serde_json::json!({"epoch": former})),
            after: Some(&serde_json::json!({"epoch": epoch})),
            revisions: &Revisions::new(),
        })?;
        match (&self.project, &self.environment, self.to_revision) {
            (Some(project), Some(environment), Some(to)) => {
                Ok(Some(revert::environment(&mut unit, project, environment, to)?))
            }
            _ => Ok(None),
        }
    }
}
