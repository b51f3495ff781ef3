//! What is wrong with a database file itself.

use rusqlite::{Connection, Row};

use crate::store::{Damage, StoreResult};

/// Sums that are kept beside the rows that they are of: a place, what is kept, and what it is.
const SUMS: [&str; 6] = [
    "SELECT 'segment ' || o.key || ' of environment ' || o.environment_id,
            o.included || ', ' || o.excluded || ', ' || o.member_bytes AS kept,
            count(*) FILTER (WHERE m.excluded = 0) || ', ' ||
            count(*) FILTER (WHERE m.excluded = 1) || ', ' ||
            coalesce(sum(octet_length(m.key)), 0) AS counted
     FROM object AS o
     LEFT JOIN member_list AS l ON l.environment_id = o.environment_id AND l.segment = o.key
     LEFT JOIN member AS m ON m.list_id = l.id
     WHERE o.kind = 'segment'
     GROUP BY o.environment_id, o.key HAVING kept <> counted",
    "SELECT 'environment ' || e.key,
            e.included || ', ' || e.excluded || ', ' || e.member_bytes || ', ' ||
            e.definition_bytes AS kept,
            coalesce(sum(o.included), 0) || ', ' || coalesce(sum(o.excluded), 0) || ', ' ||
            coalesce(sum(o.member_bytes), 0) || ', ' || coalesce(sum(o.bytes), 0) AS counted
     FROM environment AS e LEFT JOIN object AS o ON o.environment_id = e.id
     GROUP BY e.id HAVING kept <> counted",
    "SELECT 'environment ' || e.key, e.tenants || ', ' || e.tenant_bytes AS kept,
            count(t.key) || ', ' ||
            coalesce(sum(octet_length(t.key) + octet_length(t.document) +
                coalesce(octet_length(t.notes), 0)), 0) AS counted
     FROM environment AS e LEFT JOIN tenant AS t ON t.environment_id = e.id
     GROUP BY e.id HAVING kept <> counted",
    "SELECT 'seats of ' || feature || ' of tenant ' || tenant || ' of environment ' || environment_id,
            coalesce(used, 0) || '' AS kept, coalesce(seats, 0) || '' AS counted
     FROM (SELECT environment_id, tenant, feature, used FROM tenant_use WHERE counter = 'seats')
     FULL JOIN (SELECT environment_id, tenant, feature, count(*) AS seats FROM seat GROUP BY 1, 2, 3)
     USING (environment_id, tenant, feature) WHERE coalesce(used, 0) <> coalesce(seats, 0)",
    "SELECT 'environment ' || e.key, e.seats || ' seats' AS kept, count(s.user) || ' seats' AS counted
     FROM environment AS e LEFT JOIN seat AS s ON s.environment_id = e.id
     GROUP BY e.id HAVING kept <> counted",
    "SELECT 'version ' || version || ' of plan ' || plan || ' of environment ' || environment_id,
            coalesce(tenants, 0) || ' tenants' AS kept, coalesce(counted, 0) || ' tenants'
     FROM plan_tenants
     FULL JOIN (SELECT environment_id, target_key AS plan, version, count(*) AS counted
                FROM tenant_reference WHERE is_own = 1 GROUP BY 1, 2, 3)
     USING (environment_id, plan, version) WHERE coalesce(tenants, 0) <> coalesce(counted, 0)",
];

/// What the history has otherwise than the audit log, which it is an index of.
const HISTORY: &str = r#"
    SELECT 'audit row ' || a.id, e.key, r.value
    FROM audit AS a JOIN project AS p ON p.key = a.project
    JOIN json_each(iif(json_valid(a.revisions), a.revisions, '{}')) AS r
    JOIN environment AS e ON e.project_id = p.id AND e.key = r.key
    LEFT JOIN deed AS d
    ON d.environment_id = e.id AND d.revision = r.value AND d.audit_id = a.id
    WHERE r.value > 0 AND a.action <> 'environment.rename' AND (d.audit_id IS NULL
    OR d.key <> a.object_key
    OR d.kind <> iif(a.object_kind = 'flag_state', 'flag', a.object_kind))
    UNION ALL
    SELECT 'audit row ' || d.audit_id, e.key, d.revision
    FROM deed AS d JOIN environment AS e ON e.id = d.environment_id
    JOIN audit AS a ON a.id = d.audit_id
    WHERE NOT json_valid(a.revisions)
    OR json_extract(a.revisions, '$."' || e.key || '"') IS NOT d.revision"#;

