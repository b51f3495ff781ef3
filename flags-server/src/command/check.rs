use clap::Args;

use super::DatabaseFile;
use super::output::{Failure, Output, end_progress, progress};
use crate::database::attach;
use crate::service::check::{Report, check};
use crate::store::Store;

/// The arguments of `flags-server check`.
#[derive(Args)]
pub(super) struct Check {
    #[command(flatten)]
    file: DatabaseFile,
    #[command(flatten)]
    output: Output,
}

impl Check {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        let store = attach(&self.file.path()?)?;
        let report = check(&*store.view()?, &mut progress);
        end_progress();
        let report = report?;
        self.output.print(&report, text)?;
        if report.findings.is_empty() { Ok(()) } else { Err(Failure::Told) }
    }
}

fn text(report: &Report) -> String {
    let Report { environments, changes, audit_rows, audit_head, findings } = report;
    let mut text = String::new();
    for finding in findings {
        text.push_str(&format!("{}: {}\n", finding.place, finding.message));
    }
    text.push_str(&format!(
        "{environments} environments, {changes} changes, {audit_rows} audit rows{}\n",
        if audit_head.is_empty() { String::new() } else { format!(" up to {audit_head}") }
    ));
    match findings.len() {
        0 => text.push_str("the database is whole"),
        1 => text.push_str("the database is damaged in one place"),
        number => text.push_str(&format!("the database is damaged in {number} places")),
    }
    text
}
