// SPDX-License-Identifier: Apache-2.0
//! Extended attributes of ext4 by the reading half of the crate rust-fs-ext4, since ext4-view reads none.

use std::collections::BTreeMap;
use std::sync::Arc;

use fs_ext4::block_io::BlockDevice;
use fs_ext4::{Error, Filesystem, xattr};

use crate::disk::ReadAt;
use crate::read::cursor::{Budget, Slice};
use crate::read::{Fault, probe};

/// A filesystem that is open to read attributes.
pub(super) struct Attributes(Filesystem);

struct Device {
    slice: Slice,
    budget: Budget,
}

impl BlockDevice for Device {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> fs_ext4::Result<()> {
        self.budget.spend(buffer.len() as u64)?;
        Ok(self.slice.read_at(buffer, offset)?)
    }

    fn size_bytes(&self) -> u64 {
        self.slice.size()
    }
}

impl Attributes {
    /// Opens the filesystem in `slice`; each call may spend what `budget` has.
    pub fn open(slice: Slice, budget: Budget) -> Result<Self, Fault> {
        Ok(Self(Filesystem::mount(Arc::new(Device { slice, budget })).map_err(fault)?))
    }

    /// Returns the attributes of what is at `path`, by full name.
    pub fn of(&self, path: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, Fault> {
        let number = self.0.lookup_path_bytes(path).map_err(fault)?;
        let (inode, raw) = self.0.read_inode_verified(number).map_err(fault)?;
        let found = xattr::read_all_resolved(&self.0, &inode, &raw).map_err(fault)?;
        Ok(found.into_iter().map(|entry| (entry.name, entry.value)).collect())
    }
}

fn fault(error: Error) -> Fault {
    match error {
        Error::Io(error) => error.into(),
        Error::NotFound => Fault::NotFound,
        Error::NotADirectory => Fault::NotAFolder("it".to_owned()),
        Error::UnsupportedIncompat(_) | Error::UnsupportedRoCompat(_) | Error::Unsupported(_) => {
            Fault::Unsupported(probe::EXT4, error.to_string())
        }
        other => Fault::Corrupt(probe::EXT4, other.to_string()),
    }
}
