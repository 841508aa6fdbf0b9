// SPDX-License-Identifier: Apache-2.0
//! The tree that a node's files hang from: `/` on a machine, any folder for a dry run or a test.
//!
//! Paths are the node's own, absolute ones. Whatever is changed here is durable when the method returns: the file is
//! synced, has its name, and the folder is synced. A tree is trusted: links in it are followed as the machine would.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::fault;
use super::files::{self, FileError};

/// The tree that a node's files hang from.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

impl Root {
    /// Returns the tree below a folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Returns whether it is the machine's own.
    pub fn is_machine(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// Returns where a path of the node lies.
    pub fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// Reads a file of at most `max_bytes`; none if it is not there.
    ///
    /// # Errors
    /// As the system says, and if the file is larger.
    pub fn read(&self, path: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, FileError> {
        match files::read(&self.at(path), max_bytes) {
            Err(error) if is_absent(&error.source) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Reads a text of at most `max_bytes`; none if it is not there.
    ///
    /// # Errors
    /// As the system says, and if it is larger or not UTF-8.
    pub fn text(&self, path: &str, max_bytes: u64) -> Result<Option<String>, FileError> {
        let Some(bytes) = self.read(path, max_bytes)? else { return Ok(None) };
        let text =
            String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"));
        text.map(Some).map_err(FileError::at("read", &self.at(path)))
    }

    /// Lists the names in a folder, sorted; none if it is not there.
    ///
    /// # Errors
    /// As the system says.
    pub fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        match files::list(&self.at(path)) {
            Err(error) if is_absent(&error.source) => Ok(Vec::new()),
            // A name that is not UTF-8 is none of ours.
            other => Ok(other?.into_iter().filter_map(|name| name.into_string().ok()).collect()),
        }
    }

    /// Returns the permission bits of a file; none if it is not there.
    ///
    /// # Errors
    /// As the system says.
    pub fn mode(&self, path: &str) -> Result<Option<u32>, FileError> {
        match self.at(path).metadata() {
            Ok(metadata) => Ok(Some(metadata.permissions().mode() & 0o7777)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(FileError::at("look at", &self.at(path))(error)),
        }
    }

    /// Returns what a symbolic link says; none if there is no such link.
    ///
    /// # Errors
    /// As the system says.
    pub fn link(&self, path: &str) -> Result<Option<PathBuf>, FileError> {
        match self.at(path).read_link() {
            Ok(target) => Ok(Some(target)),
            // readlink(2): EINVAL for what is no link.
            Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            Err(error) => Err(FileError::at("look at", &self.at(path))(error)),
        }
    }

    /// Makes or replaces a file, and makes the folders above it.
    ///
    /// # Errors
    /// As the system says; the old file is then as it was.
    pub fn replace(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        self.make_folders(path, mode)?;
        files::replace(&self.at(path), bytes, mode)
    }

    /// Makes or replaces a symbolic link, and makes the folders above it.
    ///
    /// # Errors
    /// As the system says; what was there is then as it was.
    #[expect(clippy::disallowed_methods, reason = "this is a port")]
    pub fn replace_link(&self, path: &str, target: &str) -> Result<(), FileError> {
        self.make_folders(path, 0o600)?;
        let link = self.at(path);
        // One name, so that what a killed kiln left is used up by the next.
        let temporary = self.at(&format!("{path}.kiln-new"));
        files::remove(&temporary)?;
        let made = fault::check_write()
            .and_then(|()| std::os::unix::fs::symlink(target, &temporary))
            .and_then(|()| std::fs::rename(&temporary, &link));
        made.map_err(FileError::at("link", &link))?;
        files::sync_folder(files::folder_of(&link))
    }

    /// Removes a file or link; one that is not there is no error.
    ///
    /// # Errors
    /// As the system says.
    pub fn remove(&self, path: &str) -> Result<(), FileError> {
        let path = self.at(path);
        files::remove(&path)?;
        match files::sync_folder(files::folder_of(&path)) {
            Err(error) if is_absent(&error.source) => Ok(()),
            other => other,
        }
    }

    /// The folder of a secret is its owner's alone, those above it are not. The new folders' names are synced with their parents.
    fn make_folders(&self, path: &str, mode: u32) -> Result<(), FileError> {
        let file = self.at(path);
        let missing: Vec<&Path> = file
            .ancestors()
            .skip(1)
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
            .collect();
        let own_mode = if mode & 0o077 == 0 { 0o700 } else { 0o755 };
        for folder in missing.into_iter().rev() {
            let folder_mode = if Some(folder) == file.parent() { own_mode } else { 0o755 };
            let made = fault::check_write()
                .and_then(|()| std::fs::DirBuilder::new().mode(folder_mode).create(folder))
                // Whatever the process masks: what lies there is for others.
                .and_then(|()| {
                    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(folder_mode))
                });
            match made {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(FileError::at("make folder", folder)(error));
                }
                _ => files::sync_folder(files::folder_of(folder))?,
            }
        }
        Ok(())
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_links_hang_from_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        assert_eq!(root.text("/a/b/c", 10).unwrap(), None);
        root.replace("/a/b/c", b"x", 0o600).unwrap();
        assert_eq!(root.text("/a/b/c", 10).unwrap().as_deref(), Some("x"));
        assert_eq!((root.mode("/a").unwrap(), root.mode("/a/b").unwrap()), (Some(0o755), Some(0o700)));
        root.replace("/open/d", b"y", 0o644).unwrap();
        assert_eq!((root.mode("/open").unwrap(), root.mode("/open/d").unwrap()), (Some(0o755), Some(0o644)));
        for target in ["c", "d"] {
            root.replace_link("/a/b/current", target).unwrap();
            assert_eq!(root.link("/a/b/current").unwrap().unwrap().to_str(), Some(target));
        }
        assert_eq!(root.link("/a/b/c").unwrap(), None, "a file is no link");
        assert_eq!(root.list("/a/b").unwrap(), ["c", "current"]);
        root.remove("/a/b/c").unwrap();
        root.remove("/a/b/c").unwrap();
        root.remove("/nowhere/c").unwrap();
        assert_eq!(root.read("/a/b/c", 10).unwrap(), None);
    }
}
