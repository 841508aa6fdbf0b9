// SPDX-License-Identifier: Apache-2.0
//! Takes blocks for the contents of one inode after another, and keeps what goes into them.

use std::ops::Range;
use std::sync::Arc;

use uuid::Uuid;

use super::census::Person;
use super::checksum::Sum;
use super::contents;
use super::directory;
use super::entry::{self, Folder};
use super::error::Error;
use super::extents::{self, Run};
use super::geometry::BLOCK_BYTES;
use super::image::Image;
use super::inode::{self, Body};
use super::owner::{Part, Taken};
use super::space::Space;
use super::xattr;
use crate::tree::{Content, Kind};

/// lost+found has this many blocks, so that e2fsck needs none when it finds something.
const LOST_AND_FOUND_BLOCKS: usize = 4;

/// The blocks of a filesystem: those taken, with what is in them, and those free.
#[derive(Debug)]
pub(super) struct Store {
    pub space: Space,
    pub image: Image,
    /// Whose the blocks are that were taken so far.
    pub taken: Vec<Taken>,
    /// Has seen the filesystem.
    pub sum: Sum,
    pub hash_seed: Uuid,
}

impl Store {
    /// Stores contents and attributes of an inode.
    pub fn body(&mut self, person: &Person<'_>) -> Result<Body, Error> {
        let attributes = xattr::store(&person.node.xattrs, person.path)?;
        let mut body = match &person.node.kind {
            Kind::Folder => self.folder(person)?,
            Kind::Symlink(target) => self.symlink(person, target)?,
            Kind::File(content) => self.file(person, content)?,
        };
        body.attributes = attributes.in_inode;
        if let Some(block) = attributes.block {
            body.attribute_block = self.space.take_one();
            body.blocks += 1;
            self.note(person.number, body.attribute_block, 1, Part::Attributes);
            self.image.add(body.attribute_block, xattr::seal(block, body.attribute_block, self.sum));
        }
        Ok(body)
    }

    fn folder(&mut self, person: &Person<'_>) -> Result<Body, Error> {
        let Person { number, parent, ref entries, path, .. } = *person;
        let folder = Folder { inode: number, parent, entries };
        let sum = self.sum.with_inode(number);
        let written = directory::write(&folder, self.hash_seed, sum);
        let mut blocks = written.ok_or_else(|| Error::Folder { path: path.to_string() })?;
        while number == inode::FIRST && !blocks.indexed && blocks.bytes.len() < LOST_AND_FOUND_BLOCKS * 4096 {
            blocks.bytes.extend(entry::block(&[], sum));
        }
        let mut body = self.stored(number, blocks.bytes.into());
        body.flags |= if blocks.indexed { inode::INDEX_FLAG } else { 0 };
        body.size = body.size.next_multiple_of(BLOCK_BYTES);
        Ok(body)
    }

    fn symlink(&mut self, person: &Person<'_>, target: &[u8]) -> Result<Body, Error> {
        // What is shorter than `i_block` stands in it (ifork.rst); a block must hold the rest and a NUL.
        const IN_INODE: Range<usize> = 1..60;
        const IN_BLOCK: Range<usize> = 60..4096;
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
    pub fn mapped(&mut self, number: u32, size: u64, runs: &[Run]) -> Body {
        let tree = extents::tree(runs, &mut self.space, self.sum.with_inode(number));
        let blocks = runs.iter().map(|run| run.blocks).sum::<u64>() + tree.nodes.len() as u64;
        for run in runs {
            let part = Part::Contents { offset: run.logical * BLOCK_BYTES };
            self.note(number, run.physical, run.blocks, part);
        }
        for (block, bytes) in tree.nodes {
            self.note(number, block, 1, Part::Extents);
            self.image.add(block, bytes);
        }
        let (block, flags) = (tree.root, inode::EXTENTS_FLAG);
        Body { size, blocks, flags, block, attributes: Vec::new(), attribute_block: 0 }
    }

    fn note(&mut self, inode: u32, first: u64, blocks: u64, part: Part) {
        self.taken.push(Taken { blocks: first..first + blocks, inode, part });
    }
}
