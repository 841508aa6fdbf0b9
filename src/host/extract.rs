// SPDX-License-Identifier: Apache-2.0
//! Copying of files and folders out of an image, which is taken for hostile: nothing is ever written outside of the
//! destination, whatever names and links the image holds.
//!
//! Every step goes through the open parent folder and follows no link. Files are copies for people and are not synced.
//! Hard links become separate files; devices, pipes and sockets are left out; extended attributes are not kept.

mod target;

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::Serialize;

use super::files::{self, FileError};
use crate::read::{
    self, Entry, FILE_MAX_BYTES, Fault, FileKind, FileSystem, Found, Image, Place, Stat, View,
};
use crate::tree::TreePath;
use target::{Attributes, Made};

/// Folders within folders: far more than a path of 4096 bytes usually has, few enough for open files and the stack.
const DEPTH_MAX: usize = 128;
/// Files and folders at most: ten times what a Flatcar /usr holds, and an end to folders that hold themselves.
const ENTRIES_MAX: u64 = 500_000;

/// What was extracted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Extracted {
    /// Regular files written.
    pub files: u64,
    /// Folders made, or found and filled.
    pub folders: u64,
    /// Symbolic links made.
    pub links: u64,
    /// Bytes of the files, holes included.
    pub bytes: u64,
    /// What was there already and was left as it was.
    pub kept: Vec<PathBuf>,
    /// What was left out, and why.
    pub skipped: Vec<String>,
}

