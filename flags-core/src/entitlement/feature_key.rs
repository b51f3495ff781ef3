use crate::key_map::{hash, hash_at_compile_time};

/// The key of a feature, hashed: one that code names is a constant, and hashed at compile time.
///
/// ```
/// use flags_core::FeatureKey;
///
/// const SSO: FeatureKey<'static> = FeatureKey::new("sso");
/// assert_eq!(SSO.key(), FeatureKey::from("sso").key());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct FeatureKey<'k> {
    key: &'k str,
    pub(crate) hash: u64,
}

impl<'k> FeatureKey<'k> {
    /// For constants: what is known at run time alone is made with `into()`, which is faster then.
    ///
    /// The key is not checked: one that no feature can have is never found.
    #[must_use]
    pub const fn new(key: &'k str) -> Self {
        Self { key, hash: hash_at_compile_time(key) }
    }

    /// The key.
    #[must_use]
    pub const fn key(self) -> &'k str {
        self.key
    }

    /// Not a promise: another version may hash otherwise.
    #[doc(hidden)]
    #[must_use]
    pub const fn hash(self) -> u64 {
        self.hash
    }
}

impl<'k> From<&'k alloc::string::String> for FeatureKey<'k> {
    #[inline]
    fn from(key: &'k alloc::string::String) -> Self {
        key.as_str().into()
    }
}

impl<'k> From<&'k str> for FeatureKey<'k> {
    #[inline]
    fn from(key: &'k str) -> Self {
        Self { key, hash: hash(key) }
    }
}
