// SPDX-License-Identifier: Apache-2.0
//! Gives every inode its blocks, and says at the end what all metadata looks like.

use std::ops::Range;
use std::sync::Arc;

use super::Spec;
use super::census::Person;
use super::checksum::Sum;
use super::contents;
use super::directory::Folder;
use super::error::Error;
use super::extents::{self, Run};
use super::geometry::{BLOCK_BYTES, Geometry};
use super::group::{self, Group, Home, Inodes};
use super::image::Image;
use super::inode::{self, Body, Inode};
use super::journal;
use super::resize;
use super::space::Space;
use super::superblock::Superblock;
use super::xattr;
use crate::disk::Extent;
use crate::tree::{Content, Kind};

/// lost+found has this many blocks, so that e2fsck needs none when it finds something.
const LOST_AND_FOUND_BLOCKS: usize = 4;

/// A filesystem in the making.
pub(super) struct Layout<'a> {
    spec: &'a Spec,
    geometry: Geometry,
    space: Space,
    homes: Vec<Home>,
    image: Image,
    sum: Sum,
}

impl<'a> Layout<'a> {
    /// Starts a filesystem that has nothing but the metadata of its groups.
    pub fn new(spec: &'a Spec, geometry: Geometry) -> Self {
        let fixed = geometry.superblock_groups().map(|group| geometry.fixed(group));
        let mut space = Space::new(geometry.blocks, fixed);
        let homes = group::place(&geometry, &mut space);
        space.seek(0);
        let sum = Sum::of_filesystem(spec.uuid);
        Self { spec, geometry, space, homes, image: Image::default(), sum }
    }

