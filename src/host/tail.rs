// SPDX-License-Identifier: Apache-2.0
//! A log that another program writes, read while it grows.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::files::{self, FileError};

/// Longest line; what is longer comes in pieces.
const LINE_MAX: usize = 64 << 10;

/// The end of a log, as far as it has been read.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    offset: u64,
    begun: Vec<u8>,
}

impl Tail {
    /// Begins at the beginning of a file, which need not be there yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), offset: 0, begun: Vec::new() }
    }

    /// Returns the lines that have become whole since the last call, and whether the file has grown at all.
    ///
    /// # Errors
    /// As the system says.
    pub fn more(&mut self) -> Result<(Vec<String>, bool), FileError> {
        if !self.path.exists() {
            return Ok((Vec::new(), false));
        }
        let file = files::open(&self.path)?;
        let (mut buffer, before) = (vec![0; LINE_MAX], self.offset);
        loop {
            let count = file.read_at(&mut buffer, self.offset).map_err(FileError::at("read", &self.path))?;
            self.offset += count as u64;
            self.begun.extend_from_slice(&buffer[..count]);
            if count == 0 || self.begun.len() > LINE_MAX {
                return Ok((self.lines(), self.offset > before));
            }
        }
    }

    /// Returns what has begun and was not ended.
    pub fn rest(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.begun)).into_owned()
    }

    fn lines(&mut self) -> Vec<String> {
        let is_long = self.begun.len() > LINE_MAX;
        let end = self.begun.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        let whole: Vec<u8> = self.begun.drain(..end.unwrap_or(if is_long { LINE_MAX } else { 0 })).collect();
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_come_when_they_are_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut tail = Tail::new(&path);
        assert_eq!(tail.more().unwrap(), (vec![], false));
        let mut file = files::append(&path).unwrap();
        file.write_all(b"one\r\ntw").unwrap();
        assert_eq!(tail.more().unwrap(), (vec!["one".to_owned()], true));
        file.write_all(b"o\n\nthr").unwrap();
        assert_eq!(tail.more().unwrap(), (vec!["two".to_owned(), String::new()], true));
        assert_eq!(tail.more().unwrap(), (vec![], false));
        assert_eq!(tail.rest(), "thr");
    }

    #[test]
    fn a_line_without_an_end_comes_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        files::append(&path).unwrap().write_all(&vec![b'x'; 3 * LINE_MAX]).unwrap();
        let mut tail = Tail::new(&path);
        let mut total = 0;
        while let (lines, true) = tail.more().unwrap() {
            total += lines.iter().map(String::len).sum::<usize>();
        }
        assert_eq!(total + tail.rest().len(), 3 * LINE_MAX);
    }
}
