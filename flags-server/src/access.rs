//! Tokens in memory: what a request is checked against, without asking the database.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use crate::store::{StoredToken, TokenKind};

/// The part of a hash that candidates are found by; the whole is compared in constant time.
type Lookup = [u8; 8];

const SECRET_BYTES: usize = 32;

/// A token that is valid.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) id: String,
    pub(crate) kind: TokenKind,
    hash: [u8; 32],
    /// Cancelled when the token is revoked, and when the server stops.
    pub(crate) ended: CancellationToken,
}

/// All valid tokens.
pub(crate) struct Tokens {
    by_lookup: ArcSwap<HashMap<Lookup, Vec<Arc<Access>>>>,
    shutdown: CancellationToken,
}

impl Tokens {
    pub(crate) fn new(tokens: &[StoredToken], shutdown: CancellationToken) -> Self {
        let mut by_lookup: HashMap<Lookup, Vec<Arc<Access>>> = HashMap::new();
        for token in tokens.iter().filter(|token| token.revoked_at.is_none()) {
            insert(&mut by_lookup, token, &shutdown);
        }
        Self { by_lookup: ArcSwap::from_pointee(by_lookup), shutdown }
    }

    /// Whether all tokens have ended, because the server stops.
    pub(crate) fn is_stopping(&self) -> bool {
        self.shutdown.is_cancelled()
    }

    /// The token with this secret.
    pub(crate) fn find(&self, secret: &str) -> Option<Arc<Access>> {
        let hash = hash(secret);
        let tokens = self.by_lookup.load();
        let candidates = tokens.get(&lookup(&hash))?;
        candidates.iter().find(|access| bool::from(access.hash.ct_eq(&hash))).cloned()
    }

    /// Whether a token is still valid.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.by_lookup.load().values().flatten().any(|access| access.id == id)
    }

    /// Only the writer calls this and [`remove`](Self::remove), one after the other.
    pub(crate) fn add(&self, token: &StoredToken) {
        let mut by_lookup = HashMap::clone(&self.by_lookup.load());
        insert(&mut by_lookup, token, &self.shutdown);
        self.by_lookup.store(Arc::new(by_lookup));
    }

    pub(crate) fn remove(&self, id: &str) {
        let mut by_lookup = HashMap::clone(&self.by_lookup.load());
        for candidates in by_lookup.values_mut() {
            candidates.retain(|access| {
                let stays = access.id != id;
                if !stays {
                    access.ended.cancel();
                }
                stays
            });
        }
        by_lookup.retain(|_, candidates| !candidates.is_empty());
        self.by_lookup.store(Arc::new(by_lookup));
    }
}

fn insert(
    by_lookup: &mut HashMap<Lookup, Vec<Arc<Access>>>,
    token: &StoredToken,
    shutdown: &CancellationToken,
) {
    let access = Access {
        id: token.id.clone(),
        kind: token.kind,
        hash: token.hash,
        ended: shutdown.child_token(),
    };
    by_lookup.entry(lookup(&token.hash)).or_default().push(Arc::new(access));
}

fn lookup(hash: &[u8; 32]) -> Lookup {
    let mut lookup = Lookup::default();
    for (to, from) in lookup.iter_mut().zip(hash) {
        *to = *from;
    }
    lookup
}

/// What is stored of a secret. It is random and long: a fast hash does.
pub(crate) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A new secret: its kind for people and scanners, then 256 random bits.
pub(crate) fn generate_secret(kind: TokenKind) -> Result<String, getrandom::Error> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(format!("flags_{}_{}", kind.name(), URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flags_core::Timestamp;

    fn token(id: &str, secret: &str) -> StoredToken {
        StoredToken {
            id: id.into(),
            name: id.into(),
            kind: TokenKind::Admin,
            hash: hash(secret),
            created_at: Timestamp::from_millis(0),
            revoked_at: None,
        }
    }

    #[test]
    fn a_token_is_found_until_it_is_revoked() {
        let tokens = Tokens::new(&[token("one", "secret-1")], CancellationToken::new());
        tokens.add(&token("two", "secret-2"));
        let one = tokens.find("secret-1").unwrap();
        assert_eq!(one.id, "one");
        tokens.remove("one");
        assert!(one.ended.is_cancelled() && !tokens.has("one") && tokens.has("two"));
        assert!(tokens.find("secret-1").is_none());
        assert_eq!(tokens.find("secret-2").unwrap().id, "two");
        assert!(tokens.find("").is_none());
    }

    #[test]
    fn secrets_name_their_kind_and_differ() {
        let secret = generate_secret(TokenKind::Admin).unwrap();
        assert_eq!((secret.len(), secret.starts_with("flags_admin_")), (12 + 43, true));
        assert_ne!(secret, generate_secret(TokenKind::Admin).unwrap());
    }
}
