// SPDX-License-Identifier: Apache-2.0
//! Words of reading images.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub struct Inspect {
    /// A raw or qcow2 image.
    pub image: PathBuf,
}

#[derive(Debug, Args)]
pub struct Ls {
    /// A raw or qcow2 image.
    pub image: PathBuf,
    /// As the node sees it (/usr is USR-A, /boot is EFI-SYSTEM, /oem is OEM), or LABEL:/path.
    #[arg(default_value = "/")]
    pub path: String,
    /// With everything below it.
    #[arg(short = 'R', long)]
    pub recursive: bool,
}

#[derive(Debug, Args)]
pub struct Cat {
    /// A raw or qcow2 image.
    pub image: PathBuf,
    /// As the node sees it, or LABEL:/path.
    pub path: String,
}

#[derive(Debug, Args)]
pub struct Extract {
    /// A raw or qcow2 image.
    pub image: PathBuf,
    /// As the node sees it, or LABEL:/path.
    pub path: String,
    /// Where it goes.
    pub destination: PathBuf,
    /// Replace existing files.
    #[arg(long)]
    pub force: bool,
}
