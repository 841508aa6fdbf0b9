// SPDX-License-Identifier: Apache-2.0
//! The ext4 writer: from a tree to the extents of a filesystem that the kernel mounts, writes and grows.
//!
//! It writes from scratch, as mke2fs does with one inode per 4096 bytes and Flatcar's features, and is pure: the same
//! tree and spec give the same extents. It reads no filesystem, touches no file and knows no device nodes. Sources:
//! the kernel's Documentation/filesystems/ext4, and mke2fs for what is a choice; each module names its pages.

mod census;
mod checksum;
mod contents;
mod directory;
mod entry;
mod error;
mod extents;
mod fields;
mod geometry;
mod group;
mod hash;
mod htree;
mod image;
mod inode;
mod journal;
mod layout;
mod owner;
mod resize;
mod space;
mod store;
mod superblock;
mod xattr;

use uuid::Uuid;

pub use self::error::Error;
pub use self::owner::{Owner, Part};
use crate::disk::Extent;
use crate::tree::{Tree, TreePath};

/// What a filesystem is besides its tree.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Size of the partition in bytes.
    pub size: u64,
    /// The filesystem's UUID, which also seeds its checksums.
    pub uuid: Uuid,
    /// Seed of the hashes that order large folders.
    pub hash_seed: Uuid,
    /// The label, at most 16 bytes.
    pub label: String,
    /// When it is said to be made, seconds since 1970; no file is younger.
    pub time_s: u64,
    /// Files whose data is laid out first, in this order; the others follow in path order. Paths that name no file of the
    /// tree are passed over.
    pub first: Vec<TreePath>,
}

/// Lays out `tree` as the filesystem `spec`.
///
/// The extents count from the partition's start, are sorted and do not overlap; what none covers must read as zero.
/// Each file's data is contiguous where a free run can hold it. A folder `/lost+found` is made if the tree has none.
///
/// # Errors
/// If the tree does not fit, with how much is missing, or holds what ext4 can't, with its path.
pub fn layout(tree: &Tree, spec: &Spec) -> Result<Vec<Extent>, Error> {
    Ok(laid(tree, spec)?.extents)
}

/// Returns whose the bytes of the filesystem are that [`layout`] makes of the same arguments, sorted by place.
///
/// # Errors
/// As [`layout`].
pub fn owners(tree: &Tree, spec: &Spec) -> Result<Vec<Owner>, Error> {
    Ok(laid(tree, spec)?.owners)
}

fn laid(tree: &Tree, spec: &Spec) -> Result<layout::Laid, Error> {
    const LABEL_BYTES: usize = 16;
    if spec.label.len() > LABEL_BYTES {
        return Err(Error::Label(spec.label.clone()));
    }
    let geometry = geometry::Geometry::of(spec.size)?;
    let spare = census::LostAndFound::new(i64::try_from(spec.time_s).unwrap_or(i64::MAX));
    let people = census::count(tree, &spare, &spec.first)?;
    let (needed, there) = (people.len() as u64, u64::from(geometry.inodes() - inode::FIRST + 1));
    // The root has a reserved inode.
    if needed - 1 > there {
        return Err(Error::Inodes { needed: needed - 1, there });
    }
    layout::Layout::new(spec, geometry).write(&people)
}
