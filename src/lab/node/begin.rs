// SPDX-License-Identifier: Apache-2.0
//! What a node is made from, what follows from that, and its beginning: record, credentials, keeper.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use super::Node;
use crate::base::Base;
use crate::host::files;
use crate::lab::body::{self, Body, Container, Virtual};
use crate::lab::error::LabError;
use crate::lab::ground::{Link, Machines};
use crate::lab::layout::Layout;
use crate::lab::plan::{Lab, Name, Network, NodeRecord};
use crate::lab::workaround::Workaround;
use crate::lab::{records, shape};

/// What a node is made from.
#[derive(Debug, Clone)]
pub struct NodeOrder {
    /// Its name, which is its host name too.
    pub name: Name,
    /// Its address with the prefix of the segment.
    pub address: IpNet,
    /// Its way out of the segment.
    pub gateway: Option<IpAddr>,
    /// Size of its disk in bytes; smaller than the image: the image's.
    pub disk_bytes: u64,
    /// System credentials: `kiln.settings`, `kiln.token`, and whatever a test adds. They lie on tmpfs only.
    pub credentials: BTreeMap<String, Vec<u8>>,
}

/// Decides everything about a node, with the body that it is to have.
pub(in crate::lab) fn plan(
    lab: &Lab,
    order: &NodeOrder,
    image: &Path,
    disk_bytes: u64,
    body: Body,
) -> NodeRecord {
    let folder = lab.node(&order.name);
    let files = order.credentials.keys().map(|name| (name.clone(), folder.join("credentials").join(name)));
    let NodeOrder { name, address, gateway, .. } = order.clone();
    let suffix = match body {
        Body::Container(_) => "raw",
        Body::Virtual(_) => "qcow2",
    };
    NodeRecord {
        lab: lab.record(),
        image: image.to_owned(),
        disk: lab.disks().join(format!("{name}.{suffix}")),
        disk_bytes,
        console: lab.disks().join(format!("{name}.log")),
        network: Network { address, gateway },
        credentials: files.collect(),
        body,
        name,
    }
}

/// Returns the body of a container on the image's disk, with the size of its own.
pub(in crate::lab) fn container(
    lab: &Lab,
    order: &NodeOrder,
    base: &Base,
    image: &Path,
    link: Link,
    workarounds: Vec<Workaround>,
) -> Result<(u64, Body), LabError> {
    let disk_bytes = order.disk_bytes.max(base.table.size_bytes());
    let grown = Base { layout: base.layout, table: base.grow(disk_bytes)? };
    let body = Container {
        machine: format!("{}-{}", lab.name, order.name),
        spans: Layout::described().spans(&grown, image)?,
        cgroup: format!("{}/{}", lab.cgroup(), order.name),
        link,
        workarounds,
    };
    Ok((disk_bytes, Body::Container(body)))
}

/// Returns the body of a virtual machine.
pub(in crate::lab) fn machine(order: &NodeOrder, common: &Machines) -> Body {
    let is_control = order.name.to_string() == shape::CONTROL;
    Body::Virtual(Virtual {
        common: common.clone(),
        memory_bytes: if is_control { body::CONTROL_MEMORY } else { body::WORKER_MEMORY },
        mac: body::mac(order.address.addr()),
    })
}

/// Records a node and starts its keeper.
pub(in crate::lab) fn begin(
    lab: &Lab,
    record: NodeRecord,
    order: &NodeOrder,
    kiln: &Path,
) -> Result<Node, LabError> {
    let folder = lab.node(&record.name);
    files::make_folder(&folder.join("credentials"))?;
    for (name, content) in &order.credentials {
        files::replace(&record.credentials[name], content, 0o600)?;
    }
    records::write(&NodeRecord::path(&folder), &record)?;
    let node = Node { record, lab: lab.name.clone(), folder };
    node.power_on(kiln)?;
    Ok(node)
}
