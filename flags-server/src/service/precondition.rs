use super::Fault;

/// What a request says about the version that it means to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// Nothing.
    None,
    /// It is one of these.
    Version(Vec<u64>),
    /// There is one.
    Exists,
    /// There is none yet.
    Absent,
}

impl Precondition {
    /// For requests that may not go without.
    pub(crate) fn demand(&self) -> Result<(), Fault> {
        if *self == Self::None { Err(Fault::PreconditionRequired) } else { Ok(()) }
    }

    pub(crate) fn check(&self, current: Option<u64>) -> Result<(), Fault> {
        let holds = match (self, current) {
            (Self::None, _) | (Self::Exists, Some(_)) | (Self::Absent, None) => true,
            (Self::Version(versions), Some(current)) => versions.contains(&current),
            _ => false,
        };
        if holds { Ok(()) } else { Err(Fault::VersionMismatch { current }) }
    }
}
