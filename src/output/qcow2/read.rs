// SPDX-License-Identifier: Apache-2.0
//! Reading a file of this format as the disk that it holds. Tables are looked up as they are needed, and a few are kept:
//! a file may claim any size, memory stays bounded.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::header::{Compression, Error, HEADER_BYTES, Header};
use super::unpack::unpack;
use super::{COMPRESSED, OFFSET_MASK, SECTOR, ZERO};
use crate::disk::ReadAt;

/// L2 tables kept: at 64 KiB each they map 16 GiB, at the largest cluster size they take 64 MiB.
const TABLES_KEPT: usize = 32;

/// A disk in a qcow2 file.
pub struct Reader {
    file: Arc<dyn ReadAt>,
    header: Header,
    compression: Compression,
    l1: Vec<u64>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    tables: HashMap<u64, Arc<Vec<u64>>>,
    /// The compressed cluster that was unpacked last, by its entry.
    cluster: Option<(u64, Arc<Vec<u8>>)>,
}

/// What an L2 entry says of a cluster.
enum Place {
    Zero,
    Plain(u64),
    Compressed(u64),
}

impl Reader {
    /// Reads the header and L1 table of a file.
    ///
    /// # Errors
    /// If the file can't be read, is damaged, or needs what kiln does not follow.
    pub fn open(file: Arc<dyn ReadAt>) -> Result<Self, Error> {
        let mut bytes = [0; HEADER_BYTES];
        let len = file.size().min(HEADER_BYTES as u64) as usize;
        file.read_at(&mut bytes[..len], 0)?;
        let (header, compression) = Header::decode(&bytes)?;
        let l1 = read_table(&*file, header.l1_offset, header.l1_entries as usize)?;
        Ok(Self { file, header, compression, l1, kept: Mutex::default() })
    }

    fn cluster_bytes(&self) -> u64 {
        1 << self.header.cluster_bits
    }

    /// Disk bytes that one L2 table maps.
    fn table_bytes(&self) -> u64 {
        1 << (2 * self.header.cluster_bits - 3)
    }

    /// Returns the L2 table for an offset of the disk; none where all of it is zero.
    fn table(&self, offset: u64) -> Result<Option<Arc<Vec<u64>>>, Error> {
        let entry = self.l1[(offset / self.table_bytes()) as usize] & OFFSET_MASK;
        if entry == 0 {
            return Ok(None);
        }
        if let Some(table) = self.kept().tables.get(&entry) {
            return Ok(Some(table.clone()));
        }
        let table = Arc::new(read_table(&*self.file, entry, self.cluster_bytes() as usize / 8)?);
        let mut kept = self.kept();
        if kept.tables.len() >= TABLES_KEPT {
            kept.tables.clear();
        }
        kept.tables.insert(entry, table.clone());
        Ok(Some(table))
    }

    fn place(&self, table: &[u64], offset: u64) -> Place {
        let entry = table[(offset / self.cluster_bytes()) as usize % table.len()];
        match entry {
            entry if entry & COMPRESSED != 0 => Place::Compressed(entry),
            entry if entry & ZERO != 0 || entry & OFFSET_MASK == 0 => Place::Zero,
            entry => Place::Plain(entry & OFFSET_MASK),
        }
    }

    /// Fills `buffer`, which lies within one cluster.
    fn read_within(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        let place = self.table(offset)?.map_or(Place::Zero, |table| self.place(&table, offset));
        let within = offset % self.cluster_bytes();
        match place {
            Place::Zero => buffer.fill(0),
            Place::Plain(cluster) => self.read_plain(buffer, cluster, within)?,
            Place::Compressed(entry) => {
                let cluster = self.unpacked(entry)?;
                buffer.copy_from_slice(&cluster[within as usize..][..buffer.len()]);
            }
        }
        Ok(())
    }

