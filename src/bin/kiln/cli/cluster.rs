// SPDX-License-Identifier: Apache-2.0
//! Words of verbs that ask a cluster.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token and print it, this once
    Create {
        #[command(flatten)]
        cluster: Kubeconfig,
        /// How long it is good for: 90s, 45m, 1h. Who holds it can become a node of any name.
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
        ttl: u64,
        /// Allow more than an hour.
        #[arg(long)]
        long_lived: bool,
        /// What it is for.
        #[arg(long, value_name = "TEXT", default_value = "made by kiln")]
        description: String,
    },
    /// List the cluster's tokens by their ids
    List {
        #[command(flatten)]
        cluster: Kubeconfig,
    },
    /// Delete a token; nodes that have their certificate stay
    Revoke {
        /// The token's id, the six characters before the dot.
        id: String,
        #[command(flatten)]
        cluster: Kubeconfig,
    },
}

#[derive(Debug, Args)]
pub struct Boots {
    #[command(flatten)]
    pub cluster: Kubeconfig,
    /// Write the timelines as a picture, too.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Which cluster.
#[derive(Debug, Args)]
pub struct Kubeconfig {
    /// Says where the cluster is and who asks; its current context counts.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: PathBuf,
}

/// Reads a time with its unit, as seconds.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "give a number and s, m or h, such as 45m".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).filter(|seconds| *seconds > 0).ok_or_else(wrong)
}
