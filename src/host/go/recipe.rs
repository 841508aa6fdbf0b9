// SPDX-License-Identifier: Apache-2.0
//! What a build is made of, as a value: its key, and the facts that a lock keeps. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Order;
use super::folder::Folder;
use super::toolchain::Toolchain;
use crate::digest::Digest;
use crate::manifest::Arch;

/// Counts up when kiln compiles in another way, so that results of the old way are not taken for the new.
const FORMAT: u32 = 1;

/// Everything that shapes the result.
#[derive(Debug, Serialize)]
pub(super) struct Recipe<'a> {
    format: u32,
    files: &'a BTreeMap<String, Digest>,
    packages: &'a [String],
    tags: &'a [String],
    ldflags: &'a str,
    is_cgo: bool,
    arch: Arch,
    toolchain: &'a BTreeMap<&'static str, String>,
}

impl<'a> Recipe<'a> {
    pub(super) fn of(order: &Order<'a>, folder: &'a Folder, toolchain: &'a Toolchain) -> Self {
        let crate::manifest::Go { folder: _, packages, cgo, tags, ldflags } = order.go;
        Self {
            format: FORMAT,
            files: &folder.files,
            packages,
            tags,
            ldflags,
            is_cgo: *cgo,
            arch: order.arch,
            toolchain: &toolchain.facts,
        }
    }

    /// Returns the digest of everything that shapes the result.
    pub(super) fn key(&self) -> Digest {
        Digest::of(&serde_json::to_vec(self).expect("maps of strings"))
    }

    /// Returns what a lock keeps of it: enough to say why a result has changed.
    pub(super) fn facts(&self) -> BTreeMap<String, String> {
        let mut facts: BTreeMap<String, String> =
            self.toolchain.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        for name in ["go.mod", "go.sum"] {
            facts.extend(self.files.get(name).map(|digest| (name.to_owned(), format!("sha256:{digest}"))));
        }
        facts.insert("packages".to_owned(), self.packages.join(" "));
        let mut flags: Vec<String> = flags(self.tags, self.ldflags);
        flags.extend(settings(self.arch, self.is_cgo).map(|(name, value)| format!("{name}={value}")));
        facts.insert("flags".to_owned(), flags.join(" "));
        facts
    }
}

/// Returns the flags of `go build` that shape the result.
pub(super) fn flags(tags: &[String], ldflags: &str) -> Vec<String> {
    let mut flags = vec!["-trimpath".to_owned(), "-buildvcs=false".to_owned()];
    if !tags.is_empty() {
        flags.push(format!("-tags={}", tags.join(",")));
    }
    if !ldflags.is_empty() {
        flags.push(format!("-ldflags={ldflags}"));
    }
    flags
}

/// Returns the variables that say what is built for: the oldest processors of the architecture, so that an image runs
/// everywhere and a build does not depend on where it was made.
pub(super) fn settings(arch: Arch, is_cgo: bool) -> [(&'static str, &'static str); 4] {
    let cgo = if is_cgo { "1" } else { "0" };
    let (name, oldest) = match arch {
        Arch::Amd64 => ("amd64", ("GOAMD64", "v1")),
        Arch::Arm64 => ("arm64", ("GOARM64", "v8.0")),
    };
    [("GOOS", "linux"), ("GOARCH", name), oldest, ("CGO_ENABLED", cgo)]
}

#[cfg(test)]
mod tests;
