use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::Args;
use flags_core::{PlainJson, Revision};
use serde::Serialize;
use serde_json::{Value, json};

use super::DatabaseFile;
use super::api::Server;
use super::local::with_service;
use super::output::{Failure, Output, end_progress, on_one_line, progress};
use crate::Error;
use crate::database::attach;
use crate::limits::MAX_BULK_BODY_BYTES;
use crate::service::import::{self, Imported};
use crate::service::plan::{Done, Plan};
use crate::service::{Fault, Precondition};
use crate::store::{Store, View};

/// The arguments of `flags-server import`.
#[derive(Args)]
pub(super) struct Import {
    /// The exported document; `-` is standard input
    #[arg(value_name = "FILE")]
    source: PathBuf,
    /// The project
    #[arg(long, value_name = "KEY")]
    project: String,
    /// The environment
    #[arg(long, value_name = "KEY")]
    environment: String,
    /// Tells what would change, and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Only if the environment is at this revision
    #[arg(long, value_name = "REVISION")]
    if_revision: Option<Revision>,
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

impl Import {
    pub(super) fn execute(self) -> Result<(), Failure> {
        progress("reading the document");
        let report = self.import();
        end_progress();
        Ok(self.output.print(&report?, text)?)
    }

    fn import(&self) -> Result<Value, Error> {
        let (bytes, document) = self.read()?;
        progress(if self.dry_run { "comparing" } else { "importing" });
        if let Some(api) = self.server.api()? {
            let mut query = Vec::new();
            query.extend(self.reason.as_deref().map(|reason| ("reason", reason)));
            query.extend(self.dry_run.then_some(("dry_run", "true")));
            let Self { project, environment, .. } = self;
            let route = ["projects", project, "environments", environment, "import"];
            return api.send_document(&route, &query, self.if_revision, bytes);
        }
        let imported = Imported::read(document)?;
        let database = &self.file.path()?;
        let (project, environment) = (self.project.clone(), self.environment.clone());
        let precondition = match self.if_revision {
            Some(revision) => Precondition::Version(vec![revision]),
            None => Precondition::None,
        };
        let plan = move |view: &dyn View| -> Result<Plan, Fault> {
            let plan = import::plan(view, &project, &environment, &precondition, imported)?;
            plan.check_size()?;
            Ok(plan)
        };
        let done = match self.dry_run {
            true => plan(&*attach(database)?.view()?)?.told(),
            false => with_service(database, self.reason.clone(), async |service, author| {
                service.write(author, |unit| plan(unit.tx)?.apply(unit, import::ACTION)).await
            })?,
        };
        Ok(json!(Report { dry_run: self.dry_run, done }))
    }

    /// The document, as it stands in the file and as JSON.
    fn read(&self) -> Result<(Vec<u8>, Value), Error> {
        let name = self.source.display();
        let source: Box<dyn Read> = match self.source.as_os_str() == "-" {
            true => Box::new(io::stdin().lock()),
            false => Box::new(
                File::open(&self.source)
                    .map_err(|error| Error::new(format!("cannot read {name}: {error}")))?,
            ),
        };
        let mut bytes = Vec::new();
        source
            .take(MAX_BULK_BODY_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::new(format!("cannot read {name}: {error}")))?;
        if bytes.len() > MAX_BULK_BODY_BYTES {
            let most = "a document that is imported has at most";
            return Err(Error::new(format!("{name}: {most} {MAX_BULK_BODY_BYTES} bytes")));
        }
        let PlainJson(document) = serde_json::from_slice(&bytes)
            .map_err(|error| Error::new(format!("{name} is not JSON that can be read: {error}")))?;
        Ok((bytes, document))
    }
}

/// As the API tells it.
#[derive(Serialize)]
struct Report {
    dry_run: bool,
    #[serde(flatten)]
    done: Done,
}

fn text(report: &Value) -> String {
    let list = |value: &Value, name: &str| -> Vec<Value> {
        value.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let word = |value: &Value, name: &str| {
        on_one_line(value.get(name).and_then(Value::as_str).unwrap_or_default())
    };
    let number = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or_default();
    let mut text = String::new();
    let objects = list(report, "objects");
    for object in &objects {
        let kind = word(object, "kind");
        text.push_str(&format!("{kind} {}: {}\n", word(object, "key"), word(object, "summary")));
        for place in list(object, "diff") {
            let pointer = word(&place, "pointer");
            text.push_str(&match (place.get("before"), place.get("after")) {
                (Some(before), Some(after)) => format!("  ~ {pointer}: {before} → {after}\n"),
                (None, Some(after)) => format!("  + {pointer}: {after}\n"),
                (Some(before), None) => format!("  - {pointer}: {before}\n"),
                (None, None) => String::new(),
            });
        }
        if object.get("complete").and_then(Value::as_bool) == Some(false) {
            text.push_str("  … and more\n");
        }
    }
    let count = number("objects_count");
    let more = count.saturating_sub(objects.len() as u64);
    if more > 0 {
        text.push_str(&format!("… and {more} more objects\n"));
    }
    for kept in list(report, "kept") {
        let (kind, key) = (word(&kept, "kind"), word(&kept, "key"));
        text.push_str(&format!(
            "{kind} {key} keeps its {}\n",
            word(&kept, "why").replace('_', " ")
        ));
    }
    let revision = number("revision");
    let is_dry = report.get("dry_run").and_then(Value::as_bool) == Some(true);
    text.push_str(&match (count, is_dry) {
        (0, _) => format!("everything is so already, at revision {revision}"),
        (_, true) => format!("this is what would change after revision {revision}"),
        (_, false) => format!("changed, as revision {revision}"),
    });
    text
}