/// Where the index of contracts is not what the contracts name: a place, and what is wrong there.
const CONTRACTS: &str = "
    WITH contract AS MATERIALIZED (
        SELECT environment_id, key AS tenant, iif(json_valid(document), document, '{}') AS document
        FROM tenant
    ),
    named AS (
        SELECT environment_id, tenant, 'plan' AS kind, document ->> '$.plan' AS target,
               document ->> '$.plan_version' AS version
        FROM contract WHERE document ->> '$.plan' IS NOT NULL
        UNION
        SELECT environment_id, tenant, 'plan', document ->> '$.trial.plan',
               document ->> '$.trial.plan_version'
        FROM contract WHERE document ->> '$.trial.plan' IS NOT NULL
        UNION
        SELECT environment_id, tenant, 'addon', a.value ->> '$.addon', 0
        FROM contract, json_each(document, '$.addons') AS a
        UNION
        SELECT environment_id, tenant, 'feature', o.value ->> '$.feature', 0
        FROM contract, json_each(document, '$.overrides') AS o
    ),
    kept AS (
        SELECT environment_id, tenant, target_kind AS kind, target_key AS target, version
        FROM tenant_reference
    ),
    own AS (
        SELECT environment_id, tenant, document ->> '$.plan' AS plan,
               document ->> '$.plan_version' AS version
        FROM contract WHERE document ->> '$.plan' IS NOT NULL
    ),
    known AS (
        SELECT environment_id, tenant, target_key AS plan, version
        FROM tenant_reference WHERE is_own = 1
    ),
    wrong AS (
        SELECT environment_id, tenant, 'it has the plan `' || plan ||
               '`, and the index of plans does not say so' AS message
        FROM (SELECT * FROM own EXCEPT SELECT * FROM known)
        UNION ALL
        SELECT environment_id, tenant, 'the index of plans says that it has the plan `' || plan ||
               '`, and it has not'
        FROM (SELECT * FROM known EXCEPT SELECT * FROM own)
        UNION ALL
        SELECT environment_id, tenant, 'its contract names the ' || kind || ' `' || target ||
               '`, and the index of contracts does not'
        FROM (SELECT * FROM named EXCEPT SELECT * FROM kept)
        UNION ALL
        SELECT environment_id, tenant, 'the index of contracts names the ' || kind || ' `' || target ||
               '`, and its contract does not'
        FROM (SELECT * FROM kept EXCEPT SELECT * FROM named)
        UNION ALL
        SELECT c.environment_id, c.tenant, 'its overrides are not those that people say something of'
        FROM contract AS c JOIN tenant AS t ON t.environment_id = c.environment_id AND t.key = c.tenant
        WHERE (SELECT json_group_array(id) FROM (
                   SELECT value ->> '$.id' AS id FROM json_each(c.document, '$.overrides') ORDER BY id))
           IS NOT (SELECT json_group_array(id) FROM (
                   SELECT key AS id FROM json_each(iif(json_valid(t.notes), t.notes, '{}')) ORDER BY id))
    )
    SELECT 'tenant ' || w.tenant || ' of environment ' || e.key, w.message
    FROM wrong AS w JOIN environment AS e ON e.id = w.environment_id ORDER BY 1, 2";

type Read = fn(&Row<'_>) -> rusqlite::Result<Option<Damage>>;

pub(super) fn find(connection: &Connection) -> StoreResult<Vec<Damage>> {
    let mut found = Vec::new();
    let mut collect = |sql: &str, read: Read| -> StoreResult<()> {
        let mut statement = connection.prepare(sql)?;
        for damage in statement.query_map((), read)? {
            found.extend(damage?);
        }
        Ok(())
    };
    collect("PRAGMA integrity_check", |row| {
        let message: String = row.get(0)?;
        let damage = Damage { place: "file".into(), message };
        Ok((damage.message != "ok").then_some(damage))
    })?;
    collect("PRAGMA foreign_key_check", |row| {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        let message = format!("a row refers to one of the table `{parent}` that is not there");
        Ok(Some(Damage { place: format!("table {table}"), message }))
    })?;
    for sql in SUMS {
        collect(sql, |row| {
            let (kept, counted): (String, String) = (row.get(1)?, row.get(2)?);
            let message = format!("its sums are kept as {kept} and are {counted}");
            Ok(Some(Damage { place: row.get(0)?, message }))
        })?;
    }
    collect(CONTRACTS, |row| Ok(Some(Damage { place: row.get(0)?, message: row.get(1)? })))?;
    collect(HISTORY, |row| {
        let (environment, revision): (String, i64) = (row.get(1)?, row.get(2)?);
        let message =
            format!("the history of `{environment}` has it otherwise at revision {revision}");
        Ok(Some(Damage { place: row.get(0)?, message }))
    })?;
    Ok(found)
}
