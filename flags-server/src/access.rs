//! Tokens in memory: what a request is checked against, without asking the database.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flags_core::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::limits::{
    MAX_ADMIN_REQUESTS_PER_TOKEN, MAX_BODIES_BYTES_PER_TOKEN, MAX_SDK_REQUESTS_PER_TOKEN,
};
use crate::quota::{Meter, Quotas};
use crate::store::{StoredSecret, StoredToken, TokenKind};

/// The part of a hash that candidates are found by; the whole is compared in constant time.
type Lookup = [u8; 8];

const SECRET_BYTES: usize = 32;

/// Later than every instant: what does not end.
const NEVER: i64 = i64::MAX;

/// Earlier than every instant.
const NOT_YET: i64 = i64::MIN;

/// A token that is valid, with one of its secrets: what a request has proven.
pub(crate) struct Access {
    pub(crate) token: Arc<Token>,
    hash: [u8; 32],
    /// When the secret ends, in milliseconds: earlier than its token while another one takes its
    /// place.
    ends_at: AtomicI64,
    /// Cancelled when the secret ends, when the token is revoked, and when the server stops.
    pub(crate) ended: CancellationToken,
}

/// What all secrets of a token share.
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: TokenKind,
    expires_at: i64,
    pub(crate) meter: Meter,
    requests: Arc<Semaphore>,
    /// Bytes of bodies.
    bodies: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    /// When it was last used, in milliseconds, …
    used_at: AtomicI64,
    /// … and what is stored of that.
    stored_used_at: AtomicI64,
}

impl Token {
    fn new(token: &StoredToken, quotas: &Quotas) -> Self {
        let (name, quota, requests) = match token.kind {
            TokenKind::Sdk(..) => {
                ("sdk", quotas.sdk_requests_per_minute, MAX_SDK_REQUESTS_PER_TOKEN)
            }
            TokenKind::Personal(_) | TokenKind::Service(_) => {
                ("admin", quotas.admin_requests_per_minute, MAX_ADMIN_REQUESTS_PER_TOKEN)
            }
        };
        let used_at = token.last_used_at.map_or(NOT_YET, Timestamp::as_millis);
        Self {
            id: token.id.clone(),
            name: token.name.clone(),
            kind: token.kind.clone(),
            expires_at: token.expires_at.map_or(NEVER, Timestamp::as_millis),
            meter: Meter::new(name, quota),
            requests: Arc::new(Semaphore::new(requests)),
            bodies: Arc::new(Semaphore::new(MAX_BODIES_BYTES_PER_TOKEN)),
            streams: Arc::new(Semaphore::new(quotas.streams_per_token as usize)),
            used_at: used_at.into(),
            stored_used_at: used_at.into(),
        }
    }

    /// Says that it is used: by a request, or by a stream that is open.
    pub(crate) fn touch(&self, now: Timestamp) {
        self.used_at.fetch_max(now.as_millis(), Ordering::Relaxed);
    }

    /// Waits until one more request with this token may be worked on. `None` never comes about.
    pub(crate) async fn begin_request(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.requests).acquire_owned().await.ok()
    }

    /// Room for some bytes of a body, if this token has any left.
    pub(crate) fn body_room(&self, bytes: u32) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.bodies).try_acquire_many_owned(bytes).ok()
    }

    /// A place among the open streams of this token, if there is one left.
    pub(crate) fn begin_stream(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().ok()
    }
}

/// All valid tokens.
pub(crate) struct Tokens {
    known: ArcSwap<Known>,
    /// Held by whoever replaces what is known.
    changing: Mutex<()>,
    /// Told whenever a secret may end earlier than it did before.
    pub(crate) changed: Notify,
    quotas: Quotas,
    shutdown: CancellationToken,
}

#[derive(Default, Clone)]
struct Known {
    by_lookup: HashMap<Lookup, Vec<Arc<Access>>>,
    by_id: HashMap<String, Arc<Token>>,
}

impl Tokens {
    pub(crate) fn new(tokens: &[StoredToken], quotas: Quotas, shutdown: CancellationToken) -> Self {
        let all = Self {
            known: ArcSwap::default(),
            changing: Mutex::default(),
            changed: Notify::new(),
            quotas,
            shutdown,
        };
        let mut known = Known::default();
        for token in tokens.iter().filter(|token| token.revoked_at.is_none()) {
            all.put_into(&mut known, token);
        }
        all.known.store(Arc::new(known));
        all
    }

    /// How much tokens may ask.
    pub(crate) const fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// Whether all tokens have ended, because the server stops.
    pub(crate) fn is_stopping(&self) -> bool {
        self.shutdown.is_cancelled()
    }

