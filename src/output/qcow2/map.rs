// SPDX-License-Identifier: Apache-2.0
//! The map of a new file: which cluster of the disk lies where, and the tables that say so.
//!
//! Data come first, in the order of the disk, and the tables behind them, so that a file is written in one pass and every
//! reference count is exact: `qemu-img check` finds neither an error nor a leak.

use std::collections::BTreeMap;

use super::header::Header;
use super::{COMPRESSED, COPIED, SECTOR};

/// Bytes in a cluster: QEMU's own default, and the unit of compression.
pub const CLUSTER: u64 = 1 << CLUSTER_BITS;

const CLUSTER_BITS: u32 = 16;
/// Entries of eight bytes in a table of one cluster.
const ENTRIES: u64 = CLUSTER / 8;
/// Reference counts of two bytes in a block of one cluster.
const COUNTS: u64 = CLUSTER / 2;
/// Where the length begins in the entry of a compressed cluster: 62 - (cluster bits - 8).
const LENGTH_SHIFT: u32 = 62 - (CLUSTER_BITS - 8);

/// The map of a file that is being written.
#[derive(Debug)]
pub struct Map {
    /// Size of the disk in bytes.
    size: u64,
    /// L2 tables by their place in the L1 table.
    tables: BTreeMap<u64, Vec<u64>>,
    /// Reference counts of the file's clusters so far. The first holds the header.
    counts: Vec<u16>,
    /// Where the next compressed cluster goes, if the last one left room in its cluster.
    open: Option<u64>,
}

/// Bytes of the file's tables and where they go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Offset in the file.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Map {
    /// Returns the map of a disk of `size` bytes, all zero.
    pub fn new(size: u64) -> Self {
        Self { size, tables: BTreeMap::new(), counts: vec![1], open: None }
    }

    /// Gives a cluster of the disk a whole cluster of the file; returns its offset.
    pub fn place_plain(&mut self, cluster: u64) -> u64 {
        let offset = self.end();
        self.counts.push(1);
        self.set(cluster, offset | COPIED);
        offset
    }

    /// Gives a cluster of the disk `len` compressed bytes of the file, at most a cluster; returns their offset.
    ///
    /// Compressed clusters follow each other byte by byte and may share a cluster of the file.
    pub fn place_compressed(&mut self, cluster: u64, len: u64) -> u64 {
        let offset = match self.open {
            // They may run on into the next cluster, but only if that is not taken.
            Some(open) if open.div_ceil(CLUSTER) * CLUSTER == self.end() => open,
            Some(open) if open % CLUSTER + len <= CLUSTER => open,
            _ => self.end(),
        };
        let end = offset + len;
        self.counts.resize(self.counts.len().max(end.div_ceil(CLUSTER) as usize), 0);
        for count in &mut self.counts[(offset / CLUSTER) as usize..end.div_ceil(CLUSTER) as usize] {
            *count += 1;
        }
        self.open = (!end.is_multiple_of(CLUSTER)).then_some(end);
        let more_sectors = (end - 1) / SECTOR - offset / SECTOR;
        self.set(cluster, COMPRESSED | more_sectors << LENGTH_SHIFT | offset);
        offset
    }

    /// Returns the tables, in the order of the file, and the file's size.
    pub fn finish(mut self) -> (Vec<Piece>, u64) {
        let mut pieces = Vec::new();
        let mut l1 = vec![0; self.size.div_ceil(CLUSTER * ENTRIES) as usize];
        for (index, table) in std::mem::take(&mut self.tables) {
            let offset = self.add(&table, &mut pieces);
            l1[index as usize] = offset | COPIED;
        }
        let l1_offset = self.add(&l1, &mut pieces);
        let (refcounts_offset, refcounts_clusters) = self.add_counts(&mut pieces);
        let header = Header {
            cluster_bits: CLUSTER_BITS,
            size: self.size,
            l1_entries: l1.len() as u32,
            l1_offset,
            refcounts_offset,
            refcounts_clusters,
        };
        pieces.insert(0, Piece { offset: 0, bytes: header.encode() });
        (pieces, self.end())
    }

    /// Adds the reference counts of all clusters, their own included; returns where their table is and its clusters.
    fn add_counts(&mut self, pieces: &mut Vec<Piece>) -> (u64, u32) {
        let (blocks, tables) = counts_clusters(self.counts.len() as u64);
        let first = self.end();
        self.counts.resize(self.counts.len() + (blocks + tables) as usize, 1);
        let mut bytes: Vec<u8> = self.counts.iter().flat_map(|count| count.to_be_bytes()).collect();
        bytes.resize((blocks * CLUSTER) as usize, 0);
        pieces.push(Piece { offset: first, bytes });
        let table: Vec<u64> = (0..blocks).map(|block| first + block * CLUSTER).collect();
        let offset = first + blocks * CLUSTER;
        pieces.push(Piece { offset, bytes: big_endian(&table, tables) });
        (offset, tables as u32)
    }

    fn add(&mut self, table: &[u64], pieces: &mut Vec<Piece>) -> u64 {
        let offset = self.end();
        let clusters = (table.len() as u64).div_ceil(ENTRIES);
        self.counts.resize(self.counts.len() + clusters as usize, 1);
        pieces.push(Piece { offset, bytes: big_endian(table, clusters) });
        offset
    }

    fn set(&mut self, cluster: u64, entry: u64) {
        let table = self.tables.entry(cluster / ENTRIES).or_insert_with(|| vec![0; ENTRIES as usize]);
        table[(cluster % ENTRIES) as usize] = entry;
    }

    /// The end of the file so far.
    fn end(&self) -> u64 {
        self.counts.len() as u64 * CLUSTER
    }
}

