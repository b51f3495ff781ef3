//! The one place where a clock is read for an answer.

use std::time::{SystemTime, UNIX_EPOCH};

use flags_core::Timestamp;

/// The present instant by the system's clock.
pub(crate) fn now() -> Timestamp {
    let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |m| -m),
    };
    Timestamp::from_millis(millis)
}