    /// The token with this secret, which is used by that.
    pub(crate) fn find(&self, secret: &str, now: Timestamp) -> Option<Arc<Access>> {
        let hash = hash(secret);
        let known = self.known.load();
        let candidates = known.by_lookup.get(&lookup(&hash))?;
        let access = candidates.iter().find(|access| bool::from(access.hash.ct_eq(&hash)))?;
        if access.ends_at.load(Ordering::Acquire) <= now.as_millis() {
            return None;
        }
        access.token.touch(now);
        Some(Arc::clone(access))
    }

    /// Whether a token is still valid.
    pub(crate) fn has(&self, id: &str, now: Timestamp) -> bool {
        self.known.load().by_id.get(id).is_some_and(|token| now.as_millis() < token.expires_at)
    }

    /// Takes over a token that is new, or has other secrets than it had. The secrets that stay are
    /// known as before: streams that were opened with one go on.
    pub(crate) fn put(&self, token: &StoredToken) {
        self.change(|known| {
            known.retain(|access| {
                access.token.id != token.id || token.secrets.iter().any(|s| s.hash == access.hash)
            });
            self.put_into(known, token);
        });
        self.changed.notify_one();
    }

    pub(crate) fn remove(&self, id: &str) {
        self.change(|known| {
            known.by_id.remove(id);
            known.retain(|access| access.token.id != id);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = Known::clone(&self.known.load());
        change(&mut known);
        self.known.store(Arc::new(known));
    }

    fn put_into(&self, known: &mut Known, stored: &StoredToken) {
        let token = known.by_id.entry(stored.id.clone());
        let token = token.or_insert_with(|| Arc::new(Token::new(stored, &self.quotas)));
        let token = Arc::clone(token);
        for secret in &stored.secrets {
            let of_secret = secret.ends_at.map_or(NEVER, Timestamp::as_millis);
            let ends_at = of_secret.min(token.expires_at);
            let candidates = known.by_lookup.entry(lookup(&secret.hash)).or_default();
            match candidates.iter().find(|access| access.hash == secret.hash) {
                Some(access) => access.ends_at.store(ends_at, Ordering::Release),
                None => candidates.push(Arc::new(Access {
                    token: Arc::clone(&token),
                    hash: secret.hash,
                    ends_at: ends_at.into(),
                    ended: self.shutdown.child_token(),
                })),
            }
        }
    }

    /// Ends what is over, streams included; gives the instant when something ends next.
    pub(crate) fn end_what_is_over(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.as_millis();
        let mut next = NEVER;
        let mut over = false;
        for access in self.known.load().by_lookup.values().flatten() {
            match access.ends_at.load(Ordering::Acquire) {
                end if end <= now => over = true,
                end => next = next.min(end),
            }
        }
        if over {
            self.change(|known| {
                known.retain(|access| now < access.ends_at.load(Ordering::Acquire));
                known.by_id.retain(|_, token| now < token.expires_at);
            });
        }
        (next < NEVER).then_some(Timestamp::from_millis(next))
    }

    /// The tokens that were used since that was last stored, each with when.
    pub(crate) fn used(&self) -> Vec<(Arc<Token>, Timestamp)> {
        let known = self.known.load();
        let used = known.by_id.values().filter_map(|token| {
            let at = token.used_at.load(Ordering::Relaxed);
            (at > token.stored_used_at.load(Ordering::Relaxed))
                .then(|| (Arc::clone(token), Timestamp::from_millis(at)))
        });
        used.collect()
    }

    /// Says that what [`used`](Self::used) gave is stored.
    pub(crate) fn stored(&self, used: &[(Arc<Token>, Timestamp)]) {
        for (token, at) in used {
            token.stored_used_at.store(at.as_millis(), Ordering::Relaxed);
        }
    }
}

impl Known {
    /// Keeps some secrets; the others end.
    fn retain(&mut self, keep: impl Fn(&Access) -> bool) {
        self.by_lookup.retain(|_, candidates| {
            candidates.retain(|access| {
                let stays = keep(access);
                if !stays {
                    access.ended.cancel();
                }
                stays
            });
            !candidates.is_empty()
        });
    }
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

impl StoredSecret {
    /// One that lasts as long as its token.
    pub(crate) fn lasting(secret: &str) -> Self {
        Self { hash: hash(secret), ends_at: None }
    }
}

/// A new secret: its kind for people and scanners, then 256 random bits.
pub(crate) fn generate_secret(kind: &TokenKind) -> Result<String, getrandom::Error> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(format!("flags_{}_{}", kind.name(), URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Grant, Reach, Role};
    use futures_util::FutureExt;

    const KIND: TokenKind =
        TokenKind::Service(Grant { role: Role::Admin, reach: Reach::Everything });

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn token(id: &str, secret: &str) -> StoredToken {
        StoredToken {
            id: id.into(),
            name: id.into(),
            kind: KIND,
            secrets: vec![StoredSecret::lasting(secret)],
            created_at: at(0),
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        }
    }

    fn tokens(tokens: &[StoredToken]) -> Tokens {
        Tokens::new(tokens, Quotas::default(), CancellationToken::new())
    }

    #[test]
    fn a_token_is_found_until_it_is_revoked() {
        let tokens = tokens(&[token("one", "secret-1")]);
        tokens.put(&token("two", "secret-2"));
        let one = tokens.find("secret-1", at(0)).unwrap();
        assert_eq!(one.token.id, "one");
        tokens.remove("one");
        assert!(one.ended.is_cancelled());
        assert!(!tokens.has("one", at(0)) && tokens.has("two", at(0)));
        assert!(tokens.find("secret-1", at(0)).is_none());
        assert_eq!(tokens.find("secret-2", at(0)).unwrap().token.id, "two");
        assert!(tokens.find("", at(0)).is_none());
    }

    #[test]
    fn two_secrets_work_until_the_older_one_ends() {
        let tokens = tokens(&[token("one", "old")]);
        let old = tokens.find("old", at(0)).unwrap();
        assert_eq!(tokens.end_what_is_over(at(0)), None);
        let ending = StoredSecret { ends_at: Some(at(10)), ..StoredSecret::lasting("old") };
        let secrets = vec![StoredSecret::lasting("new"), ending];
        tokens.put(&StoredToken { secrets, ..token("one", "") });
        let new = tokens.find("new", at(9)).unwrap();
        assert!(Arc::ptr_eq(&new.token, &old.token), "limits are shared");
        assert_eq!(tokens.end_what_is_over(at(9)), Some(at(10)));
        assert!(tokens.find("old", at(9)).is_some() && !old.ended.is_cancelled());
        // It opens nothing from that instant on, whether anybody looks after it or not.
        assert!(tokens.find("old", at(10)).is_none());
        assert_eq!(tokens.end_what_is_over(at(10)), None);
        assert!(old.ended.is_cancelled() && !new.ended.is_cancelled());
        assert!(tokens.find("new", at(99)).is_some() && tokens.has("one", at(99)));
    }

    #[test]
    fn a_token_expires_with_all_its_secrets() {
        let expiring = StoredToken { expires_at: Some(at(5)), ..token("one", "secret") };
        let tokens = tokens(&[expiring, token("two", "other")]);
        let one = tokens.find("secret", at(4)).unwrap();
        assert!(tokens.has("one", at(4)) && !tokens.has("one", at(5)));
        assert_eq!(tokens.end_what_is_over(at(4)), Some(at(5)));
        assert!(tokens.find("secret", at(5)).is_none());
        tokens.end_what_is_over(at(5));
        assert!(one.ended.is_cancelled() && !tokens.has("one", at(4)), "it is forgotten");
        assert!(tokens.has("two", at(5)));
    }

    #[test]
    fn a_use_is_told_once() {
        let tokens = tokens(&[token("one", "secret"), token("two", "other")]);
        assert!(tokens.used().is_empty());
        for second in [7, 8, 3] {
            tokens.find("secret", at(second)).unwrap();
        }
        let used = tokens.used();
        assert_eq!((used.len(), &*used[0].0.id, used[0].1), (1, "one", at(8)));
        tokens.find("secret", at(9)).unwrap();
        tokens.stored(&used);
        assert_eq!(tokens.used()[0].1, at(9), "what came meanwhile is told next time");
        tokens.stored(&tokens.used());
        assert!(tokens.used().is_empty());
    }

    #[test]
    fn one_sdk_token_leaves_others_half_of_what_there_is() {
        let id = crate::store::EnvironmentId(1);
        let kind = TokenKind::Sdk(id, crate::store::Tenants::All);
        let tokens = tokens(&[StoredToken { kind, ..token("one", "secret") }]);
        let token = &tokens.find("secret", at(0)).unwrap().token;
        let held = std::iter::from_fn(|| token.begin_request().now_or_never());
        assert_eq!(held.collect::<Vec<_>>().len(), crate::limits::MAX_SDK_REQUESTS / 2);
    }

    #[test]
    fn streams_of_a_token_are_counted() {
        let quotas = Quotas { streams_per_token: 2, ..Quotas::default() };
        let tokens = Tokens::new(&[token("one", "secret")], quotas, CancellationToken::new());
        let token = &tokens.find("secret", at(0)).unwrap().token;
        let (first, second) = (token.begin_stream(), token.begin_stream());
        assert!(first.is_some() && second.is_some() && token.begin_stream().is_none());
        drop(first);
        assert!(token.begin_stream().is_some());
    }

    #[test]
    fn secrets_name_their_kind_and_differ() {
        let secret = generate_secret(&KIND).unwrap();
        assert_eq!((secret.len(), secret.starts_with("flags_service_")), (14 + 43, true));
        assert_ne!(secret, generate_secret(&KIND).unwrap());
    }
}
