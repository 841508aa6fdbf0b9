// SPDX-License-Identifier: Apache-2.0
//! What every filesystem can be asked. Paths are looked up as they are: no implementation follows symbolic links.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Serialize;

use super::Fault;
use crate::tree::TreePath;

/// A filesystem that is open to read.
pub trait FileSystem {
    /// Returns what a folder holds, sorted by name, without `.` and `..`.
    ///
    /// Names are as the filesystem has them, so that a hostile one may hold `/`, `..` or control characters.
    ///
    /// # Errors
    /// If it is no folder or can't be read.
    fn list(&self, folder: &TreePath) -> Result<Vec<Entry>, Fault>;

    /// Returns the attributes of what is at `path`.
    ///
    /// # Errors
    /// If there is nothing, or it can't be read.
    fn stat(&self, path: &TreePath) -> Result<Stat, Fault>;

    /// Returns a symbolic link's target.
    ///
    /// # Errors
    /// If it is no symbolic link or can't be read.
    fn read_link(&self, path: &TreePath) -> Result<Vec<u8>, Fault>;

    /// Opens a regular file to be read from its start.
    ///
    /// # Errors
    /// If it is no regular file, can't be read or is too large.
    fn open(&self, path: &TreePath) -> Result<Box<dyn Read + '_>, Fault>;

    /// Returns the extended attributes by full name; none: this filesystem's library can't read them.
    ///
    /// # Errors
    /// If they can't be read.
    fn xattrs(&self, path: &TreePath) -> Result<Option<BTreeMap<String, Vec<u8>>>, Fault>;
}

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// Its attributes.
    pub stat: Stat,
}

/// Attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, set-id and sticky bits included (`0o7777`).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes: of a file, or of a link's target.
    pub size: u64,
    /// Modification time, seconds since 1970.
    pub mtime_s: i64,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharacterDevice,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
}

impl FileKind {
    /// Tells it from the file type bits of a mode (inode(7)).
    pub(super) fn of_mode(mode: u32) -> Option<Self> {
        Some(match mode & 0o170_000 {
            0o040_000 => Self::Folder,
            0o100_000 => Self::File,
            0o120_000 => Self::Symlink,
            0o060_000 => Self::BlockDevice,
            0o020_000 => Self::CharacterDevice,
            0o010_000 => Self::Pipe,
            0o140_000 => Self::Socket,
            _ => return None,
        })
    }

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::File => "file",
            Self::Symlink => "symbolic link",
            Self::BlockDevice => "block device",
            Self::CharacterDevice => "character device",
            Self::Pipe => "named pipe",
            Self::Socket => "socket",
        }
    }

    /// Returns the letter that `ls -l` shows.
    pub fn letter(self) -> char {
        match self {
            Self::Folder => 'd',
            Self::File => '-',
            Self::Symlink => 'l',
            Self::BlockDevice => 'b',
            Self::CharacterDevice => 'c',
            Self::Pipe => 'p',
            Self::Socket => 's',
        }
    }
}

/// Longest target of a symbolic link (PATH_MAX).
pub(super) const LINK_MAX_BYTES: u64 = 4096;

/// Most entries of a folder: ten times what the largest vendor folder has, and a FAT folder's own limit.
pub(super) const ENTRIES_MAX: usize = 65_536;
