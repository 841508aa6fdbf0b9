// SPDX-License-Identifier: Apache-2.0
//! The header: written for version 3, read for 2 and 3 with everything refused that kiln would have to follow or guess.

use std::io;

use super::MAGIC;

/// Bytes of the header that kiln writes, up to and including the compression type and its padding.
pub(super) const HEADER_BYTES: usize = 112;

const DIRTY: u64 = 1;
const CORRUPT: u64 = 1 << 1;
const EXTERNAL_DATA: u64 = 1 << 2;
const COMPRESSION_TYPE: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;
const ZLIB: u8 = 0;
const ZSTD: u8 = 1;
/// Reference counts of 1 << 4 = 16 bits, the only width of version 2 and the default of 3.
const REFCOUNT_ORDER: u32 = 4;
/// QEMU's own limit of an L1 table in bytes (QCOW_MAX_L1_SIZE).
const L1_BYTES_MAX: u64 = 32 << 20;
/// The largest disk read: that of EBS. It bounds what tables of a hostile file can make a reader look at.
const SIZE_MAX: u64 = 64 << 40;

/// Why a file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It uses what kiln does not follow.
    #[error("the qcow2 image {0}")]
    Refused(String),
    /// Its tables make no sense.
    #[error("the qcow2 image is damaged: {0}")]
    Damaged(String),
    /// Reading failed.
    #[error("reading the qcow2 image failed")]
    Read(#[from] io::Error),
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Read(error) => error,
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}

/// How clusters are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Zlib,
    Zstd,
}

/// What the header says, as far as kiln writes or needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub cluster_bits: u32,
    pub size: u64,
    pub l1_entries: u32,
    pub l1_offset: u64,
    pub refcounts_offset: u64,
    pub refcounts_clusters: u32,
}

impl Header {
    /// Returns the header of a version 3 file with zstd clusters; the end mark of an empty list of extensions follows.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES + 8];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &MAGIC);
        put(4, &3_u32.to_be_bytes());
        put(20, &self.cluster_bits.to_be_bytes());
        put(24, &self.size.to_be_bytes());
        put(36, &self.l1_entries.to_be_bytes());
        put(40, &self.l1_offset.to_be_bytes());
        put(48, &self.refcounts_offset.to_be_bytes());
        put(56, &self.refcounts_clusters.to_be_bytes());
        put(72, &COMPRESSION_TYPE.to_be_bytes());
        put(96, &REFCOUNT_ORDER.to_be_bytes());
        put(100, &(HEADER_BYTES as u32).to_be_bytes());
        put(104, &[ZSTD]);
        bytes
    }

    /// Reads the first bytes of a file (zeros where it is shorter).
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<(Self, Compression), Error> {
        let header = Self {
            cluster_bits: u32_at(bytes, 20),
            size: u64_at(bytes, 24),
            l1_entries: u32_at(bytes, 36),
            l1_offset: u64_at(bytes, 40),
            refcounts_offset: u64_at(bytes, 48),
            refcounts_clusters: u32_at(bytes, 56),
        };
        let version = u32_at(bytes, 4);
        if bytes[..4] != MAGIC || !(2..=3).contains(&version) {
            return Err(Error::Refused(format!("has version {version}; 2 and 3 are read")));
        }
        if u64_at(bytes, 8) != 0 {
            return Err(Error::Refused("has a backing file; flatten it with qemu-img convert".into()));
        }
        if u32_at(bytes, 32) != 0 {
            return Err(Error::Refused("is encrypted; decrypt it with qemu-img convert".into()));
        }
        header.check_sizes()?;
        let compression = if version == 3 { check_features(bytes)? } else { Compression::Zlib };
        Ok((header, compression))
    }

    fn check_sizes(&self) -> Result<(), Error> {
        let Self { cluster_bits, size, l1_entries, l1_offset, .. } = *self;
        if !(9..=21).contains(&cluster_bits) {
            return Err(Error::Damaged(format!(
                "its cluster size is 2^{cluster_bits} bytes, not 2^9 to 2^21"
            )));
        }
        if size > SIZE_MAX {
            return Err(Error::Refused(format!("holds a disk of {size} bytes; at most {SIZE_MAX} are read")));
        }
        let needed = size.div_ceil(1 << (2 * cluster_bits - 3));
        if u64::from(l1_entries) < needed || u64::from(l1_entries) * 8 > L1_BYTES_MAX {
            return Err(Error::Damaged(format!(
                "its L1 table has {l1_entries} entries; its disk needs {needed}"
            )));
        }
        if !l1_offset.is_multiple_of(1 << cluster_bits) {
            return Err(Error::Damaged(format!("its L1 table begins at {l1_offset}, within a cluster")));
        }
        Ok(())
    }
}

fn check_features(bytes: &[u8]) -> Result<Compression, Error> {
    let features = u64_at(bytes, 72);
    let refused = |what: &str| Err(Error::Refused(what.into()));
    if features & CORRUPT != 0 {
        return refused("is marked corrupt; repair it with qemu-img check -r all");
    }
    if features & EXTERNAL_DATA != 0 {
        return refused("keeps its data in another file; flatten it with qemu-img convert");
    }
    if features & EXTENDED_L2 != 0 {
        return refused("has subclusters (extended_l2), which kiln does not read");
    }
    // A dirty file has doubtful reference counts, which reading does not use.
    let unknown = features & !(DIRTY | COMPRESSION_TYPE);
    if unknown != 0 {
        return Err(Error::Refused(format!(
            "has incompatible features that kiln does not know: {unknown:#x}"
        )));
    }
    match bytes[104] {
        _ if features & COMPRESSION_TYPE == 0 => Ok(Compression::Zlib),
        ZLIB => Ok(Compression::Zlib),
        ZSTD => Ok(Compression::Zstd),
        other => Err(Error::Refused(format!("is compressed by method {other}, which kiln does not know"))),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> [u8; HEADER_BYTES] {
        let header = Header {
            cluster_bits: 16,
            size: 1 << 30,
            l1_entries: 2,
            l1_offset: 1 << 16,
            refcounts_offset: 2 << 16,
            refcounts_clusters: 1,
        };
        header.encode()[..HEADER_BYTES].try_into().unwrap()
    }

    #[test]
    fn what_kiln_would_have_to_follow_or_guess_is_refused() {
        assert!(Header::decode(&sound()).is_ok());
        for (at, value, words) in [
            (7, 4, "has version 4; 2 and 3 are read"),
            (15, 1, "has a backing file"),
            (35, 1, "is encrypted"),
            (23, 30, "its cluster size is 2^30 bytes"),
            (24, 1, "holds a disk of"),
            (27, 4, "its L1 table has 2 entries; its disk needs 34"),
            (36, 0x80, "its L1 table has 2147483650 entries"),
            (47, 1, "within a cluster"),
            (79, 0x0a, "is marked corrupt"),
            (79, 0x0c, "keeps its data in another file"),
            (79, 0x18, "has subclusters"),
            (73, 1, "does not know: 0x1000000000000"),
            (104, 7, "is compressed by method 7"),
        ] {
            let mut bytes = sound();
            bytes[at] = value;
            let said = Header::decode(&bytes).unwrap_err().to_string();
            assert!(said.contains(words), "byte {at}: {said}");
        }
    }

    #[test]
    fn a_dirty_file_and_one_of_version_2_are_read() {
        let mut bytes = sound();
        bytes[79] |= 1;
        assert_eq!(Header::decode(&bytes).unwrap().1, Compression::Zstd);
        bytes[7] = 2;
        assert_eq!(Header::decode(&bytes).unwrap().1, Compression::Zlib);
    }
}
