//! Why a store does not work, and what is not whole in it.

use std::error::Error as StdError;
use std::fmt;

/// What keeps a store from working that an operator can do something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    DiskFull,
    ReadOnly,
    Locked,
    DiskFails,
}

impl Obstacle {
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::DiskFull => "the disk is full",
            Self::ReadOnly => "the database is read-only",
            Self::Locked => "another process has locked the database",
            Self::DiskFails => "the disk fails",
        }
    }
}

/// The store failed; nothing that its caller could have done better.
#[derive(Debug)]
pub(crate) struct StoreError {
    cause: Box<dyn StdError + Send + Sync>,
    obstacle: Option<Obstacle>,
    is_damage: bool,
}

impl StoreError {
    pub(crate) fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::of_obstacle(error, None)
    }

    pub(crate) fn of_obstacle(
        error: impl Into<Box<dyn StdError + Send + Sync>>,
        obstacle: Option<Obstacle>,
    ) -> Self {
        let cause = error.into();
        let is_damage = cause.is::<serde_json::Error>();
        Self { cause, obstacle, is_damage }
    }

    /// The same of something in the store that cannot be read, while the store works.
    pub(crate) fn of_damage(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { is_damage: true, ..Self::new(error) }
    }

    /// Whether the store works, and something in it cannot be read.
    pub(crate) fn is_damage(&self) -> bool {
        self.is_damage
    }

    /// What happened, without what stands in a document that cannot be read.
    pub(crate) fn logged(&self) -> String {
        match self.cause.downcast_ref::<serde_json::Error>() {
            Some(error) => unreadable(error),
            None => self.to_string(),
        }
    }

    /// What happened, without saying that it happened to the database.
    pub(crate) fn cause(&self) -> &dyn fmt::Display {
        &self.cause
    }

    pub(crate) fn obstacle(&self) -> Option<Obstacle> {
        self.obstacle
    }

    /// The same for somebody else who waited for it.
    pub(crate) fn again(&self) -> Self {
        let Self { cause, obstacle, is_damage } = self;
        let cause = match cause.downcast_ref::<serde_json::Error>() {
            Some(error) => unreadable(error),
            None => cause.to_string(),
        };
        Self { cause: cause.into(), obstacle: *obstacle, is_damage: *is_damage }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cause, obstacle, .. } = self;
        match obstacle {
            Some(obstacle) => write!(f, "the database failed: {} ({cause})", obstacle.sentence()),
            None => write!(f, "the database failed: {cause}"),
        }
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.cause)
    }
}

/// Where a document cannot be read, without what stands there: that may be somebody's key.
pub(crate) fn unreadable(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    format!("{:?} error at line {line}, column {column}", error.classify())
}

pub(crate) type StoreResult<T> = Result<T, StoreError>;

/// Something of the store itself that is not whole, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) place: String,
    pub(crate) message: String,
}
