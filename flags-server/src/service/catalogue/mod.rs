//! What an environment sells: features, plans and add-ons.

mod addon;
mod feature;
mod item;
mod needs;
mod plan;
mod planned;
mod sold;
mod users;
mod verbs;
pub(crate) mod versions;

pub(crate) use self::item::{Document, Item, Path, wire};
pub(crate) use self::needs::{Needs, definition};
pub(crate) use self::planned::{PlannedSold, WantedCatalogue, WantedSold};
pub(crate) use self::sold::Sold;
pub(crate) use self::verbs::{create, delete, find, get, list, not_found, patch, put, read};
