// SPDX-License-Identifier: Apache-2.0
//! Where links of an archive lead, inside it and nowhere else. A decision on names; nothing is opened.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A link as the archive has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// Its target counts from the folder that it lies in.
    Symbolic(String),
    /// Its target counts from the top of the archive.
    Hard(String),
}

/// What a link gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lead {
    /// The file of this path.
    File(String),
    /// A folder: its files are members by themselves.
    Folder,
    /// Nothing, and why.
    Nowhere(String),
}

/// As many links in a row as Linux follows (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// Names in an archive.
pub(super) struct Names<'a> {
    pub(super) links: &'a BTreeMap<String, Link>,
    /// Whether a path is a file.
    pub(super) is_file: &'a dyn Fn(&str) -> bool,
    pub(super) folders: &'a BTreeSet<String>,
}

impl Names<'_> {
    /// Follows the link at `path` to its end.
    pub(super) fn follow(&self, path: &str) -> Lead {
        let Some(Link::Symbolic(first) | Link::Hard(first)) = self.links.get(path) else {
            return Lead::File(path.to_owned());
        };
        let nowhere = |why: &str| Lead::Nowhere(format!("'{path}' is a link to '{first}', {why}"));
        let mut left: VecDeque<&str> = path.split('/').collect();
        let (mut at, mut followed) = (Vec::new(), 0);
        while let Some(part) = left.pop_front() {
            match part {
                "" | "." => continue,
                ".." if at.pop().is_none() => return nowhere("which leads outside the archive"),
                ".." => continue,
                part => at.push(part),
            }
            let Some(link) = self.links.get(&at.join("/")) else { continue };
            followed += 1;
            if followed > LINKS_MAX {
                return nowhere("which leads round and round");
            }
            let target = match link {
                Link::Symbolic(target) if target.starts_with('/') => {
                    return nowhere("which leads outside the archive");
                }
                Link::Symbolic(target) => {
                    at.pop();
                    target
                }
                Link::Hard(target) => {
                    at.clear();
                    target
                }
            };
            target.split('/').rev().for_each(|part| left.push_front(part));
        }
        let end = at.join("/");
        match end {
            end if (self.is_file)(&end) => Lead::File(end),
            end if end.is_empty() || self.folders.contains(&end) => Lead::Folder,
            _ => nowhere("which is not in the archive"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(links: &[(&str, Link)], path: &str) -> Lead {
        let links = links.iter().map(|(path, link)| ((*path).to_owned(), link.clone())).collect();
        let folders = ["usr", "usr/bin"].map(str::to_owned).into();
        Names { links: &links, is_file: &|path| path == "usr/bin/tool", folders: &folders }.follow(path)
    }

    fn symbolic(target: &str) -> Link {
        Link::Symbolic(target.to_owned())
    }

    fn hard(target: &str) -> Link {
        Link::Hard(target.to_owned())
    }

    #[test]
    fn links_are_followed_inside_the_archive() {
        let found = Lead::File("usr/bin/tool".to_owned());
        for link in [
            ("a", symbolic("usr/bin/tool")),
            ("a", hard("usr/bin/tool")),
            ("x/a", symbolic("../usr/./bin//tool")),
        ] {
            assert_eq!(follow(std::slice::from_ref(&link), link.0), found, "{link:?}");
        }
        let chain = [("bin", symbolic("usr/bin")), ("a", symbolic("b")), ("b", hard("bin/tool"))];
        assert_eq!(follow(&chain, "a"), found);
        assert_eq!(follow(&chain, "bin"), Lead::Folder);
        // `..` counts from where a link has led, as the kernel has it.
        let up = [("x/y", symbolic("../usr/bin")), ("a", symbolic("x/y/../bin/tool"))];
        assert_eq!(follow(&up, "a"), found);
    }

    #[test]
    fn links_that_lead_nowhere_say_why() {
        let why = |links: &[(&str, Link)]| match follow(links, links[0].0) {
            Lead::Nowhere(why) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            why(&[("a", symbolic("/usr/bin/tool"))]),
            "'a' is a link to '/usr/bin/tool', which leads outside the archive"
        );
        assert_eq!(
            why(&[("x/a", symbolic("../../etc/passwd"))]),
            "'x/a' is a link to '../../etc/passwd', which leads outside the archive"
        );
        assert_eq!(
            why(&[("a", hard("../etc/passwd"))]),
            "'a' is a link to '../etc/passwd', which leads outside the archive"
        );
        assert_eq!(why(&[("a", symbolic("b"))]), "'a' is a link to 'b', which is not in the archive");
        assert_eq!(why(&[("a", symbolic("a"))]), "'a' is a link to 'a', which leads round and round");
        let round = [("a", symbolic("b/x")), ("b", hard("a"))];
        assert_eq!(why(&round), "'a' is a link to 'b/x', which leads round and round");
    }
}
