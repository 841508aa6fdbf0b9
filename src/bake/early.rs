// SPDX-License-Identifier: Apache-2.0
//! What of an image can be made before the base is there: the plan, and ROOT, into which no byte of the base goes.

use std::sync::Arc;

use super::Plan;
use super::desk::Desk;
use super::error::BakeError;
use crate::host::disk::{DiskReader, Hashed, Sources, digests_within, write_raw_ahead};
use crate::host::files::Pending;
use crate::progress::Silent;

/// The raw output before anything is in it; none, if none will be written or it can't be begun.
pub(super) struct Start(pub Option<Pending>);

/// How much of an image is made.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The raw output with everything up to ROOT's end.
    pub raw: Option<Pending>,
    /// Digests of ROOT's blocks.
    pub hashed: Hashed,
}

/// Writes ROOT into the raw output and hashes it; returns the digests.
pub(super) fn begin(plan: &Plan, start: &Start, desk: &Desk<'_>) -> Result<Hashed, BakeError> {
    let sources = Sources::new(None, Box::new(desk.cache.clone()));
    let disk = DiskReader::new(plan.disk.clone(), Arc::new(sources));
    if let Some(raw) = &start.0 {
        write_raw_ahead(&disk, raw, &plan.root, &Silent)?;
    }
    // Decoding keeps two processors busy, and is what everybody waits for.
    digests_within(&disk, &plan.root, desk.jobs.saturating_sub(2).max(1)).map_err(BakeError::Read)
}
