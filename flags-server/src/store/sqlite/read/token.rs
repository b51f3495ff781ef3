use flags_core::Timestamp;
use rusqlite::Row;

use super::{Rows, after};
use crate::store::{
    EnvironmentId, Grant, Page, Place, Reach, Role, StoreResult, StoredSecret, StoredToken,
    Tenants, TokenKind, TokenRegister,
};

impl<T: Rows> TokenRegister for T {
    fn tokens(&self, page: &Page) -> StoreResult<Vec<StoredToken>> {
        let rows = self.all(
            &format!("SELECT {TOKEN} FROM token WHERE id > ?1 ORDER BY id LIMIT ?2"),
            (after(page), page.limit),
            token,
        )?;
        rows.into_iter().map(|row| with_secrets(self, row)).collect()
    }

    fn token(&self, id: &str) -> StoreResult<Option<StoredToken>> {
        let row = self.one(&format!("SELECT {TOKEN} FROM token WHERE id = ?1"), [id], token)?;
        row.map(|row| with_secrets(self, row)).transpose()
    }

    fn live_tokens(&self, now: Timestamp) -> StoreResult<u64> {
        self.number(
            "SELECT count(*) FROM token
             WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?1)",
            [now.as_millis()],
        )
    }
}

/// The columns that [`token`] reads.
const TOKEN: &str = "id, name, kind, environment_id, tenants, role, limited, created_at, \
                     expires_at, revoked_at, last_used_at";

/// A token without its secrets, and whether its places are still to be read.
fn token(row: &Row<'_>) -> rusqlite::Result<(StoredToken, bool)> {
    let (kind, environment, tenants, role): (String, Option<i64>, Option<String>, Option<String>) =
        (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
    let limited = row.get(6)?;
    let reach = if limited { Reach::Only(Vec::new()) } else { Reach::Everything };
    let grant = role.as_deref().and_then(Role::named).map(|role| Grant { role, reach });
    let kind = match (&*kind, grant) {
        ("personal", Some(grant)) => TokenKind::Personal(grant),
        ("service", Some(grant)) => TokenKind::Service(grant),
        // What this version does not know opens nothing: it names no environment.
        _ => TokenKind::Sdk(
            EnvironmentId(environment.unwrap_or(-1)),
            if tenants.as_deref() == Some("all") { Tenants::All } else { Tenants::None },
        ),
    };
    let instant = |column| row.get(column).map(|at: Option<i64>| at.map(Timestamp::from_millis));
    let token = StoredToken {
        id: row.get(0)?,
        name: row.get(1)?,
        kind,
        secrets: Vec::new(),
        created_at: Timestamp::from_millis(row.get(7)?),
        expires_at: instant(8)?,
        revoked_at: instant(9)?,
        last_used_at: instant(10)?,
    };
    Ok((token, limited))
}

fn with_secrets(
    rows: &impl Rows,
    (token, limited): (StoredToken, bool),
) -> StoreResult<StoredToken> {
    let mut token = token;
    token.secrets = rows.all(
        "SELECT hash, ends_at FROM token_secret WHERE token_id = ?1
         ORDER BY ends_at DESC NULLS FIRST",
        [&token.id],
        |row| {
            let ends_at: Option<i64> = row.get(1)?;
            Ok(StoredSecret { hash: row.get(0)?, ends_at: ends_at.map(Timestamp::from_millis) })
        },
    )?;
    if limited && let TokenKind::Personal(grant) | TokenKind::Service(grant) = &mut token.kind {
        grant.reach = Reach::Only(rows.all(
            "SELECT p.key, e.key FROM token_place t JOIN project p ON p.id = t.project_id
             LEFT JOIN environment e ON e.id = t.environment_id
             WHERE t.token_id = ?1 ORDER BY p.key, e.key",
            [&token.id],
            |row| Ok(Place { project: row.get(0)?, environment: row.get(1)? }),
        )?);
    }
    Ok(token)
}
