// SPDX-License-Identifier: Apache-2.0
//! The words a person types, and only those; what they mean is the verbs' work.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kiln::lab::Name;

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
    /// Make, list and revoke the bootstrap tokens that new nodes join with
    #[command(subcommand)]
    Token(Token),
    /// Boot a cluster on this machine from the image that was baked
    #[command(subcommand)]
    Lab(Lab),
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

/// Which cluster.
#[derive(Debug, Args)]
pub struct Kubeconfig {
    /// Says where the cluster is and who asks; its current context counts.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: PathBuf,
}

/// Reads a time with its unit, as seconds.
fn seconds(text: &str) -> Result<u64, String> {
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
