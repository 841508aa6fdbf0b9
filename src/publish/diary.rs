// SPDX-License-Identifier: Apache-2.0
//! The journal's file: opened beside the image, added to line by line, each line durable before anything relies on it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::PublishError;
use super::journal::{Journal, Record};
use crate::digest::Digest;
use crate::host::files;
use crate::host::log::{self, Log};

/// A publication of a thousand regions of 16 TiB is far smaller.
const MAX_BYTES: u64 = 256 << 20;
/// Another kiln may be about to end.
const LIMIT: Duration = Duration::from_secs(2);

/// The journal and its file; clones are the same.
#[derive(Debug, Clone)]
pub struct Diary(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    log: Log,
    journal: Journal,
}

/// Returns where the journal of an image lies: beside it, named after its digest, so that an image that was baked anew does
/// not meet the journal of the former.
pub fn path(image: &Path, digest: &Digest) -> PathBuf {
    let mut name = image.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{}.aws-journal", &digest.to_string()[..12]));
    image.with_file_name(name)
}

/// Returns the journal without holding it, for those who only look.
///
/// # Errors
/// If it is there and is none.
pub fn peek(path: &Path, image: &Digest) -> Result<Journal, PublishError> {
    let lines = log::peek(path, MAX_BYTES)?.unwrap_or_default();
    let journal = parse(path, &lines, image)?;
    Ok(journal.unwrap_or_else(|| Journal::begin(*image, String::new()).0))
}

fn parse(path: &Path, lines: &str, image: &Digest) -> Result<Option<Journal>, PublishError> {
    Journal::parse(lines, image).map_err(|source| PublishError::Journal { path: path.to_owned(), source })
}

impl Diary {
    /// Opens the journal for this process alone; a new one begins with `nonce`.
    ///
    /// # Errors
    /// If another process holds it, or it is no journal of this image.
    pub fn open(path: &Path, image: &Digest, nonce: String) -> Result<Self, PublishError> {
        let opened = Log::open(path, MAX_BYTES, LIMIT)?;
        let (mut log, lines) = opened.ok_or_else(|| PublishError::Busy(path.to_owned()))?;
        let journal = match parse(path, &lines, image)? {
            Some(journal) => journal,
            None => {
                let (journal, first) = Journal::begin(*image, nonce);
                log.add(&line(&first))?;
                journal
            }
        };
        Ok(Self(Arc::new(Mutex::new(Open { log, journal }))))
    }

    fn open_now(&self) -> MutexGuard<'_, Open> {
        // Whoever panicked, the file has whole lines and the value is made of them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the journal as it is now.
    pub fn journal(&self) -> Journal {
        self.open_now().journal.clone()
    }

    /// Writes something down.
    ///
    /// # Errors
    /// As the system says, such as a full disk; nothing is then written down.
    pub fn note(&self, record: Record) -> Result<(), PublishError> {
        self.note_all(vec![record])
    }

    /// Writes several things down, together.
    ///
    /// # Errors
    /// As [`Diary::note`].
    pub fn note_all(&self, records: Vec<Record>) -> Result<(), PublishError> {
        let mut open = self.open_now();
        let lines: String = records.iter().map(line).collect();
        open.log.add(&lines)?;
        records.into_iter().for_each(|record| open.journal.take(record));
        Ok(())
    }

    /// Removes the file, when nothing is left that it could tell of.
    ///
    /// # Errors
    /// As the system says.
    pub fn remove(self) -> Result<(), PublishError> {
        Ok(files::remove(self.open_now().log.path())?)
    }
}

fn line(record: &Record) -> String {
    let mut line = serde_json::to_string(record).expect("a record is always JSON");
    line.push('\n');
    line
}
