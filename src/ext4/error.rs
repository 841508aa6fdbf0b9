// SPDX-License-Identifier: Apache-2.0
//! Why a tree can't become an ext4 filesystem of the wanted size.

/// What does not fit, and by how much or where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The partition can't hold even an empty filesystem with a journal.
    #[error(
        "a partition of {size_bytes} bytes is too small for ext4 with a journal; at least {least_bytes} are needed"
    )]
    TooSmall {
        /// The partition's size.
        size_bytes: u64,
        /// The smallest size accepted.
        least_bytes: u64,
    },
    /// The partition has more blocks than the writer numbers inodes for.
    #[error("a partition of {size_bytes} bytes is too large; at most {most_bytes} are supported")]
    TooLarge {
        /// The partition's size.
        size_bytes: u64,
        /// The largest size accepted.
        most_bytes: u64,
    },
    /// The label is longer than its field.
    #[error("the label '{0}' is longer than 16 bytes")]
    Label(String),
    /// More files, folders and links than inodes.
    #[error("the tree needs {needed} inodes and the filesystem has {there}; make the partition larger")]
    Inodes {
        /// What the tree needs.
        needed: u64,
        /// What the filesystem has free.
        there: u64,
    },
    /// More data than blocks.
    #[error("the tree does not fit: {missing_bytes} bytes are missing in a partition of {size_bytes} bytes")]
    Full {
        /// How much is missing, rounded up to blocks.
        missing_bytes: u64,
        /// The partition's size.
        size_bytes: u64,
    },
    /// `/lost+found` is taken by a file or link.
    #[error("'/lost+found' must be a folder: e2fsck puts what it finds there")]
    LostAndFound,
    /// A folder has more entries than a two-level index can find.
    #[error("'{path}' has too many entries for one ext4 folder")]
    Folder {
        /// The folder.
        path: String,
    },
    /// A file has more than 65,000 names.
    #[error("'{path}' has {names} hard links; ext4 allows 65000")]
    Links {
        /// Its first path.
        path: String,
        /// How many names it has.
        names: u32,
    },
    /// A file is larger than 2^32 - 1 blocks.
    #[error("'{path}' has {size_bytes} bytes; ext4 allows {most_bytes}")]
    FileSize {
        /// The file.
        path: String,
        /// Its size.
        size_bytes: u64,
        /// The largest size accepted.
        most_bytes: u64,
    },
    /// The data ranges of a file are empty, overlap, are out of order, or reach beyond its end.
    #[error("the data ranges of '{path}' are not sorted, disjoint and inside the file")]
    Ranges {
        /// The file.
        path: String,
    },
    /// A link's target is empty, too long, or has a NUL.
    #[error("the target of the link '{path}' must have 1 to 4095 bytes, none of them NUL")]
    Symlink {
        /// The link.
        path: String,
    },
    /// An attribute of a namespace that is not stored here.
    #[error(
        "'{path}' has the attribute '{name}'; only security.*, trusted.* and user.* names of up to 255 bytes can be stored"
    )]
    AttributeName {
        /// The file.
        path: String,
        /// The attribute.
        name: String,
    },
    /// The attributes of one file exceed the inode and one block.
    #[error(
        "the extended attributes of '{path}' do not fit: they need {needed_bytes} bytes besides the inode and there are {there_bytes}"
    )]
    Attributes {
        /// The file.
        path: String,
        /// What those that did not fit into the inode need.
        needed_bytes: u64,
        /// What a block holds.
        there_bytes: u64,
    },
}
