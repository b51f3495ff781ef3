//! Searching the audit log.

use flags_core::Timestamp;
use rusqlite::types::ToSql;
use rusqlite::{Connection, Row};

use super::read::{AUDIT_COLUMNS, audit_record};
use crate::store::{
    AuditFilter, AuditPage, AuditPosition, AuditRecord, Reach, StoreError, StoreResult,
};

/// The entries that match `filter`, the latest first: those of the index that tells the most, of
/// which a bounded number is looked at.
pub(super) fn search(
    connection: &Connection,
    filter: &AuditFilter,
    limits: (u32, u32, usize),
) -> StoreResult<AuditPage> {
    let (limit, most_read, most_bytes) = limits;
    let (sql, values) = query(filter);
    let mut statement = connection.prepare_cached(&sql)?;
    let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
    let mut rows = statement.query(&*values)?;
    let mut page = AuditPage { records: Vec::new(), next: None };
    let (mut read, mut bytes, mut last) = (0, 0, None);
    while let Some(row) = rows.next()? {
        let position = position(row)?;
        if read >= most_read || bytes >= most_bytes {
            page.next = last;
            break;
        }
        read += 1;
        if !matches(filter, row)? {
            last = Some(position);
            continue;
        }
        if page.records.len() >= limit as usize {
            page.next = last;
            break;
        }
        let record = audit_record(row)?;
        bytes += AuditRecord::bytes(&record);
        page.records.push(record);
        last = Some(position);
    }
    Ok(page)
}

type Values<'a> = Vec<Box<dyn ToSql + 'a>>;

/// One index is enough, and gives the order.
fn query(filter: &AuditFilter) -> (String, Values<'_>) {
    let (place, mut values): (&str, Values<'_>) = match filter {
        AuditFilter { object: Some((_, key)), .. } => {
            ("a.object_key = ?3 AND", vec![Box::new(key)])
        }
        AuditFilter { actor: Some(actor), .. } => ("a.actor = ?3 AND", vec![Box::new(actor)]),
        AuditFilter { project: Some(project), environment: Some(environment), .. } => (
            "a.project = ?3 AND a.environment = ?4 AND",
            vec![Box::new(project), Box::new(environment)],
        ),
        AuditFilter { action: Some(action), .. } => ("a.action = ?3 AND", vec![Box::new(action)]),
        AuditFilter { project: Some(project), .. } => {
            ("a.project = ?3 AND", vec![Box::new(project)])
        }
        _ => ("", Vec::new()),
    };
    let AuditPosition { at, id } = filter.before;
    values.insert(0, Box::new(at.as_millis()));
    values.insert(1, Box::new(id));
    values.push(Box::new(filter.from.as_millis()));
    let from = values.len();
    let sql = format!(
        "SELECT {AUDIT_COLUMNS} FROM audit AS a
         WHERE {place} (a.at, a.id) < (?1, ?2) AND a.at >= ?{from}
         ORDER BY a.at DESC, a.id DESC"
    );
    (sql, values)
}

fn position(row: &Row<'_>) -> rusqlite::Result<AuditPosition> {
    Ok(AuditPosition { id: row.get(0)?, at: Timestamp::from_millis(row.get(1)?) })
}

/// Whether a row is what is looked for in all other ways.
fn matches(filter: &AuditFilter, row: &Row<'_>) -> StoreResult<bool> {
    let text = |column: &str| -> StoreResult<Option<&str>> {
        row.get_ref(column)?.as_str_or_null().map_err(StoreError::new)
    };
    for (wanted, column) in [
        (&filter.actor, "actor"),
        (&filter.action, "action"),
        (&filter.project, "project"),
        (&filter.environment, "environment"),
    ] {
        if wanted.is_some() && wanted.as_deref() != text(column)? {
            return Ok(false);
        }
    }
    let within = match text("project")? {
        _ if filter.reach == Reach::Everything => true,
        None => false,
        Some(project) => filter.reach.covers(project, text("environment")?),
    };
    if !within {
        return Ok(false);
    }
    let Some((kind, key)) = &filter.object else {
        return Ok(true);
    };
    let is_kind = match (kind.as_deref(), text("object_kind")?) {
        (None, _) => true,
        // Its state is a part of a flag.
        (Some("flag"), Some("flag_state")) => true,
        (kind, found) => kind == found,
    };
    Ok(is_kind && text("object_key")? == Some(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;

    /// Every search goes down one index from the latest entry, and sorts nothing.
    #[test]
    fn no_search_reads_the_whole_table() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flags.db");
        drop(SqliteStore::open(&path, Timestamp::from_millis(0)).unwrap());
        let connection = Connection::open(path).unwrap();
        let text = || Some("x".to_owned());
        let object = || Some((None, "x".to_owned()));
        let none = AuditFilter::default;
        for (filter, index) in [
            (none(), "audit_time (at>? AND at<?)"),
            (AuditFilter { actor: text(), ..none() }, "audit_actor (actor=?"),
            (AuditFilter { action: text(), ..none() }, "audit_action (action=?"),
            (AuditFilter { project: text(), ..none() }, "audit_project (project=?"),
            (
                AuditFilter { project: text(), environment: text(), ..none() },
                "audit_environment (project=? AND environment=?",
            ),
            (
                AuditFilter { object: object(), actor: text(), project: text(), ..none() },
                "audit_object (object_key=?",
            ),
        ] {
            let (sql, values) = query(&filter);
            let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = statement.query_map(&*values, |row| row.get::<_, String>(3)).unwrap();
            let plan: Vec<String> = steps.map(Result::unwrap).collect();
            let plan = plan.join("; ");
            assert!(plan.starts_with("SEARCH a USING INDEX audit_"), "{plan}");
            assert!(plan.contains(index), "{plan}");
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN"), "{plan}");
        }
    }
}
