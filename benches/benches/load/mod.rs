//! What the benches of the server share: the server as a process, and many streams being read.

#![allow(dead_code, unreachable_pub, reason = "each bench uses a part of it")]

pub mod admin;
pub mod history;
pub mod process;
pub mod sender;
pub mod streams;
pub mod writers;

use std::time::Duration;

/// How long anything may take before a bench says that it did not happen.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The value below which `share` of the sorted values are.
pub fn quantile(sorted: &[u32], share: f64) -> u32 {
    let index = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}
