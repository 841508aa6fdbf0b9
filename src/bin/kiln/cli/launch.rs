// SPDX-License-Identifier: Apache-2.0
//! Words of verbs that are about a cluster on AWS.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub struct UserData {
    /// The cluster's description.
    #[arg(long, value_name = "FILE", default_value = "image/cluster.yaml")]
    pub cluster: PathBuf,
    /// What the instance becomes.
    #[arg(long, value_enum)]
    pub role: Role,
    /// For whom it is written.
    #[arg(long = "as", value_enum, default_value_t = Provisioner::Ignition)]
    pub provisioner: Provisioner,
    /// A file with the bootstrap token that a worker joins with; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// What an instance becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// The machine that makes the cluster.
    ControlPlane,
    /// A node that joins.
    Worker,
}

/// Who reads user-data on the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Provisioner {
    /// Flatcar's and Fedora CoreOS' own.
    Ignition,
    /// cloud-init and coreos-cloudinit.
    CloudConfig,
}
