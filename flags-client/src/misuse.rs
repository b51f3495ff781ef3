//! Flags and features that are not as the code says: each is reported once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use flags_core::{
    FeatureKey, FeatureType, Flag, FlagKey, FlagType, FlagValue, Misfit, Reason, Revision, Ruleset,
    Timestamp, Undecodable,
};
use tokio::sync::watch;

use crate::clock;
use crate::limits::{MAX_MISUSE_KEY_BYTES, MAX_MISUSES};

/// A flag that is not as the code says, so that the default of the code holds, or a feature, so that
/// nobody has access; reported when an answer first met it, or when a value arrived that cannot be
/// decoded.
///
/// It says what was found then, and stays in the [status](crate::Status::misused) when the flag or
/// the feature has become right.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misuse {
    /// The key that was asked for, the first 128 bytes of it.
    pub key: Arc<str>,
    /// The type that the code asked for; `None` where it named none.
    pub asked: Option<&'static str>,
    /// How the flag or the feature differs.
    pub misfit: Misfit,
    /// When that was noticed.
    pub at: Timestamp,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.escape_debug();
        match self.asked {
            Some(asked) => write!(f, "`{key}`, asked for as {asked}: {}", self.misfit),
            None => write!(f, "`{key}`: {}", self.misfit),
        }
    }
}

/// What has been reported, for the status.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reported {
    pub(crate) listed: Arc<[Misuse]>,
    pub(crate) unlisted: u64,
}

/// Which misuses have been seen.
///
/// Answers look here whenever the default of the code holds because of one, however often that is:
/// they find its fingerprint in one cache line that nobody writes to. Only the first one to meet
/// it takes the lock. Those that meet a value which cannot be decoded look at the flag besides,
/// because each of its versions is reported: when it arrives, or here if that was not told. The
/// table does not grow: a misuse for which there is no room is neither reported nor counted.
pub(crate) struct Misuses {
    groups: [Group; GROUPS],
    reported: watch::Sender<Reported>,
    /// Whether a missing flag or feature is worth a word.
    expects_flags: bool,
}

/// Groups of the table: room for four times as many misuses as are listed, so that all of those
/// find a place but by an accident of one in a hundred thousand.
const GROUPS: usize = 4 * MAX_MISUSES / FINGERPRINTS;

/// Fingerprints in a cache line.
const FINGERPRINTS: usize = 8;

/// Fingerprints in the order they came; zero where there is none yet.
#[repr(align(64))]
struct Group([AtomicU64; FINGERPRINTS]);

/// A key and a kind of misuse: 64 bits that no two of a program's few misuses share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    #[inline]
    fn missing(key: FlagKey<'_>) -> Self {
        Self(key.hash().max(1))
    }

    #[inline]
    fn mismatch(key: FlagKey<'_>, asked: FlagType) -> Self {
        let kind = (asked as u64 + 1).wrapping_mul(SPREAD);
        Self((key.hash() ^ kind).max(1))
    }

    #[inline]
    fn feature(key: FeatureKey<'_>, asked: FeatureType, is_missing: bool) -> Self {
        // Other numbers than those of the types of flags.
        let kind = (FEATURE_KINDS + 2 * asked as u64 + u64::from(is_missing)).wrapping_mul(SPREAD);
        Self((key.hash() ^ kind).max(1))
    }

    fn undecodable(key: FlagKey<'_>, asked: &str, version: Revision) -> Self {
        let asked = FlagKey::from(asked).hash().rotate_left(32);
        Self((key.hash() ^ asked ^ version.wrapping_mul(SPREAD)).max(1))
    }
}

/// From here on, the kinds of misuse are those of features.
const FEATURE_KINDS: u64 = 256;

