// SPDX-License-Identifier: Apache-2.0
//! The conflist: how the runtime connects a pod (CNI specification 1.0.0; plugins bridge, host-local, portmap).

use ipnet::IpNet;
use serde::Serialize;

use super::problem::Problem;
use crate::firstboot::file::File;
use crate::settings::Mode;

/// The conflist. Runtimes watch its folder and report a ready network once a file is there.
pub const CONFLIST: &str = "/etc/cni/net.d/10-kiln.conflist";
/// Where host-local keeps one file for each address in use. Below /run, because pods don't outlive a boot but files on
/// a disk do: addresses of pods that died with a power cut would stay taken (containernetworking/plugins#252).
pub const LEASES: &str = "/run/cni/leases";
/// The network's name, and the folder in [`LEASES`] that host-local makes for it.
pub const NETWORK: &str = "kiln";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Conflist<'a> {
    cni_version: &'a str,
    name: &'a str,
    plugins: (Bridge<'a>, Portmap<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bridge<'a> {
    r#type: &'a str,
    bridge: &'a str,
    is_gateway: bool,
    is_default_gateway: bool,
    force_address: bool,
    ip_masq: bool,
    hairpin_mode: bool,
    mtu: u32,
    ipam: HostLocal<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HostLocal<'a> {
    r#type: &'a str,
    data_dir: &'a str,
    /// One set for each family: a pod gets an address out of every set.
    ranges: Vec<[Range; 1]>,
}

#[derive(Serialize)]
struct Range {
    subnet: IpNet,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Portmap<'a> {
    r#type: &'a str,
    backend: &'a str,
    snat: bool,
    capabilities: Capabilities,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Capabilities {
    port_mappings: bool,
}

/// Returns that a file of the conflist's folder comes before it: libcni takes the first by name, of these endings
/// (`ConfFiles`, in containerd and cri-dockerd alike).
pub fn other(mode: Mode, names: &[String]) -> Option<Problem> {
    let (folder, ours) = CONFLIST.rsplit_once('/').expect("a path");
    let is_read = |name: &&String| [".conf", ".conflist", ".json"].iter().any(|end| name.ends_with(end));
    let first = names.iter().filter(is_read).min().filter(|first| first.as_str() < ours);
    first.filter(|_| mode == Mode::Cni).map(|name| Problem::OtherNetwork { file: format!("{folder}/{name}") })
}

/// Returns the conflist for cni0; none where docker connects pods.
pub(super) fn conflist(mode: Mode, blocks: &[IpNet], mtu: u32) -> Option<File> {
    if mode == Mode::Docker {
        return None;
    }
    let ranges = blocks.iter().map(|block| [Range { subnet: *block }]).collect();
    let bridge = Bridge {
        r#type: "bridge",
        bridge: super::bridge(mode),
        is_gateway: true,
        is_default_gateway: true,
        // A cni0 that kept the address of an earlier block is corrected instead of refused.
        force_address: true,
        // The plugin would also rewrite what goes to pods of other nodes; packets.rs knows the whole pod range.
        ip_masq: false,
        // A pod reaches itself through its own service.
        hairpin_mode: true,
        mtu,
        ipam: HostLocal { r#type: "host-local", data_dir: LEASES, ranges },
    };
    let portmap = Portmap {
        r#type: "portmap",
        // As kube-proxy, so that a node needs no iptables for its pods.
        backend: "nftables",
        snat: true,
        capabilities: Capabilities { port_mappings: true },
    };
    let conflist = Conflist { cni_version: "1.0.0", name: NETWORK, plugins: (bridge, portmap) };
    Some(File::readable(CONFLIST, super::json(&conflist)))
}
