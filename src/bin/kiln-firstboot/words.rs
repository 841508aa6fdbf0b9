// SPDX-License-Identifier: Apache-2.0
//! The words that a person or a unit types, and only those.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Makes the machine that it runs on a Kubernetes node.
#[derive(Debug, Parser)]
#[command(name = "kiln-firstboot")]
pub struct Words {
    /// The tree to work on
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    #[command(subcommand)]
    word: Option<Word>,
}

/// What to do.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Word {
    /// Do what is missing (the default)
    Run {
        /// Print what would be done and touch nothing
        #[arg(long)]
        dry_run: bool,
        /// Which part of a control plane's first boot
        #[arg(long, value_enum)]
        phase: Option<Phase>,
    },
    /// Ask whether the recorded claim is still this node's
    Verify {
        /// Ask nobody if first boot has found all well in the last ten seconds
        #[arg(long)]
        unless_just_found: bool,
    },
    /// On a control plane: publish the cluster's CA, its operator's certificate and a live token, as the settings say
    Share,
    /// Give the container runtime those of the image's own container images that it lacks
    Images,
    /// Take the node's pods down and claim anew, if the claim is lost for certain
    Repair,
    /// Tell what has happened, what is missing and why
    Explain,
    /// Tell the same for programs
    Status {
        /// How
        #[arg(long, value_enum, default_value = "json")]
        format: Format,
    },
}

/// The parts of a control plane's first boot, with its own API server between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Phase {
    /// The volume that etcd's data is on, before all else
    Volume,
    /// Identity, keys and settings, before etcd starts (the default)
    Files,
    /// The cluster's objects and the own Node, when kube-apiserver runs
    Api,
    /// Objects that the image brings for a new cluster, once that has its own
    Addons,
}

/// How to tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

impl Words {
    /// Returns what to do.
    pub fn word(&self) -> Word {
        self.word.unwrap_or(Word::Run { dry_run: false, phase: None })
    }
}