/// Spreads small numbers over 64 bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Misuses {
    /// `expects_flags` is false for a client that was made to have none.
    pub(crate) fn new(expects_flags: bool) -> Self {
        Self {
            groups: [const { Group([const { AtomicU64::new(0) }; FINGERPRINTS]) }; GROUPS],
            reported: watch::Sender::default(),
            expects_flags,
        }
    }

    pub(crate) fn reported(&self) -> Reported {
        self.reported.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Reported> {
        self.reported.subscribe()
    }

    /// The code's default holds for this reason.
    ///
    /// Out of line, so that it does not weigh on the answers of flags that are as they should be.
    #[cold]
    #[inline(never)]
    pub(crate) fn notice<T: FlagValue>(
        &self,
        flag: &Flag<T>,
        reason: Reason<'static>,
        ruleset: &Ruleset,
    ) {
        match reason {
            Reason::FlagNotFound => self.missing(flag.into(), Some(T::name)),
            _ => self.mismatch(flag, ruleset),
        }
    }

    /// There is no such flag.
    #[inline]
    pub(crate) fn missing(&self, key: FlagKey<'_>, asked: Option<fn() -> &'static str>) {
        let fingerprint = Fingerprint::missing(key);
        if !self.has_seen(fingerprint) {
            let asked = asked.map(|name| name());
            self.report_and_log(fingerprint, key.key(), asked, Misfit::Missing);
        }
    }

    /// A value of the flag has arrived that cannot be decoded. Gives whether that is news.
    pub(crate) fn undecodable(&self, undecodable: &Undecodable) -> bool {
        let Undecodable { key, version, type_name, .. } = undecodable;
        let fingerprint = Fingerprint::undecodable(key.into(), type_name, *version);
        let misfit = Misfit::Undecodable(*version);
        !self.has_seen(fingerprint) && self.report(fingerprint, key, Some(type_name), misfit)
    }

    /// The flag is not of the type asked for.
    #[inline]
    fn mismatch<T: FlagValue>(&self, flag: &Flag<T>, ruleset: &Ruleset) {
        let mut fingerprint = Fingerprint::mismatch(flag.into(), T::TYPE);
        if self.has_seen(fingerprint) {
            return;
        }
        let Some(misfit) = ruleset.misfit(flag) else {
            return;
        };
        // Mostly reported when it arrived; an override is met here first.
        if let Misfit::Undecodable(version) = misfit {
            fingerprint = Fingerprint::undecodable(flag.into(), T::name(), version);
            if self.has_seen(fingerprint) {
                return;
            }
        }
        self.report_and_log(fingerprint, flag.key(), Some(T::name()), misfit);
    }

    /// There is no such feature, or it is not of the type asked for.
    #[inline]
    pub(crate) fn feature(
        &self,
        key: FeatureKey<'_>,
        asked: FeatureType,
        is_missing: bool,
        ruleset: &Ruleset,
    ) {
        let fingerprint = Fingerprint::feature(key, asked, is_missing);
        if self.has_seen(fingerprint) {
            return;
        }
        if let Some(misfit) = ruleset.feature_misfit(key, asked) {
            self.report_and_log(fingerprint, key.key(), Some(asked.name()), misfit);
        }
    }

    /// Whether there is nothing to report: it has been, or it cannot be.
    #[inline]
    fn has_seen(&self, fingerprint: Fingerprint) -> bool {
        // Programs miss few flags, so that most are the first of their group.
        let [first, ..] = self.group(fingerprint.0 >> 48);
        first.load(Relaxed) == fingerprint.0 || self.has_seen_anywhere(fingerprint)
    }

    #[inline(never)]
    fn has_seen_anywhere(&self, fingerprint: Fingerprint) -> bool {
        for seen in self.places(fingerprint) {
            match seen.load(Relaxed) {
                0 => return false,
                seen if seen == fingerprint.0 => return true,
                _ => {}
            }
        }
        true
    }

    /// Where a fingerprint can be: in its group, and, if that is full, in another one.
    fn places(&self, fingerprint: Fingerprint) -> impl Iterator<Item = &AtomicU64> {
        // The lower bits choose places in the ruleset's table of keys; the upper ones are as good.
        self.group(fingerprint.0 >> 48).iter().chain(self.group(fingerprint.0 >> 32))
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the index is below the length of the array")]
    fn group(&self, bits: u64) -> &[AtomicU64; FINGERPRINTS] {
        &self.groups[bits as usize % GROUPS].0
    }

    #[cold]
    #[inline(never)]
    fn report_and_log(
        &self,
        fingerprint: Fingerprint,
        key: &str,
        asked: Option<&'static str>,
        misfit: Misfit,
    ) {
        if !self.report(fingerprint, key, asked, misfit) {
            return;
        }
        let (key, problem) = (beginning(key), misfit);
        if is_of_feature(misfit) {
            tracing::warn!(key, asked, %problem, "a feature is not as the code says: nobody has access");
        } else {
            tracing::warn!(
                key,
                asked,
                %problem,
                "a flag is not as the code says: the default of the code holds",
            );
        }
    }

    /// Whether this is the first time, and there was room in the list.
    fn report(
        &self,
        fingerprint: Fingerprint,
        key: &str,
        asked: Option<&'static str>,
        misfit: Misfit,
    ) -> bool {
        let misuse = Misuse { key: beginning(key).into(), asked, misfit, at: clock::now() };
        let mut listed = false;
        // Nothing but this takes the lock for writing, and nobody's code runs under it.
        self.reported.send_if_modified(|reported| {
            let is_missing = matches!(misfit, Misfit::Missing | Misfit::NoFeature);
            let is_silent = is_missing && !self.expects_flags;
            if !self.mark(fingerprint) || is_silent {
                return false;
            }
            listed = reported.list(misuse);
            true
        });
        listed
    }

    /// Whether this is the first time, and there is room to know it the next time.
    fn mark(&self, fingerprint: Fingerprint) -> bool {
        if self.has_seen(fingerprint) {
            return false;
        }
        let free = self.places(fingerprint).find(|seen| seen.load(Relaxed) == 0);
        free.inspect(|free| free.store(fingerprint.0, Relaxed)).is_some()
    }
}

impl Reported {
    /// Whether there was room in the list.
    fn list(&mut self, misuse: Misuse) -> bool {
        if self.listed.len() >= MAX_MISUSES {
            self.unlisted += 1;
            return false;
        }
        let mut listed = self.listed.to_vec();
        listed.insert(listed.partition_point(|known| known.key <= misuse.key), misuse);
        self.listed = listed.into();
        true
    }
}

/// Whether it is a feature that is not as the code says, and not a flag.
pub(crate) fn is_of_feature(misfit: Misfit) -> bool {
    match misfit {
        Misfit::NoFeature | Misfit::OtherFeatureType(_) => true,
        Misfit::Missing | Misfit::OtherType(_) | Misfit::Unregistered | Misfit::Undecodable(_) => {
            false
        }
    }
}

/// As much of a key as is kept.
fn beginning(key: &str) -> &str {
    key.get(..key.floor_char_boundary(MAX_MISUSE_KEY_BYTES)).unwrap_or_default()
}

impl fmt::Debug for Misuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Misuses")
            .field("reported", &*self.reported.borrow())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_and_the_table_are_bounded() {
        let misuses = Misuses::new(true);
        let keys: Vec<String> = (0..20_000).map(|index| format!("key-{index}")).collect();
        for _ in 0..2 {
            for key in &keys {
                misuses.missing(key.into(), None);
            }
        }
        let Reported { listed, unlisted } = misuses.reported();
        assert_eq!(listed.len(), MAX_MISUSES);
        assert!(listed.is_sorted_by_key(|misuse| misuse.key.clone()));
        let counted = MAX_MISUSES as u64 + unlisted;
        assert_eq!(counted, (GROUPS * FINGERPRINTS) as u64, "every place is taken once");
    }

    #[test]
    fn as_many_as_can_be_listed_are() {
        let misuses = Misuses::new(true);
        for index in 0..MAX_MISUSES {
            misuses.missing(format!("flag-{index}").as_str().into(), None);
        }
        assert_eq!(misuses.reported().listed.len(), MAX_MISUSES);
    }

    #[test]
    fn what_is_asked_is_part_of_a_mismatch() {
        let key = FlagKey::from("a");
        let fingerprints = [
            Fingerprint::missing(key),
            Fingerprint::mismatch(key, FlagType::Boolean),
            Fingerprint::mismatch(key, FlagType::Json),
            Fingerprint::undecodable(key, "A", 1),
            Fingerprint::undecodable(key, "A", 2),
            Fingerprint::undecodable(key, "B", 1),
            Fingerprint::missing("b".into()),
            Fingerprint::undecodable("b".into(), "A", 1),
            Fingerprint::feature("a".into(), FeatureType::Boolean, true),
            Fingerprint::feature("a".into(), FeatureType::Boolean, false),
            Fingerprint::feature("a".into(), FeatureType::Limit, true),
            Fingerprint::feature("a".into(), FeatureType::Limit, false),
        ];
        for (index, one) in fingerprints.iter().enumerate() {
            assert!(!fingerprints[..index].contains(one));
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_news_once_for_each_version() {
        let misuses = Misuses::new(true);
        let arrives = |version| {
            let (key, diagnostics) = ("limits".to_owned(), Vec::new());
            misuses.undecodable(&Undecodable { key, version, type_name: "Limits", diagnostics })
        };
        assert_eq!([1, 1, 2, 1, 2].map(arrives), [true, false, true, false, false]);
        let listed = misuses.reported().listed;
        let misfits: Vec<_> = listed.iter().map(|misuse| misuse.misfit).collect();
        assert_eq!(misfits, [1, 2].map(Misfit::Undecodable));
    }

    #[test]
    fn a_long_key_is_cut() {
        let misuses = Misuses::new(true);
        misuses.missing("ü".repeat(1_000).as_str().into(), None);
        let listed = misuses.reported().listed;
        assert_eq!(listed[0].key.len(), MAX_MISUSE_KEY_BYTES);
        assert!(listed[0].to_string().starts_with("`üü"));
    }
}
