// SPDX-License-Identifier: Apache-2.0
//! Where something is: as a running node sees it, or in one partition. Follows symbolic links only when asked.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;

use super::{Entry, Error, Fault, FileKind, FileSystem, Image, Stat};
use crate::tree::TreePath;

/// A place in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// As on a running node: see [`MOUNTS`].
    Node(TreePath),
    /// In one partition.
    Partition {
        /// The partition's label.
        label: String,
        /// Where in its filesystem.
        path: TreePath,
    },
}

/// What is mounted where on a node, besides ROOT (bake-anchors.md 2.1).
const MOUNTS: [(&[u8], &str); 3] = [(b"usr", "USR-A"), (b"boot", "EFI-SYSTEM"), (b"oem", "OEM")];

/// The label of the partition that holds all the rest.
const ROOT: &str = "ROOT";

/// Most links that one look-up follows: the kernel's own limit (path_resolution(7)).
const LINKS_MAX: u32 = 40;

impl Place {
    /// Parses `/path` or `LABEL:/path`.
    ///
    /// # Errors
    /// If it is neither, or the path is not a normal one.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, Error> {
        let text = text.as_ref();
        let failed = || Error::at(String::from_utf8_lossy(text))(Fault::Place);
        let colon = text.windows(2).position(|pair| pair == b":/").filter(|_| text[0] != b'/');
        let path = TreePath::parse(&text[colon.map_or(0, |at| at + 1)..]).map_err(|_| failed())?;
        match colon {
            None => Ok(Self::Node(path)),
            Some(at) => match std::str::from_utf8(&text[..at]) {
                Ok(label) if !label.is_empty() => Ok(Self::Partition { label: label.to_owned(), path }),
                _ => Err(failed()),
            },
        }
    }

    /// Returns the path, without the partition.
    pub fn path(&self) -> &TreePath {
        match self {
            Self::Node(path) | Self::Partition { path, .. } => path,
        }
    }

    /// Returns the same partition or view with another path.
    pub(super) fn with(&self, path: TreePath) -> Self {
        match self {
            Self::Node(_) => Self::Node(path),
            Self::Partition { label, .. } => Self::Partition { label: label.clone(), path },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(path) => write!(f, "{path}"),
            Self::Partition { label, path } => write!(f, "{label}:{path}"),
        }
    }
}

/// Something that was found: the filesystem, where in it, and its attributes.
pub(crate) struct Found {
    pub(crate) filesystem: Rc<dyn FileSystem>,
    pub(crate) path: TreePath,
    pub(crate) stat: Stat,
}

/// Finds `place`, following every symbolic link.
///
/// # Errors
/// If there is nothing there, or links form a loop.
pub(super) fn follow(image: &Image, place: &Place) -> Result<Found, Error> {
    View::new(image).walk(place, true).map(|(found, _)| found)
}

