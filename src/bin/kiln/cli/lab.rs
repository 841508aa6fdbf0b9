// SPDX-License-Identifier: Apache-2.0
//! Words of the lab.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use kiln::lab::{Name, WORKERS_MAX};

#[derive(Debug, Subcommand)]
pub enum Lab {
    /// Boot a control plane and workers from an image, until all nodes are Ready
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
    /// Boot one more worker, until it is Ready
    Add {
        #[command(flatten)]
        lab: WhichLab,
        /// What runs its containers; if not given, what runs the others'.
        #[arg(long, value_enum)]
        runtime: Option<Runtime>,
    },
    /// Join a port of this machine's loopback to an address in the lab, until Ctrl-C
    Forward {
        #[command(flatten)]
        lab: WhichLab,
        /// Where to: NODE:PORT, such as worker-1:8080, or ADDRESS:PORT of what the nodes reach.
        target: String,
        /// The port of the loopback; if not given, one that is free.
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        port: u16,
    },
    /// Hand an archive of container images to every node
    Load {
        #[command(flatten)]
        lab: WhichLab,
        /// An archive as `docker save` or OCI tools write it.
        archive: PathBuf,
    },
    /// Let every node's pod talk to every other's, to a Service and its name, and print who can
    Smoke(WhichLab),
    /// Remove a lab and everything that belongs to it
    Down(WhichLab),
    /// Keep one node running; the lab starts this itself
    #[command(hide = true)]
    Keep {
        /// The folder of the node's record.
        folder: PathBuf,
    },
    /// Run a program in a virtual machine; the lab starts this itself
    #[command(hide = true)]
    Order {
        /// The folder of the node's record.
        folder: PathBuf,
        /// The longest that it may take, in seconds.
        #[arg(long)]
        limit: Option<u64>,
        /// The program and its words.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Link virtual machines; the lab starts this itself
    #[command(hide = true)]
    Switch {
        /// The lab's record.
        record: PathBuf,
    },
    /// Carry connections to the API server; the lab starts this itself
    #[command(hide = true)]
    Carry {
        /// The folder of the forwarder's record.
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
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=i64::from(WORKERS_MAX)))]
    pub workers: u8,
    /// What runs the nodes [default: nspawn for an image on the lab's layout, qemu for others].
    #[arg(long, value_enum)]
    pub backend: Option<Backend>,
    /// What carries pods' packets between nodes.
    #[arg(long, value_enum, default_value_t = Fabric::Vxlan)]
    pub network: Fabric,
    /// What runs containers.
    #[arg(long, value_enum, default_value_t = Runtime::Containerd)]
    pub runtime: Runtime,
    /// Leave everything as it is when a node does not become Ready.
    #[arg(long)]
    pub keep_on_failure: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// Containers of systemd-nspawn: as root, at native speed.
    Nspawn,
    /// Virtual machines: without root, by KVM where that works, else emulated and slow.
    Qemu,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fabric {
    /// flannel, encapsulated.
    Vxlan,
    /// flannel, by routes.
    HostGw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Runtime {
    /// containerd.
    Containerd,
    /// dockerd behind cri-dockerd.
    Docker,
}

impl From<Fabric> for kiln::settings::Fabric {
    fn from(word: Fabric) -> Self {
        match word {
            Fabric::Vxlan => Self::Vxlan,
            Fabric::HostGw => Self::HostGw,
        }
    }
}

impl From<Runtime> for kiln::settings::Runtime {
    fn from(word: Runtime) -> Self {
        match word {
            Runtime::Containerd => Self::Containerd,
            Runtime::Docker => Self::Docker,
        }
    }
}
