//! What flags-core promises about any input, as functions of bytes: each takes what a fuzzer has
//! made up and panics where the promise is broken. `README.md` lists them.
//!
//! They are functions and not only fuzz targets, so that `cargo test` runs the committed seeds
//! through them with no fuzzer.

#![forbid(unsafe_code)]

mod apply;
mod cases;
mod conditions;
mod context;
mod contracts;
mod evaluate;
mod generator;
mod hostile;
#[path = "../../tests/oracle/mod.rs"]
mod naive;
mod oracle;
mod parse;
mod pattern;
mod split;
mod texts;
mod version;

pub use apply::apply;
pub use context::context;
pub use evaluate::evaluate;
pub use oracle::oracle;
pub use parse::parse;
pub use pattern::pattern;
pub use texts::texts;
pub use version::version;

/// What is promised of some bytes: it panics where the promise is broken.
pub type Property = fn(&[u8]);

/// Every property by the name of its target.
pub const PROPERTIES: [(&str, Property); 8] = [
    ("apply", apply),
    ("context", context),
    ("evaluate", evaluate),
    ("oracle", oracle),
    ("parse", parse),
    ("pattern", pattern),
    ("texts", texts),
    ("version", version),
];
