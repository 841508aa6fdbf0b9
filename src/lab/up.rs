// SPDX-License-Identifier: Apache-2.0
//! The flow that makes a lab: lock, tmpfs, record, network, then node after node.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::down;
use super::error::LabError;
use super::ground::{Backend, Ground, Link};
use super::helper;
use super::lacks::{Need, lacks};
use super::layout::Layout;
use super::look;
use super::machines;
use super::node::Node;
use super::node::begin::{self, NodeOrder};
use super::plan::{Lab, Record};
use super::records;
use super::shape::Shape;
use super::workaround::{Workaround, workarounds};
use crate::base::{self, Base};
use crate::gpt;
use crate::host::disk::{Image, open_image};
use crate::host::{files, mounts, netns, resources};

/// What a lab is made of.
#[derive(Debug, Clone)]
pub struct Order {
    /// The image file that a bake made.
    pub image: PathBuf,
    /// Where its nodes' links go.
    pub network: Segment,
    /// How many nodes it will have, for the question whether the machine can hold them.
    pub nodes: u64,
    /// What its nodes have in common.
    pub shape: Shape,
    /// The `kiln` program, which keeps the nodes.
    pub kiln: PathBuf,
}

/// The network that nodes are linked to.
#[derive(Debug, Clone)]
pub enum Segment {
    /// A bridge with this address in a network namespace of the lab's own: labs don't meet, whatever their addresses.
    Own(IpNet),
    /// A bridge that somebody else made.
    Foreign(Link),
    /// A switch of the lab's own on a unix socket: its nodes are virtual machines.
    Switch,
}

/// The name of the lab's own bridge.
const BRIDGE: &str = "kiln0";
/// Longest wait for another kiln that changes the same lab.
const LOCK_LIMIT: Duration = Duration::from_secs(5);
/// Records, settings and tokens: small texts.
const STATE_MAX_BYTES: u64 = 16 << 20;

/// A lab that is being made or changed; nobody else changes it meanwhile.
#[derive(Debug)]
pub struct Made {
    pub(super) lab: Lab,
    pub(super) record: Record,
    pub(super) kiln: PathBuf,
    workarounds: Vec<Workaround>,
    _lock: File,
}

/// Makes the lab without nodes. A half-made one of this name is removed before.
///
/// # Errors
/// If the machine lacks something, the image is not for nspawn, or the lab is up.
pub fn make(lab: &Lab, order: &Order) -> Result<Made, LabError> {
    let image = order.image.canonicalize().map_err(files::FileError::at("open", &order.image))?;
    let (ground, workarounds) = choose(lab, order, &image)?;
    files::make_folder(&lab.places.run)?;
    let lock = files::lock(&lab.lock(), LOCK_LIMIT)?.ok_or_else(|| LabError::Busy(lab.name.clone()))?;
    if look::record(lab)?.is_some_and(|record| record.is_whole) {
        return Err(LabError::Up(lab.name.clone()));
    }
    down::clear(lab)?;
    let record = prepare(lab, order, ground, image)?;
    let (lab, kiln) = (lab.clone(), order.kiln.clone());
    Ok(Made { lab, record, kiln, workarounds, _lock: lock })
}

/// Takes a whole lab to change it.
///
/// # Errors
/// If there is none, it is half made, or somebody else changes it.
pub fn open(lab: &Lab, kiln: &Path) -> Result<Made, LabError> {
    let there = || look::record(lab)?.ok_or_else(|| LabError::NoLab(lab.name.clone()));
    there()?;
    let lock = files::lock(&lab.lock(), LOCK_LIMIT)?.ok_or_else(|| LabError::Busy(lab.name.clone()))?;
    // It may have gone before the lock was ours.
    let record = there()?;
    if !record.is_whole {
        return Err(LabError::HalfMade(lab.name.clone()));
    }
    let workarounds = match record.ground {
        Ground::Nspawn { .. } => workarounds(&look::facts(&lab.places)?),
        Ground::Qemu(_) => Vec::new(),
    };
    Ok(Made { lab: lab.clone(), record, kiln: kiln.to_owned(), workarounds, _lock: lock })
}

