// SPDX-License-Identifier: Apache-2.0
//! btrfs by the crate rust-fs-btrfs (its reading half): zlib, lzo and zstd extents, checksums verified.
//!
//! Only the default tree is shown; subvolumes inside it are listed as folders that can't be opened.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use fs_btrfs::inode::Inode;
use fs_btrfs::{Error, Filesystem};
use fs_core::BlockRead;

use super::cursor::Slice;
use super::filesystem::ENTRIES_MAX;
use super::{Entry, Fault, FileKind, FileSystem, Stat, probe};
use crate::disk::ReadAt;
use crate::tree::TreePath;

struct Btrfs(Filesystem);

struct Device(Slice);

impl BlockRead for Device {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> fs_core::Result<()> {
        self.0.read_at(buf, offset).map_err(fs_core::Error::Io)
    }

    fn size_bytes(&self) -> u64 {
        self.0.size()
    }
}

/// Opens the btrfs in `slice`.
pub(super) fn open(slice: Slice) -> Result<Box<dyn FileSystem>, Fault> {
    Ok(Box::new(Btrfs(Filesystem::mount(Arc::new(Device(slice))).map_err(fault)?)))
}

impl Btrfs {
    fn inode(&self, path: &TreePath) -> Result<Inode, Fault> {
        self.0.lookup_path_bytes(&path.parts().join(&b'/')).map_err(fault)
    }
}

impl FileSystem for Btrfs {
    fn list(&self, folder: &TreePath) -> Result<Vec<Entry>, Fault> {
        let names = self.0.read_dir(self.inode(folder)?.ino).map_err(fault)?;
        let entry = |found: fs_btrfs::dir::DirEntry| {
            // A subvolume's number is no inode of this tree.
            let stat = match found.is_inode() {
                true => stat(&self.0.read_inode(found.ino).map_err(fault)?)?,
                false => Stat { kind: FileKind::Folder, mode: 0, uid: 0, gid: 0, size: 0, mtime_s: 0 },
            };
            Ok(Entry { name: found.name, stat })
        };
        names.into_iter().take(ENTRIES_MAX + 1).map(entry).collect()
    }

    fn stat(&self, path: &TreePath) -> Result<Stat, Fault> {
        stat(&self.inode(path)?)
    }

    fn read_link(&self, path: &TreePath) -> Result<Vec<u8>, Fault> {
        self.0.read_link(self.inode(path)?.ino).map_err(fault)
    }

    fn open(&self, path: &TreePath) -> Result<Box<dyn Read + '_>, Fault> {
        let inode = self.inode(path)?;
        Ok(Box::new(File { filesystem: &self.0, inode: inode.ino, offset: 0, piece: Vec::new(), used: 0 }))
    }

    fn xattrs(&self, path: &TreePath) -> Result<Option<BTreeMap<String, Vec<u8>>>, Fault> {
        let found = self.0.list_xattrs(self.inode(path)?.ino).map_err(fault)?;
        let named = found.into_iter().map(|one| (String::from_utf8_lossy(&one.name).into_owned(), one.value));
        Ok(Some(named.collect()))
    }
}

/// A multiple of the 128 KiB that a compressed extent holds at most: each is then unpacked once. And large, because
/// the library looks at a file's extents from the first one on each time.
const PIECE_BYTES: usize = 4 << 20;

struct File<'a> {
    filesystem: &'a Filesystem,
    inode: u64,
    offset: u64,
    piece: Vec<u8>,
    used: usize,
}

impl Read for File<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.piece.len() {
            self.piece.resize(PIECE_BYTES, 0);
            let read = self.filesystem.read_at(self.inode, self.offset, &mut self.piece);
            let count = read.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, fault(error)))?;
            self.piece.truncate(count);
            self.offset += count as u64;
            self.used = 0;
        }
        let count = (&self.piece[self.used..]).read(buffer)?;
        self.used += count;
        Ok(count)
    }
}

fn stat(inode: &Inode) -> Result<Stat, Fault> {
    let kind = FileKind::of_mode(inode.mode)
        .ok_or_else(|| Fault::Corrupt(probe::BTRFS, format!("a file has the mode {:o}", inode.mode)))?;
    let size = if kind == FileKind::Folder { 0 } else { inode.size };
    let mode = (inode.mode & 0o7777) as u16;
    Ok(Stat { kind, mode, uid: inode.uid, gid: inode.gid, size, mtime_s: inode.mtime.sec })
}

fn fault(error: Error) -> Fault {
    match error {
        Error::NotFound => Fault::NotFound,
        Error::NotADirectory => Fault::NotAFolder("it".to_owned()),
        Error::UnsupportedFeature(why) => Fault::Unsupported(probe::BTRFS, why),
        other => Fault::Corrupt(probe::BTRFS, other.to_string()),
    }
}