    /// The last cluster of a file may be cut where its zeros begin.
    fn read_plain(&self, buffer: &mut [u8], cluster: u64, within: u64) -> Result<(), Error> {
        let left = self.left(cluster)?.saturating_sub(within).min(buffer.len() as u64);
        let (data, zeros) = buffer.split_at_mut(left as usize);
        zeros.fill(0);
        Ok(self.file.read_at(data, cluster + within)?)
    }

    /// Returns how many bytes the file has from the start of a cluster on.
    fn left(&self, cluster: u64) -> Result<u64, Error> {
        match self.file.size().checked_sub(cluster) {
            Some(left) if left > 0 => Ok(left),
            _ => Err(Error::Damaged(format!("a cluster is said to be at {cluster}, beyond the file's end"))),
        }
    }

    fn unpacked(&self, entry: u64) -> Result<Arc<Vec<u8>>, Error> {
        if let Some((kept, cluster)) = &self.kept().cluster
            && *kept == entry
        {
            return Ok(cluster.clone());
        }
        let packed = self.read_packed(entry)?;
        let cluster = Arc::new(unpack(&packed, self.compression, self.cluster_bytes() as usize)?);
        self.kept().cluster = Some((entry, cluster.clone()));
        Ok(cluster)
    }

    /// Reads the sectors of a compressed cluster; at most two clusters long, because the length field has no more bits.
    fn read_packed(&self, entry: u64) -> Result<Vec<u8>, Error> {
        let shift = 62 - (self.header.cluster_bits - 8);
        let offset = entry & ((1 << shift) - 1);
        let more_sectors = (entry & (COMPRESSED - 1)) >> shift;
        let end = (offset / SECTOR + more_sectors + 1) * SECTOR;
        let mut packed = vec![0; self.left(offset)?.min(end - offset) as usize];
        self.file.read_at(&mut packed, offset)?;
        Ok(packed)
    }

    /// Returns the run of clusters from `offset` on that are alike: whether they have data, and where it ends.
    fn run(&self, offset: u64) -> Result<(bool, u64), Error> {
        let table_end = (offset / self.table_bytes() + 1) * self.table_bytes();
        let Some(table) = self.table(offset)? else { return Ok((false, table_end.min(self.header.size))) };
        let has_data = |offset| !matches!(self.place(&table, offset), Place::Zero);
        let kind = has_data(offset);
        let mut end = offset / self.cluster_bytes() * self.cluster_bytes();
        while end < table_end && has_data(end) == kind {
            end += self.cluster_bytes();
        }
        Ok((kind, end.min(self.header.size)))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // What is kept is whole at every moment, whoever panicked.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadAt for Reader {
    fn size(&self) -> u64 {
        self.header.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.header.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (mut at, mut rest) = (offset, buffer);
        while !rest.is_empty() {
            let in_cluster = (self.cluster_bytes() - at % self.cluster_bytes()).min(rest.len() as u64);
            let (piece, after) = rest.split_at_mut(in_cluster as usize);
            self.read_within(piece, at)?;
            (at, rest) = (at + in_cluster, after);
        }
        Ok(())
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        let mut at = offset;
        while at < self.header.size {
            match self.run(at)? {
                (true, end) => return Ok(Some(at..end)),
                (false, end) => at = end,
            }
        }
        Ok(None)
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("header", &self.header).finish_non_exhaustive()
    }
}

fn read_table(file: &dyn ReadAt, offset: u64, entries: usize) -> Result<Vec<u64>, Error> {
    let len = entries * 8;
    if offset.checked_add(len as u64).is_none_or(|end| end > file.size()) {
        return Err(Error::Damaged(format!("a table is said to be at {offset}, beyond the file's end")));
    }
    let mut bytes = vec![0; len];
    file.read_at(&mut bytes, offset)?;
    Ok(bytes
        .chunks_exact(8)
        .map(|entry| u64::from_be_bytes(entry.try_into().expect("eight bytes")))
        .collect())
}
