// SPDX-License-Identifier: Apache-2.0
//! The wall clock. Everything else takes time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the seconds since 1970; 0 where the clock stands before that.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
