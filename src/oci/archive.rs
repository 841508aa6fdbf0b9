// SPDX-License-Identifier: Apache-2.0
//! The archive: a tar file of an image layout, its members in one order and without anything of time or machine.

use std::io::{self, Read, Write};

use super::json::{self, Descriptor, DockerEntry, Index};
use super::{Blob, Image};
use crate::digest::Digest;
use crate::reference::Reference;

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// A small text.
    Text {
        /// Its path.
        path: String,
        /// What it holds.
        bytes: Vec<u8>,
    },
    /// A layer, by its digest.
    Blob(Blob),
}

/// Permission bits of a file in an archive; nobody reads them.
const MODE: u32 = 0o644;
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Returns the files of an image's archive, in their order: what tells about the others comes first.
pub fn members(image: &Image) -> Vec<Member> {
    let text = |path: &str, bytes: Vec<u8>| Member::Text { path: path.to_owned(), bytes };
    let config = image.config.blob();
    let mut members = vec![
        text("oci-layout", LAYOUT.to_vec()),
        text("index.json", index(image)),
        text("manifest.json", docker(image)),
        text(&json::path(&image.manifest.blob().digest), image.manifest.bytes.clone()),
        text(&json::path(&config.digest), image.config.bytes.clone()),
    ];
    // One layer twice (an empty one) is one file.
    let mut layers: Vec<Blob> = Vec::new();
    image.layers.iter().filter(|layer| layer.digest != config.digest).for_each(|layer| {
        if !layers.contains(layer) {
            layers.push(*layer);
        }
    });
    members.extend(layers.into_iter().map(Member::Blob));
    members
}

/// Writes an archive; `open` gives the bytes of layers.
///
/// # Errors
/// As the writer and the readers say, and if a layer has not the size that it should have.
pub fn write(
    out: &mut dyn Write,
    members: &[Member],
    open: &dyn Fn(&Digest) -> io::Result<Box<dyn Read>>,
) -> io::Result<()> {
    let mut tar = tar::Builder::new(out);
    for member in members {
        match member {
            Member::Text { path, bytes } => {
                tar.append_data(&mut header(bytes.len() as u64, MODE), path, bytes.as_slice())?;
            }
            Member::Blob(blob) => {
                let mut layer = open(&blob.digest)?;
                append(&mut tar, &json::path(&blob.digest), (blob.size, MODE), &mut layer)?;
            }
        }
    }
    tar.into_inner().map(drop)
}

/// Appends one file, whose bytes must be as many as is said: what follows it would be misread otherwise.
pub(super) fn append(
    tar: &mut tar::Builder<impl Write>,
    path: &str,
    (size, mode): (u64, u32),
    content: &mut dyn Read,
) -> io::Result<()> {
    let mut counted = Counted { inner: content.take(size), count: 0 };
    tar.append_data(&mut header(size, mode), path, &mut counted)?;
    let is_whole = counted.count == size && counted.inner.into_inner().read(&mut [0])? == 0;
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, format!("{path} has not {size} bytes"));
    is_whole.then_some(()).ok_or_else(wrong)
}

/// Returns a header of POSIX ustar with nothing in it but size and mode.
fn header(size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(0);
    header
}

struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

/// One entry for each name.
fn index(image: &Image) -> Vec<u8> {
    let manifests = image.names.iter().map(|name| {
        let mut descriptor = Descriptor::of(&image.manifest.media_type, image.manifest.blob());
        let tag = name.parse::<Reference>().map(|name| name.tag().to_owned()).unwrap_or_default();
        descriptor.annotations = [(json::NAME, name.clone()), (json::REF_NAME, tag)]
            .map(|(key, value)| (key.to_owned(), value))
            .into();
        descriptor
    });
    json::text(&Index {
        schema_version: 2,
        media_type: json::INDEX.to_owned(),
        manifests: manifests.collect(),
    })
}

fn docker(image: &Image) -> Vec<u8> {
    let config = json::path(&image.config.blob().digest);
    let layers = image.layers.iter().map(|layer| json::path(&layer.digest)).collect();
    json::text(&[DockerEntry { config, repo_tags: image.names.clone(), layers }])
}
