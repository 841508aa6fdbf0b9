// SPDX-License-Identifier: Apache-2.0
//! The folder that a build starts from: every file of it counts, and nothing outside of it may.

use std::collections::BTreeMap;

use super::words::{outside, program_name, wanted_version};
use super::{GoError, Order};
use crate::digest::Digest;
use crate::host::files::{self, FileError};

/// A folder with go.mod, as it is now.
#[derive(Debug)]
pub(super) struct Folder {
    /// Digest of each file by its path in the folder.
    pub(super) files: BTreeMap<String, Digest>,
    /// The Go that go.mod asks for.
    pub(super) needs: String,
}

/// Larger than any file that belongs beside a go.mod: Kubernetes' go.sum has 46 KB.
const FILE_MAX_BYTES: u64 = 64 << 20;

/// More than anyone keeps beside a go.mod. A larger folder is a wrong one, such as a home.
const FILES_MAX: usize = 10_000;

impl Folder {
    /// Reads the folder of `order` and checks what can be checked without Go.
    ///
    /// # Errors
    /// If it can't be read, or what it or the order says can't be built.
    pub(super) fn look(order: &Order<'_>) -> Result<Self, GoError> {
        check_packages(&order.go.packages).map_err(|what| GoError::order(order, what))?;
        let text = files::read(&order.folder().join("go.mod"), FILE_MAX_BYTES)?;
        let text = String::from_utf8_lossy(&text);
        if let Some(line) = outside(&text) {
            let what =
                format!("go.mod replaces a module by a folder outside (`{line}`); move that folder inside");
            return Err(GoError::order(order, what));
        }
        let Some(needs) = wanted_version(&text) else {
            return Err(GoError::order(order, "go.mod has no `go` line; run `go mod tidy` there".to_owned()));
        };
        let mut files = BTreeMap::new();
        read_below(order, "", &mut files)?;
        Ok(Self { files, needs: needs.to_owned() })
    }
}

fn check_packages(packages: &[String]) -> Result<(), String> {
    let mut names = BTreeMap::new();
    for package in packages {
        let name = program_name(package).ok_or_else(|| {
            format!("'{package}' is not the import path of one program, such as example.org/x/cmd/y")
        })?;
        if let Some(other) = names.insert(name, package) {
            return Err(format!(
                "{other} and {package} both make a program '{name}'; build them as two components"
            ));
        }
    }
    if names.is_empty() { Err("no packages are named".to_owned()) } else { Ok(()) }
}

fn read_below(order: &Order<'_>, below: &str, found: &mut BTreeMap<String, Digest>) -> Result<(), GoError> {
    let folder = order.folder().join(below);
    for name in files::list(&folder)? {
        let path = folder.join(&name);
        let inside = format!("{below}{}", name.to_string_lossy());
        let kind = path.symlink_metadata().map_err(FileError::at("look at", &path))?.file_type();
        if kind.is_dir() {
            read_below(order, &format!("{inside}/"), found)?;
        } else if kind.is_file() {
            found.insert(inside, Digest::of(&files::read(&path, FILE_MAX_BYTES)?));
        } else {
            return Err(GoError::order(
                order,
                format!("'{inside}' is neither a file nor a folder; remove it"),
            ));
        }
        if found.len() > FILES_MAX {
            let what = format!(
                "it holds more than {FILES_MAX} files; name a folder that holds go.mod and little else"
            );
            return Err(GoError::order(order, what));
        }
    }
    Ok(())
}
