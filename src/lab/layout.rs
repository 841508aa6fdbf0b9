// SPDX-License-Identifier: Apache-2.0
//! What becomes of the image's partitions: read from the file that the initrd of the lab's image sources too.
//!
//! Images on another layout are refused: their initrd does things that nobody here knows.

use std::path::PathBuf;

use crate::base::{Base, Family, ROOT_NUMBER};
use crate::gpt::Partition;

/// The one description (`image/lab/dracut/layout.sh`): lines of NAME="WORDS".
const TEXT: &str = include_str!("../../image/lab/dracut/layout.sh");

/// The description as values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The type of the filesystem on ROOT.
    pub root_type: &'static str,
    /// The partition GUID of /usr.
    pub usr_id: &'static str,
    /// The type of the filesystem on it.
    pub usr_type: &'static str,
    /// Folders that must be on ROOT.
    pub folders: Vec<&'static str>,
    /// Links on ROOT, each to the folder of its name in /usr.
    pub links: Vec<&'static str>,
    /// Lower folder of the overlay on /etc, below the root.
    pub etc_lower: &'static str,
    /// Its upper folder.
    pub etc_upper: &'static str,
    /// Its work folder.
    pub etc_work: &'static str,
}

/// Where the partitions lie that a node mounts, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Span {
    /// First byte on the disk.
    pub offset: u64,
    /// Length.
    pub len: u64,
}

/// The partitions of one image that a node mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Spans {
    /// ROOT.
    pub root: Span,
    /// USR-A.
    pub usr: Span,
}

/// An image whose initrd does what nobody here knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}: its layout is that of {layout}; nspawn boots only kiln's lab image, because it stands in for the initrd: \
     boot this one with --backend qemu", image.display()
)]
pub struct NotTheLabs {
    /// The image.
    pub image: PathBuf,
    /// The layout that it follows.
    pub layout: &'static str,
}

impl Layout {
    /// Returns the description.
    pub fn described() -> Self {
        Self {
            root_type: word("root_type"),
            usr_id: word("usr_partuuid"),
            usr_type: word("usr_type"),
            folders: word("folders").split(' ').collect(),
            links: word("links").split(' ').collect(),
            etc_lower: word("etc_lower"),
            etc_upper: word("etc_upper"),
            etc_work: word("etc_work"),
        }
    }

    /// Finds the partitions that a node mounts on a disk that is known as `image`.
    ///
    /// # Errors
    /// If the disk follows another layout.
    pub fn spans(&self, base: &Base, image: &std::path::Path) -> Result<Spans, NotTheLabs> {
        let partitions = &base.table.partitions;
        let usr = partitions.iter().find(|partition| partition.id.to_string() == self.usr_id);
        match (base.layout.family, usr, base.table.partition(ROOT_NUMBER)) {
            (Family::Lab, Some(usr), Some(root)) => Ok(Spans { root: span(root), usr: span(usr) }),
            _ => Err(NotTheLabs { image: image.to_owned(), layout: base.layout.name }),
        }
    }
}

fn span(partition: &Partition) -> Span {
    Span { offset: partition.start_bytes(), len: partition.size_bytes() }
}

/// Returns the words of a name; a test holds that all are there.
fn word(name: &str) -> &'static str {
    let line = TEXT.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'));
    line.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::base::{LAB_USR_A, ROOT_LABEL};

    #[test]
    fn the_description_says_everything() {
        let layout = Layout::described();
        assert_eq!(word("root_label"), ROOT_LABEL);
        assert_eq!(layout.usr_id, LAB_USR_A.to_string());
        assert_eq!((layout.root_type, layout.usr_type), ("ext4", "squashfs"));
        assert!(layout.folders.contains(&layout.etc_upper) && layout.folders.contains(&layout.etc_work));
        assert!(layout.folders.contains(&"usr") && layout.etc_lower.starts_with("usr/"));
        assert_eq!(layout.links, ["bin", "lib", "lib64", "sbin"]);
    }

    #[test]
    fn an_image_of_flatcar_is_sent_to_qemu() {
        let layout = &crate::base::LAYOUTS[0];
        let base = Base { layout, table: crate::gpt::sample::small() };
        let error = Layout::described().spans(&base, Path::new("flatcar.raw")).unwrap_err().to_string();
        assert!(error.starts_with("flatcar.raw: its layout is that of Flatcar from 4593 on; "), "{error}");
        assert!(error.ends_with("boot this one with --backend qemu"), "{error}");
    }
}
