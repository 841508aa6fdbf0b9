// SPDX-License-Identifier: Apache-2.0
//! ext4 by the crate ext4-view, which reads neither inline data nor holes in files without extents (ext2, ext3), nor
//! extended attributes: see [`attributes`].

mod attributes;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Read;

use ext4_view::{Ext4, Ext4Error, Ext4Read, FileType, Metadata};

use super::cursor::{Budget, Slice};
use super::filesystem::ENTRIES_MAX;
use super::{Entry, Fault, FileKind, FileSystem, Stat, probe};
use crate::disk::ReadAt;
use crate::tree::TreePath;

use attributes::Attributes;

struct Ext4Fs {
    ext4: Ext4,
    slice: Slice,
    /// Opened when it is asked first.
    attributes: OnceCell<Attributes>,
    budget: Budget,
}

struct Reader {
    slice: Slice,
    budget: Budget,
}

impl Ext4Read for Reader {
    fn read(&mut self, start_byte: u64, dst: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.budget.spend(dst.len() as u64)?;
        Ok(self.slice.read_at(dst, start_byte)?)
    }
}

/// Opens the ext4 filesystem in `slice`, whose geometry fits it ([`probe`] has looked).
pub(super) fn open(slice: Slice) -> Result<Box<dyn FileSystem>, Fault> {
    let budget = Budget::default();
    budget.renew();
    let reader = Reader { slice: slice.clone(), budget: budget.clone() };
    let opened = Ext4::load(Box::new(reader));
    let ext4 = opened.map_err(|error| match error {
        Ext4Error::Io(_) => fault(error),
        _ if is_unclean(&slice) => Fault::Unclean(probe::EXT4),
        _ => fault(error),
    })?;
    Ok(Box::new(Ext4Fs { ext4, slice, attributes: OnceCell::new(), budget }))
}

/// Tells whether changes wait in the journal: `s_feature_incompat` of the superblock, at byte 1024, has
/// EXT4_FEATURE_INCOMPAT_RECOVER (the kernel's Documentation/filesystems/ext4/super.rst).
fn is_unclean(slice: &Slice) -> bool {
    let mut features = [0; 4];
    slice.read_at(&mut features, 1024 + 0x60).is_ok() && u32::from_le_bytes(features) & 0x4 != 0
}

impl Ext4Fs {
    fn attributes(&self) -> Result<&Attributes, Fault> {
        if let Some(open) = self.attributes.get() {
            return Ok(open);
        }
        let opened = Attributes::open(self.slice.clone(), self.budget.clone())?;
        Ok(self.attributes.get_or_init(|| opened))
    }
}

impl FileSystem for Ext4Fs {
    fn list(&self, folder: &TreePath) -> Result<Vec<Entry>, Fault> {
        self.budget.renew();
        let mut entries = Vec::new();
        for entry in self.ext4.read_dir(&bytes(folder)[..]).map_err(fault)?.take(ENTRIES_MAX + 3) {
            let entry = entry.map_err(fault)?;
            let stat = stat(&entry.metadata().map_err(fault)?);
            entries.push(Entry { name: entry.file_name().as_ref().to_vec(), stat });
            self.budget.renew();
        }
        Ok(entries)
    }

    fn stat(&self, path: &TreePath) -> Result<Stat, Fault> {
        self.budget.renew();
        Ok(stat(&self.ext4.symlink_metadata(&bytes(path)[..]).map_err(fault)?))
    }

    fn read_link(&self, path: &TreePath) -> Result<Vec<u8>, Fault> {
        self.budget.renew();
        Ok(self.ext4.read_link(&bytes(path)[..]).map_err(fault)?.as_ref().to_vec())
    }

    fn open(&self, path: &TreePath) -> Result<Box<dyn Read + '_>, Fault> {
        self.budget.renew();
        let file = self.ext4.open(&bytes(path)[..]).map_err(fault)?;
        Ok(Box::new(File { file, budget: self.budget.clone() }))
    }

    fn xattrs(&self, path: &TreePath) -> Result<Option<BTreeMap<String, Vec<u8>>>, Fault> {
        self.budget.renew();
        self.attributes()?.of(&bytes(path)).map(Some)
    }
}

struct File {
    file: ext4_view::File,
    budget: Budget,
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.budget.renew();
        self.file
            .read_bytes(buffer)
            .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, fault(error)))
    }
}

fn bytes(path: &TreePath) -> Vec<u8> {
    let joined = path.parts().join(&b'/');
    [b"/", &joined[..]].concat()
}

fn stat(about: &Metadata) -> Stat {
    let kind = match about.file_type() {
        FileType::Directory => FileKind::Folder,
        FileType::Regular => FileKind::File,
        FileType::Symlink => FileKind::Symlink,
        FileType::BlockDevice => FileKind::BlockDevice,
        FileType::CharacterDevice => FileKind::CharacterDevice,
        FileType::Fifo => FileKind::Pipe,
        FileType::Socket => FileKind::Socket,
    };
    let size = if kind == FileKind::Folder { 0 } else { about.len() };
    let (uid, gid) = (about.uid(), about.gid());
    Stat { kind, mode: about.mode() & 0o7777, uid, gid, size, mtime_s: about.modified().seconds() }
}

fn fault(error: Ext4Error) -> Fault {
    match error {
        Ext4Error::NotFound => Fault::NotFound,
        Ext4Error::NotADirectory => Fault::NotAFolder("it".to_owned()),
        Ext4Error::Io(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => (*error).into(),
            Err(error) => Fault::Corrupt(probe::EXT4, error.to_string()),
        },
        Ext4Error::Incompatible(why) => Fault::Unsupported(probe::EXT4, why.to_string()),
        Ext4Error::Encrypted => Fault::Unsupported(probe::EXT4, "encryption".to_owned()),
        other => Fault::Corrupt(probe::EXT4, other.to_string()),
    }
}
