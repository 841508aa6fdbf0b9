// SPDX-License-Identifier: Apache-2.0
//! What a file is wrapped in, which its first bytes tell.

use std::io::{BufReader, Read};

use flate2::read::MultiGzDecoder;

use super::error::{UnpackError, malformed};
use super::limited::Limited;
use crate::host::cache::{Blob, CacheError};
use crate::host::files::{self, FileError};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A tar archive, as it is or compressed.
    Tar(Wrapping),
    /// An archive that kiln does not read; its name.
    Foreign(&'static str),
    /// No archive.
    Plain,
}

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapping {
    Nothing,
    Gzip,
    Zstd,
}

/// A header of tar.
const BLOCK: usize = 512;

/// First bytes of archives that kiln does not read. Sources: the xz, 7z and RPM file formats, bzip2's manual, PKWARE's
/// APPNOTE (an empty archive has the second form), deb(5).
const FOREIGN: [(&[u8], &str); 7] = [
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (&[0xed, 0xab, 0xee, 0xdb], "RPM"),
    (b"!<arch>\ndebian", "Debian package"),
];

impl Form {
    /// Looks at the first bytes of `blob`, called `name`.
    pub(super) fn look(blob: &Blob, name: &str) -> Result<Self, UnpackError> {
        let file = files::open(&blob.path).map_err(CacheError::from)?;
        let start = head(file).map_err(FileError::at("read", &blob.path)).map_err(CacheError::from)?;
        let wrapping = match start.as_slice() {
            // RFC 1952, RFC 8878.
            [0x1f, 0x8b, ..] => Wrapping::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Wrapping::Zstd,
            // An archive of nothing is a file of nothing else but zeros as well.
            start if is_tar(start) && start[0] != 0 => return Ok(Self::Tar(Wrapping::Nothing)),
            start => {
                let foreign = FOREIGN.iter().find(|(magic, _)| start.starts_with(magic));
                return Ok(foreign.map_or(Self::Plain, |(_, name)| Self::Foreign(name)));
            }
        };
        let inside = head(wrapping.open(blob, name)?).map_err(malformed(name))?;
        match is_tar(&inside) {
            true => Ok(Self::Tar(wrapping)),
            false => Err(UnpackError::OneFile { name: name.to_owned(), packed: wrapping.name() }),
        }
    }
}

impl Wrapping {
    /// Opens what is inside.
    pub(super) fn open(self, blob: &Blob, name: &str) -> Result<Limited, UnpackError> {
        let file = files::open(&blob.path).map_err(CacheError::from)?;
        let inner: Box<dyn Read> = match self {
            Self::Nothing => Box::new(BufReader::new(file)),
            Self::Gzip => Box::new(MultiGzDecoder::new(BufReader::new(file))),
            Self::Zstd => Box::new(zstd::Decoder::new(file).map_err(malformed(name))?),
        };
        Ok(Limited::new(inner))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "tar",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

fn head(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(BLOCK as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Tells a header of tar by its checksum, which the oldest form has too (tar(5)): the sum of all bytes, with blanks in the
/// place of the checksum itself. An empty archive begins with zeros.
fn is_tar(head: &[u8]) -> bool {
    if head.len() < BLOCK {
        return false;
    }
    let said = std::str::from_utf8(&head[148..156]).unwrap_or_default();
    let said = u32::from_str_radix(said.trim_matches([' ', '\0']), 8).ok();
    let bytes = head.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte });
    said == Some(bytes.map(u32::from).sum()) || head.iter().all(|byte| *byte == 0)
}
