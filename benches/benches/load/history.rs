//! Whether a database holds a whole history: what must be so after any crash.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use flags_core::{Change, Document, Epoch};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// A write that the server acknowledged.
#[derive(Clone, Debug)]
pub struct Ack {
    pub request_id: String,
    pub revisions: BTreeSet<(String, u64)>,
}

impl Ack {
    /// What the answer to a write in `production` said.
    pub fn of(request_id: String, answer: &Value) -> Self {
        let revisions = match answer["revision"].as_u64() {
            Some(revision) => [("production".to_owned(), revision)].into(),
            None => revisions(&answer["revisions"]),
        };
        assert!(!revisions.is_empty(), "an answer without a revision: {answer}");
        Self { request_id, revisions }
    }
}

fn revisions(object: &Value) -> BTreeSet<(String, u64)> {
    let each = object.as_object().into_iter().flatten();
    each.filter_map(|(key, revision)| Some((key.clone(), revision.as_u64()?))).collect()
}

/// Reads all of it: every table sound, revisions without a gap or a repetition, a row of the audit
/// log for each change and a change for each row, every acknowledged write there, once.
///
/// Gives what the change log of each environment folds to.
///
/// # Errors
/// What is wrong.
pub fn check(database: &Path, acks: &[Ack]) -> Result<BTreeMap<String, Document>, String> {
    read(database, acks).map_err(|error| error.to_string())
}

type Failure = Box<dyn std::error::Error>;

fn read(database: &Path, acks: &[Ack]) -> Result<BTreeMap<String, Document>, Failure> {
    let database = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // One state, whatever is written meanwhile.
    database.execute_batch("BEGIN")?;
    let text = |sql| database.query_row(sql, (), |row| row.get::<_, String>(0));
    let sound = text("PRAGMA quick_check")?;
    if sound != "ok" {
        return Err(sound.into());
    }
    if database.prepare("PRAGMA foreign_key_check")?.exists(())? {
        return Err("a row refers to one that is not there".into());
    }

    let epoch = Epoch::new(&text("SELECT epoch FROM meta")?);
    let mut documents = BTreeMap::new();
    let mut logged = BTreeSet::new();
    let mut environments = database.prepare("SELECT id, key, revision FROM environment")?;
    let mut rows = environments.query(())?;
    while let Some(row) = rows.next()? {
        let (id, key, last): (i64, String, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let sql = "SELECT change FROM change_log WHERE environment_id = ? ORDER BY revision";
        let mut log = database.prepare_cached(sql)?;
        let lines = log.query_map([id], |row| row.get::<_, String>(0))?;
        let mut changes: Vec<Change> = Vec::new();
        for line in lines {
            changes.push(serde_json::from_str(&line?)?);
        }
        let mut document = Document::empty(epoch.clone());
        document.fold(&changes).map_err(|gap| format!("{key}: {gap}"))?;
        if document.revision != last {
            return Err(format!("{key} is at {last}, its log at {}", document.revision).into());
        }
        logged.extend((1..=last).map(|revision| (key.clone(), revision)));
        documents.insert(key, document);
    }

    let mut audited = BTreeSet::new();
    let mut by_request: BTreeMap<String, Vec<BTreeSet<(String, u64)>>> = BTreeMap::new();
    let mut audit = database.prepare("SELECT request_id, revisions FROM audit")?;
    let mut rows = audit.query(())?;
    while let Some(row) = rows.next()? {
        let (request, said): (String, String) = (row.get(0)?, row.get(1)?);
        let revisions = revisions(&serde_json::from_str(&said)?);
        for revision in &revisions {
            if !audited.insert(revision.clone()) {
                return Err(format!("two deeds made {revision:?}").into());
            }
        }
        by_request.entry(request).or_default().push(revisions);
    }
    if audited != logged {
        let odd: Vec<_> = audited.symmetric_difference(&logged).take(5).collect();
        return Err(format!("the change log and the audit log differ: {odd:?}").into());
    }
    for ack in acks {
        match by_request.get(&ack.request_id).map(Vec::as_slice) {
            Some([revisions]) if *revisions == ack.revisions => {}
            found => return Err(format!("{ack:?} was acknowledged; there is {found:?}").into()),
        }
    }
    Ok(documents)
}
