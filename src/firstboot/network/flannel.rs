// SPDX-License-Identifier: Apache-2.0
//! flannel: its network configuration, and whether what it answered is what the node claimed.
//!
//! flannel takes the block from `spec.podCIDRs` (`--kube-subnet-mgr`); kiln renders the bridge from its claim. Both must
//! be the same block, or pods get addresses that no other node has a route to.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::Serialize;

use super::problem::Problem;
use super::{VXLAN_BYTES, gateway, is_v6};
use crate::firstboot::file::File;
use crate::settings::{Fabric, Settings};

/// The network configuration (`--net-config-path`).
pub const CONFIGURATION: &str = "/etc/kubernetes/flannel.json";
/// What flannel writes when it has the block (`--subnet-file`).
pub const SUBNET: &str = "/run/flannel/subnet.env";

#[derive(Serialize)]
struct Configuration {
    #[serde(rename = "Network", skip_serializing_if = "Option::is_none")]
    network: Option<IpNet>,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: bool,
    #[serde(rename = "IPv6Network", skip_serializing_if = "Option::is_none")]
    ipv6_network: Option<IpNet>,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: bool,
    #[serde(rename = "EnableNFTables")]
    enable_nftables: bool,
    #[serde(rename = "Backend")]
    backend: Backend,
}

/// Without a type flannel takes its slow `udp`, so it always stands here.
#[derive(Serialize)]
#[serde(tag = "Type")]
enum Backend {
    #[serde(rename = "vxlan")]
    Vxlan {
        #[serde(rename = "MTU")]
        mtu: u32,
    },
    #[serde(rename = "host-gw")]
    HostGw,
}

/// Returns the network configuration; none where somebody else carries packets between nodes.
pub(super) fn configuration(settings: &Settings, pod_mtu: u32) -> Option<File> {
    let backend = match settings.network.fabric {
        // flannel subtracts 50 from it, over IPv6 as well: by this way its device gets the MTU of the pods.
        Fabric::Vxlan => Backend::Vxlan { mtu: pod_mtu + VXLAN_BYTES },
        Fabric::HostGw => Backend::HostGw,
        Fabric::None => return None,
    };
    let find = |v6| settings.cluster.pods.iter().find(|range| is_v6(range) == v6).copied();
    let (network, ipv6_network) = (find(false), find(true));
    let configuration = Configuration {
        network,
        enable_ipv4: network.is_some(),
        ipv6_network,
        enable_ipv6: ipv6_network.is_some(),
        // As kube-proxy; with iptables it would also insist on br_netfilter being loaded before it.
        enable_nftables: true,
        backend,
    };
    Some(File::readable(CONFIGURATION, super::json(&configuration)))
}

/// Returns in what [`SUBNET`]'s text differs from the claimed blocks.
pub fn differs(text: &str, blocks: &[IpNet]) -> Vec<Problem> {
    let said: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let families = [("FLANNEL_SUBNET", false), ("FLANNEL_IPV6_SUBNET", true)];
    let compared = families.into_iter().filter_map(|(key, v6)| {
        let claimed = blocks.iter().find(|block| is_v6(block) == v6).map(gateway);
        let found = said.get(key).copied();
        if found.map(str::parse) == claimed.map(Ok) {
            return None;
        }
        let claimed = claimed.map_or_else(|| "nothing".to_owned(), |claimed| claimed.to_string());
        Some(Problem::Subnet { key, found: found.unwrap_or("nothing").to_owned(), claimed })
    });
    compared.collect()
}