/// Returns how many blocks of counts, and clusters of their table, a file needs that has `clusters` besides them.
fn counts_clusters(clusters: u64) -> (u64, u64) {
    let (mut blocks, mut tables) = (0, 0);
    loop {
        let needed = (clusters + blocks + tables).div_ceil(COUNTS);
        if needed == blocks {
            return (blocks, tables);
        }
        (blocks, tables) = (needed, needed.div_ceil(ENTRIES));
    }
}

fn big_endian(table: &[u64], clusters: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = table.iter().flat_map(|entry| entry.to_be_bytes()).collect();
    bytes.resize((clusters * CLUSTER) as usize, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_clusters_share_clusters_of_the_file() {
        let mut map = Map::new(1 << 30);
        assert_eq!(map.place_compressed(0, 100), CLUSTER);
        assert_eq!(map.place_compressed(1, CLUSTER), CLUSTER + 100);
        assert_eq!(map.place_plain(2), 3 * CLUSTER);
        // The rest of cluster 2 is still open, but what does not fit there can't run on into the plain cluster.
        assert_eq!(map.place_compressed(3, CLUSTER - 100), 2 * CLUSTER + 100);
        assert_eq!(map.place_compressed(4, 10), 4 * CLUSTER);
        assert_eq!(map.counts, [1, 2, 2, 1, 1]);
    }

    #[test]
    fn an_entry_says_how_many_sectors_a_compressed_cluster_touches() {
        let mut map = Map::new(1 << 30);
        map.place_compressed(0, 500);
        map.place_compressed(1, 13);
        map.place_compressed(2, 511);
        let sectors = |cluster: usize| (map.tables[&0][cluster] >> LENGTH_SHIFT & 0xff) + 1;
        assert_eq!([sectors(0), sectors(1), sectors(2)], [1, 2, 1]);
    }

    #[test]
    fn counts_count_themselves() {
        assert_eq!(counts_clusters(1), (1, 1));
        assert_eq!(counts_clusters(COUNTS - 2), (1, 1));
        assert_eq!(counts_clusters(COUNTS - 1), (2, 1));
        assert_eq!(counts_clusters(COUNTS * ENTRIES), (ENTRIES + 1, 2));
    }
}
