//! How rows of the audit log are sealed and chained, so that an alteration is found, and the
//! personal parts of a row can be erased all the same. Any store keeps the same bytes.

use flags_core::Timestamp;
use sha2::{Digest as _, Sha256};

use super::AuditEntry;

pub(crate) type Digest = [u8; 32];

/// Random bytes beside a part: without them its digest tells nothing of it.
pub(crate) type Salt = [u8; 16];

/// The salt of a part that was erased.
pub(crate) const ERASED: Salt = [0; 16];

/// What may be personal of a row, in the order of its salts and digests.
pub(crate) const PARTS: [&str; 4] = ["object_key", "reason", "before", "after"];

/// The texts of a row's parts, in the order of [`PARTS`].
pub(crate) type Parts<T> = [Option<T>; 4];

/// Salts and digests of a row's parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seals {
    pub(crate) salts: [Salt; 4],
    pub(crate) digests: [Digest; 4],
}

/// A row of the audit log with what chains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditRow {
    /// Counts from 1 without gaps.
    pub(crate) id: i64,
    pub(crate) at: Timestamp,
    pub(crate) actor: String,
    pub(crate) actor_name: String,
    pub(crate) request_id: String,
    pub(crate) action: String,
    pub(crate) project: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) object_kind: String,
    pub(crate) revisions: String,
    pub(crate) parts: Parts<String>,
    pub(crate) seals: Option<Seals>,
    pub(crate) hash: Option<Digest>,
    /// Of each erased part, the row of the erasure, as JSON.
    pub(crate) erased: Option<String>,
}

impl Seals {
    /// Seals texts with new salts.
    pub(crate) fn new(parts: &Parts<&str>) -> Result<Self, getrandom::Error> {
        let mut salts = [ERASED; 4];
        getrandom::fill(salts.as_flattened_mut())?;
        let mut digests = [[0; 32]; 4];
        for ((digest, salt), text) in digests.iter_mut().zip(&salts).zip(parts) {
            *digest = seal(salt, *text);
        }
        Ok(Self { salts, digests })
    }

    /// From what a store kept of them.
    pub(crate) fn from_bytes(salts: &[u8], digests: &[u8]) -> Option<Self> {
        let (salts, []) = salts.as_chunks() else { return None };
        let (digests, []) = digests.as_chunks() else { return None };
        Some(Self { salts: salts.try_into().ok()?, digests: digests.try_into().ok()? })
    }

    /// The parts that are not what was sealed; of an erased one nobody can say.
    pub(crate) fn altered(&self, parts: &Parts<String>) -> Vec<&'static str> {
        let sealed = self.salts.iter().zip(&self.digests);
        let rows = PARTS.iter().zip(sealed).zip(parts);
        let wrong = rows.filter(|((_, (salt, digest)), text)| {
            **salt != ERASED && seal(salt, text.as_deref()) != **digest
        });
        wrong.map(|((name, _), _)| *name).collect()
    }

    /// The parts that were erased.
    pub(crate) fn erased(&self) -> impl Iterator<Item = &'static str> {
        PARTS.iter().zip(&self.salts).filter(|(_, salt)| **salt == ERASED).map(|(name, _)| *name)
    }
}

fn seal(salt: &Salt, text: Option<&str>) -> Digest {
    let mut hash = Sha256::new();
    hash.update(salt);
    field(&mut hash, text.map(str::as_bytes));
    hash.finalize().into()
}

/// Adds a field, so that no two lists of fields give the same bytes.
fn field(hash: &mut Sha256, bytes: Option<&[u8]>) {
    match bytes {
        None => hash.update([0]),
        Some(bytes) => {
            hash.update([1]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
    }
}

/// The hash of a row: over the hash of the one before, which is zero for the first, over what is
/// not personal, and over the digests of what is.
pub(crate) fn link(previous: &Digest, id: i64, row: &AuditEntry<'_>, seals: &Seals) -> Digest {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(id.to_be_bytes());
    hash.update(row.at.as_millis().to_be_bytes());
    for text in [
        Some(row.actor),
        Some(row.actor_name),
        Some(row.request_id),
        Some(row.action),
        row.project,
        row.environment,
        Some(row.object_kind),
        Some(row.revisions),
    ] {
        field(&mut hash, text.map(str::as_bytes));
    }
    hash.update(seals.digests.as_flattened());
    hash.finalize().into()
}

impl AuditRow {
    /// As it was when it was appended.
    pub(crate) fn entry(&self) -> AuditEntry<'_> {
        let [key, reason, before, after] = &self.parts;
        AuditEntry {
            at: self.at,
            actor: &self.actor,
            actor_name: &self.actor_name,
            request_id: &self.request_id,
            action: &self.action,
            project: self.project.as_deref(),
            environment: self.environment.as_deref(),
            object_kind: &self.object_kind,
            object_key: key.as_deref().unwrap_or_default(),
            reason: reason.as_deref(),
            before: before.as_deref(),
            after: after.as_deref(),
            revisions: &self.revisions,
        }
    }
}

impl<'a> AuditEntry<'a> {
    /// What may be personal of it.
    pub(crate) fn parts(&self) -> Parts<&'a str> {
        [Some(self.object_key), self.reason, self.before, self.after]
    }
}