    /// Writes all inodes and returns the extents of the filesystem.
    pub fn write(mut self, people: &[Person<'_>]) -> Result<Vec<Extent>, Error> {
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
        if self.space.missing_blocks() > 0 {
            let missing_bytes = self.space.missing_blocks() * BLOCK_BYTES;
            return Err(Error::Full { missing_bytes, size_bytes: self.spec.size });
        }
        let folders = people.iter().filter(|person| person.node.kind == Kind::Folder);
        let inodes = Inodes { last, folders: folders.map(|person| person.number).collect() };
        self.finish(&table, &inodes, &journal.body);
        Ok(self.image.finish())
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
        let places = self.space.take(self.geometry.journal_blocks);
        self.space.seek(0);
        let first = places.first().map_or(0, |run| run.start);
        self.image.add(first, journal::superblock(self.spec.uuid, self.geometry.journal_blocks));
        let all = 0..self.geometry.journal_blocks;
        self.mapped(journal::INODE, all.end * BLOCK_BYTES, &extents::map(&[all], &places))
    }

    fn resize(&mut self) -> Body {
        let double = self.space.take_one();
        for (block, bytes) in resize::blocks(&self.geometry, double) {
            self.image.add(block, bytes);
        }
        resize::body(&self.geometry, double)
    }

    fn inode(&mut self, person: &Person<'_>) -> Result<Inode, Error> {
        let node = person.node;
        let attributes = xattr::store(&node.xattrs, person.path)?;
        let (kind, mut body) = match &node.kind {
            Kind::Folder => (inode::FOLDER, self.folder(person)?),
            Kind::Symlink(target) => (inode::SYMLINK, self.symlink(person, target)?),
            Kind::File(content) => (inode::FILE, self.file(person, content)?),
        };
        body.attributes = attributes.in_inode;
        if let Some(block) = attributes.block {
            body.attribute_block = self.space.take_one();
            body.blocks += 1;
            self.image.add(body.attribute_block, xattr::seal(block, body.attribute_block, self.sum));
        }
        let mode = kind | (node.mode & 0o7777);
        let (uid, gid, time_s) = (node.uid, node.gid, self.time_s(node.mtime_s));
        Ok(Inode { mode, uid, gid, links: person.links(), time_s, body })
    }

    fn folder(&mut self, person: &Person<'_>) -> Result<Body, Error> {
        let Person { number, parent, ref entries, path, .. } = *person;
        let folder = Folder { inode: number, parent, entries };
        let sum = self.sum.with_inode(number);
        let written = folder.write(self.spec.hash_seed, sum);
        let mut blocks = written.ok_or_else(|| Error::Folder { path: path.to_string() })?;
        while number == inode::FIRST && !blocks.indexed && blocks.bytes.len() < LOST_AND_FOUND_BLOCKS * 4096 {
            blocks.bytes.extend(super::directory::block(&[], sum));
        }
        let mut body = self.stored(number, blocks.bytes.into());
        body.flags |= if blocks.indexed { inode::INDEX_FLAG } else { 0 };
        body.size = body.size.next_multiple_of(BLOCK_BYTES);
        Ok(body)
    }

    fn symlink(&mut self, person: &Person<'_>, target: &[u8]) -> Result<Body, Error> {
        // What is shorter than `i_block` stands in it (ifork.rst); a block must hold the rest and a NUL.
        const IN_INODE: std::ops::Range<usize> = 1..60;
        const IN_BLOCK: std::ops::Range<usize> = 60..4096;
        if target.contains(&0) {
            return Err(Error::Symlink { path: person.path.to_string() });
        }
        if IN_BLOCK.contains(&target.len()) {
            return Ok(self.stored(person.number, target.into()));
        }
        if !IN_INODE.contains(&target.len()) {
            return Err(Error::Symlink { path: person.path.to_string() });
        }
        let mut block = [0; 60];
        block[..target.len()].copy_from_slice(target);
        let size = target.len() as u64;
        Ok(Body { size, blocks: 0, flags: 0, block, attributes: Vec::new(), attribute_block: 0 })
    }

    /// Stores `bytes` as the contents of an inode.
    fn stored(&mut self, number: u32, bytes: Arc<[u8]>) -> Body {
        let data = 0..bytes.len() as u64;
        self.placed(number, &Content::Inline(bytes), &[data])
    }

    fn file(&mut self, person: &Person<'_>, content: &Content) -> Result<Body, Error> {
        let data = contents::data_bytes(content, person.path)?;
        Ok(self.placed(person.number, content, &data))
    }

    /// Takes blocks for the bytes `data` of an inode's contents.
    fn placed(&mut self, number: u32, content: &Content, data: &[Range<u64>]) -> Body {
        let blocks = contents::data_blocks(data);
        let count = blocks.iter().map(|run| run.end - run.start).sum();
        let places = self.space.take(count);
        let runs = extents::map(&blocks, &places);
        for extent in contents::extents(content, data, &runs) {
            self.image.add_extent(extent);
        }
        self.mapped(number, content.size(), &runs)
    }

    /// Writes the extent tree of an inode's blocks.
    fn mapped(&mut self, number: u32, size: u64, runs: &[Run]) -> Body {
        let tree = extents::tree(runs, &mut self.space, self.sum.with_inode(number));
        let blocks = runs.iter().map(|run| run.blocks).sum::<u64>() + tree.nodes.len() as u64;
        for (block, bytes) in tree.nodes {
            self.image.add(block, bytes);
        }
        let (block, flags) = (tree.root, inode::EXTENTS_FLAG);
        Body { size, blocks, flags, block, attributes: Vec::new(), attribute_block: 0 }
    }

    /// Writes the inode tables, bitmaps, descriptors and superblocks, now that all blocks are taken.
    fn finish(&mut self, table: &[u8], inodes: &Inodes, journal: &Body) {
        let per_group = self.geometry.inodes_per_group;
        for (records, home) in table.chunks(per_group as usize * inode_bytes()).zip(&self.homes) {
            self.image.add(home.inode_table, records);
        }
        let mut descriptors = Vec::new();
        for (number, home) in (0..).zip(&self.homes) {
            let group = Group::count(number, &self.geometry, &self.space, inodes);
            descriptors.extend(group.descriptor(number, home, per_group, self.sum));
            for (block, bitmap) in
                [(home.block_bitmap, group.block_bitmap), (home.inode_bitmap, group.inode_bitmap)]
            {
                bitmap.into_iter().for_each(|bitmap| self.image.add(block, bitmap));
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
            free_blocks: self.space.free_blocks(),
            free_inodes: self.geometry.inodes() - last_inode,
            journal,
        };
        for group in self.geometry.superblock_groups() {
            let start = self.geometry.fixed(group).start;
            let offset = if group == 0 { BOOT_BYTES } else { start * BLOCK_BYTES };
            self.image.add_extent(Extent::of_bytes(offset, superblock.write(group)));
            self.image.add(start + 1, Arc::clone(descriptors));
        }
    }
}

fn inode_bytes() -> usize {
    super::geometry::INODE_BYTES as usize
}
