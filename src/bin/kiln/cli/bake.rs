// SPDX-License-Identifier: Apache-2.0
//! Words of baking: manifests, locks, the cache.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct Bake {
    /// The manifest, such as image/kiln.yaml.
    pub manifest: PathBuf,
    /// Where the image files go.
    #[arg(short = 'o', long = "output", value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Replace existing image files.
    #[arg(long)]
    pub force: bool,
    /// Also print the whole files' sha256, which takes many times as long as the bake.
    #[arg(long)]
    pub digest: bool,
}

#[derive(Debug, Args)]
pub struct Plan {
    /// The manifest.
    pub manifest: PathBuf,
    /// Where the image files would go.
    #[arg(short = 'o', long = "output", value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
}

/// How inputs are come by.
#[derive(Debug, Args)]
pub struct Inputs {
    /// Use nothing but the cache.
    #[arg(long)]
    pub offline: bool,
    /// Refuse to make or change the lock.
    #[arg(long)]
    pub locked: bool,
    /// How many things are done at once; the default is the number of processors.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
}

#[derive(Debug, Args)]
pub struct Lock {
    /// The manifest.
    pub manifest: PathBuf,
    /// Move the pin of NAME, or of every input, to what the manifest's sources have now.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    pub upgrade: Option<String>,
    /// Only show what could move.
    #[arg(long, conflicts_with = "upgrade")]
    pub outdated: bool,
    #[command(flatten)]
    pub inputs: Inputs,
}

#[derive(Debug, Args)]
pub struct Fetch {
    /// The manifest.
    pub manifest: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
}

#[derive(Debug, Subcommand)]
pub enum Cache {
    /// List what the cache holds
    List,
    /// Read everything and remove what is damaged
    Verify,
    /// Remove what no lock names and nobody has used for some time
    Gc {
        /// Keep what was used within so many days.
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        keep_days: u32,
        /// Beyond that, remove what was used longest ago until the cache takes no more than so many GiB.
        #[arg(long, value_name = "GIB", default_value_t = 50)]
        keep_gib: u32,
    },
}
