// SPDX-License-Identifier: Apache-2.0
//! Gives every inode its blocks, and says at the end what all metadata looks like.

use std::sync::Arc;

use super::Spec;
use super::census::Person;
use super::checksum::Sum;
use super::error::Error;
use super::extents;
use super::geometry::{BLOCK_BYTES, Geometry};
use super::group::{self, Group, Home, Inodes};
use super::image::Image;
use super::inode::{self, Body, Inode};
use super::journal;
use super::owner::{self, Owner};
use super::resize;
use super::space::Space;
use super::store::Store;
use super::superblock::Superblock;
use crate::disk::Extent;
use crate::tree::Kind;

/// A finished filesystem.
pub(super) struct Laid {
    pub extents: Vec<Extent>,
    pub owners: Vec<Owner>,
}

/// A filesystem in the making.
pub(super) struct Layout<'a> {
    spec: &'a Spec,
    geometry: Geometry,
    homes: Vec<Home>,
    sum: Sum,
    store: Store,
}

impl<'a> Layout<'a> {
    /// Starts a filesystem that has nothing but the metadata of its groups.
    pub fn new(spec: &'a Spec, geometry: Geometry) -> Self {
        let fixed = geometry.superblock_groups().map(|group| geometry.fixed(group));
        let mut space = Space::new(geometry.blocks, fixed);
        let homes = group::place(&geometry, &mut space);
        space.seek(0);
        let sum = Sum::of_filesystem(spec.uuid);
        let (image, taken) = (Image::default(), Vec::new());
        let store = Store { space, image, taken, sum, hash_seed: spec.hash_seed };
        Self { spec, geometry, homes, sum, store }
    }

    /// Writes all inodes and returns the extents of the filesystem, and whose they are.
    pub fn write(mut self, people: &[Person<'_>]) -> Result<Laid, Error> {
        let last = people.last().map_or(inode::FIRST, |person| person.number);
        let mut table = vec![0; last as usize * inode_bytes()];
        let journal = self.journal();
        let resize = self.resize();
        self.settle(&mut table, inode::RESIZE, &self.reserved(resize));
        let journal = self.reserved(journal);
        self.settle(&mut table, journal::INODE, &journal);
        // Folders and all else that is small come first: one stretch to read for a walk of the whole tree.
        let (mut files, others): (Vec<&Person<'_>>, Vec<_>) =
            people.iter().partition(|person| matches!(person.node.kind, Kind::File(_)));
        files.sort_by_key(|person| (person.turn, person.number));
        for person in others.into_iter().chain(files) {
            let inode = self.inode(person)?;
            self.settle(&mut table, person.number, &inode);
        }
        if self.store.space.missing_blocks() > 0 {
            let missing_bytes = self.store.space.missing_blocks() * BLOCK_BYTES;
            return Err(Error::Full { missing_bytes, size_bytes: self.spec.size });
        }
        let folders = people.iter().filter(|person| person.node.kind == Kind::Folder);
        let inodes = Inodes { last, folders: folders.map(|person| person.number).collect() };
        self.finish(&table, &inodes, &journal.body);
        let owners = owner::owners(self.store.taken, people, &self.geometry, &self.homes);
        Ok(Laid { extents: self.store.image.finish(), owners })
    }

    fn settle(&self, table: &mut [u8], number: u32, inode: &Inode) {
        let at = (number as usize - 1) * inode_bytes();
        table[at..at + inode_bytes()].copy_from_slice(&inode.write(self.sum.with_inode(number)));
    }

    /// Returns a reserved inode: root's file, seen by nobody.
    fn reserved(&self, body: Body) -> Inode {
        let time_s = self.time_s(i64::MAX);
        Inode { mode: inode::FILE | 0o600, uid: 0, gid: 0, links: 1, time_s, body }
    }

    /// Returns the time to write for `wanted_s`: nothing is younger than the filesystem.
    fn time_s(&self, wanted_s: i64) -> i64 {
        wanted_s.min(i64::try_from(self.spec.time_s).unwrap_or(i64::MAX))
    }

    /// Takes a run of blocks for the journal, which leaves the space before it to folders and files.
    fn journal(&mut self) -> Body {
        let places = self.store.space.take(self.geometry.journal_blocks);
        self.store.space.seek(0);
        let first = places.first().map_or(0, |run| run.start);
        self.store.image.add(first, journal::superblock(self.spec.uuid, self.geometry.journal_blocks));
        let all = 0..self.geometry.journal_blocks;
        self.store.mapped(journal::INODE, all.end * BLOCK_BYTES, &extents::map(&[all], &places))
    }

    fn resize(&mut self) -> Body {
        let double = self.store.space.take_one();
        for (block, bytes) in resize::blocks(&self.geometry, double) {
            self.store.image.add(block, bytes);
        }
        resize::body(&self.geometry, double)
    }

    fn inode(&mut self, person: &Person<'_>) -> Result<Inode, Error> {
        let node = person.node;
        let body = self.store.body(person)?;
        let kind = match node.kind {
            Kind::Folder => inode::FOLDER,
            Kind::Symlink(_) => inode::SYMLINK,
            Kind::File(_) => inode::FILE,
        };
        let mode = kind | (node.mode & 0o7777);
        let (uid, gid, time_s) = (node.uid, node.gid, self.time_s(node.mtime_s));
        Ok(Inode { mode, uid, gid, links: person.links(), time_s, body })
    }

    /// Writes the inode tables, bitmaps, descriptors and superblocks, now that all blocks are taken.
    fn finish(&mut self, table: &[u8], inodes: &Inodes, journal: &Body) {
        let per_group = self.geometry.inodes_per_group;
        for (records, home) in table.chunks(per_group as usize * inode_bytes()).zip(&self.homes) {
            self.store.image.add(home.inode_table, records);
        }
        let mut descriptors = Vec::new();
        for (number, home) in (0..).zip(&self.homes) {
            let group = Group::count(number, &self.geometry, &self.store.space, inodes);
            descriptors.extend(group.descriptor(number, home, per_group, self.sum));
            for (block, bitmap) in
                [(home.block_bitmap, group.block_bitmap), (home.inode_bitmap, group.inode_bitmap)]
            {
                bitmap.into_iter().for_each(|bitmap| self.store.image.add(block, bitmap));
            }
        }
        self.superblocks(&descriptors.into(), inodes.last, journal);
    }

    fn superblocks(&mut self, descriptors: &Arc<[u8]>, last_inode: u32, journal: &Body) {
        /// The first superblock leaves room for a boot sector.
        const BOOT_BYTES: u64 = 1024;
        let superblock = Superblock {
            spec: self.spec,
            geometry: &self.geometry,
            free_blocks: self.store.space.free_blocks(),
            free_inodes: self.geometry.inodes() - last_inode,
            journal,
        };
        for group in self.geometry.superblock_groups() {
            let start = self.geometry.fixed(group).start;
            let offset = if group == 0 { BOOT_BYTES } else { start * BLOCK_BYTES };
            self.store.image.add_extent(Extent::of_bytes(offset, superblock.write(group)));
            self.store.image.add(start + 1, Arc::clone(descriptors));
        }
    }
}

fn inode_bytes() -> usize {
    super::geometry::INODE_BYTES as usize
}
