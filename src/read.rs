// SPDX-License-Identifier: Apache-2.0
//! Reading of images without root and without mounting: what is on them, as a node would see it or by partition.
//!
//! Filesystems are read by libraries behind one trait, [`FileSystem`], and every image is taken for hostile: what a
//! library can't be trusted with is bounded or checked here. Nothing is written; [`crate::host::extract`] does that.

mod btrfs;
mod cursor;
mod ext4;
mod fat;
mod filesystem;
mod foreign;
mod guard;
mod inspect;
mod list;
mod place;
mod probe;
mod squashfs;
mod table;

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

pub use cursor::Slice;
pub use filesystem::{Entry, FileKind, FileSystem, Stat};
pub use foreign::root_foreign;
pub(crate) use inspect::text as read_text;
pub use inspect::{Component, Inspection, Os, PartitionReport, Provenance, inspect};
pub use list::{Row, list, list_all, render_rows};
pub use place::Place;
pub(crate) use place::{Found, View};
pub use probe::{Facts, probe};
#[cfg(feature = "aws")]
pub(crate) use table::columns;
pub use table::{printable, size};
use uuid::Uuid;

use crate::disk::ReadAt;
use crate::gpt;

/// Largest file that is read, as a bound for sparse files on hostile images: the largest disk that kiln decodes.
pub const FILE_MAX_BYTES: u64 = 64 << 30;

/// Bytes that [`Image::cat`] moves at once.
const PIECE_BYTES: usize = 64 << 10;

/// A partition of an image, as far as reading is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 1.
    pub number: u32,
    /// Its label.
    pub label: String,
    /// Its type.
    pub type_guid: Uuid,
    /// Offset of its first byte.
    pub start: u64,
    /// Size in bytes.
    pub size: u64,
}

impl From<&gpt::Partition> for Partition {
    fn from(found: &gpt::Partition) -> Self {
        Self {
            number: found.number,
            label: found.label.clone(),
            type_guid: found.kind,
            start: found.start_bytes(),
            size: found.size_bytes(),
        }
    }
}

/// An image that is open to read: a disk and its partitions.
#[derive(Clone)]
pub struct Image {
    disk: Arc<dyn ReadAt>,
    partitions: Vec<Partition>,
}

/// What can't be read, and why.
#[derive(Debug, thiserror::Error)]
#[error("can't read {place}")]
pub struct Error {
    /// The partition's label and the path, or a path in the node's view.
    pub place: String,
    /// Why not.
    #[source]
    pub source: Fault,
}

/// Why something can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is nothing of that name.
    #[error("there is no such file or folder")]
    NotFound,
    /// Something on the way is no folder.
    #[error("{0} is not a folder")]
    NotAFolder(String),
    /// It has no bytes to read.
    #[error("it is a {0}, not a file")]
    NotAFile(&'static str),
    /// A symbolic link stands in the way of a listing.
    #[error("{0} is a symbolic link to {1}, which is not followed here; name the target itself")]
    Link(String, String),
    /// Links point to links, and so on.
    #[error("more than {0} symbolic links were followed: they form a loop")]
    Loop(u32),
    /// The text is no place in an image.
    #[error("a place is an absolute path, or LABEL:/path for one partition")]
    Place,
    /// There is no such partition.
    #[error("the image has no partition with label {0}; it has {1}")]
    NoPartition(String, String),
    /// Several partitions have the label.
    #[error("the image has several partitions with label {0}")]
    Ambiguous(String),
    /// The partition holds no filesystem that is known.
    #[error("partition {0} holds no ext4, FAT, squashfs or btrfs filesystem")]
    NoFilesystem(String),
    /// The filesystem contradicts itself.
    #[error("the {0} filesystem is damaged: {1}")]
    Corrupt(&'static str, String),
    /// The filesystem uses something that can't be read.
    #[error("the {0} filesystem uses what kiln can't read: {1}")]
    Unsupported(&'static str, String),
    /// Somebody has used it and not put it in order.
    #[error(
        "the {0} filesystem was mounted and not unmounted cleanly, and its journal can't be read here; run e2fsck on it, or \
         name an image that was never booted"
    )]
    Unclean(&'static str),
    /// The file says that it is larger than anything sensible.
    #[error("it says that it has {0} bytes, more than the {FILE_MAX_BYTES} that are read at most")]
    TooLarge(u64),
    /// The image can't be read, or what was read can't be passed on.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    pub(crate) fn at(place: impl fmt::Display) -> impl FnOnce(Fault) -> Self {
        move |source| Self { place: place.to_string(), source }
    }
}

