// SPDX-License-Identifier: Apache-2.0
//! A derived file that is synced and named by a thread of its own, while whoever made it goes on using its bytes.

use std::thread::JoinHandle;

use super::{Cache, CacheError, KeyLock};
use crate::digest::Digest;
use crate::host::files::Pending;

/// A file on its way into the cache. Dropped, it is waited for as well; what is then wrong is not told.
#[derive(Debug)]
pub struct Keeping(Option<JoinHandle<Result<(), CacheError>>>);

impl Cache {
    /// Puts a file made by [`Cache::derived_pending`] in its place, as [`Cache::derived_put`], beside other work.
    /// `alone` is held until it is there.
    pub fn derived_put_beside(&self, pending: Pending, blocks: Digest, alone: KeyLock) -> Keeping {
        let cache = self.clone();
        let put = move || {
            let result = cache.derived_put(pending, &blocks).map(drop);
            drop(alone);
            result
        };
        Keeping(Some(std::thread::spawn(put)))
    }
}

impl Keeping {
    /// Waits until the file is in the cache.
    ///
    /// # Errors
    /// As the system says.
    pub fn finish(mut self) -> Result<(), CacheError> {
        self.wait()
    }

    fn wait(&mut self) -> Result<(), CacheError> {
        self.0.take().map_or(Ok(()), |thread| thread.join().expect("putting a file in place does not panic"))
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        // The work that made the file has failed and says why; without the file the next bake decodes again.
        let _ = self.wait();
    }
}
