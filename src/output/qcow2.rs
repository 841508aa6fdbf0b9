// SPDX-License-Identifier: Apache-2.0
//! QEMU's copy-on-write format, version 2 and 3 (docs/interop/qcow2.txt in QEMU's source).
//!
//! [`Map`] lays out a new file, of version 3 with clusters compressed by zstd; [`Reader`] reads files of others.
//! Backing files, encryption, external data and snapshots are refused, never followed.

mod header;
mod map;
mod read;
mod unpack;

pub use header::Error;
pub use map::{CLUSTER, Map, Piece};
pub use read::Reader;

/// The first four bytes of every file of this format.
pub const MAGIC: [u8; 4] = *b"QFI\xfb";

/// Bit 63 of an L1 or L2 entry: the cluster that it names has a reference count of exactly one.
const COPIED: u64 = 1 << 63;
/// Bit 62 of an L2 entry: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// Bit 0 of an L2 entry (version 3): the cluster reads as zeros.
const ZERO: u64 = 1;
/// Bits 9 to 55 of an entry: an offset in the file.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
/// The unit in which the length of a compressed cluster is counted.
const SECTOR: u64 = 512;
