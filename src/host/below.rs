// SPDX-License-Identifier: Apache-2.0
//! Links in a tree, followed as the machine would whose tree it is: an absolute one starts at the tree's root, and nothing
//! leads above that.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// As the kernel has it (path_resolution(7)); what is longer is a circle, and opening it says so.
const LINKS_MAX: u32 = 40;

/// Returns what an absolute path of the node stands for, as a path below `folder`. The last name is followed where asked
/// for; what is not there is what it is called.
pub(super) fn resolved(folder: &Path, path: &Path, follows_last: bool) -> PathBuf {
    let mut rest = parts(path);
    let mut found = PathBuf::new();
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            found.pop();
            continue;
        }
        found.push(&part);
        if links == LINKS_MAX || (rest.is_empty() && !follows_last) {
            continue;
        }
        if let Ok(target) = folder.join(&found).read_link() {
            links += 1;
            found.pop();
            if target.is_absolute() {
                found.clear();
            }
            parts(&target).into_iter().rev().for_each(|part| rest.push_front(part));
        }
    }
    found
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let part = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsStr::new("..").to_owned()),
        _ => None,
    };
    path.components().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_stay_below_the_root_and_circles_end() {
        let tree = tempfile::tempdir().unwrap();
        for (link, target) in [
            ("lib", "/data/lib"),
            ("up", "../../../etc"),
            ("near", "data"),
            ("twice", "/near/lib"),
            ("circle", "/circle"),
        ] {
            symlink(target, tree.path().join(link)).unwrap();
        }
        symlink("/etc/shadow", tree.path().join("last")).unwrap();
        let of = |path, follows| resolved(tree.path(), Path::new(path), follows).display().to_string();
        for (path, expected) in [
            ("/lib/kiln/x", "data/lib/kiln/x"),
            ("/up/passwd", "etc/passwd"),
            ("/near/x", "data/x"),
            ("/twice/x", "data/lib/x"),
            ("/../../x", "x"),
            ("/none/such", "none/such"),
            ("/last", "etc/shadow"),
            ("/circle", "circle"),
        ] {
            assert_eq!(of(path, true), expected, "{path}");
        }
        assert_eq!(of("/last", false), "last", "a file is put in the place of a link");
    }
}
