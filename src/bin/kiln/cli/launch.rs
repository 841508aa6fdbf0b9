// SPDX-License-Identifier: Apache-2.0
//! Words of verbs that are about a cluster on AWS.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[cfg(feature = "aws")]
use super::cluster::seconds;

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

#[cfg(feature = "aws")]
#[derive(Debug, Args)]
pub struct Launch {
    /// The cluster's description.
    #[arg(long, value_name = "FILE", default_value = "image/cluster.yaml")]
    pub cluster: PathBuf,
    /// What the instances become. With --terminate: only those.
    #[arg(long, value_enum, required_unless_present = "terminate")]
    pub role: Option<Role>,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "terminate", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub count: u32,
    /// Says where the cluster is and who asks; its CA is trusted by workers where the description names no ca_file. With
    /// --role control-plane it is written, and the operator's key beside it as FILE.key.
    #[arg(long, value_name = "FILE", required_unless_present = "terminate")]
    pub kubeconfig: Option<PathBuf>,
    /// For whom user-data is written.
    #[arg(long = "as", value_enum, default_value_t = Provisioner::Ignition)]
    pub provisioner: Provisioner,
    /// With --role control-plane: who the operator is to the cluster.
    #[arg(long, value_name = "NAME", default_value = "kiln-operator")]
    pub operator: String,
    /// Workers of an auto scaling group, which mends itself; their number may change. With --role control-plane: keep a
    /// bootstrap token in a SecureString, for such a group. With --terminate: the group, its template and its instances.
    #[arg(long)]
    pub group: bool,
    /// With --group: how many instances it may have [default: as --count].
    #[arg(long, value_name = "N", requires = "group", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max: Option<u32>,
    /// Longest time until all nodes are Ready: 90s, 15m; 50m at most, since the token that they join with ends.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = limit)]
    pub timeout: u64,
    /// Print what would be launched or terminated; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Terminate what was launched of this cluster, found by its tags: pods leave, then the instance ends, then its Node is
    /// deleted. --timeout bounds each wait.
    #[arg(long)]
    pub terminate: bool,
    /// With --terminate: only this instance; may be given several times.
    #[arg(long = "instance", value_name = "ID", requires = "terminate")]
    pub instances: Vec<String>,
    /// With --terminate: don't wait for pods to leave.
    #[arg(long, requires = "terminate")]
    pub no_drain: bool,
    /// With --terminate: do not ask.
    #[arg(long, requires = "terminate")]
    pub yes: bool,
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

/// Reads a time that is shorter than a token's life.
#[cfg(feature = "aws")]
fn limit(text: &str) -> Result<u64, String> {
    let seconds = seconds(text)?;
    if seconds <= 50 * 60 { Ok(seconds) } else { Err("50m at most".to_owned()) }
}
