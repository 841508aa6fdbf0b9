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
use crate::settings::{Platform, Settings};

/// The rules; `kiln-masquerade.service` gives them to nft at every boot.
pub const MASQUERADE: &str = "/etc/kiln/masquerade.nft";

/// Returns the table. It replaces an earlier one in one transaction: to declare it first makes `delete` work also where
/// there was none.
pub(super) fn masquerade(settings: &Settings, blocks: &[IpNet]) -> File {
    let pods = &settings.cluster.pods;
    let rules: String = blocks.iter().filter_map(|block| rule(pods, block)).collect();
    let metadata = if settings.cloud.platform == Platform::None { String::new() } else { metadata(blocks) };
    let text = format!(
        "# What leaves this node's pods for outside of all pods gets the node's address.\n\
        table inet kiln\n\
        delete table inet kiln\n\
        table inet kiln {{\n\
        \tchain postrouting {{\n\
        \t\ttype nat hook postrouting priority srcnat; policy accept;\n\
        {rules}\
        \t}}\n\
        {metadata}\
        }}\n"
    );
    File::readable(MASQUERADE, text)
}

/// Pods don't reach the metadata service, whose answers hold the node's role: a hop limit of 1 keeps them out as well, but
/// that is the launcher's word, and this the node's.
fn metadata(blocks: &[IpNet]) -> String {
    let rules: String = blocks
        .iter()
        .map(|block| {
            let (family, address) =
                if is_v6(block) { ("ip6", "fd00:ec2::254") } else { ("ip", "169.254.169.254") };
            format!("\t\t{family} saddr {block} {family} daddr {address} drop\n")
        })
        .collect();
    format!("\tchain forward {{\n\t\ttype filter hook forward priority filter; policy accept;\n{rules}\t}}\n")
}

/// fully-random: ports chosen one after the other collide when two pods ask the same server at once.
fn rule(pods: &[IpNet], block: &IpNet) -> Option<String> {
    let inside = pods.iter().find(|range| is_v6(range) == is_v6(block))?;
    let family = if is_v6(block) { "ip6" } else { "ip" };
    Some(format!("\t\t{family} saddr {block} {family} daddr != {inside} masquerade fully-random\n"))
}
