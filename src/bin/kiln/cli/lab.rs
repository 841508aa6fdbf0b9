// SPDX-License-Identifier: Apache-2.0
//! Words of the lab.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use kiln::lab::Name;

#[derive(Debug, Subcommand)]
pub enum Lab {
    /// Boot a control plane and workers from an image
    Up(Up),
    /// List the labs on this machine, also half-made ones
    List,
    /// Show nodes, addresses, logs, and what was added to the image in them
    Status(WhichLab),
    /// Print a node's console
    Logs(WhichNode),
    /// Open a shell in a node
    Shell(WhichNode),
    /// Run a command in a node
    Exec {
        #[command(flatten)]
        node: WhichNode,
        /// The command and its words.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// End a node as a power cut does
    Kill(WhichNode),
    /// Start a node again that was killed or powered off
    Start(WhichNode),
    /// Reboot a node and wait for it
    Reboot(WhichNode),
    /// Remove a lab and everything that belongs to it
    Down(WhichLab),
    /// Keep one node running; the lab starts this itself
    #[command(hide = true)]
    Keep {
        /// The folder of the node's record.
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct WhichLab {
    /// The lab's name.
    #[arg(long, default_value = "lab")]
    pub name: Name,
}

#[derive(Debug, Args)]
pub struct WhichNode {
    /// The node's name, such as worker-1.
    pub node: Name,
    #[command(flatten)]
    pub lab: WhichLab,
}

#[derive(Debug, Args)]
pub struct Up {
    /// The image that was baked.
    #[arg(default_value = "target/lab/kiln-lab.raw")]
    pub image: PathBuf,
    #[command(flatten)]
    pub lab: WhichLab,
    /// How many workers.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=32))]
    pub workers: u8,
    /// Leave everything as it is when a node does not come up.
    #[arg(long)]
    pub keep_on_failure: bool,
}