/// Looks whether this machine has what the ground takes.
fn choose(lab: &Lab, order: &Order, image: &Path) -> Result<(Ground, Vec<Workaround>), LabError> {
    let link = match &order.network {
        Segment::Switch => return Ok((Ground::Qemu(machines::look(lab, order, image)?), Vec::new())),
        Segment::Foreign(link) => link.clone(),
        Segment::Own(_) => Link { namespace: lab.network(), bridge: BRIDGE.to_owned() },
    };
    Layout::described().spans(&read_image(image)?.0, image)?;
    let facts = look::facts(&lab.places)?;
    let image_bytes = resources::taken_bytes(image)?;
    lacks(&facts, &Need { nodes: order.nodes, has_control: true, image_bytes })?;
    Ok((Ground::Nspawn { link }, workarounds(&facts)))
}

fn prepare(lab: &Lab, order: &Order, ground: Ground, image: PathBuf) -> Result<Record, LabError> {
    files::make_private_folder(&lab.disks())?;
    // A container has a copy.
    let is_held = ground.backend() == Backend::Qemu && files::hold(&image, &lab.image());
    let image = if is_held { lab.image() } else { image };
    let record = Record { ground, shape: order.shape, image, is_whole: false };
    files::make_private_folder(&lab.state())?;
    if record.ground.backend() == Backend::Nspawn {
        mounts::tmpfs(&lab.state(), STATE_MAX_BYTES, "0700")?;
    }
    records::write(&lab.record(), &record)?;
    match &order.network {
        Segment::Own(address) => make_bridge(&lab.network(), &address.to_string())?,
        Segment::Foreign(_) => {}
        Segment::Switch => helper::begin_switch(lab, &order.kiln)?,
    }
    Ok(record)
}

fn make_bridge(namespace: &Path, address: &str) -> Result<(), LabError> {
    netns::make(namespace)?;
    let ip = |words: &[&str]| netns::ip::<LabError>(namespace, words);
    ip(&["link", "add", BRIDGE, "type", "bridge"])?;
    ip(&["address", "add", address, "dev", BRIDGE])?;
    ip(&["link", "set", BRIDGE, "up"])?;
    ip(&["link", "set", "lo", "up"])
}

impl Made {
    /// Returns what runs its nodes.
    pub fn backend(&self) -> Backend {
        self.record.ground.backend()
    }

    /// Looks whether this machine can hold one more worker.
    ///
    /// # Errors
    /// With all that it lacks.
    pub(super) fn has_room(&self) -> Result<(), LabError> {
        if let Ground::Qemu(_) = self.record.ground {
            return machines::has_room(&self.lab);
        }
        let image_bytes = resources::taken_bytes(&self.record.image)?;
        let need = Need { nodes: 1, has_control: false, image_bytes };
        Ok(lacks(&look::facts(&self.lab.places)?, &need)?)
    }

    /// Starts a node and returns at once; its keeper makes its disk and boots it.
    ///
    /// # Errors
    /// As the machine says.
    pub fn start(&self, order: &NodeOrder) -> Result<Node, LabError> {
        let Record { image, ground, .. } = &self.record;
        let (disk_bytes, body) = match ground {
            Ground::Nspawn { link } => {
                let (base, _) = read_image(image)?;
                begin::container(&self.lab, order, &base, image, link.clone(), self.workarounds.clone())?
            }
            Ground::Qemu(machines) => (order.disk_bytes, begin::machine(order, machines)),
        };
        let record = begin::plan(&self.lab, order, image, disk_bytes, body);
        begin::begin(&self.lab, record, order, &self.kiln)
    }

    /// Records that all that was asked for is there, and lets others change the lab.
    ///
    /// # Errors
    /// As the system says.
    pub fn finish(self) -> Result<(), LabError> {
        records::write(&self.lab.record(), &Record { is_whole: true, ..self.record })
    }
}

/// Returns the layout of an image that only virtual machines boot; nothing: it is the lab's.
///
/// # Errors
/// If it can't be read or follows no known layout.
pub fn foreign(image: &Path) -> Result<Option<&'static str>, LabError> {
    let base = read_image(image)?.0;
    Ok(Layout::described().spans(&base, image).err().map(|foreign| foreign.layout))
}

/// Opens an image and finds its layout.
///
/// # Errors
/// If it can't be read or follows no known layout.
pub fn read_image(path: &Path) -> Result<(Base, Arc<dyn Image>), LabError> {
    let image = open_image(path)?;
    let base = base::recognise(gpt::parse(&*image, path)?, path)?;
    Ok((base, image))
}
