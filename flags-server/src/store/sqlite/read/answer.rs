use flags_core::Timestamp;
use rusqlite::Row;

use super::Rows;
use crate::store::{Answers, StoreError, StoreResult, StoredAnswer};

impl<T: Rows> Answers for T {
    fn answer(&self, key: &[u8; 32]) -> StoreResult<Option<StoredAnswer>> {
        let sql = format!("SELECT {ANSWER_COLUMNS} FROM answer WHERE key = ?1");
        let found = self.one(&sql, [key], stored_answer)?;
        found.map(|row| Ok(with_headers(row)?.1)).transpose()
    }

    fn answers_with(
        &self,
        text: &str,
        after: &[u8],
        limit: u32,
    ) -> StoreResult<Vec<([u8; 32], StoredAnswer)>> {
        let sql = format!(
            "SELECT {ANSWER_COLUMNS} FROM answer WHERE key > ?2 AND instr(body, ?1) > 0
             ORDER BY key LIMIT ?3"
        );
        let rows = self.all(&sql, (text.as_bytes(), after, limit), stored_answer)?;
        rows.into_iter().map(with_headers).collect()
    }
}

/// What [`stored_answer`] reads.
const ANSWER_COLUMNS: &str = "key, fingerprint, at, status, body, headers";

/// An answer without its headers, and these as JSON.
type AnswerRow = ([u8; 32], StoredAnswer, String);

fn stored_answer(row: &Row<'_>) -> rusqlite::Result<AnswerRow> {
    let answer = StoredAnswer {
        fingerprint: row.get(1)?,
        at: Timestamp::from_millis(row.get(2)?),
        status: row.get(3)?,
        headers: Vec::new(),
        body: row.get(4)?,
    };
    Ok((row.get(0)?, answer, row.get(5)?))
}

fn with_headers((key, answer, headers): AnswerRow) -> StoreResult<([u8; 32], StoredAnswer)> {
    let headers = serde_json::from_str(&headers).map_err(StoreError::new)?;
    Ok((key, StoredAnswer { headers, ..answer }))
}
