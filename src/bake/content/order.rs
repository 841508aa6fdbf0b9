// SPDX-License-Identifier: Apache-2.0
//! The order in which a booting node reads its files, so that they can lie on the disk in that order.
//!
//! A hint only: a file that is not named comes later, and nothing depends on it but time.

use crate::tree::{Kind, Tree, TreePath};

/// Programs in the order of their start: first boot, then the runtime down to a container, then pods' network, then
/// the agents that need all of it.
const PROGRAMS: [&str; 8] = [
    "/opt/bin/kiln-firstboot",
    "/opt/bin/containerd",
    "/opt/bin/kubelet",
    "/opt/bin/containerd-shim-runc-v2",
    "/opt/bin/runc",
    "/opt/cni/bin",
    "/opt/bin/kube-proxy",
    "/opt/bin/flanneld",
];

/// Returns the files that are read at boot, earliest first: configuration, a system extension, programs.
pub fn boot_order(tree: &Tree) -> Vec<TreePath> {
    let mut order = Vec::new();
    for place in ["/etc", "/opt/extensions"].iter().chain(&PROGRAMS) {
        let place = TreePath::parse(place).expect("a constant path");
        let files = tree
            .paths()
            .filter(|(path, id)| path.is_within(&place) && matches!(tree.node(*id).kind, Kind::File(_)));
        order.extend(files.map(|(path, _)| path.clone()));
    }
    order
}
