// SPDX-License-Identifier: Apache-2.0
//! The base while it is being decoded, and what can be done meanwhile: its first sectors promise where ROOT will lie, and
//! that is all that ROOT depends on.
//!
//! A promise is believed by nobody but who works ahead: whether the work counts is seen when the disk is whole.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use super::desk::Desk;
use super::error::BakeError;
use super::ground::{DECODED, NAME};
use crate::base::{self, Base};
use crate::blocks::BlockList;
use crate::decode::Limits;
use crate::gpt;
use crate::host::cache::Blob;
use crate::host::decode::{self, Kept};
use crate::host::disk::{Image, RawFile, image_in};
use crate::host::files::{FileError, Pending};

/// What is done beside the decoding.
pub(super) struct Ahead<'a, T> {
    /// The file that takes what lies in front of ROOT while it is decoded, if one is of use.
    pub twin: Option<&'a Pending>,
    /// The work.
    pub work: &'a dyn Fn(&Base) -> T,
}

/// The base as a disk and, if it was decoded just now, what is known of it already.
pub(super) struct Decoded<T> {
    /// The disk.
    pub image: Arc<dyn Image>,
    /// Its blocks.
    pub blocks: Option<BlockList>,
    /// The layout that was promised, and what was done on it.
    pub begun: Option<(Base, T)>,
}

impl<T> From<Arc<dyn Image>> for Decoded<T> {
    fn from(image: Arc<dyn Image>) -> Self {
        Self { image, blocks: None, begun: None }
    }
}

/// Decodes the base, which errors call `called`, into the cache and works ahead.
pub(super) fn decode<T>(
    (blob, called): (&Blob, &str),
    ahead: Ahead<'_, T>,
    desk: &Desk<'_>,
) -> Result<Decoded<T>, BakeError> {
    let pending = desk.cache.derived_pending(DECODED, &blob.digest)?;
    let Ahead { twin, work } = ahead;
    let (promise, promised) = channel();
    let (decoded, begun) = thread::scope(|scope| {
        let decoding = scope.spawn(move || {
            // Nobody listens where work ended early; a twin without a promise ends where it begins.
            let mut look = |first: &Pending| match foretell(first) {
                Some(base) => {
                    let end = base.root().start_bytes();
                    promise.send(base).map_or(0, |()| end)
                }
                None => 0,
            };
            let mut kept = Kept::new(pending, twin, &mut look);
            let decoded = decode::decode(&blob.path, Limits::default(), &mut kept, desk.jobs, desk.progress);
            decoded.map_err(|error| error.called(called))?;
            Ok::<_, BakeError>(kept.into_parts())
        });
        let begun = promised.recv().ok().map(|base| {
            let done = work(&base);
            (base, done)
        });
        (decoding.join().expect("decoding does not panic"), begun)
    });
    let (pending, blocks) = decoded?;
    let file = pending.file().try_clone().map_err(FileError::at("open", pending.path()))?;
    let image = image_in(file, pending.path()).map_err(|error| error.called(called))?;
    desk.cache.derived_put(pending, &blocks.digest())?;
    // Blocks and bytes of a qcow2 file are not those of its disk.
    let is_raw = image.file().is_some();
    Ok(Decoded { image, blocks: is_raw.then_some(blocks), begun: begun.filter(|_| is_raw) })
}

/// Returns what the first sectors promise.
fn foretell(first: &Pending) -> Option<Base> {
    let first = RawFile::new(first.file().try_clone().ok()?).ok()?;
    base::recognise(gpt::foretell(&first)?, Path::new(NAME)).ok()
}
