// SPDX-License-Identifier: Apache-2.0
//! How the files of one filesystem differ from those of another: kind, mode, owner, link target, extended attributes and
//! contents, of every path that one of them has. Times, hard links and places on the disk are not looked at.

mod change;
mod content;

use std::collections::BTreeMap;

use crate::read::{Entry, Error, Fault, FileKind, FileSystem, Stat};
use crate::tree::TreePath;

pub use change::{Aspect, FileChange, Files, What};

/// Most paths that are compared: ten times what a vendor's /usr has.
const PATHS_MAX: usize = 1_000_000;

/// Compares two filesystems, of the partitions `label`.
pub(super) fn compare(first: &dyn FileSystem, second: &dyn FileSystem, label: &str) -> Result<Files, Error> {
    let mut walk = Walk { first, second, label, changes: BTreeMap::new(), paths: 0, with_xattrs: true };
    walk.run()?;
    let Walk { changes, with_xattrs, .. } = walk;
    let change = |(path, what): (TreePath, What)| FileChange { path: path.to_string(), what };
    Ok(Files { changes: changes.into_iter().map(change).collect(), with_xattrs })
}

struct Walk<'a> {
    first: &'a dyn FileSystem,
    second: &'a dyn FileSystem,
    label: &'a str,
    changes: BTreeMap<TreePath, What>,
    paths: usize,
    with_xattrs: bool,
}

/// What both have at a path.
type Pair = (Option<Stat>, Option<Stat>);

impl Walk<'_> {
    fn run(&mut self) -> Result<(), Error> {
        let root = TreePath::root();
        let stat = |filesystem: &dyn FileSystem| filesystem.stat(&root).map(Some).map_err(self.at(&root));
        let mut left = vec![(root.clone(), (stat(self.first)?, stat(self.second)?))];
        while let Some((path, pair)) = left.pop() {
            self.paths += 1;
            if self.paths > PATHS_MAX {
                return Err(self.at(&path)(Fault::Corrupt(
                    "compared",
                    format!("more than {PATHS_MAX} paths"),
                )));
            }
            self.look(&path, pair)?;
            left.extend(self.below(&path, pair)?);
        }
        Ok(())
    }

    /// Returns what is in a folder of the one, the other, or both.
    fn below(&self, folder: &TreePath, (one, other): Pair) -> Result<Vec<(TreePath, Pair)>, Error> {
        let mut found: BTreeMap<Vec<u8>, Pair> = BTreeMap::new();
        for Entry { name, stat } in self.list(self.first, folder, one)? {
            found.entry(name).or_default().0 = Some(stat);
        }
        for Entry { name, stat } in self.list(self.second, folder, other)? {
            found.entry(name).or_default().1 = Some(stat);
        }
        let path = |(name, pair): (Vec<u8>, Pair)| {
            let path = folder.join(&name).map_err(|error| Fault::Corrupt("compared", error.to_string()));
            Ok((path.map_err(self.at(folder))?, pair))
        };
        found.into_iter().map(path).collect()
    }

    fn list(
        &self,
        filesystem: &dyn FileSystem,
        folder: &TreePath,
        stat: Option<Stat>,
    ) -> Result<Vec<Entry>, Error> {
        match stat {
            Some(Stat { kind: FileKind::Folder, .. }) => filesystem.list(folder).map_err(self.at(folder)),
            _ => Ok(Vec::new()),
        }
    }

    fn look(&mut self, path: &TreePath, pair: Pair) -> Result<(), Error> {
        let what = match pair {
            (Some(one), Some(other)) => {
                let aspects = self.aspects(path, &one, &other).map_err(self.at(path))?;
                Some(What::Changed { aspects }).filter(|what| *what != What::Changed { aspects: Vec::new() })
            }
            (Some(one), None) => Some(What::Removed { kind: one.kind }),
            (None, Some(other)) => Some(What::Added { kind: other.kind }),
            (None, None) => None,
        };
        self.changes.extend(what.map(|what| (path.clone(), what)));
        Ok(())
    }

    fn aspects(&mut self, path: &TreePath, one: &Stat, other: &Stat) -> Result<Vec<Aspect>, Fault> {
        let mut aspects = change::attributes(one, other);
        match (one.kind, other.kind) {
            (FileKind::File, FileKind::File) => {
                let offset = content::first_difference(self.first, self.second, path)?;
                let content = |offset| Aspect::Content { first: one.size, second: other.size, offset };
                aspects.extend(offset.map(content));
            }
            (FileKind::Symlink, FileKind::Symlink) => {
                let (first, second) = (self.first.read_link(path)?, self.second.read_link(path)?);
                let text = |target: &[u8]| String::from_utf8_lossy(target).into_owned();
                let link = || Aspect::Link { first: text(&first), second: text(&second) };
                aspects.extend((first != second).then(link));
            }
            _ => {}
        }
        aspects.extend(self.xattrs(path)?);
        Ok(aspects)
    }

    fn xattrs(&mut self, path: &TreePath) -> Result<Vec<Aspect>, Fault> {
        let both = self.first.xattrs(path)?.zip(self.second.xattrs(path)?);
        let Some((first, second)) = both else {
            self.with_xattrs = false;
            return Ok(Vec::new());
        };
        let names = first.keys().chain(second.keys().filter(|name| !first.contains_key(*name)));
        let hex = |value: &Vec<u8>| value.iter().map(|byte| format!("{byte:02x}")).collect();
        let aspect = |name: &String| Aspect::Xattr {
            name: name.clone(),
            first: first.get(name).map(hex),
            second: second.get(name).map(hex),
        };
        Ok(names.filter(|name| first.get(*name) != second.get(*name)).map(aspect).collect())
    }

    fn at(&self, path: &TreePath) -> impl FnOnce(Fault) -> Error + use<> {
        Error::at(format!("{}:{path}", self.label))
    }
}
