//! What tenants have bought, and the exceptions that they were given.

pub(crate) mod blocks;
mod exception;
mod note;
pub(crate) mod overrides;
mod terms;

pub(crate) use self::exception::Exception;
pub(crate) use self::note::{Actor, Note, NotedOverride, Notes};
pub(crate) use self::terms::{Named, check_needs, references};