/// Where the chain stands: the last row and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ChainHead {
    /// 0 where there is no row.
    pub(crate) id: i64,
    pub(crate) hash: Digest,
}

impl ChainHead {
    /// Goes on to the next row, whatever its state: one that is damaged is told of once, and what
    /// follows is checked against what it claims to be.
    ///
    /// # Errors
    /// What is wrong with the row, in words.
    pub(crate) fn follow(&mut self, row: &AuditRow) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        if row.id != self.id + 1 {
            wrong.push(format!("rows are missing: row {} follows row {}", row.id, self.id));
        }
        match (&row.seals, &row.hash) {
            (Some(seals), Some(hash)) => {
                if link(&self.hash, row.id, &row.entry(), seals) != *hash {
                    wrong.push("its hash does not follow from the row before and its own".into());
                }
                for part in seals.altered(&row.parts) {
                    wrong.push(format!("`{part}` is not what was written"));
                }
            }
            _ => wrong.push("it is not chained".into()),
        }
        *self = Self { id: row.id, hash: row.hash.unwrap_or_default() };
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: AuditEntry<'static> = AuditEntry {
        at: Timestamp::from_millis(7),
        actor: "t",
        actor_name: "n",
        request_id: "r",
        action: "flag.off",
        project: Some("p"),
        environment: None,
        object_kind: "flag",
        object_key: "k",
        reason: None,
        before: Some("{}"),
        after: Some(""),
        revisions: "{}",
    };

    fn row(id: i64, previous: &Digest, entry: &AuditEntry<'_>) -> AuditRow {
        let seals = Seals::new(&entry.parts()).unwrap();
        AuditRow {
            id,
            at: entry.at,
            actor: entry.actor.into(),
            actor_name: entry.actor_name.into(),
            request_id: entry.request_id.into(),
            action: entry.action.into(),
            project: entry.project.map(Into::into),
            environment: entry.environment.map(Into::into),
            object_kind: entry.object_kind.into(),
            revisions: entry.revisions.into(),
            parts: entry.parts().map(|text| text.map(Into::into)),
            hash: Some(link(previous, id, entry, &seals)),
            seals: Some(seals),
            erased: None,
        }
    }

    #[test]
    fn whatever_is_altered_is_found_and_what_is_erased_is_not() {
        let mut head = ChainHead::default();
        let first = row(1, &head.hash, &ENTRY);
        assert_eq!(head.follow(&first), Ok(()));
        let second = row(2, &head.hash, &ENTRY);
        let after_first = head;
        assert_eq!(head.follow(&second), Ok(()));

        type Edit = fn(&mut AuditRow);
        let edits: [Edit; 13] = [
            |row| row.id = 3,
            |row| row.at = Timestamp::from_millis(8),
            |row| row.actor = "u".into(),
            |row| row.actor_name = "m".into(),
            |row| row.request_id.push('r'),
            |row| row.action = "flag.on".into(),
            |row| (row.project, row.environment) = (None, Some("p".into())),
            |row| row.object_kind.push('s'),
            |row| row.revisions = "[]".into(),
            |row| row.parts[0] = Some("other".into()),
            |row| row.parts[1] = Some(String::new()),
            |row| row.parts[3] = None,
            |row| row.seals.as_mut().unwrap().digests[2][0] ^= 1,
        ];
        for (index, edit) in edits.into_iter().enumerate() {
            let mut altered = second.clone();
            edit(&mut altered);
            assert!(after_first.clone().follow(&altered).is_err(), "{index}");
        }
        // A row that is left out.
        assert!(ChainHead::default().follow(&second).is_err());

        let mut erased = second.clone();
        erased.parts[0] = Some("[erased]".into());
        erased.seals.as_mut().unwrap().salts[0] = ERASED;
        assert_eq!(after_first.clone().follow(&erased), Ok(()));
        assert_eq!(erased.seals.unwrap().erased().collect::<Vec<_>>(), ["object_key"]);
    }

    #[test]
    fn equal_texts_have_different_digests() {
        let [one, two] = [row(1, &[0; 32], &ENTRY), row(1, &[0; 32], &ENTRY)];
        assert_ne!(one.seals.unwrap().digests, two.seals.unwrap().digests);
    }
}
