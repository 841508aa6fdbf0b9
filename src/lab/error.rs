// SPDX-License-Identifier: Apache-2.0
//! Why a lab can't be made, used or removed.

use std::path::PathBuf;

use super::access::ADMIN;
use super::lacks::Lacks;
use super::layout::NotTheLabs;
use super::plan::{Name, NameError};
use crate::base::UnknownLayout;
use crate::cluster::{AccessError, ApiError};
use crate::exit::Exit;
use crate::gpt::{self, GrowError};
use crate::host::command::CommandError;
use crate::host::disk::{OpenError, WriteError};
use crate::host::entropy::EntropyError;
use crate::host::files::FileError;
use crate::stage::Stage;
use crate::token::TokenError;
use crate::vm::BootError;

/// Why a lab can't be made, used or removed.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The machine lacks something.
    #[error(transparent)]
    Lacks(#[from] Lacks),
    /// The image can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The image has no sound partition table.
    #[error(transparent)]
    Gpt(#[from] gpt::Error),
    /// The image follows no known layout.
    #[error(transparent)]
    Unknown(#[from] UnknownLayout),
    /// The image follows another layout than the lab's.
    #[error(transparent)]
    Layout(#[from] NotTheLabs),
    /// The disk can't have the size.
    #[error(transparent)]
    Grow(#[from] GrowError),
    /// A disk can't be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file can't be read, written, mounted ...
    #[error(transparent)]
    File(#[from] FileError),
    /// A program failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A program can't be waited for.
    #[error("can't wait for {program}")]
    Wait {
        /// Its name.
        program: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A record is of another kiln, or damaged.
    #[error("can't understand {}; remove the lab with the kiln that made it", path.display())]
    Record {
        /// The record.
        path: PathBuf,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// Somebody else is changing the lab.
    #[error("lab {0} is being changed by another kiln; wait until it has ended, or end it")]
    Busy(Name),
    /// The lab is there already.
    #[error("lab {0} is up; remove it with kiln lab down --name {0}, or choose another --name")]
    Up(Name),
    /// The lab is not whole: its `up` was cut off, or has kept a failure.
    #[error("lab {0} is half made; remove it with kiln lab down --name {0}")]
    HalfMade(Name),
    /// There is no such lab.
    #[error("there is no lab {0}; kiln lab list shows what there is")]
    NoLab(Name),
    /// There is no such node.
    #[error("lab {lab} has no node {node}; kiln lab status shows its nodes")]
    NoNode {
        /// The lab.
        lab: Name,
        /// The node.
        node: Name,
    },
    /// The image of virtual machines is not what it was.
    #[error(
        "{} is not as it was when the lab was made, and the disks of its machines hold only what differs from it: \
         kiln lab down, then up", .0.display()
    )]
    OtherImage(PathBuf),
    /// The lab is going away while a node starts.
    #[error("the lab is being removed")]
    Going,
    /// The node does not run.
    #[error("node {node} does not run; its console is {}{said}", console.display())]
    NotRunning {
        /// The node.
        node: Name,
        /// Where its console is.
        console: PathBuf,
        /// What its keeper said last, if anything.
        said: String,
    },
    /// The node takes too long.
    #[error("node {node} has not {what} within {limit_s} s; its console is {}", console.display())]
    Late {
        /// The node.
        node: Name,
        /// What was waited for: "started its systemd".
        what: &'static str,
        /// The limit in seconds.
        limit_s: u64,
        /// Where its console is.
        console: PathBuf,
    },
    /// The lab's API server said no.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The lab's kubeconfig can't be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A control plane's own kubeconfig can't be used.
    #[error("{ADMIN} of node {0} is no kubeconfig")]
    Kubeconfig(Name),
    /// A bootstrap token can't be made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The system gave no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A machine name can't be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The forwarder can't work.
    #[error("can't forward a port")]
    Forward(#[source] std::io::Error),
    /// First boot failed for good.
    #[error("node {node}: {unit} ended with {status}; it said:\n{said}")]
    FirstBoot {
        /// The node.
        node: Name,
        /// The unit: `kiln-firstboot.service`.
        unit: &'static str,
        /// Its exit code.
        status: String,
        /// What it said last.
        said: String,
    },
    /// A node does not become what it should.
    #[error("node {node} {stage}, and is not Ready after {limit_s} s; its console is {}", console.display())]
    NotReady {
        /// The node.
        node: Name,
        /// How far it came.
        stage: Stage,
        /// The limit in seconds.
        limit_s: u64,
        /// Where its console is.
        console: PathBuf,
        /// Why the API server last gave no answer, if so.
        #[source]
        source: Option<Box<ApiError>>,
    },
    /// A pod of the smoke test does not run.
    #[error("the smoke test's pod on {node} does not become ready: {why}")]
    Pod {
        /// The node.
        node: String,
        /// In kubelet's words.
        why: String,
    },
    /// A namespace does not go away.
    #[error("namespace {0} is not gone yet; see kubectl get namespace {0} --output yaml")]
    Namespace(&'static str),
    /// Something that belongs to the lab can't be removed.
    #[error("processes {0} don't end; ps shows what they wait for")]
    Stuck(String),
    /// Virtual machines can't be run here.
    #[error(transparent)]
    Machines(#[from] crate::vm::Lacks),
    /// An image can't be booted by QEMU, or QEMU not be looked at.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// A stream or program of kiln's own can't be used.
    #[error("can't reach a program")]
    Run(#[source] std::io::Error),
    /// A machine takes no orders.
    #[error("node {node} does not answer; its console is {}", console.display())]
    Order {
        /// The node.
        node: Name,
        /// Where its console is.
        console: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// People use all terminals of a machine.
    #[error("node {node} has {most} terminals for people, and all are in use; end a kiln lab shell or exec")]
    Terminals {
        /// The node.
        node: Name,
        /// How many there are.
        most: usize,
    },
    /// A gateway does not open its port.
    #[error("QEMU does not open the port; it says why in {}", log.display())]
    Gateway {
        /// QEMU's own words.
        log: PathBuf,
    },
    /// There is no address for one more gateway.
    #[error("six ports lead into this lab already; end a kiln lab forward")]
    Gateways,
    /// The segment has no such address.
    #[error("{0} can't be reached: the lab's network has IPv4 alone")]
    NoWay(std::net::SocketAddr),
}

impl LabError {
    /// Returns the exit code that fits.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Busy(_) => Exit::TryAgain,
            Self::Layout(_) | Self::Unknown(_) | Self::Lacks(_) | Self::Machines(_) => Exit::Config,
            _ => Exit::Failed,
        }
    }
}
