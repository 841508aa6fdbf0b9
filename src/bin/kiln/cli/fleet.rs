// SPDX-License-Identifier: Apache-2.0
//! Words of looking at a cluster on AWS from both sides.

use std::path::PathBuf;

use clap::Args;

use super::Kubeconfig;

/// Exit codes: 0 they agree, 1 they do not (or an error, which standard error then tells).
#[derive(Debug, Args)]
pub struct Nodes {
    #[command(flatten)]
    pub which: WhichFleet,
}

/// Exit codes: 0 all is as it should be or has been removed, 1 it is not (or an error, which standard error then tells).
#[derive(Debug, Args)]
pub struct Routes {
    #[command(flatten)]
    pub which: WhichFleet,
    /// Remove the routes to blocks of the pool that nobody claims.
    #[arg(long)]
    pub prune: bool,
    /// Do not ask.
    #[arg(long, requires = "prune")]
    pub yes: bool,
}

/// Which cluster.
#[derive(Debug, Args)]
pub struct WhichFleet {
    /// The cluster's description.
    #[arg(long, value_name = "FILE", default_value = "image/cluster.yaml")]
    pub cluster: PathBuf,
    #[command(flatten)]
    pub api: Kubeconfig,
}
