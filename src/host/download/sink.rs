// SPDX-License-Identifier: Apache-2.0
//! Where the bytes of an answer go: a partial file that is hashed as it grows, or memory.

use sha2::{Digest as _, Sha512};

use super::Want;
use super::error::DownloadErrorKind as Kind;
use crate::digest::Hasher;
use crate::host::cache::{Blob, Cache, Partial, PartialState};
use crate::host::files::FileError;

/// Where to go on with a download.
#[derive(Debug)]
pub(super) struct Resume {
    /// First byte that is missing.
    pub(super) offset: u64,
    /// For `If-Range`; none: only the digest will tell whether both parts belong together.
    pub(super) validator: Option<String>,
    /// Size of the whole, where the server has promised one.
    pub(super) size: Option<u64>,
}

pub(super) trait Sink {
    /// Says where to go on; none: from nothing.
    fn resume(&self) -> Option<Resume>;
    /// Starts from nothing with a new answer.
    fn begin(&mut self, state: PartialState) -> Result<(), FileError>;
    /// Says that what comes now is of another answer than what is there.
    fn join(&mut self);
    /// Drops what is there.
    fn forget(&mut self) -> Result<(), FileError>;
    /// Appends.
    fn push(&mut self, bytes: &[u8]) -> Result<(), FileError>;
    /// Bytes that are there.
    fn len(&self) -> u64;
}

/// A small answer.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) bytes: Vec<u8>,
}

impl Sink for Memory {
    fn resume(&self) -> Option<Resume> {
        None
    }

    fn begin(&mut self, _state: PartialState) -> Result<(), FileError> {
        self.forget()
    }

    fn join(&mut self) {}

    fn forget(&mut self) -> Result<(), FileError> {
        self.bytes.clear();
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// A partial file.
#[derive(Debug)]
pub(super) struct FileSink {
    partial: Partial,
    state: PartialState,
    /// Whether it may hold bytes of two answers: of an earlier run, or joined in this one.
    is_joined: bool,
    can_trust_digest: bool,
    hashes: Hashes,
    len: u64,
}

#[derive(Debug, Default)]
struct Hashes {
    sha256: Hasher,
    /// Only where somebody wants it: it takes as long as the other.
    sha512: Option<Sha512>,
}

impl Hashes {
    fn new(want: &Want) -> Self {
        Self { sha256: Hasher::new(), sha512: want.sha512.map(|_| Sha512::new()) }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha512.iter_mut().for_each(|hasher| hasher.update(bytes));
    }
}

impl FileSink {
    /// Takes up `partial`: hashes what is there and may be used.
    pub(super) async fn open(partial: Partial, want: &Want) -> Result<Self, Kind> {
        let state = partial.state().filter(|state| state.url == want.url);
        let can_trust_digest = want.sha256.is_some() || want.sha512.is_some();
        // Without a validator or a digest, nothing would tell that the two parts are of different files.
        let state = state.filter(|state| state.validator.is_some() || can_trust_digest);
        let len = if state.is_some() { partial.size()? } else { 0 };
        let limit = want.size.unwrap_or(want.size_max);
        let len = if len > limit { 0 } else { len };
        let mut hashes = Hashes::new(want);
        // Minutes of hashing must not hold up the other downloads.
        let hashing = tokio::task::spawn_blocking(move || {
            partial.replay(len, &mut |bytes| hashes.update(bytes))?;
            Ok::<_, FileError>((partial, hashes))
        });
        let (partial, hashes) = hashing.await.map_err(|error| Kind::Broken(error.to_string()))??;
        let none = PartialState { url: want.url.clone(), validator: None, size: None };
        let state = state.filter(|_| len > 0).unwrap_or(none);
        Ok(Self { partial, state, is_joined: len > 0, can_trust_digest, hashes, len })
    }

    /// The size that the server promised.
    pub(super) fn promised(&self) -> Option<u64> {
        self.state.size
    }

    /// Whether all that the server promised is there.
    pub(super) fn is_whole(&self) -> bool {
        self.len > 0 && self.state.size == Some(self.len)
    }

    /// Whether it may hold bytes of two answers.
    pub(super) fn is_joined(&self) -> bool {
        self.is_joined
    }

    /// Compares what came with what was wanted.
    pub(super) fn check(&self, want: &Want) -> Result<(), Kind> {
        if let Some(expected) = want.size.filter(|size| *size != self.len) {
            return Err(Kind::Size { expected, found: self.len });
        }
        let found = self.hashes.sha256.clone().finish();
        if let Some(expected) = want.sha256.filter(|expected| *expected != found) {
            return Err(Kind::Sha256 { expected, found });
        }
        let found = self.hashes.sha512.clone().map(|hasher| hasher.finalize().to_vec());
        match (want.sha512, found) {
            (Some(expected), Some(found)) if expected.as_slice() != found => {
                Err(Kind::Sha512 { expected: hex(&expected), found: hex(&found) })
            }
            _ => Ok(()),
        }
    }

    /// Makes it a blob.
    pub(super) async fn finish(self, cache: Cache) -> Result<Blob, Kind> {
        let digest = self.hashes.sha256.finish();
        let partial = self.partial;
        // Syncing half a gigabyte takes its time.
        let putting = tokio::task::spawn_blocking(move || cache.put_partial(partial, &digest));
        Ok(putting.await.map_err(|error| Kind::Broken(error.to_string()))??)
    }
}

impl Sink for FileSink {
    fn resume(&self) -> Option<Resume> {
        let validator = self.state.validator.clone();
        let may = self.len > 0 && (validator.is_some() || self.can_trust_digest);
        may.then_some(Resume { offset: self.len, validator, size: self.state.size })
    }

    fn join(&mut self) {
        self.is_joined = true;
    }

    fn begin(&mut self, state: PartialState) -> Result<(), FileError> {
        self.partial.restart(&state)?;
        self.state = state;
        self.clear();
        Ok(())
    }

    fn forget(&mut self) -> Result<(), FileError> {
        let none = PartialState { url: self.state.url.clone(), validator: None, size: None };
        self.begin(none)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.partial.write_at(bytes, self.len)?;
        self.hashes.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }
}

impl FileSink {
    fn clear(&mut self) {
        let sha512 = self.hashes.sha512.as_ref().map(|_| Sha512::new());
        self.hashes = Hashes { sha256: Hasher::new(), sha512 };
        (self.len, self.is_joined) = (0, false);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
