// SPDX-License-Identifier: Apache-2.0
//! A system extension (systemd-sysext(8)): the components' programs packed as one squashfs, which can be replaced whole.
//!
//! Programs lie in the extension below `/usr/lib/kiln`, never below /opt: an extension with an /opt would make the
//! merge cover ROOT's own (Flatcar#2111). ROOT keeps a link at each program's usual path, so that units, manifests and people
//! need not know how an image was baked. The same tree gives the same bytes.

use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;

use backhand::compression::{CompressionOptions, Compressor, Zstd};
use backhand::{BackhandError, FilesystemCompressor, FilesystemWriter, NodeHeader};

use crate::manifest::Arch;
use crate::tree::{Content, Kind, Node, Tree};

/// Why a tree can't be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A number that squashfs has no room for.
    #[error("can't pack '{path}': its {what} doesn't fit squashfs")]
    Range {
        /// Where.
        path: String,
        /// "time".
        what: &'static str,
    },
    /// The writer or one of the readers failed.
    #[error("can't pack the system extension")]
    Write(#[source] io::Error),
}

/// Measured on 353 MB of programs: level 3 takes 1.2 s of CPU for 130 MB, level 9 5.1 s for 120 MB. An extension is
/// packed once and read by every node.
const ZSTD_LEVEL: u32 = 9;

/// Opens the bytes of a content.
pub type Open<'a> = dyn Fn(&Content) -> io::Result<Box<dyn Read>> + 'a;

/// Returns where a component's file lies in the extension; none: it stays on ROOT.
pub fn packed_path(path: &str) -> Option<String> {
    path.strip_prefix("/opt/").map(|rest| format!("/usr/lib/kiln/{rest}"))
}

/// Returns where the packed extension of image `name` lies on ROOT.
pub fn image_path(name: &str) -> String {
    format!("/opt/extensions/kiln/{name}.raw")
}

/// Returns path and text of the file that lets systemd-sysext accept the extension on any host of its architecture.
///
/// Programs are static or bring nothing but the loader, so no host version is asked for (`ID=_any`, os-release(5)).
pub fn release_file(name: &str, arch: Arch) -> (String, String) {
    let architecture = match arch {
        Arch::Amd64 => "x86-64",
        Arch::Arm64 => "arm64",
    };
    let path = format!("/usr/lib/extension-release.d/extension-release.{name}");
    (path, format!("ID=_any\nARCHITECTURE={architecture}\n"))
}

/// Returns the links on ROOT, path and target, that make systemd find and merge the extension.
pub fn links(name: &str) -> [(String, String); 2] {
    const UNIT: &str = "systemd-sysext.service";
    [
        (format!("/etc/extensions/{name}.raw"), image_path(name)),
        // Flatcar starts it anyway; Debian leaves it disabled.
        (
            format!("/etc/systemd/system/sysinit.target.wants/{UNIT}"),
            format!("/usr/lib/systemd/system/{UNIT}"),
        ),
    ]
}

/// Writes `tree` as squashfs 4.0 to `out`, taking the bytes of each file from `open` one after the other.
///
/// The crate gives the root folder no time but 1970, which nobody sees once the extension is merged.
///
/// # Errors
/// If a reader or the writer fails, or a time doesn't fit into 32 bits.
pub fn pack(tree: &Tree, open: &Open<'_>, out: &mut (impl Write + Seek)) -> Result<(), PackError> {
    let options = CompressionOptions::Zstd(Zstd { compression_level: ZSTD_LEVEL });
    let compressor = FilesystemCompressor::new(Compressor::Zstd, Some(options)).map_err(write_error)?;
    let mut writer = FilesystemWriter::default();
    writer.set_compressor(compressor);
    for (path, id) in tree.paths() {
        let node = tree.node(id);
        let header = header(&path.to_string(), node)?;
        if path.parent().is_none() {
            writer.set_root_mode(header.permissions);
            writer.set_time(header.mtime);
            continue;
        }
        add(&mut writer, &path.to_string(), node, header, open).map_err(write_error)?;
    }
    writer.write(out).map(drop).map_err(write_error)
}

/// Unwraps what a reader or the writer said; the crate's own error would hide it.
fn write_error(error: BackhandError) -> PackError {
    PackError::Write(error.into())
}

fn header(path: &str, node: &Node) -> Result<NodeHeader, PackError> {
    let too_big = |_| PackError::Range { path: path.to_owned(), what: "time" };
    let mtime = u32::try_from(node.mtime_s).map_err(too_big)?;
    Ok(NodeHeader::new(node.mode, node.uid, node.gid, mtime))
}

fn add<'a>(
    writer: &mut FilesystemWriter<'_, '_, 'a>,
    path: &str,
    node: &'a Node,
    header: NodeHeader,
    open: &'a Open<'a>,
) -> Result<(), BackhandError> {
    match &node.kind {
        Kind::Folder => writer.push_dir(path, header),
        Kind::File(content) => writer.push_file(Late { content, open, reader: None }, path, header),
        Kind::Symlink(target) => {
            let target = PathBuf::from(String::from_utf8_lossy(target).into_owned());
            writer.push_symlink(target, path, header)
        }
    }
}

/// Opens a content when it is read first and closes it at its end, so that few are open at a time.
struct Late<'a> {
    content: &'a Content,
    open: &'a Open<'a>,
    reader: Option<Box<dyn Read>>,
}

impl Read for Late<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.reader.is_none() {
            self.reader = Some((self.open)(self.content)?);
        }
        let reader = self.reader.as_mut().expect("opened above");
        let read = reader.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            self.reader = Some(Box::new(io::empty()));
        }
        Ok(read)
    }
}
