// SPDX-License-Identifier: Apache-2.0
//! A disk that fills up when a test says so. Every write of [`crate::host::files`] asks here first.
//!
//! Only tests arm it, from inside the process; no setting or variable of the programs reaches it.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};

const DISARMED: i64 = i64::MIN;

/// Writes left before the disk is full.
static WRITES_LEFT: AtomicI64 = AtomicI64::new(DISARMED);

/// Lets `writes` more writes succeed in this process; all later ones fail with ENOSPC.
pub fn arm(writes: u32) {
    WRITES_LEFT.store(i64::from(writes), Ordering::SeqCst);
}

/// Ends the shortage; returns whether any write was refused.
pub fn disarm() -> bool {
    let left = WRITES_LEFT.swap(DISARMED, Ordering::SeqCst);
    left != DISARMED && left < 0
}

/// Fails with ENOSPC if the test's disk is full.
pub(crate) fn check_write() -> io::Result<()> {
    if WRITES_LEFT.load(Ordering::Relaxed) == DISARMED {
        return Ok(());
    }
    if WRITES_LEFT.fetch_sub(1, Ordering::SeqCst) > 0 {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(nix::libc::ENOSPC))
}
