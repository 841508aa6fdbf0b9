// SPDX-License-Identifier: Apache-2.0
//! C libraries that a build takes from this machine: those that its packages ask pkg-config for, with their versions.
//!
//! Which they are is known once the modules are there, so they are no part of a build's key: they stand in its record, and
//! a record counts only while this machine has the same versions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Builder;
use super::toolchain::printed;

/// How such a fact begins.
const FACT: &str = "pkg-config ";

/// Returns a fact for each library of `names` that this machine has; of one that it lacks the compiler tells.
pub(super) fn facts(builder: &Builder<'_>, names: &BTreeSet<String>) -> BTreeMap<String, String> {
    let version = |name: &String| {
        let version = printed(builder, Path::new("pkg-config"), &["--modversion", name]).ok()?;
        Some((format!("{FACT}{name}"), version))
    };
    names.iter().filter_map(version).collect()
}

/// Tells whether this machine's libraries are those that a result was made with.
pub(super) fn are_as_in(builder: &Builder<'_>, from: &BTreeMap<String, String>) -> bool {
    let then = || from.iter().filter_map(|(fact, version)| Some((fact.strip_prefix(FACT)?, version)));
    let now = facts(builder, &then().map(|(name, _)| name.to_owned()).collect());
    then().all(|(name, version)| now.get(&format!("{FACT}{name}")) == Some(version))
}

/// Returns the names among what a package hands to pkg-config, which may be options and conditions too.
pub(super) fn names<'a>(words: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    let is_name = |word: &&str| word.starts_with(|first: char| first.is_ascii_alphabetic());
    words.filter(is_name).map(str::to_owned)
}
