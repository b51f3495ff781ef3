//! Pages to read beside the items: how to use the crate, what it costs, and where it ends.
//!
//! There is no code in here. The examples of the pages compile and run with the tests.

#[doc = include_str!("../docs/patterns.md")]
pub mod patterns {}

#[doc = include_str!("../docs/performance.md")]
pub mod performance {}

#[doc = include_str!("../docs/limitations.md")]
pub mod limitations {}
