// SPDX-License-Identifier: Apache-2.0
//! Which blocks a snapshot lacks, and the checksum over those that are written.

use std::sync::LazyLock;

use crate::blocks::{BLOCK, BlockList};
use crate::digest::{Digest, Hasher};

/// The digest of a block of zeros.
pub static ZEROS: LazyLock<Digest> = LazyLock::new(|| Digest::of(&vec![0; BLOCK as usize]));

/// Blocks to write, by ascending index, with their digests.
pub type Blocks = Vec<(u64, Digest)>;

/// Returns what a snapshot without a parent is written: what is not written reads as zeros.
pub fn whole(image: &BlockList) -> Blocks {
    image.blocks.clone()
}

/// Returns what a snapshot on a parent is written: what differs, and what has become zero, since what is not written reads
/// as the parent's. From digests alone, where `kiln diff` has both images' bytes; a test holds both to the same answer.
pub fn on_parent(image: &BlockList, parent: &BlockList) -> Blocks {
    let mut blocks = Vec::new();
    let (mut new, mut old) = (image.blocks.iter().peekable(), parent.blocks.iter().peekable());
    loop {
        match (new.peek(), old.peek()) {
            (None, None) => return blocks,
            (Some((index, digest)), Some((other, before))) if index == other => {
                if digest != before {
                    blocks.push((*index, *digest));
                }
                new.next();
                old.next();
            }
            (Some((index, digest)), before) if before.is_none_or(|(other, _)| index < other) => {
                blocks.push((*index, *digest));
                new.next();
            }
            (_, before) => {
                blocks.extend(before.map(|(index, _)| (*index, *ZEROS)));
                old.next();
            }
        }
    }
}

/// Returns the checksum that ends a snapshot: SHA-256 over the digests of the blocks that were written, in the order of
/// their indexes (CompleteSnapshot, `ChecksumAggregationMethod` LINEAR).
pub fn checksum(blocks: &[(u64, Digest)]) -> Digest {
    let mut hasher = Hasher::new();
    blocks.iter().for_each(|(_, digest)| hasher.update(digest.as_bytes()));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(blocks: &[(u64, u8)]) -> BlockList {
        let blocks = blocks.iter().map(|(index, byte)| (*index, Digest::of(&[*byte]))).collect();
        BlockList { size: 100 * BLOCK, blocks }
    }

    #[test]
    fn on_a_parent_only_what_differs_is_written_and_what_became_zero() {
        let parent = list(&[(0, 1), (2, 2), (3, 3), (9, 9)]);
        let image = list(&[(0, 1), (1, 7), (3, 4), (4, 4), (10, 1)]);
        let digest = |byte: u8| Digest::of(&[byte]);
        let expected =
            [(1, digest(7)), (2, *ZEROS), (3, digest(4)), (4, digest(4)), (9, *ZEROS), (10, digest(1))];
        assert_eq!(on_parent(&image, &parent), expected);
        assert_eq!(on_parent(&image, &image), []);
        assert_eq!(on_parent(&list(&[]), &parent).len(), 4);
        assert_eq!(on_parent(&image, &list(&[])), whole(&image));
    }

    #[test]
    fn the_checksum_is_over_the_digests_alone() {
        let image = list(&[(5, 1), (7, 2)]);
        let bytes: Vec<u8> = image.blocks.iter().flat_map(|(_, digest)| *digest.as_bytes()).collect();
        assert_eq!(checksum(&image.blocks), Digest::of(&bytes));
    }
}
