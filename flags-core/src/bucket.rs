//! Hashing a unit into one of 100,000 buckets.
//!
//! Version `sip13-1`, named in every split so that a later version can never re-bucket what runs:
//!
//! ```text
//! k0, k1 = SipHash-1-3-128 with key (0, 0) over "flags-bucket-1\0" + salt, as two
//!          little-endian 64-bit words
//! bucket = (SipHash-1-3-64 with key (k0, k1) over the unit's bytes × 100,000) >> 64
//! ```
//!
//! SipHash: Aumasson and Bernstein, *SipHash: a fast short-input PRF* (2012); 1-3 is the variant
//! with one round per block and three at the end. Vectors: `testdata/bucketing.json`.

use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher13_128};

use crate::definition::Bucketing;
use crate::limits::TOTAL_WEIGHT;

/// A salt, absorbed into the key of a hash.
///
/// Hashing the salt once, when rules are compiled, leaves one short hash per evaluation, and makes
/// two salts as independent as two keys of SipHash are. To tell who is in a rollout without a ruleset,
/// hash the unit with the salt of the split: that is the flag's, which is the flag's key unless the
/// definition says another.
///
/// SipHash is by Aumasson and Bernstein, *SipHash: a fast short-input PRF* (2012); docs/semantics.md
/// has the algorithm, and `testdata/bucketing.json` vectors.
///
/// ```
/// use flags_core::{Bucketing, Salt};
///
/// // Whether a tenant is among the 5 % that a split of the flag `new-checkout` begins with.
/// let salt = Salt::new(Bucketing::Sip13V1, "new-checkout");
/// let is_in = |tenant: &str| salt.bucket(tenant.as_bytes()) < 5_000;
/// let share = (0..2_000).filter(|number| is_in(&format!("tenant-{number}"))).count();
/// assert!((50..150).contains(&share));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Salt {
    k0: u64,
    k1: u64,
}

impl Salt {
    /// Absorbs `salt` for one version of the algorithm. It may be of any length, and empty.
    #[must_use]
    pub fn new(bucketing: Bucketing, salt: &str) -> Self {
        let Bucketing::Sip13V1 = bucketing;
        let mut hasher = SipHasher13_128::new();
        core::hash::Hasher::write(&mut hasher, b"flags-bucket-1\0");
        core::hash::Hasher::write(&mut hasher, salt.as_bytes());
        let key = hasher.finish128();
        Self { k0: key.h1, k1: key.h2 }
    }

    /// The bucket of `unit`: 0 to 99,999, each equally likely.
    ///
    /// ```
    /// use flags_core::{Bucketing, Salt};
    ///
    /// let salt = Salt::new(Bucketing::Sip13V1, "new-checkout");
    /// assert_eq!(salt.bucket(b"acme"), salt.bucket(b"acme"));
    /// assert!(salt.bucket(b"globex") < 100_000);
    /// ```
    #[must_use]
    #[inline]
    pub fn bucket(&self, unit: &[u8]) -> u32 {
        let hash = u128::from(SipHasher13::new_with_keys(self.k0, self.k1).hash(unit));
        ((hash * u128::from(TOTAL_WEIGHT)) >> 64) as u32
    }
}
