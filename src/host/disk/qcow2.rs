// SPDX-License-Identifier: Apache-2.0
//! A qcow2 image: clusters are read and compressed on several threads, and written in the order of the disk, so that the
//! file is the same whatever the threads did.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::{DiskReader, WriteError, is_zero};
use crate::disk::ReadAt;
use crate::host::files::Pending;
use crate::output::qcow2::{CLUSTER, Map};
use crate::progress::Progress;

/// The zstd level of the clusters. Measured on a base of 620 MB, mostly compressed already, with 366 MB of Go programs
/// (CPU seconds, MB): level -1 1.24, 717; 1 1.32, 697; 2 1.65, 694; 3 (QEMU's) 2.13, 692; 5 4.7, 687.
pub const LEVEL: i32 = 1;

/// Clusters that a thread takes at once: 1 MiB, so that handing over costs nothing.
const BATCH: u64 = 16;
/// Batches that may wait between a thread and the writer; with them and the ones in hand, a thread takes some 4 MiB.
const WAITING: usize = 2;
/// Bytes that are gathered for one write.
const RUN: usize = 1 << 20;
/// Bytes after which the disk is set to work on what is written.
const STEP: u64 = 32 << 20;

/// A cluster as it goes into the file.
enum Packed {
    Plain(Vec<u8>),
    Compressed(Vec<u8>),
}

type Batch = io::Result<Vec<(u64, Packed)>>;

/// Writes a disk to a file that has nothing in it yet, compressing on `jobs` threads. The caller commits it.
///
/// # Errors
/// If a source can't be read or the file can't be written.
pub fn write_qcow2(
    disk: &DiskReader,
    pending: &Pending,
    jobs: usize,
    progress: &dyn Progress,
) -> Result<(), WriteError> {
    let id = pending.path().display().to_string();
    let batches = batches(disk).map_err(WriteError::reading(pending))?;
    let clusters: u64 = batches.iter().map(|batch| batch.end - batch.start).sum();
    progress.begin(&id, "writing qcow2 image", Some(clusters * CLUSTER));
    let mut writer =
        Writer { pending, map: Map::new(disk.size()), run: Vec::new(), run_offset: 0, synced: 0 };
    thread::scope(|scope| {
        let lanes: Vec<Receiver<Batch>> = (0..jobs.max(1))
            .map(|lane| {
                let (sender, receiver) = sync_channel(WAITING);
                let mine = batches.iter().skip(lane).step_by(jobs.max(1)).cloned();
                scope.spawn(move || pack_all(disk, mine, &sender));
                receiver
            })
            .collect();
        // Taking from the lanes in turn gives the order of the disk. An early return drops them, which ends the threads.
        for (batch, lane) in batches.iter().zip((0..lanes.len()).cycle()) {
            let packed = lanes[lane].recv().expect("a lane sends all its batches");
            for (cluster, packed) in packed.map_err(WriteError::reading(pending))? {
                writer.write(cluster, packed)?;
            }
            progress.advance(&id, (batch.end - batch.start) * CLUSTER);
        }
        writer.finish()
    })?;
    progress.end(&id, "");
    Ok(())
}

/// Returns the runs of clusters that may hold data, cut into batches.
fn batches(disk: &DiskReader) -> io::Result<Vec<std::ops::Range<u64>>> {
    let mut batches: Vec<std::ops::Range<u64>> = Vec::new();
    let mut at = 0;
    while let Some(data) = disk.next_data(at)? {
        let mut first = (data.start / CLUSTER).max(batches.last().map_or(0, |last| last.end));
        let end = data.end.div_ceil(CLUSTER);
        while first < end {
            match batches.last_mut() {
                // Small extents that follow each other fill a batch together.
                Some(last) if last.end == first && last.end - last.start < BATCH => last.end += 1,
                _ => batches.push(first..first + 1),
            }
            first += 1;
        }
        at = data.end;
    }
    Ok(batches)
}

/// Packs the batches of one lane until the writer has gone.
fn pack_all(
    disk: &DiskReader,
    batches: impl Iterator<Item = std::ops::Range<u64>>,
    sender: &SyncSender<Batch>,
) {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL);
    let mut buffer = vec![0; (BATCH * CLUSTER) as usize];
    for batch in batches {
        let packed = match &mut compressor {
            Ok(compressor) => pack(disk, batch, &mut buffer, compressor),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        let failed = packed.is_err();
        if sender.send(packed).is_err() || failed {
            return;
        }
    }
}

fn pack(
    disk: &DiskReader,
    batch: std::ops::Range<u64>,
    buffer: &mut [u8],
    compressor: &mut zstd::bulk::Compressor<'_>,
) -> Batch {
    let start = batch.start * CLUSTER;
    let len = (disk.size() - start).min((batch.end - batch.start) * CLUSTER) as usize;
    disk.read_at(&mut buffer[..len], start)?;
    // The disk may end within its last cluster.
    let padded = len.next_multiple_of(CLUSTER as usize);
    buffer[len..padded].fill(0);
    let clusters = batch.zip(buffer[..padded].chunks_exact(CLUSTER as usize));
    let used = clusters.filter(|(_, bytes)| !is_zero(bytes));
    used.map(|(cluster, bytes)| Ok((cluster, pack_cluster(bytes, compressor)?))).collect()
}

fn pack_cluster(bytes: &[u8], compressor: &mut zstd::bulk::Compressor<'_>) -> io::Result<Packed> {
    let packed = compressor.compress(bytes)?;
    Ok(if packed.len() < bytes.len() { Packed::Compressed(packed) } else { Packed::Plain(bytes.to_vec()) })
}

/// Writes packed clusters where the map puts them, gathering neighbours.
struct Writer<'a> {
    pending: &'a Pending,
    map: Map,
    run: Vec<u8>,
    run_offset: u64,
    /// Where the part of the file begins that the disk was not set to work on yet.
    synced: u64,
}

impl Writer<'_> {
    fn write(&mut self, cluster: u64, packed: Packed) -> Result<(), WriteError> {
        let (offset, bytes) = match packed {
            Packed::Plain(bytes) => (self.map.place_plain(cluster), bytes),
            Packed::Compressed(bytes) => (self.map.place_compressed(cluster, bytes.len() as u64), bytes),
        };
        if offset != self.run_offset + self.run.len() as u64 || self.run.len() >= RUN {
            self.flush()?;
            self.run_offset = offset;
        }
        self.run.extend_from_slice(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        if !self.run.is_empty() {
            self.pending.write_at(&self.run, self.run_offset)?;
            self.run.clear();
            if self.run_offset >= self.synced + STEP {
                self.pending.begin_sync(self.synced, self.run_offset - self.synced);
                self.synced = self.run_offset;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), WriteError> {
        self.flush()?;
        let (pieces, size) = self.map.finish();
        for piece in &pieces {
            self.pending.write_at(&piece.bytes, piece.offset)?;
        }
        Ok(self.pending.set_size(size)?)
    }
}
