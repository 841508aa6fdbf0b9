// SPDX-License-Identifier: Apache-2.0
//! The texts of units and drop-ins in the tree: which files they are, and where a person wrote them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Subject;
use crate::bake::units::{UnitFile, install, is_drop_in_name, is_unit_name};
use crate::manifest::{ExtraContent, Manifest};
use crate::problem::Problem;
use crate::tree::{Content, TreePath};

/// No unit is larger; what is, is not read.
pub(super) const SIZE_MAX_BYTES: u64 = 1 << 20;

/// Tells whether a regular file at `path` would be read as a unit or a drop-in.
pub(super) fn is_unit_file(path: &TreePath) -> bool {
    name_of(path).is_some_and(|name| is_unit_name(&name) || is_drop_in_name(&name))
}

/// Returns the path below the folder of units.
pub(super) fn name_of(path: &TreePath) -> Option<String> {
    let path = path.to_string();
    path.strip_prefix(install::FOLDER)?.strip_prefix('/').map(str::to_owned)
}

/// The text of a unit or a drop-in.
pub(super) struct Text<'a> {
    /// Where it lies.
    pub path: &'a TreePath,
    /// What could be read of it.
    pub file: UnitFile,
}

/// Texts by their names below the folder of units.
pub(super) type Texts<'a> = BTreeMap<String, Text<'a>>;

/// Returns the text of a unit; otherwise what is wrong with it, and what would be right.
pub(super) fn text_of<'a>(
    subject: &Subject<'a>,
    content: &'a Content,
) -> Result<&'a str, (&'static str, &'static str)> {
    let bytes = match content {
        Content::Inline(bytes) => Some(bytes.as_ref()),
        Content::Blob { digest, .. } => subject.unit_blobs.get(digest).map(Vec::as_slice),
    };
    let bytes = bytes.ok_or(("is larger than any unit (1 MiB)", ""))?;
    std::str::from_utf8(bytes).map_err(|_| ("is not UTF-8", "write it as UTF-8 text"))
}

impl Subject<'_> {
    /// A problem in a line of a unit's text (0: the whole of it), told where a person wrote it.
    pub(super) fn unit_problem(&self, path: &TreePath, line: u32, what: String, fix: &str) -> Problem {
        match source_of(self.manifest, path) {
            Some(file) => {
                let place = (line > 0).then_some((line, 1));
                Problem { file, place, ..self.problem(path, what, fix) }
            }
            // The text stands in the manifest, whose lines are others.
            None if line > 0 => self.problem(path, format!("line {line}: {what}"), fix),
            None => self.problem(path, what, fix),
        }
    }
}

/// Returns the local file that the text at `path` came from.
fn source_of(manifest: &Manifest, path: &TreePath) -> Option<PathBuf> {
    let (name, path) = (name_of(path)?, path.to_string());
    let unit = manifest.units.iter().find(|unit| unit.name == name).and_then(|unit| unit.text.from.clone());
    unit.or_else(|| match &manifest.files.iter().find(|file| file.path == path)?.content {
        ExtraContent::Text(text) => text.from.clone(),
        ExtraContent::File(file) => Some(file.clone()),
        ExtraContent::Link(_) | ExtraContent::Folder => None,
    })
}
