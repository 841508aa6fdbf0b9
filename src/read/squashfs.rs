// SPDX-License-Identifier: Apache-2.0
//! squashfs by the crate backhand, which reads the whole folder tree at once and no extended attributes. It refuses a
//! filesystem that holds a symbolic link with a target of 256 bytes or more (the kernel allows 65535).

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use backhand::{BackhandError, FilesystemReader, InnerNode, Node, SquashfsFileReader};

use super::cursor::{Budget, Cursor, Slice};
use super::{Entry, Fault, FileKind, FileSystem, Stat, probe};
use crate::tree::TreePath;

type SquashNode = Node<SquashfsFileReader>;

struct Squashfs {
    reader: FilesystemReader<'static>,
    /// The place of each node among the reader's files.
    places: BTreeMap<TreePath, usize>,
    budget: Budget,
}

/// Opens the squashfs in `slice`.
pub(super) fn open(slice: Slice) -> Result<Box<dyn FileSystem>, Fault> {
    let budget = Budget::default();
    budget.renew();
    let reader = FilesystemReader::from_reader(Cursor::new(slice, budget.clone())).map_err(fault)?;
    let mut places = BTreeMap::new();
    for (place, node) in reader.files().enumerate() {
        let path = TreePath::parse(node.fullpath.as_os_str().as_bytes());
        let path = path.map_err(|error| Fault::Corrupt(probe::SQUASHFS, error.to_string()))?;
        places.insert(path, place);
    }
    Ok(Box::new(Squashfs { reader, places, budget }))
}

impl Squashfs {
    fn node(&self, path: &TreePath) -> Result<&SquashNode, Fault> {
        let place = self.places.get(path).ok_or(Fault::NotFound)?;
        self.reader.root.nodes.get(*place).ok_or(Fault::NotFound)
    }
}

impl FileSystem for Squashfs {
    fn list(&self, folder: &TreePath) -> Result<Vec<Entry>, Fault> {
        if stat(self.node(folder)?).kind != FileKind::Folder {
            return Err(Fault::NotAFolder(folder.to_string()));
        }
        let below =
            self.places.range(folder.clone()..).skip(1).take_while(|(path, _)| path.is_within(folder));
        let children = below.filter(|(path, _)| path.parts().len() == folder.parts().len() + 1);
        children.map(|(path, _)| Ok(Entry { name: path.name().to_vec(), stat: self.stat(path)? })).collect()
    }

    fn stat(&self, path: &TreePath) -> Result<Stat, Fault> {
        Ok(stat(self.node(path)?))
    }

    fn read_link(&self, path: &TreePath) -> Result<Vec<u8>, Fault> {
        match &self.node(path)?.inner {
            InnerNode::Symlink(link) => Ok(link.link.clone().into_os_string().into_vec()),
            _ => Err(Fault::NotAFile("no symbolic link")),
        }
    }

    fn open(&self, path: &TreePath) -> Result<Box<dyn Read + '_>, Fault> {
        match &self.node(path)?.inner {
            InnerNode::File(file) => {
                self.budget.renew();
                let file = self.reader.file(file).reader_checked().map_err(fault)?;
                Ok(Box::new(File { file, budget: self.budget.clone() }))
            }
            _ => Err(Fault::NotAFile("no file")),
        }
    }

    fn xattrs(&self, _path: &TreePath) -> Result<Option<BTreeMap<String, Vec<u8>>>, Fault> {
        Ok(None)
    }
}

struct File<R> {
    file: R,
    budget: Budget,
}

impl<R: Read> Read for File<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.budget.renew();
        self.file.read(buffer)
    }
}

fn stat(node: &SquashNode) -> Stat {
    let (kind, size) = match &node.inner {
        InnerNode::File(file) => (FileKind::File, file.file_len() as u64),
        InnerNode::Symlink(link) => (FileKind::Symlink, link.link.as_os_str().len() as u64),
        InnerNode::Dir(_) => (FileKind::Folder, 0),
        InnerNode::CharacterDevice(_) => (FileKind::CharacterDevice, 0),
        InnerNode::BlockDevice(_) => (FileKind::BlockDevice, 0),
        InnerNode::NamedPipe => (FileKind::Pipe, 0),
        InnerNode::Socket => (FileKind::Socket, 0),
    };
    let header = &node.header;
    let mode = header.permissions & 0o7777;
    Stat { kind, mode, uid: header.uid, gid: header.gid, size, mtime_s: i64::from(header.mtime) }
}

fn fault(error: BackhandError) -> Fault {
    match error {
        BackhandError::UnsupportedCompression(name) => Fault::Unsupported(probe::SQUASHFS, name),
        other => Fault::Corrupt(probe::SQUASHFS, other.to_string()),
    }
}
