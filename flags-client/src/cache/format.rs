//! The bytes of a cache file.
//!
//! ```text
//! magic  version  SHA-256 of  SHA-256 of  length of     SHA-256 of    the         changes
//! (8)    (4)      the URL     the token   snapshot (8)  the snapshot  snapshot …  …
//!
//! a change: length (4), SHA-256, JSON
//! ```
//!
//! Numbers are little-endian. Whatever is damaged is either the snapshot, and then there is
//! nothing, or ends the changes: those before it are whole.

use flags_core::{Change, Document};
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"flags\0\r\n";
const VERSION: u32 = 1;
const DIGEST: usize = 32;

/// Bytes before the snapshot.
pub(super) const HEADER: usize = 8 + 4 + DIGEST + DIGEST + 8 + DIGEST;

/// Whose definitions a file holds, so that those of another environment are never served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    server: [u8; DIGEST],
    token: [u8; DIGEST],
}

impl Identity {
    pub(crate) fn new(server: &str, token: &str) -> Self {
        Self { server: digest(server.as_bytes()), token: digest(token.as_bytes()) }
    }
}

/// Why a file cannot be used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it is not a cache of flags")]
    Foreign,
    #[error("it is of another version of the format")]
    Version,
    #[error("it is of another server")]
    Server,
    #[error("it was written with another token")]
    Token,
    #[error("it is damaged")]
    Damaged,
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Contents {
    /// With the intact changes applied.
    pub(super) document: Document,
    /// Bytes of the snapshot.
    pub(super) snapshot: usize,
    /// Where the intact part ends, in bytes.
    pub(super) end: usize,
}

/// What stands before a snapshot.
pub(super) fn header(identity: &Identity, snapshot: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let length = (snapshot.len() as u64).to_le_bytes();
    let parts: [&[u8]; 6] = [
        MAGIC,
        &VERSION.to_le_bytes(),
        &identity.server,
        &identity.token,
        &length,
        &digest(snapshot),
    ];
    for (to, from) in header.iter_mut().zip(parts.iter().copied().flatten()) {
        *to = *from;
    }
    header
}

/// Appends a change.
pub(super) fn push_change(bytes: &mut Vec<u8>, change: &[u8]) {
    // A change is an event of the stream, and those are far smaller than 4 GiB.
    bytes.extend_from_slice(&(change.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&digest(change));
    bytes.extend_from_slice(change);
}

/// Reads a file: its snapshot with all changes up to the first that is not whole or does not
/// follow.
pub(super) fn read(identity: &Identity, file: &[u8]) -> Result<Contents, Unusable> {
    let mut rest = file;
    let damaged = Unusable::Damaged;
    if take::<8>(&mut rest).ok_or(Unusable::Foreign)? != MAGIC {
        return Err(Unusable::Foreign);
    }
    if take(&mut rest).map(|bytes| u32::from_le_bytes(*bytes)) != Some(VERSION) {
        return Err(Unusable::Version);
    }
    if *take::<DIGEST>(&mut rest).ok_or(damaged)? != identity.server {
        return Err(Unusable::Server);
    }
    if *take::<DIGEST>(&mut rest).ok_or(damaged)? != identity.token {
        return Err(Unusable::Token);
    }
    let length = u64::from_le_bytes(*take(&mut rest).ok_or(damaged)?);
    let length = usize::try_from(length).map_err(|_| damaged)?;
    let checksum = take::<DIGEST>(&mut rest).ok_or(damaged)?;
    let (snapshot, mut rest) = rest.split_at_checked(length).ok_or(damaged)?;
    if digest(snapshot) != *checksum {
        return Err(damaged);
    }
    let mut document: Document = serde_json::from_slice(snapshot).map_err(|_| damaged)?;

    let mut changes = Vec::new();
    let mut position = document.position();
    let mut end = HEADER + length;
    while let Some((change, after)) = read_change(rest) {
        if change.follows(&position).is_err() {
            break;
        }
        position = change.position();
        changes.push(change);
        end += rest.len() - after.len();
        rest = after;
    }
    // Each was seen to follow the one before it.
    let _ = document.fold(&changes);
    Ok(Contents { document, snapshot: length, end })
}

/// The next change and what is after it; `None` at the end or where something is not whole.
fn read_change(mut bytes: &[u8]) -> Option<(Change, &[u8])> {
    let length = u32::from_le_bytes(*take(&mut bytes)?);
    let checksum = take::<DIGEST>(&mut bytes)?;
    let (change, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    if digest(change) != *checksum {
        return None;
    }
    Some((serde_json::from_slice(change).ok()?, rest))
}

fn take<'b, const N: usize>(bytes: &mut &'b [u8]) -> Option<&'b [u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(taken)
}

