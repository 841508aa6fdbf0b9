// SPDX-License-Identifier: Apache-2.0
//! Decompression of base images: what a file is by its first bytes, where its zeros lie, how bzip2 is cut into blocks.
//!
//! Works on bytes in memory. It opens nothing, starts no thread (see [`crate::host::decode`]) and does not read
//! qcow2, which is no stream (see [`crate::host::disk`]).

pub mod bzip2;
pub mod sparse;

/// As many bytes of a file as [`Format::sniff`] looks at.
pub const SNIFF_BYTES: usize = 8;

/// What a base image is wrapped in, told by its first bytes and never by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Nothing that is known: the disk's own bytes.
    Raw,
    /// bzip2, one stream or several.
    Bzip2,
    /// gzip, one member or several (RFC 1952).
    Gzip,
    /// Zstandard, one frame or several (RFC 8878).
    Zstd,
    /// A qcow2 disk, which is read in place and not decoded.
    Qcow2,
    /// Known, and not something that kiln reads; its name.
    Foreign(&'static str),
}

/// First bytes and what they tell. Sources: RFC 1952, RFC 8878, the qcow2, xz, lz4 and VMDK specifications.
const MAGICS: [(&[u8], Format); 10] = [
    (b"BZh", Format::Bzip2),
    (&[0x1f, 0x8b], Format::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Format::Zstd),
    (b"QFI\xfb", Format::Qcow2),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Format::Foreign("xz")),
    (&[0x04, 0x22, 0x4d, 0x18], Format::Foreign("lz4")),
    (b"PK\x03\x04", Format::Foreign("zip")),
    (b"KDMV", Format::Foreign("VMDK")),
    (b"conectix", Format::Foreign("dynamic VHD")),
    (b"vhdxfile", Format::Foreign("VHDX")),
];

impl Format {
    /// Tells what a file is from its first [`SNIFF_BYTES`] bytes (fewer where it is shorter).
    pub fn sniff(head: &[u8]) -> Self {
        // RFC 8878, 3.1.2: a skippable frame has one of sixteen magics; a file may begin with one.
        if head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == [0x2a, 0x4d, 0x18] {
            return Self::Zstd;
        }
        MAGICS.iter().find(|(magic, _)| head.starts_with(magic)).map_or(Self::Raw, |(_, format)| *format)
    }

    /// Returns the name that people use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Bzip2 => "bzip2",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Qcow2 => "qcow2",
            Self::Foreign(name) => name,
        }
    }
}

/// What decoding may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most bytes that may come out: what makes a decompression bomb harmless.
    pub size_max: u64,
    /// Most memory for zstd's window, as a power of two: frames made with a longer `--long` are refused.
    pub window_log_max: u32,
}

impl Default for Limits {
    /// 64 GiB out (Flatcar's largest image has 30.4 GiB) and a window of 128 MiB, which is also what the zstd program
    /// accepts without being told more.
    fn default() -> Self {
        Self { size_max: 64 << 30, window_log_max: 27 }
    }
}

/// Why a consumer of decoded bytes can't go on.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Takes a decoded disk. What is never written is zero.
pub trait Sink {
    /// Takes `bytes` at `offset`. Offsets rise from call to call, nothing comes twice, and no aligned run of
    /// [`sparse::GRAIN_BYTES`] zeros is among the bytes.
    ///
    /// # Errors
    /// If the bytes can't be kept; decoding then stops.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> Result<(), SinkError>;

    /// The disk is whole and has `size` bytes.
    ///
    /// # Errors
    /// If that can't be recorded.
    fn finish(&mut self, size: u64) -> Result<(), SinkError>;
}

/// What is wrong with compressed data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no byte.
    #[error("the file is empty")]
    Empty,
    /// The data stops before its end mark.
    #[error("the {0} data stops before its end: the file is truncated")]
    Truncated(&'static str),
    /// The data contradicts itself.
    #[error("the {0} data is corrupt: {1}")]
    Corrupt(&'static str, String),
    /// Something follows the end of the data.
    #[error("something that is not {0} follows the end of the {0} data")]
    Trailing(&'static str),
    /// More comes out than the caller allows.
    #[error("it unpacks to more than {0} bytes, the most that is allowed here")]
    TooLarge(u64),
    /// A zstd frame asks for more memory than the caller allows.
    #[error("it was packed with a zstd window above {0} MiB; pack it again without --long or --ultra")]
    Window(u64),
    /// A format that is not decoded as a stream.
    #[error("it is in {0} format, which can't be decoded as a stream (raw, .zst, .gz and .bz2 can)")]
    Format(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_told_by_content() {
        let table: [(&[u8], &str); 8] = [
            (b"", "raw"),
            (b"BZh91AY&", "bzip2"),
            (b"\x1f\x8b\x08\x00", "gzip"),
            (b"\x28\xb5\x2f\xfd\x04", "zstd"),
            (b"\x5e\x2a\x4d\x18\x04", "zstd"),
            (b"QFI\xfb\0\0\0\x03", "qcow2"),
            (b"\xfd7zXZ\0\0\0", "xz"),
            (b"\xeb\x63\x90\0\0\0\0\0", "raw"),
        ];
        for (head, name) in table {
            assert_eq!(Format::sniff(head).name(), name, "{head:?}");
        }
    }
}
