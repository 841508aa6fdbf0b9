// SPDX-License-Identifier: Apache-2.0
//! The journal of a publication: what was begun, sent and made, one JSON line for each durable fact, so that a run that
//! was killed goes on where it was. Only what can't be asked for again is believed: which blocks a snapshot has, and ids
//! that a search may not show yet. The file itself is [`crate::host::log`]'s.

mod ranges;
mod record;

use std::collections::BTreeMap;

use crate::digest::Digest;

pub use ranges::Ranges;
pub use record::{Piece, Record, Upload};

/// A snapshot as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// How many were started before it.
    pub attempt: u32,
    /// The snapshot that it differs from.
    pub parent: Option<String>,
    /// Whether it is encrypted.
    pub is_encrypted: bool,
    /// `snap-...`, once the answer had come.
    pub snapshot: Option<String>,
    /// Indexes that it is known to have.
    pub sent: Ranges,
    /// Whether it is whole.
    pub is_completed: bool,
    /// Whether it has gone.
    pub is_lost: bool,
}

/// Everything that the lines say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// The digest of the image.
    pub image: Digest,
    /// Makes the tokens of this journal its own.
    pub nonce: String,
    /// The last snapshot that was begun, by what and where.
    pub written: BTreeMap<Upload, Written>,
    /// Images by region and name.
    pub images: BTreeMap<(String, String), String>,
}

/// Why a journal can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// A line that is none, and not the last.
    #[error("line {line} is not one of a journal: {why}")]
    Line {
        /// From 1.
        line: usize,
        /// The parser's words.
        why: String,
    },
    /// It is of another version.
    #[error("it is of version {0}, which this kiln does not read")]
    Version(u32),
    /// It is another image's.
    #[error("it is the journal of image {0}")]
    Other(Digest),
}

impl Journal {
    /// Returns an empty journal and its first line.
    pub fn begin(image: Digest, nonce: String) -> (Self, Record) {
        let first = Record::Begin { version: 1, image, nonce: nonce.clone() };
        (Self { image, nonce, written: BTreeMap::new(), images: BTreeMap::new() }, first)
    }

    /// Reads the journal of `image` from its whole lines; none if there is no line. What a killed run has left without a
    /// line's end is the file's business.
    ///
    /// # Errors
    /// If it is no such journal.
    pub fn parse(lines: &str, image: &Digest) -> Result<Option<Self>, JournalError> {
        let mut journal: Option<Self> = None;
        for (index, line) in lines.lines().enumerate() {
            let wrong = |why: String| JournalError::Line { line: index + 1, why };
            let record: Record = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            match (&mut journal, record) {
                (None, Record::Begin { version: 1, image: of, nonce }) if of == *image => {
                    journal = Some(Self::begin(of, nonce).0);
                }
                (None, Record::Begin { version: 1, image, .. }) => return Err(JournalError::Other(image)),
                (None, Record::Begin { version, .. }) => return Err(JournalError::Version(version)),
                (None, _) => return Err(wrong("the first line does not begin it".to_owned())),
                (Some(journal), record) => journal.take(record),
            }
        }
        Ok(journal)
    }

    /// Adds what one line says.
    pub fn take(&mut self, record: Record) {
        match record {
            Record::Begin { .. } => {}
            Record::Start { upload, attempt, parent, is_encrypted } => {
                let written = Written {
                    attempt,
                    parent,
                    is_encrypted,
                    snapshot: None,
                    sent: Ranges::default(),
                    is_completed: false,
                    is_lost: false,
                };
                self.written.insert(upload, written);
            }
            Record::Started { upload, snapshot } => {
                self.change(&upload, |written| written.snapshot = Some(snapshot));
            }
            Record::Sent { upload, blocks } => {
                self.change(&upload, |written| {
                    blocks.into_iter().for_each(|(first, last)| written.sent.add(first..=last));
                });
            }
            Record::Completed { upload } => self.change(&upload, |written| written.is_completed = true),
            Record::Lost { upload } => self.change(&upload, |written| written.is_lost = true),
            Record::Registered { region, name, image } => {
                self.images.insert((region, name), image);
            }
            Record::Deregistered { region, image } => {
                self.images.retain(|(of, _), id| *of != region || *id != image);
            }
        }
    }

