// SPDX-License-Identifier: Apache-2.0
//! Metadata checksums: crc32c, continued from one ingredient to the next, never inverted.
//!
//! Source: Documentation/filesystems/ext4/checksums.rst. Every inode here has generation 0.

use uuid::Uuid;

/// The checksum of what has been added so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum(u32);

impl Sum {
    /// Starts a checksum that has seen nothing, as the superblock's does.
    pub fn new() -> Self {
        Self(u32::MAX)
    }

    /// Starts a checksum of a structure of the filesystem `uuid`.
    pub fn of_filesystem(uuid: Uuid) -> Self {
        Self::new().with(uuid.as_bytes())
    }

    /// Adds an inode's number and generation, for structures that belong to that inode.
    pub fn with_inode(self, number: u32) -> Self {
        self.with(&number.to_le_bytes()).with(&[0; 4])
    }

    /// Adds `bytes`.
    pub fn with(self, bytes: &[u8]) -> Self {
        // The crate's function inverts before and after; ext4 does neither.
        Self(!crc32c::crc32c_append(!self.0, bytes))
    }

    /// Returns the checksum of everything added.
    pub fn value(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_give_the_sum_of_the_whole() {
        // RFC 3720 B.4: 32 zero bytes give 8a9136aa, which is inverted at the end.
        assert_eq!(!Sum::new().with(&[0; 32]).value(), 0x8a91_36aa);
        assert_eq!(!Sum::new().with(&[0; 20]).with(&[0; 12]).value(), 0x8a91_36aa);
    }
}
