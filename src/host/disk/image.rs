// SPDX-License-Identifier: Apache-2.0
//! Image files of others, raw or qcow2, as the disks that they hold.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use super::Image;
use crate::disk::ReadAt;
use crate::host::files::{self, FileError};
use crate::output::qcow2;

/// First bytes of what is not read as a disk, with what it is and what to do. A raw image begins with boot code, which
/// looks like none of them.
const OTHERS: [(&[u8], &str); 8] = [
    (b"KDMV", "is a VMDK; convert it with qemu-img convert -O raw"),
    (b"# Disk DescriptorFile", "is a VMDK descriptor; convert it with qemu-img convert -O raw"),
    (b"vhdxfile", "is a VHDX; convert it with qemu-img convert -O raw"),
    (b"conectix", "is a dynamic VHD; convert it with qemu-img convert -O raw"),
    (b"\x28\xb5\x2f\xfd", "is compressed by zstd; unpack it first"),
    (b"\x1f\x8b", "is compressed by gzip; unpack it first"),
    (b"BZh", "is compressed by bzip2; unpack it first"),
    (b"\xfd7zXZ\0", "is compressed by xz; unpack it first"),
];

/// Why an image can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file can't be opened or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is a qcow2 file that kiln does not read.
    #[error("can't read {}", path.display())]
    Qcow2 {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: qcow2::Error,
    },
    /// It is no disk image that kiln knows.
    #[error("{} {what}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
}

impl OpenError {
    /// Calls the image `name` where its bytes are to blame: the file in the cache is nobody's.
    #[must_use]
    pub fn called(self, name: &str) -> Self {
        match self {
            Self::Qcow2 { source, .. } => Self::Qcow2 { path: PathBuf::from(name), source },
            Self::Unknown { what, .. } => Self::Unknown { path: PathBuf::from(name), what },
            Self::File(error) => Self::File(error),
        }
    }
}

/// A raw image: the file is the disk.
#[derive(Debug)]
pub struct RawFile {
    file: File,
    size: u64,
}

/// Opens a raw or qcow2 image; the first bytes tell which.
///
/// # Errors
/// If the file can't be read, or is an image of another kind.
pub fn open_image(path: &Path) -> Result<Arc<dyn Image>, OpenError> {
    image_in(files::open(path)?, path)
}

/// As [`open_image`], for a file that is open; `path` is what errors call it.
///
/// # Errors
/// As [`open_image`].
pub fn image_in(file: File, path: &Path) -> Result<Arc<dyn Image>, OpenError> {
    let raw = RawFile::new(file).map_err(FileError::at("read", path))?;
    let mut first = [0; 32];
    let len = raw.size.min(32) as usize;
    raw.read_at(&mut first[..len], 0).map_err(FileError::at("read", path))?;
    if first.starts_with(&qcow2::MAGIC) {
        let reader = qcow2::Reader::open(Arc::new(raw));
        return Ok(Arc::new(reader.map_err(|source| OpenError::Qcow2 { path: path.to_owned(), source })?));
    }
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| first.starts_with(magic)) {
        return Err(OpenError::Unknown { path: path.to_owned(), what });
    }
    Ok(Arc::new(raw))
}

impl RawFile {
    /// Takes an open file as a raw image.
    ///
    /// # Errors
    /// As the system says, and if it is a folder or has no size, such as a pipe.
    pub fn new(file: File) -> io::Result<Self> {
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Self { file, size: about.len() })
    }
}

impl ReadAt for RawFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        if offset >= self.size {
            return Ok(None);
        }
        let start = match lseek(&self.file, offset as i64, Whence::SeekData) {
            Ok(start) => start as u64,
            // lseek(2): there is no data behind the offset.
            Err(Errno::ENXIO) => return Ok(None),
            // This filesystem tells no holes.
            Err(Errno::EINVAL | Errno::EOPNOTSUPP) => return Ok(Some(offset..self.size)),
            Err(errno) => return Err(errno.into()),
        };
        let end = lseek(&self.file, start as i64, Whence::SeekHole)? as u64;
        Ok(Some(start..end.min(self.size)))
    }
}

impl Image for RawFile {
    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }
}

impl Image for qcow2::Reader {}
