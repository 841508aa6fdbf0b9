// SPDX-License-Identifier: Apache-2.0
//! Extended attributes: first in the rest of the inode, what does not fit there in one block of its own.
//!
//! Source: Documentation/filesystems/ext4/attributes.rst. Blocks are not shared between inodes. ACLs are refused: their
//! form on disk differs from the one that programs see.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::checksum::Sum;
use super::error::Error;
use super::fields::Fields;
use crate::tree::TreePath;

const MAGIC: u32 = 0xEA02_0000;
/// Bytes of an inode after its fields: 256 - 128 - 32.
const IN_INODE_BYTES: usize = 96;
/// The namespaces that are stored, with their numbers.
const PREFIXES: [(&str, u8); 3] = [("user.", 1), ("trusted.", 4), ("security.", 6)];
/// The empty entry that ends the list.
const END_BYTES: usize = 4;

/// One attribute, ordered as a block wants it: by namespace, length of name, name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Attribute<'a> {
    namespace: u8,
    name_len: usize,
    name: &'a [u8],
    value: &'a [u8],
}

/// The attributes of an inode, as they are stored.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// What follows the inode's fields; empty or 96 bytes.
    pub in_inode: Vec<u8>,
    /// The block, without its checksum: that needs the block's number, see [`seal`].
    pub block: Option<Fields>,
}

/// Stores the attributes `xattrs` of the file at `path`.
pub(super) fn store(xattrs: &BTreeMap<String, Vec<u8>>, path: &TreePath) -> Result<Stored, Error> {
    const IN_INODE_HEAD: usize = 4;
    const BLOCK_HEAD: usize = 32;
    let mut attributes = xattrs
        .iter()
        .map(|(name, value)| Attribute::new(name, value, path))
        .collect::<Result<Vec<_>, Error>>()?;
    // Capabilities are read whenever the file is run: namespaces of high numbers get the inode first.
    attributes.sort_by_key(|attribute| (Reverse(attribute.namespace), *attribute));
    let mut left = IN_INODE_BYTES - IN_INODE_HEAD - END_BYTES;
    let (inner, mut outer): (Vec<_>, Vec<_>) = attributes.into_iter().partition(|attribute| {
        let fits = attribute.len() <= left;
        left -= if fits { attribute.len() } else { 0 };
        fits
    });
    let needed: usize = outer.iter().map(Attribute::len).sum();
    let there = 4096 - BLOCK_HEAD - END_BYTES;
    if needed > there {
        let (needed_bytes, there_bytes) = (needed as u64, there as u64);
        return Err(Error::Attributes { path: path.to_string(), needed_bytes, there_bytes });
    }
    outer.sort();
    Ok(Stored {
        in_inode: if inner.is_empty() { Vec::new() } else { in_inode(&inner) },
        block: (!outer.is_empty()).then(|| block(&outer)),
    })
}

/// Adds the checksum to the attribute block that will be block number `at`; `sum` is the filesystem's.
pub(super) fn seal(mut block: Fields, at: u64, sum: Sum) -> Vec<u8> {
    let checksum = sum.with(&at.to_le_bytes()).with(block.as_slice()).value();
    block.u32(0x10, checksum);
    block.into_bytes()
}

impl<'a> Attribute<'a> {
    fn new(name: &'a str, value: &'a [u8], path: &TreePath) -> Result<Self, Error> {
        let known = PREFIXES.iter().find_map(|(prefix, number)| Some((name.strip_prefix(prefix)?, *number)));
        match known {
            Some((rest, namespace)) if (1..=255).contains(&rest.len()) && !rest.contains('\0') => {
                Ok(Self { namespace, name_len: rest.len(), name: rest.as_bytes(), value })
            }
            _ => Err(Error::AttributeName { path: path.to_string(), name: name.escape_debug().to_string() }),
        }
    }

    /// Returns the bytes of entry and value, each aligned to 4.
    fn len(&self) -> usize {
        self.entry_len() + self.value.len().next_multiple_of(4)
    }

    fn entry_len(&self) -> usize {
        (16 + self.name_len).next_multiple_of(4)
    }

    /// Returns the entry's hash (`e_hash`): over the name's bytes, then over the value's words.
    fn hash(&self) -> u32 {
        let name = self.name.iter().fold(0u32, |hash, byte| hash.rotate_left(5) ^ u32::from(*byte));
        self.value.chunks(4).fold(name, |hash, bytes| {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            hash.rotate_left(16) ^ u32::from_le_bytes(word)
        })
    }
}

/// Returns the attributes after an inode: values are found from the first entry, hashes are not kept.
fn in_inode(attributes: &[Attribute<'_>]) -> Vec<u8> {
    let mut fields = Fields::zeroed(IN_INODE_BYTES);
    fields.u32(0, MAGIC);
    fill(&mut fields, 4, 4, attributes, |_| 0);
    fields.into_bytes()
}

/// Returns an attribute block: values are found from its start.
fn block(attributes: &[Attribute<'_>]) -> Fields {
    let mut fields = Fields::zeroed(4096);
    let hash = attributes.iter().fold(0u32, |hash, attribute| hash.rotate_left(16) ^ attribute.hash());
    // One inode refers to it, and it is one block.
    fields.u32(0x0, MAGIC).u32(0x4, 1).u32(0x8, 1).u32(0xC, hash);
    fill(&mut fields, 32, 0, attributes, |attribute| attribute.hash());
    fields
}

/// Writes the entries upwards from `first` and their values downwards from the end, as offsets from `base`.
fn fill(
    fields: &mut Fields,
    first: usize,
    base: usize,
    attributes: &[Attribute<'_>],
    hash: impl Fn(&Attribute<'_>) -> u32,
) {
    let mut entry = first;
    let mut value = fields.as_slice().len();
    for attribute in attributes {
        fields.u8(entry, attribute.name_len as u8).u8(entry + 1, attribute.namespace);
        if !attribute.value.is_empty() {
            value -= attribute.value.len().next_multiple_of(4);
            fields.u16(entry + 2, (value - base) as u16).bytes(value, attribute.value);
        }
        fields
            .u32(entry + 8, attribute.value.len() as u32)
            .u32(entry + 12, hash(attribute))
            .bytes(entry + 16, attribute.name);
        entry += attribute.entry_len();
    }
}
