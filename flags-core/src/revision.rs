//! Where in the history of an environment something stands.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// The version of a whole environment: 0 before the first change, then one more with each.
pub type Revision = u64;

/// The identity of one history of revisions; it changes only when a database is restored to the
/// past.
///
/// Revisions of two epochs say nothing about each other. A clone shares the name.
///
/// ```
/// use flags_core::Epoch;
///
/// assert_eq!(Epoch::new("0192f0c1").as_str(), "0192f0c1");
/// assert_ne!(Epoch::new("0192f0c1"), Epoch::new("0192f0c2"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// An epoch by its name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A revision of one epoch, written `<epoch>.<revision>`: the id of a streamed event and the
/// `ETag` of a snapshot.
///
/// ```
/// use flags_core::Position;
///
/// let position: Position = "0192f0c1.57".parse()?;
/// assert_eq!(position.revision, 57);
/// assert_eq!(position.to_string(), "0192f0c1.57");
/// # Ok::<(), flags_core::PositionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which history.
    pub epoch: Epoch,
    /// Where in it.
    pub revision: Revision,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.revision)
    }
}

/// A text that is not `<epoch>.<revision>`. It tells no more than 80 characters of it.
///
/// ```
/// let error = "57".parse::<flags_core::Position>().unwrap_err();
/// assert_eq!(error.to_string(), "`57` is not <epoch>.<revision>");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not <epoch>.<revision>")]
pub struct PositionError(String);

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.rsplit_once('.')
            .filter(|(epoch, _)| !epoch.is_empty())
            .and_then(|(epoch, revision)| {
                Some(Self { epoch: Epoch::new(epoch), revision: revision.parse().ok()? })
            })
            .ok_or_else(|| PositionError(text.chars().take(80).collect()))
    }
}
