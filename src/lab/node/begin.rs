// SPDX-License-Identifier: Apache-2.0
//! What a node is made from, what follows from that, and its beginning: record, credentials, keeper.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use super::Node;
use crate::base::Base;
use crate::host::files;
use crate::lab::error::LabError;
use crate::lab::layout::Layout;
use crate::lab::plan::{Lab, Link, Name, Network, NodeRecord};
use crate::lab::records;
use crate::lab::workaround::Workaround;

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

/// Decides everything about a node's machine.
pub(in crate::lab) fn plan(
    lab: &Lab,
    order: &NodeOrder,
    base: &Base,
    image: &Path,
    link: Link,
    workarounds: Vec<Workaround>,
) -> Result<NodeRecord, LabError> {
    let disk_bytes = order.disk_bytes.max(base.table.size_bytes());
    let grown = Base { layout: base.layout, table: base.grow(disk_bytes)? };
    let folder = lab.node(&order.name);
    let files = order.credentials.keys().map(|name| (name.clone(), folder.join("credentials").join(name)));
    let NodeOrder { name, address, gateway, .. } = order.clone();
    Ok(NodeRecord {
        machine: format!("{}-{name}", lab.name),
        lab: lab.record(),
        image: image.to_owned(),
        disk: lab.disks().join(format!("{name}.raw")),
        disk_bytes,
        spans: Layout::described().spans(&grown, image)?,
        console: lab.disks().join(format!("{name}.log")),
        cgroup: format!("{}/{name}", lab.cgroup()),
        network: Network { link, address, gateway },
        credentials: files.collect(),
        workarounds,
        name,
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
