// SPDX-License-Identifier: Apache-2.0
//! Decoding of base images on all cores: an input file is streamed into a [`Sink`], zeros left out.
//!
//! Memory is bounded whatever the input is: see the queue lengths in `serial` and `parallel`. Formats are
//! [`crate::decode`]'s business; qcow2 is read in place by [`crate::host::disk`] and refused here.

mod kept;
mod output;
mod parallel;
mod serial;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::files::{self, FileError};
use crate::decode::{Fault, Format, Limits, SNIFF_BYTES, Sink, SinkError};
use crate::progress::Progress;

pub use kept::{Kept, Look};

use output::Output;

/// How decoding failed: which file, where, why.
#[derive(Debug, thiserror::Error)]
#[error("can't decode {} at byte {offset}", path.display())]
pub struct DecodeError {
    /// The input.
    pub path: PathBuf,
    /// Where in the input: the start of the block, or as far as the decoder had read.
    pub offset: u64,
    /// Why.
    #[source]
    pub source: Cause,
}

impl DecodeError {
    /// Calls the input `name` where its bytes are to blame: the file in the cache is nobody's.
    #[must_use]
    pub fn called(mut self, name: &str) -> Self {
        if let Cause::Data(_) = self.source {
            self.path = PathBuf::from(name);
        }
        self
    }
}

/// Why decoding failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The data is wrong.
    #[error(transparent)]
    Data(#[from] Fault),
    /// The input can't be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// The input can't be opened.
    #[error(transparent)]
    File(#[from] FileError),
    /// What comes out can't be kept.
    #[error(transparent)]
    Sink(SinkError),
}

/// A cause and the byte of the input that it belongs to.
struct Failure(u64, Cause);

/// Tells what `input` is from its first bytes.
///
/// # Errors
/// If it can't be read or is empty.
pub fn sniff(input: &Path) -> Result<Format, DecodeError> {
    let file = files::open(input).map_err(|error| located(input)(Failure(0, error.into())))?;
    sniff_file(&file).map_err(located(input))
}

/// Decodes `input` into `sink` on up to `jobs` cores and returns the size of what came out.
///
/// `progress` hears of bytes of the input, under the id `decode`.
///
/// # Errors
/// If the input is damaged, of no known format or larger than `limits` allow, or if the sink fails. What the sink got
/// until then is worthless.
pub fn decode(
    input: &Path,
    limits: Limits,
    sink: &mut dyn Sink,
    jobs: usize,
    progress: &dyn Progress,
) -> Result<u64, DecodeError> {
    let file = files::open(input).map_err(|error| located(input)(Failure(0, error.into())))?;
    decode_file(file, limits, sink, jobs, progress).map_err(located(input))
}

fn decode_file(
    file: File,
    limits: Limits,
    sink: &mut dyn Sink,
    jobs: usize,
    progress: &dyn Progress,
) -> Result<u64, Failure> {
    let format = sniff_file(&file)?;
    let total = file.metadata().map_err(|error| Failure(0, error.into()))?.len();
    progress.begin(ID, &format!("decoding {}", format.name()), Some(total));
    let mut output = Output::new(sink, limits.size_max);
    match format {
        Format::Bzip2 => parallel::bzip2(file, jobs, &mut output, progress)?,
        Format::Gzip => serial::gzip(file, &mut output, progress)?,
        Format::Zstd => serial::zstd(file, limits, &mut output, progress)?,
        Format::Raw => serial::raw(&file, &mut output, progress)?,
        Format::Qcow2 | Format::Foreign(_) => return Err(Failure(0, Fault::Format(format.name()).into())),
    }
    let size = output.finish().map_err(|cause| Failure(total, cause))?;
    progress.end(ID, "");
    Ok(size)
}

/// Names the work for [`Progress`].
const ID: &str = "decode";

fn sniff_file(file: &File) -> Result<Format, Failure> {
    let mut head = [0; SNIFF_BYTES];
    let mut len = 0;
    while len < head.len() {
        match file.read_at(&mut head[len..], len as u64) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure(0, error.into())),
        }
    }
    if len == 0 {
        return Err(Failure(0, Fault::Empty.into()));
    }
    Ok(Format::sniff(&head[..len]))
}

fn located(path: &Path) -> impl FnOnce(Failure) -> DecodeError {
    move |Failure(offset, source)| DecodeError { path: path.to_owned(), offset, source }
}
