// SPDX-License-Identifier: Apache-2.0
//! Words of reading and comparing images.

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

/// Exit codes: 0 the same disk, 1 another one (or an error, which standard error then tells).
#[derive(Debug, Args)]
pub struct Diff {
    /// A raw or qcow2 image.
    pub first: PathBuf,
    /// The image that would be published on the first.
    pub second: PathBuf,
    /// How many blocks are compared at once; the default is the number of processors.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
}

/// Exit codes: 0 every byte is as it should be, 1 something differs (or an error, which standard error then tells), 78 the
/// image can't be baked again here.
#[derive(Debug, Args)]
pub struct Verify {
    /// A raw or qcow2 image that kiln has baked, or where one was published: ami-..., snap-...
    pub image: PathBuf,
    /// The region of an AMI or snapshot; the default is the AWS SDK's (AWS_REGION, the profile's).
    #[cfg(feature = "aws")]
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// The folder of the manifest that was baked: local files that it names are looked for from there.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Use nothing but the cache and local files to bake it again.
    #[arg(long)]
    pub offline: bool,
    /// How many things are done at once; the default is the number of processors.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
}
