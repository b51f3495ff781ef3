//! How a flag or a feature can differ from what the code says of it.

use core::fmt;

use crate::definition::FlagType;
use crate::entitlement::FeatureType;
use crate::revision::Revision;

/// How a flag differs from what the code says of it, so that the code's default holds; or a feature,
/// so that nobody has access.
///
/// See [`Ruleset::misfit`](crate::Ruleset::misfit) and
/// [`Ruleset::feature_misfit`](crate::Ruleset::feature_misfit). Its `Display` is a clause, for reports:
///
/// ```
/// use flags_core::{FlagType, Misfit};
///
/// assert_eq!(Misfit::Missing.to_string(), "there is no such flag");
/// let other = Misfit::OtherType(FlagType::Json);
/// assert_eq!(other.to_string(), "the flag is of the type json");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Misfit {
    /// There is no such flag.
    Missing,
    /// The flag is of this type, and the code asks for another.
    OtherType(FlagType),
    /// The flag is of JSON, but nobody has registered the code's type for it: see
    /// [`Decoders`](crate::Decoders).
    Unregistered,
    /// In this version of the flag, a value cannot be decoded into the code's type.
    Undecodable(Revision),
    /// There is no such feature.
    NoFeature,
    /// The feature is of this type, and the code asks for another.
    OtherFeatureType(FeatureType),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such flag"),
            Self::OtherType(flag_type) => write!(f, "the flag is of the type {flag_type}"),
            Self::Unregistered => f.write_str("the type is not registered for this flag"),
            Self::Undecodable(version) => {
                write!(f, "a value of version {version} of the flag cannot be decoded")
            }
            Self::NoFeature => f.write_str("there is no such feature"),
            Self::OtherFeatureType(feature_type) => {
                write!(f, "the feature is of the type {feature_type}")
            }
        }
    }
}
