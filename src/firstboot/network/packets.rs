// SPDX-License-Identifier: Apache-2.0
//! What happens to pods' packets on the way out: an nftables table of our own (nft(8)).
//!
//! Masqueraded is what leaves this node's block for anywhere outside the pod ranges, hosts included: with VXLAN the
//! network between hosts knows no pod addresses and may drop them (OpenStack's port security, AWS's source check), and
//! hosts that are no nodes have no route back. What goes from pod to pod, on whatever node, keeps its source: policies
//! and logs of the other side depend on it. Packets to services have a pod's address by then, kube-proxy being earlier.

use ipnet::IpNet;

use super::is_v6;
use crate::firstboot::file::File;

/// The rules; `kiln-masquerade.service` gives them to nft at every boot.
pub const MASQUERADE: &str = "/etc/kiln/masquerade.nft";

/// Returns the table. It replaces an earlier one in one transaction: to declare it first makes `delete` work also where
/// there was none.
pub(super) fn masquerade(pods: &[IpNet], blocks: &[IpNet]) -> File {
    let rules: String = blocks.iter().filter_map(|block| rule(pods, block)).collect();
    let text = format!(
        "# What leaves this node's pods for outside of all pods gets the node's address.\n\
        table inet kiln\n\
        delete table inet kiln\n\
        table inet kiln {{\n\
        \tchain postrouting {{\n\
        \t\ttype nat hook postrouting priority srcnat; policy accept;\n\
        {rules}\
        \t}}\n\
        }}\n"
    );
    File::readable(MASQUERADE, text)
}

/// fully-random: ports chosen one after the other collide when two pods ask the same server at once.
fn rule(pods: &[IpNet], block: &IpNet) -> Option<String> {
    let inside = pods.iter().find(|range| is_v6(range) == is_v6(block))?;
    let family = if is_v6(block) { "ip6" } else { "ip" };
    Some(format!("\t\t{family} saddr {block} {family} daddr != {inside} masquerade fully-random\n"))
}