impl Image {
    /// Takes a disk with these partitions.
    pub fn new(disk: Arc<dyn ReadAt>, partitions: Vec<Partition>) -> Self {
        Self { disk, partitions }
    }

    /// Returns the partitions, in the order of their numbers.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// Returns the whole disk.
    pub fn disk(&self) -> &dyn ReadAt {
        &*self.disk
    }

    /// Returns the disk's size in bytes.
    pub fn size(&self) -> u64 {
        self.disk.size()
    }

    /// Returns the bytes of one partition.
    pub fn slice(&self, partition: &Partition) -> Slice {
        Slice::new(Arc::clone(&self.disk), partition.start, partition.size)
    }

    /// Opens the filesystem of the partition with this label.
    ///
    /// # Errors
    /// If there is not exactly one such partition, or if it holds no sound filesystem of a known kind.
    pub fn filesystem(&self, label: &str) -> Result<Box<dyn FileSystem>, Error> {
        let failed = Error::at(format!("{label}:"));
        let mut found = self.partitions.iter().filter(|partition| partition.label == label);
        match (found.next(), found.next()) {
            (Some(partition), None) => {
                open(self.slice(partition)).and_then(|fs| fs.ok_or(Fault::NoFilesystem(label.to_owned())))
            }
            (None, _) => {
                let labels: Vec<&str> = self.partitions.iter().map(|one| one.label.as_str()).collect();
                Err(Fault::NoPartition(label.to_owned(), labels.join(", ")))
            }
            _ => Err(Fault::Ambiguous(label.to_owned())),
        }
        .map_err(failed)
    }

    /// Writes the file at `place` to `to`, following symbolic links; returns how many bytes it has.
    ///
    /// # Errors
    /// If it can't be found, is no file, or can't be read or passed on whole.
    pub fn cat(&self, place: &Place, to: &mut dyn Write) -> Result<u64, Error> {
        let found = place::follow(self, place)?;
        let failed = |fault: Fault| Error::at(place)(fault);
        let mut from = found.filesystem.open(&found.path).map_err(failed)?;
        let mut buffer = vec![0; PIECE_BYTES];
        let mut total = 0;
        loop {
            let count = match from.read(&mut buffer) {
                Ok(0) => return Ok(total),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error.into())),
            };
            to.write_all(&buffer[..count]).map_err(|error| failed(error.into()))?;
            total += count as u64;
        }
    }

    /// Returns the file at `place`, following symbolic links, if it has at most `max_bytes`.
    ///
    /// # Errors
    /// As [`Image::cat`], and if it is larger.
    pub fn read(&self, place: &Place, max_bytes: u64) -> Result<Vec<u8>, Error> {
        let found = place::follow(self, place)?;
        let mut bytes = Vec::new();
        let from = found.filesystem.open(&found.path).map_err(Error::at(place))?;
        from.take(max_bytes + 1).read_to_end(&mut bytes).map_err(|error| Error::at(place)(error.into()))?;
        if bytes.len() as u64 > max_bytes {
            return Err(Error::at(place)(Fault::TooLarge(bytes.len() as u64)));
        }
        Ok(bytes)
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("partitions", &self.partitions).finish_non_exhaustive()
    }
}

/// Opens the filesystem that fills `slice`; none: there is none, or none that is known.
///
/// # Errors
/// If there is one, but it can't be read.
pub fn open(slice: Slice) -> Result<Option<Box<dyn FileSystem>>, Fault> {
    let Some(facts) = probe(&slice)? else { return Ok(None) };
    if facts.size > slice.size() {
        let why = format!("it says that it has {} bytes, on {} bytes", facts.size, slice.size());
        return Err(Fault::Corrupt(facts.kind, why));
    }
    guard::guarded(facts.kind, || match facts.kind {
        probe::EXT4 => ext4::open(slice),
        probe::BTRFS => btrfs::open(slice),
        probe::SQUASHFS => squashfs::open(slice),
        _ => fat::open(slice),
    })
    .map(|inner| Some(guard::wrap(facts.kind, inner)))
}
