// SPDX-License-Identifier: Apache-2.0
//! The tree that a node's files hang from: `/` on a machine, any folder for a dry run or a test.
//!
//! Paths are the node's own, absolute ones. Whatever is changed here is durable when the method returns: the file is
//! synced, has its name, and the folder is synced. In a [`Root::batched`] tree the folders are synced by [`Root::settle`]
//! alone. Links in it are followed as the machine would: an absolute one leads to a place in the tree.

mod names;

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::{self, Existing, FileError};
use super::{below, fault};
use names::Names;

/// The tree that a node's files hang from.
#[derive(Debug, Clone)]
pub struct Root {
    folder: PathBuf,
    /// What waits for [`Root::settle`]; none: nothing may wait.
    names: Option<Names>,
}

impl Root {
    /// Returns the tree below a folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), names: None }
    }

    /// Returns the same tree, whose files are still synced before they get their names, but whose names are durable only
    /// after [`Root::settle`]: one sync of a folder is then enough for all that happened in it.
    #[must_use]
    pub fn batched(&self) -> Self {
        Self { folder: self.folder.clone(), names: Some(Names::default()) }
    }

    /// Makes durable what names were given and taken since the last time.
    ///
    /// # Errors
    /// As the system says; then it is still to be done.
    pub fn settle(&self) -> Result<(), FileError> {
        self.names.as_ref().map_or(Ok(()), Names::settle)
    }

    /// Returns whether it is the machine's own.
    pub fn is_machine(&self) -> bool {
        self.folder == Path::new("/")
    }

    /// Returns where a path of the node lies; if its last name is a link, where that lies.
    pub fn at(&self, path: &str) -> PathBuf {
        // The machine itself follows its links.
        if self.is_machine() {
            return self.folder.join(path.trim_start_matches('/'));
        }
        self.folder.join(below::resolved(&self.folder, Path::new(path), false))
    }

    /// Returns where lies what is found at a path of the node.
    pub fn behind(&self, path: &str) -> PathBuf {
        if self.is_machine() {
            return self.at(path);
        }
        self.folder.join(below::resolved(&self.folder, Path::new(path), true))
    }

    /// Returns the path of the node that is found at another one, by its links: what is removed there is gone.
    pub fn target(&self, path: &str) -> String {
        Path::new("/").join(below::resolved(&self.folder, Path::new(path), true)).display().to_string()
    }

    /// Reads a file of at most `max_bytes`; none if it is not there.
    ///
    /// # Errors
    /// As the system says, and if the file is larger.
    pub fn read(&self, path: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, FileError> {
        match files::read_plain(&self.behind(path), max_bytes) {
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
        match files::list(&self.behind(path)) {
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
        match self.behind(path).metadata() {
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
        let path = self.at(path);
        files::replacement(&path, bytes, mode)?.name(Existing::Replace)?;
        self.gave_name_in(files::folder_of(&path))
    }

    /// Makes or replaces a file that is of this boot alone: it is never seen half-written, but a power cut may take it.
    ///
    /// # Errors
    /// As the system says; the old file is then as it was.
    pub fn replace_passing(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        self.make_folders(path, mode)?;
        files::replacement(&self.at(path), bytes, mode)?.name_unsynced(Existing::Replace)
    }

    /// Opens a file of its owner's alone to write at its end, and makes it and the folders above it where missing. What is
    /// written is not durable before it is synced.
    ///
    /// # Errors
    /// As the system says.
    pub fn append(&self, path: &str) -> Result<std::fs::File, FileError> {
        self.make_folders(path, 0o600)?;
        let path = self.behind(path);
        let is_new = !path.exists();
        let file = files::append(&path)?;
        if is_new {
            self.gave_name_in(files::folder_of(&path))?;
        }
        Ok(file)
    }

    /// Locks a file of its owner's alone, waiting for whoever holds it for at most `limit`; none: it is still held. The lock is
    /// held until the file is closed, by the end of the process at the latest.
    ///
    /// # Errors
    /// As the system says.
    pub fn lock(&self, path: &str, limit: Duration) -> Result<Option<std::fs::File>, FileError> {
        self.make_folders(path, 0o600)?;
        files::lock(&self.behind(path), limit)
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
        self.gave_name_in(files::folder_of(&link))
    }

    /// Removes a file or link; one that is not there is no error. What takes its place is durable before.
    ///
    /// # Errors
    /// As the system says.
    pub fn remove(&self, path: &str) -> Result<(), FileError> {
        let path = self.at(path);
        let folder = files::folder_of(&path);
        let Some(names) = &self.names else {
            files::remove(&path)?;
            return sync_if_there(folder);
        };
        names.settle_given()?;
        files::remove(&path)?;
        names.took(folder);
        Ok(())
    }

    fn gave_name_in(&self, folder: &Path) -> Result<(), FileError> {
        match &self.names {
            Some(names) => names.gave(folder),
            None => files::sync_folder(folder)?,
        }
        Ok(())
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
                _ => self.gave_name_in(files::folder_of(folder))?,
            }
        }
        Ok(())
    }
}

/// Syncs a folder; one that is not there has nothing to lose.
fn sync_if_there(folder: &Path) -> Result<(), FileError> {
    match files::sync_folder(folder) {
        Err(error) if is_absent(&error.source) => Ok(()),
        other => other,
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests;