    fn change(&mut self, upload: &Upload, change: impl FnOnce(&mut Written)) {
        if let Some(written) = self.written.get_mut(upload) {
            change(written);
        }
    }

    /// Returns the last snapshot begun for an upload, unless it has gone.
    pub fn written(&self, upload: &Upload) -> Option<&Written> {
        self.written.get(upload).filter(|written| !written.is_lost)
    }

    /// Returns the number of the next attempt.
    pub fn next_attempt(&self, upload: &Upload) -> u32 {
        self.written.get(upload).map_or(0, |written| written.attempt + 1)
    }

    /// Returns the token of an attempt to start `what`: the same for the same attempt, and nobody else's. The service refuses
    /// one token for two different requests, so what is asked for is part of it.
    pub fn token(&self, upload: &Upload, attempt: u32, what: &str) -> String {
        let Upload { region, piece } = upload;
        let text = format!("{} {} {region} {piece:?} {attempt} {what}", self.image, self.nonce);
        Digest::of(text.as_bytes()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload() -> Upload {
        Upload { region: "eu-central-1".to_owned(), piece: Piece::Image }
    }

    fn lines() -> Vec<Record> {
        let (upload, image) = (upload(), Digest::of(b"image"));
        let (region, name) = ("eu-central-1".to_owned(), "node".to_owned());
        vec![
            Journal::begin(image, "n".to_owned()).1,
            Record::Start { upload: upload.clone(), attempt: 0, parent: None, is_encrypted: false },
            Record::Started { upload: upload.clone(), snapshot: "snap-1".to_owned() },
            Record::Sent { upload: upload.clone(), blocks: vec![(0, 3), (7, 7)] },
            Record::Sent { upload: upload.clone(), blocks: vec![(4, 4)] },
            Record::Completed { upload },
            Record::Registered { region, name, image: "ami-1".to_owned() },
        ]
    }

    fn text(records: &[Record]) -> String {
        records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect()
    }

    #[test]
    fn lines_say_what_was_done() {
        let journal = Journal::parse(&text(&lines()), &Digest::of(b"image")).unwrap().unwrap();
        let written = journal.written(&upload()).unwrap();
        assert_eq!(written.sent.pairs(), [(0, 4), (7, 7)]);
        assert!(written.is_completed && written.snapshot.as_deref() == Some("snap-1"));
        assert_eq!(journal.images.values().collect::<Vec<_>>(), ["ami-1"]);
        assert_eq!(journal.next_attempt(&upload()), 1);
        let token = |attempt, what| journal.token(&upload(), attempt, what);
        assert!(token(0, "a") != token(1, "a") && token(0, "a") != token(0, "b"));
        assert_eq!(token(0, "a"), token(0, "a"));
    }

    #[test]
    fn every_beginning_of_a_journal_is_one() {
        let lines = lines();
        for end in 0..=lines.len() {
            let parsed = Journal::parse(&text(&lines[..end]), &Digest::of(b"image")).unwrap();
            assert_eq!(parsed.is_some(), end > 0);
        }
    }

    #[test]
    fn what_is_no_journal_of_the_image_is_refused() {
        let image = Digest::of(b"image");
        let words = |text: &str| Journal::parse(text, &image).unwrap_err().to_string();
        assert!(words(&text(&lines()[1..])).starts_with("line 1 is not one of a journal"));
        assert!(words("{}\n").starts_with("line 1 is not one of a journal"));
        assert!(Journal::parse(&text(&lines()), &Digest::of(b"other")).is_err());
        let newer = text(&lines()[..1]).replace("\"version\":1", "\"version\":2");
        assert_eq!(words(&newer), "it is of version 2, which this kiln does not read");
    }

    #[test]
    fn a_snapshot_that_has_gone_is_begun_anew() {
        let mut journal = Journal::parse(&text(&lines()), &Digest::of(b"image")).unwrap().unwrap();
        journal.take(Record::Lost { upload: upload() });
        assert_eq!((journal.written(&upload()), journal.next_attempt(&upload())), (None, 1));
    }
}