/// An image with the filesystems that have been opened so far.
pub(crate) struct View<'a> {
    image: &'a Image,
    open: RefCell<BTreeMap<String, Rc<dyn FileSystem>>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(image: &'a Image) -> Self {
        Self { image, open: RefCell::default() }
    }

    /// Finds `place` itself, even if it is a symbolic link.
    pub(crate) fn find(&self, place: &Place) -> Result<Found, Error> {
        self.walk(place, false).map(|(found, _)| found)
    }

    /// Lists the folder at `place`; in the node's view its root shows what is mounted there.
    pub(crate) fn list(&self, place: &Place) -> Result<Vec<Entry>, Error> {
        let found = self.find(place)?;
        let mut entries = found.filesystem.list(&found.path).map_err(Error::at(place))?;
        if let Place::Node(path) = place
            && path.parts().is_empty()
        {
            for (name, label) in MOUNTS.iter().filter(|(_, label)| self.is_mounted(label)) {
                let stat = self.filesystem(label)?.stat(&TreePath::root()).map_err(Error::at(label))?;
                entries.retain(|entry| entry.name != *name);
                entries.push(Entry { name: name.to_vec(), stat });
            }
            entries.sort_by(|one, other| one.name.cmp(&other.name));
        }
        Ok(entries)
    }

    fn has(&self, label: &str) -> bool {
        self.image.partitions.iter().any(|partition| partition.label == label)
    }

    /// Tells whether a node finds something to mount there; a partition may be kept for later, as the lab's OEM.
    fn is_mounted(&self, label: &str) -> bool {
        let is_empty = |error: &Error| matches!(error.source, Fault::NoFilesystem(_));
        self.has(label) && !self.filesystem(label).is_err_and(|error| is_empty(&error))
    }

    fn filesystem(&self, label: &str) -> Result<Rc<dyn FileSystem>, Error> {
        if let Some(open) = self.open.borrow().get(label) {
            return Ok(Rc::clone(open));
        }
        let opened: Rc<dyn FileSystem> = self.image.filesystem(label)?.into();
        self.open.borrow_mut().insert(label.to_owned(), Rc::clone(&opened));
        Ok(opened)
    }

    /// Looks at one place, the parents of which are known to be folders.
    fn look(&self, place: &Place) -> Result<Found, Error> {
        let (label, path) = match place {
            Place::Partition { label, path } => (label.as_str(), path.clone()),
            Place::Node(path) => self.mounted(path),
        };
        let filesystem = self.filesystem(label)?;
        let stat = filesystem.stat(&path).map_err(Error::at(place))?;
        Ok(Found { filesystem, path, stat })
    }

    fn mounted(&self, path: &TreePath) -> (&'static str, TreePath) {
        let first = path.parts().first();
        let mount =
            MOUNTS.iter().find(|(name, label)| first.is_some_and(|part| part == name) && self.has(label));
        match mount {
            Some((_, label)) => (label, path_of(&path.parts()[1..])),
            None => (ROOT, path.clone()),
        }
    }

    /// Goes to `place` part by part; `last` says whether a link at its end is followed as well.
    fn walk(&self, place: &Place, last: bool) -> Result<(Found, Place), Error> {
        let mut here = TreePath::root();
        let mut found = self.look(&place.with(here.clone()))?;
        let mut left: VecDeque<Vec<u8>> = place.path().parts().iter().cloned().collect();
        let mut links = 0;
        while let Some(part) = left.pop_front() {
            let fail = |fault| Err(Error::at(place)(fault));
            let next = match &part[..] {
                b"" | b"." => continue,
                b".." => here.parent().unwrap_or_else(TreePath::root),
                _ if found.stat.kind != FileKind::Folder => return fail(Fault::NotAFolder(here.to_string())),
                name => here.join(name).map_err(|_| Error::at(place)(Fault::NotFound))?,
            };
            found = self.look(&place.with(next.clone()))?;
            if found.stat.kind != FileKind::Symlink || (left.is_empty() && !last) {
                here = next;
                continue;
            }
            let target = found.filesystem.read_link(&found.path).map_err(Error::at(place))?;
            if !last {
                return fail(Fault::Link(next.to_string(), String::from_utf8_lossy(&target).into_owned()));
            }
            links += 1;
            if links > LINKS_MAX {
                return fail(Fault::Loop(LINKS_MAX));
            }
            if target.starts_with(b"/") {
                here = TreePath::root();
            }
            target.split(|byte| *byte == b'/').rev().for_each(|part| left.push_front(part.to_vec()));
            found = self.look(&place.with(here.clone()))?;
        }
        Ok((found, place.with(here)))
    }
}

fn path_of(parts: &[Vec<u8>]) -> TreePath {
    parts.iter().fold(TreePath::root(), |path, part| path.join(part).expect("parts of a path are parts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_paths_or_partitions() {
        for text in ["/", "/usr/lib", "OEM:/", "EFI-SYSTEM:/flatcar/first_boot", "/a:/b"] {
            assert_eq!(Place::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Place::parse("/a/").unwrap().to_string(), "/a");
        for text in ["", "usr", ":/x", "OEM:", "OEM:x", "/../x", "/a//b", "OEM:/.."] {
            let error = Place::parse(text).unwrap_err();
            assert!(matches!(error.source, Fault::Place), "{text}");
        }
    }
}
