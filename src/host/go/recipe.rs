// SPDX-License-Identifier: Apache-2.0
//! What a build is made of, as a value: its key, the facts that a lock keeps, and the few words of go.mod that matter.
//!
//! Pure. go.mod itself is Go's to understand; here only what would make a build depend on more than its key is found.

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

/// Returns the name that `go build` gives to the program of `package`: its last element that is not a major version.
/// None for patterns, versions, flags and `.`, which name no program or hide its name.
pub(super) fn program_name(package: &str) -> Option<&str> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "-._~/+".contains(c);
    if package.starts_with('-') || package.contains("...") || !package.chars().all(is_fine) {
        return None;
    }
    let mut elements = package.rsplit('/');
    let last = elements.next()?;
    let name = if is_major_version(last) { elements.next().unwrap_or(last) } else { last };
    (!matches!(name, "" | "." | "..")).then_some(name)
}

fn is_major_version(element: &str) -> bool {
    let digits = element.strip_prefix('v').unwrap_or_default();
    // cmd/go's load.DefaultExecName: v2 and up; v0 and v1 are ordinary names.
    !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0')
        && digits != "1"
}

/// Returns the version of go.mod's `go` line (Go Modules Reference, "go directive").
pub(super) fn wanted_version(go_mod: &str) -> Option<&str> {
    let mut lines = go_mod.lines().map(|line| line.split("//").next().unwrap_or_default().split_whitespace());
    lines.find_map(|mut words| if words.next() == Some("go") { words.next() } else { None })
}

/// Returns the first replacement by a folder that is not inside: its files would shape the result without being in the
/// key.
pub(super) fn outside(go_mod: &str) -> Option<&str> {
    go_mod.lines().map(str::trim).find(|line| {
        let code = line.split("//").next().unwrap_or_default();
        let target = code.split_once("=>").map(|(_, target)| target.trim().trim_matches(['"', '`']));
        target
            .is_some_and(|target| target.starts_with('/') || target.split('/').any(|element| element == ".."))
    })
}

/// Whether Go `has` will do for a go.mod that asks for `needs`; both as Go writes versions: 1.26, 1.26.3, 1.27rc1.
pub(super) fn is_new_enough(has: &str, needs: &str) -> bool {
    numbers(has) >= numbers(needs)
}

/// A release candidate counts as its release's first: Go itself decides that case.
fn numbers(version: &str) -> Vec<u32> {
    let parts = version.split('.').map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().unwrap_or(0)
    });
    parts.chain([0, 0]).take(3).collect()
}

#[cfg(test)]
mod tests;
