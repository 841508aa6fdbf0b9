// SPDX-License-Identifier: Apache-2.0
//! The words a person types, and only those; what they mean is the verbs' work. A file for each group of verbs.

#[cfg(feature = "aws")]
mod aws;
mod bake;
mod boot;
mod cluster;
#[cfg(feature = "aws")]
mod fleet;
mod lab;
mod launch;
mod read;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

#[cfg(feature = "aws")]
pub use aws::{Policy, Publish, Unpublish};
pub use bake::{Bake, Cache, Fetch, Inputs, Lock, Plan};
pub use boot::{Accelerator, Boot};
pub use cluster::{Boots, Kubeconfig, Token};
#[cfg(feature = "aws")]
pub use fleet::{Nodes, Routes, WhichFleet};
pub use lab::{Backend, Lab, Up, WhichLab, WhichNode};
#[cfg(feature = "aws")]
pub use launch::Launch;
pub use launch::{Provisioner, Role, UserData};
pub use read::{Cat, Diff, Extract, Inspect, Ls, Verify};

/// Bakes Kubernetes node images from CoreOS images: offline, unprivileged, reproducibly, in seconds.
#[derive(Debug, Parser)]
#[command(name = "kiln", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// How results are printed; with json, progress comes as JSON lines on standard error.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong command line, 75 something outside was not ready (try again),
78 a manifest or lock is wrong, 130 interrupted.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Bake the image that a manifest describes
    Bake(Bake),
    /// Print every action of a bake before it happens
    Plan(Plan),
    /// Pin every input of a manifest to size and digest (STEM.lock)
    Lock(Lock),
    /// Fill the cache with everything that a manifest's lock names
    Fetch(Fetch),
    /// List, check and clean the cache
    #[command(subcommand)]
    Cache(Cache),
    /// Show partitions, filesystems, versions and provenance of an image
    Inspect(Inspect),
    /// List files of an image
    Ls(Ls),
    /// Print a file of an image
    Cat(Cat),
    /// Copy a file or folder out of an image
    Extract(Extract),
    /// Compare two images: lock, manifest, files, and the blocks that publishing would send
    Diff(Diff),
    /// Bake an image again in memory, from what it carries, and compare every byte
    Verify(Verify),
    /// Make, list and revoke the bootstrap tokens that new nodes join with
    #[command(subcommand)]
    Token(Token),
    /// Boot an image on a virtual machine, as it is, on a disk that is thrown away
    Boot(Boot),
    /// Show how long the first boots of a cluster's nodes took, and with what
    Boots(Boots),
    /// Show who holds which block of a cluster's pod range, and what is wrong
    Ipam(Kubeconfig),
    /// Print what an instance of a cluster on AWS would be given
    UserData(UserData),
    /// Boot a cluster on this machine from the image that was baked
    #[command(subcommand)]
    Lab(Lab),
    /// Launch instances of a cluster on AWS, and wait until they are Ready nodes
    #[cfg(feature = "aws")]
    Launch(Launch),
    /// Publish an image on AWS, in every region of a target
    #[cfg(feature = "aws")]
    Publish(Publish),
    /// Remove from AWS what was published of an image
    #[cfg(feature = "aws")]
    Unpublish(Unpublish),
    /// Compare a cluster's instances with its Nodes, their blocks, routes and images
    #[cfg(feature = "aws")]
    Nodes(Nodes),
    /// Show the routes of a cluster's blocks in its VPC, and remove those that nobody claims
    #[cfg(feature = "aws")]
    Routes(Routes),
    /// Print the least policy document for somebody who works with kiln on AWS
    #[cfg(feature = "aws")]
    Policy(Policy),
    /// Print the JSON schema of manifests
    Schema,
    /// Print a completion script
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a folder
    Man {
        /// The folder, made where missing.
        folder: PathBuf,
    },
}
