// SPDX-License-Identifier: Apache-2.0
//! Why a machine can't be booted.

use std::path::PathBuf;

use super::lacks::Lacks;
use crate::exit::Exit;
use crate::gpt;
use crate::host::command::CommandError;
use crate::host::disk::OpenError;
use crate::host::files::FileError;

/// Why a machine can't be booted.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// This machine lacks something.
    #[error(transparent)]
    Lacks(#[from] Lacks),
    /// The image can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The image has no sound partition table.
    #[error(transparent)]
    Gpt(#[from] gpt::Error),
    /// A file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A program failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// QEMU can't be waited for, or kiln's own streams can't be had.
    #[error("can't run QEMU")]
    Run(#[source] std::io::Error),
    /// The disk is older than what it is a difference to.
    #[error(
        "{} is older than {}, of which it holds only what differs; remove it, or boot the image it was made from",
        disk.display(), image.display()
    )]
    StaleDisk {
        /// The disk.
        disk: PathBuf,
        /// The image.
        image: PathBuf,
    },
    /// The disk is something else.
    #[error("{} is no disk that kiln boot has made; name a file that is not there yet", disk.display())]
    NoDisk {
        /// The file.
        disk: PathBuf,
    },
    /// QEMU or the accelerator does not run the machine.
    #[error("{accelerator} does not run this machine; QEMU said:\n{said}")]
    Dead {
        /// "KVM".
        accelerator: &'static str,
        /// The end of QEMU's own words.
        said: String,
    },
}

impl BootError {
    /// Returns the exit code that fits.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Lacks(_) | Self::StaleDisk { .. } | Self::NoDisk { .. } => Exit::Config,
            _ => Exit::Failed,
        }
    }
}
