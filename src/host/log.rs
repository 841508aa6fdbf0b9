// SPDX-License-Identifier: Apache-2.0
//! A log of lines that is only ever added to: one process at a time, each addition durable before it returns, and a torn
//! last line of a killed process is removed. It knows nothing of what the lines say.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault;
use super::files::{self, FileError, folder_of, sync_folder};

/// A log that this process alone may add to.
#[derive(Debug)]
pub struct Log {
    /// Holds the lock. It is opened for appending.
    file: File,
    path: PathBuf,
}

/// Returns the whole lines of the log at `path`, without holding it; none if there is no such file.
///
/// # Errors
/// As the system says; if it is larger than `max_bytes` or no text.
pub fn peek(path: &Path, max_bytes: u64) -> Result<Option<String>, FileError> {
    match files::read(path, max_bytes) {
        Ok(bytes) => text(path, &bytes[..whole(&bytes)]).map(Some),
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Log {
    /// Opens the log, made where missing, and returns it with its lines; none: another process has held it for `limit`.
    ///
    /// # Errors
    /// As the system says; if it is larger than `max_bytes` or no text.
    pub fn open(path: &Path, max_bytes: u64, limit: Duration) -> Result<Option<(Self, String)>, FileError> {
        let Some(file) = files::lock(path, limit)? else { return Ok(None) };
        let bytes = files::read(path, max_bytes)?;
        let whole = whole(&bytes);
        let lines = text(path, &bytes[..whole])?;
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(FileError::at("shorten", path))?;
        }
        sync_folder(folder_of(path))?;
        Ok(Some((Self { file, path: path.to_owned() }, lines)))
    }

    /// Adds lines, each with its end, and returns when they are durable.
    ///
    /// # Errors
    /// As the system says, such as a full disk; what was added in part is then taken back.
    pub fn add(&mut self, lines: &str) -> Result<(), FileError> {
        let before = self.file.seek(SeekFrom::End(0)).map_err(FileError::at("look at", &self.path))?;
        let added = fault::check_write()
            .and_then(|()| self.file.write_all(lines.as_bytes()))
            .and_then(|()| self.file.sync_data());
        if added.is_err() {
            // If this fails as well, the torn line is removed by the next to open the log.
            let _ = self.file.set_len(before);
        }
        added.map_err(FileError::at("write", &self.path))
    }

    /// Returns where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Returns the length of the whole lines.
fn whole(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

fn text(path: &Path, bytes: &[u8]) -> Result<String, FileError> {
    let mut text = String::new();
    let read = (&mut &*bytes).read_to_string(&mut text);
    read.map(|_| text).map_err(FileError::at("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_and_a_torn_one_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let open = || Log::open(&path, 1000, Duration::ZERO).unwrap();
        assert_eq!(peek(&path, 1000).unwrap(), None);
        let (mut log, lines) = open().unwrap();
        assert_eq!(lines, "");
        log.add("one\ntwo\n").unwrap();
        assert!(open().is_none(), "one process at a time");
        log.file.write_all(b"thr").unwrap();
        drop(log);
        assert_eq!(peek(&path, 1000).unwrap().unwrap(), "one\ntwo\n");
        let (mut log, lines) = open().unwrap();
        assert_eq!(lines, "one\ntwo\n");
        log.add("four\n").unwrap();
        assert_eq!(peek(&path, 1000).unwrap().unwrap(), "one\ntwo\nfour\n");
        assert!(peek(&path, 3).is_err());
    }
}