/// Why extraction stopped. What was extracted before stays.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The image.
    #[error(transparent)]
    Read(#[from] read::Error),
    /// The destination.
    #[error(transparent)]
    Write(#[from] FileError),
    /// The image asks for too much.
    #[error("can't extract {place}: it holds more than {what}")]
    TooMuch {
        /// Where in the image.
        place: String,
        /// What was exceeded.
        what: String,
    },
}

/// Extracts what is at `place`: a folder's contents into the folder `dest`, which is made if missing; anything else
/// to `dest` itself, or into it if it is a folder.
///
/// What exists is kept unless `force` is set; then files and links are replaced, each in one step. Modes and times are
/// kept; owners and set-id bits only for root.
///
/// # Errors
/// If something can't be read or written, or the image asks for absurdly much.
pub fn extract(image: &Image, place: &Place, dest: &Path, force: bool) -> Result<Extracted, ExtractError> {
    let view = View::new(image);
    let found = view.find(place)?;
    let privileged = nix::unistd::geteuid().is_root();
    let mut work = Extraction { force, privileged, done: Extracted::default(), entries: 0 };
    if found.stat.kind != FileKind::Folder {
        work.single(&found, place, dest)?;
        return Ok(work.done);
    }
    files::make_folder(dest)?;
    let folder = target::open_root(dest)?;
    match place {
        Place::Node(path) if path.parts().is_empty() => {
            for Entry { name, .. } in view.list(place)? {
                let Ok(path) = path.join(&name) else { continue };
                let found = view.find(&Place::Node(path.clone()))?;
                work.one(&found.into(), &folder, &name, &dest.join(target::os(&name)), 0)?;
            }
        }
        _ => work.fill(&found.into(), &folder, dest, 0)?,
    }
    Ok(work.done)
}

struct Extraction {
    force: bool,
    privileged: bool,
    done: Extracted,
    entries: u64,
}

/// Something in the image that is being extracted.
struct Item {
    filesystem: Rc<dyn FileSystem>,
    path: TreePath,
    stat: Stat,
}

impl From<Found> for Item {
    fn from(Found { filesystem, path, stat }: Found) -> Self {
        Self { filesystem, path, stat }
    }
}

impl Item {
    fn read<T>(&self, result: Result<T, Fault>) -> Result<T, ExtractError> {
        Ok(result.map_err(read::Error::at(&self.path))?)
    }

    fn too_much(&self, what: String) -> ExtractError {
        ExtractError::TooMuch { place: self.path.to_string(), what }
    }
}

impl Extraction {
    fn single(&mut self, found: &Found, place: &Place, dest: &Path) -> Result<(), ExtractError> {
        let item =
            Item { filesystem: Rc::clone(&found.filesystem), path: found.path.clone(), stat: found.stat };
        let name = place.path().name().to_vec();
        let (folder, name) = match (dest.is_dir(), dest.file_name()) {
            (false, Some(last)) => (files::folder_of(dest), last.as_encoded_bytes().to_vec()),
            _ => (dest, name),
        };
        let open = target::open_root(folder)?;
        self.one(&item, &open, &name, &folder.join(target::os(&name)), 0)
    }

    /// Puts everything in the folder `item` into `folder`.
    fn fill(
        &mut self,
        item: &Item,
        folder: &OwnedFd,
        shown: &Path,
        depth: usize,
    ) -> Result<(), ExtractError> {
        if depth > DEPTH_MAX {
            return Err(item.too_much(format!("{DEPTH_MAX} folders in one another")));
        }
        self.done.folders += 1;
        for Entry { name, stat } in item.read(item.filesystem.list(&item.path))? {
            let Ok(path) = item.path.join(&name) else {
                self.done.skipped.push(format!("{}: an entry with the name {name:?}", item.path));
                continue;
            };
            let below = Item { filesystem: Rc::clone(&item.filesystem), path, stat };
            self.one(&below, folder, &name, &shown.join(target::os(&name)), depth)?;
        }
        Ok(())
    }

    fn one(
        &mut self,
        item: &Item,
        folder: &OwnedFd,
        name: &[u8],
        shown: &Path,
        depth: usize,
    ) -> Result<(), ExtractError> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            return Err(item.too_much(format!("{ENTRIES_MAX} files and folders")));
        }
        let attributes = Attributes::of(&item.stat, self.privileged);
        let made = match item.stat.kind {
            FileKind::Folder => return self.folder(item, folder, name, shown, depth),
            FileKind::File => self.file(item, folder, name, shown, &attributes)?,
            FileKind::Symlink => {
                let link = item.read(item.filesystem.read_link(&item.path))?;
                target::make_link(folder, name, &link, &attributes, self.force)
                    .map_err(FileError::at("make", shown))?
            }
            other => {
                self.done.skipped.push(format!("{}: a {}", item.path, other.name()));
                return Ok(());
            }
        };
        match (made, item.stat.kind) {
            (Made::Kept, _) => self.done.kept.push(shown.to_owned()),
            (Made::New, FileKind::File) => self.done.files += 1,
            (Made::New, _) => self.done.links += 1,
        }
        Ok(())
    }

    fn folder(
        &mut self,
        item: &Item,
        parent: &OwnedFd,
        name: &[u8],
        shown: &Path,
        depth: usize,
    ) -> Result<(), ExtractError> {
        let (open, new) = target::make_folder(parent, name).map_err(FileError::at("make", shown))?;
        self.fill(item, &open, shown, depth + 1)?;
        if new {
            let attributes = Attributes::of(&item.stat, self.privileged);
            // Last, so that a folder without write permission could be filled, and its time is not our own.
            attributes.apply(open.as_fd()).map_err(FileError::at("set mode of", shown))?;
        }
        Ok(())
    }

    fn file(
        &mut self,
        item: &Item,
        folder: &OwnedFd,
        name: &[u8],
        shown: &Path,
        attributes: &Attributes,
    ) -> Result<Made, ExtractError> {
        if !self.force && target::exists(folder, name) {
            return Ok(Made::Kept);
        }
        self.done.bytes = self.done.bytes.saturating_add(item.stat.size);
        if self.done.bytes > FILE_MAX_BYTES {
            return Err(item.too_much(format!("{FILE_MAX_BYTES} bytes")));
        }
        let mut from = item.read(item.filesystem.open(&item.path))?;
        let new = target::NewFile::make(folder).map_err(FileError::at("create", shown))?;
        new.fill(&mut *from).map_err(|failure| match failure {
            target::CopyError::Read(error) => read::Error::at(&item.path)(error.into()).into(),
            target::CopyError::Write(error) => ExtractError::from(FileError::at("write", shown)(error)),
        })?;
        Ok(new.put_in_place(name, attributes, self.force).map_err(FileError::at("put in place", shown))?)
    }
}