fn digest(bytes: &[u8]) -> [u8; DIGEST] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flags_core::{FLAG_KIND, Object, ObjectChange, Position};

    fn object(key: &str, version: u64) -> Object {
        Object::new(FLAG_KIND, key, version, &serde_json::json!({"any": "thing"})).unwrap()
    }

    fn identity() -> Identity {
        Identity::new("https://flags.example/", "secret")
    }

    /// A file with a snapshot at revision 3 and changes to 4, 5 and 6.
    fn file() -> Vec<u8> {
        let document: Document = serde_json::from_str(
            r#"{"epoch": "e", "revision": 3, "objects":
                [{"kind": "flag", "key": "a", "version": 1, "definition": {}}]}"#,
        )
        .unwrap();
        let snapshot = serde_json::to_vec(&document).unwrap();
        let mut file = header(&identity(), &snapshot).to_vec();
        file.extend_from_slice(&snapshot);
        for revision in 4..=6 {
            let objects = vec![ObjectChange::Upsert(object(&format!("f{revision}"), revision))];
            let epoch = document.epoch.clone();
            let change = Change { epoch, revision, previous: revision - 1, objects };
            push_change(&mut file, &serde_json::to_vec(&change).unwrap());
        }
        file
    }

    /// The keys that a document at this position must have.
    fn assert_intact(document: &Document) {
        let Position { revision, .. } = document.position();
        let mut keys: Vec<_> = document.objects.iter().map(|o| &*o.key).collect();
        keys.sort_unstable();
        let expected = ["a", "f4", "f5", "f6"];
        assert_eq!(keys, expected[..revision as usize - 2]);
    }

    #[test]
    fn a_whole_file_gives_its_last_state() {
        let file = file();
        let contents = read(&identity(), &file).unwrap();
        assert_eq!((contents.document.revision, contents.end), (6, file.len()));
        assert_intact(&contents.document);
    }

    #[test]
    fn a_file_cut_anywhere_gives_an_intact_prefix_or_nothing() {
        let file = file();
        let mut seen = Vec::new();
        for length in 0..file.len() {
            match read(&identity(), &file[..length]) {
                Ok(contents) => {
                    assert_intact(&contents.document);
                    assert!(contents.end <= length);
                    let again = read(&identity(), &file[..contents.end]).unwrap();
                    assert_eq!(again.document.revision, contents.document.revision);
                    seen.push(contents.document.revision);
                }
                Err(_) => assert!(seen.is_empty(), "a longer file has more"),
            }
        }
        assert!(seen.is_sorted());
        seen.dedup();
        assert_eq!(seen, [3, 4, 5]);
    }

    #[test]
    fn a_flipped_bit_anywhere_gives_an_intact_prefix_or_nothing() {
        let mut file = file();
        let snapshot_end = read(&identity(), &file).map(|c| HEADER + c.snapshot).unwrap();
        for index in 0..file.len() {
            for bit in 0..8 {
                file[index] ^= 1 << bit;
                match read(&identity(), &file) {
                    Ok(contents) => {
                        assert!(index >= snapshot_end, "byte {index} went unnoticed");
                        assert!(contents.document.revision < 6);
                        assert_intact(&contents.document);
                    }
                    Err(_) => assert!(index < snapshot_end),
                }
                file[index] ^= 1 << bit;
            }
        }
    }

    #[test]
    fn a_change_that_does_not_follow_ends_the_file() {
        let mut file = file();
        let whole = file.len();
        let epoch = read(&identity(), &file).unwrap().document.epoch;
        for (previous, revision) in [(7, 8), (5, 6), (6, 6)] {
            let change = Change { epoch: epoch.clone(), revision, previous, objects: vec![] };
            push_change(&mut file, &serde_json::to_vec(&change).unwrap());
            let contents = read(&identity(), &file).unwrap();
            assert_eq!((contents.document.revision, contents.end), (6, whole));
            file.truncate(whole);
        }
    }

    #[test]
    fn the_file_of_another_environment_is_refused() {
        let file = file();
        let outcome = |server, token| read(&Identity::new(server, token), &file).unwrap_err();
        assert_eq!(outcome("https://other.example/", "secret"), Unusable::Server);
        assert_eq!(outcome("https://flags.example/", "other"), Unusable::Token);
        assert_eq!(read(&identity(), b"{\"epoch\": 1}").unwrap_err(), Unusable::Foreign);
    }
}
