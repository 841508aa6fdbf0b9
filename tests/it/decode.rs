// SPDX-License-Identifier: Apache-2.0
//! Decoding of base images, on files that bzip2, lbzip2, pbzip2, gzip and zstd made.

mod broken;
mod craft;
mod formats;
mod speed;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kiln::decode::sparse::{GRAIN_BYTES, is_zero};
use kiln::decode::{Limits, Sink, SinkError};
use kiln::host::decode::{DecodeError, decode};
use kiln::progress::Silent;

/// Keeps what it gets in memory and holds the decoder to the sink's contract.
#[derive(Default)]
struct Memory {
    bytes: Vec<u8>,
    written: u64,
    whole: bool,
}

impl Sink for Memory {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> Result<(), SinkError> {
        assert!(offset >= self.bytes.len() as u64, "offsets rise");
        let first_grain = (offset as usize).next_multiple_of(GRAIN_BYTES) - offset as usize;
        let grains = bytes.get(first_grain..).unwrap_or(&[]).chunks_exact(GRAIN_BYTES);
        assert!(grains.into_iter().all(|grain| !is_zero(grain)), "holes stay holes");
        self.bytes.resize(offset as usize, 0);
        self.bytes.extend_from_slice(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn finish(&mut self, size: u64) -> Result<(), SinkError> {
        assert!(size >= self.bytes.len() as u64);
        self.bytes.resize(size as usize, 0);
        self.whole = true;
        Ok(())
    }
}

/// Decodes with a limit of 256 MiB.
fn decoded(path: &Path) -> Result<Memory, DecodeError> {
    let limits = Limits { size_max: 256 << 20, ..Limits::default() };
    let mut sink = Memory::default();
    let size = decode(path, limits, &mut sink, 2, &Silent)?;
    assert!(sink.whole && size == sink.bytes.len() as u64);
    Ok(sink)
}

/// Writes `bytes` to a new file and decodes it.
fn decoded_bytes(bytes: &[u8]) -> Result<Memory, DecodeError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    decoded(file.path())
}

/// Runs `program` with `bytes` on its input and returns its output.
fn filter(program: &[&str], bytes: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input");
    std::fs::write(&input, bytes).unwrap();
    let output = Command::new(program[0])
        .args(&program[1..])
        .stdin(std::fs::File::open(input).unwrap())
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("this test needs the Debian package of {}: {error}", program[0]));
    assert!(output.status.success(), "{program:?}");
    output.stdout
}

/// Returns bytes that look random.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        // xorshift64: enough to be incompressible.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Returns something like a disk: noise, text and zeros of all lengths, about `len` bytes.
fn disk(len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut seed = 1;
    while bytes.len() < len {
        seed += 1;
        let size = noise(3, seed).iter().fold(0, |size: usize, byte| size << 5 ^ usize::from(*byte) << 5);
        match seed % 3 {
            0 => bytes.extend(noise(size, seed)),
            1 => bytes.resize(bytes.len() + 7 * size, 0),
            _ => {
                bytes.extend((0..size / 16).flat_map(|line| format!("{line} a line of text\n").into_bytes()))
            }
        }
    }
    bytes.truncate(len);
    bytes
}

/// Returns an error and its causes, without the folder of the file.
fn words(error: &DecodeError) -> String {
    use std::error::Error;
    let mut text = error.to_string().replace(&format!("{}/", folder(&error.path).display()), "");
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn folder(path: &Path) -> PathBuf {
    path.parent().unwrap().to_owned()
}
