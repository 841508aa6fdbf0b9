// SPDX-License-Identifier: Apache-2.0
//! Checks of meaning, on a tree whose shape is right: what each value may be, and which go together.
//!
//! A whole is judged at boot. The bake judges the part that an image carries: what is wrong with it whatever later layers
//! say. Each check looks at the tree for itself, so that one problem never hides another.

mod api;
mod cloud;
mod label;
pub mod name;
mod node;

use ipnet::IpNet;

use super::ranges::{self, Cut, Wanted, Words};
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::pool::Pool;
use crate::reference::Reference;
use crate::resource::is_id;
use crate::version::Version;

pub use api::wrong_of_ca;
pub use cloud::{is_metadata, is_parameter};
pub use node::is_unicast;

/// Whether more layers follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All that there is: what is missing is missing, and defaults hold.
    Whole,
    /// A part: only what stands there is judged.
    Part,
}

const WORDS: Words =
    Words { block: "block_prefix", block_v6: "block_prefix_v6", nodes: "nodes_max", pods: "pods_max" };

/// How many bits of an IPv6 range kube-controller-manager's allocator counts in.
const KCM_V6_BITS: u8 = 16;

/// IPv6 needs it of every link (RFC 8200, section 5).
const MTU_MIN_V6: u32 = 1280;
/// What every host must accept (RFC 791); nobody's uplink has less.
const MTU_MIN: u32 = 576;

/// Reads and checks the cluster's ranges.
pub(super) fn cluster(at: &At<'_>, report: &mut Report) -> Cut {
    let number = |key: &str| at.key(key).whole();
    let prefix = |key: &str| number(key).and_then(|n| u8::try_from(n).ok());
    let wanted = Wanted {
        nodes: number("nodes_max").zip(number("surge")),
        pods: number("pods_max"),
        blocks: [prefix("block_prefix"), prefix("block_prefix_v6")],
    };
    let cut = ranges::check(at, WORDS, wanted, report);
    kubernetes(&at.key("kubernetes"), report);
    cut
}

/// Checks everything but the cluster's ranges, which are known as `cut`.
pub fn check(at: &At<'_>, cut: &Cut, extent: Extent, report: &mut Report) {
    let whole = extent == Extent::Whole;
    domain(&at.key("cluster").key("domain"), report);
    blocks(at, cut, whole, report);
    api::check(at, cut, whole, report);
    node::check(&at.key("node"), cut, report);
    network(at, cut, whole, report);
    sandbox(&at.key("sandbox"), report);
    names(&at.key("control_plane").key("names"), report);
    data_volume(&at.key("control_plane").key("data_volume"), report);
    cloud::check(at, whole, report);
}

fn kubernetes(at: &At<'_>, report: &mut Report) {
    if let Some(text) = at.text().filter(|text| Version::parse(text).is_none()) {
        report.wrong(at, format!("'{text}' is no version of Kubernetes"), "write it as v1.36.3".to_owned());
    }
}

fn domain(at: &At<'_>, report: &mut Report) {
    if let Some(text) = at.text().filter(|text| !name::is_subdomain(text)) {
        let fix = "write it as cluster.local: lower-case letters, digits, '-' and '.'".to_owned();
        report.wrong(at, format!("'{text}' is no DNS domain"), fix);
    }
}

/// kube-controller-manager's own allocator does not start with more (k8s.io/kubernetes/pkg/controller/nodeipam/ipam/cidrset,
/// `clusterSubnetMaxDiff`); of IPv4 it takes all that kiln does.
fn allocatable(cluster: &At<'_>, cut: &Cut, report: &mut Report) {
    let is_v6 = |pool: &&Pool| pool.range().addr().is_ipv6();
    for pool in cut.pools.iter().filter(is_v6) {
        let (range, prefix) = (pool.range(), pool.block_prefix());
        let most = range.prefix_len() + KCM_V6_BITS;
        if prefix > most {
            let what = format!(
                "{range} has more than 2^{KCM_V6_BITS} blocks of /{prefix}, and with kcm addressing it can have no more"
            );
            let fix = format!("set it to {most} or less, use a smaller range, or another addressing");
            report.wrong(&cluster.key("block_prefix_v6"), what, fix);
        }
    }
}

/// What is said of indices must agree with how nodes come by their blocks.
fn blocks(at: &At<'_>, cut: &Cut, whole: bool, report: &mut Report) {
    let cluster = at.key("cluster");
    let addressing = cluster.key("addressing");
    let mode = addressing.text().or(whole.then_some("claim"));
    let reserved = cluster.key("reserved");
    for item in reserved.items() {
        exists(&item, cut, report);
    }
    if mode == Some("kcm") && !reserved.items().is_empty() {
        let fix = "remove it, or use another addressing";
        report.wrong_key(&reserved, "kube-controller-manager reserves no blocks".to_owned(), fix.to_owned());
    }
    if mode == Some("kcm") {
        allocatable(&cluster, cut, report);
    }
    if mode == Some("derived") && cut.hosts.is_empty() && whole {
        let what = "derived addressing needs the range of the hosts' addresses".to_owned();
        report.wrong(&addressing, what, "give cluster.hosts".to_owned());
    }
    if mode == Some("derived") {
        one_range_of_hosts(&cluster.key("hosts"), cut, report);
    }
    reserved_leave_enough(&cluster, cut, report);
    if let Some(mode) = mode {
        index(&at.key("node").key("index"), mode, &reserved, (cut, whole), report);
    }
}

/// Addresses at the same place of two ranges would mean the same block.
fn one_range_of_hosts(at: &At<'_>, cut: &Cut, report: &mut Report) {
    for (number, range) in cut.hosts.iter().enumerate() {
        let is_family = |other: &&IpNet| other.addr().is_ipv4() == range.addr().is_ipv4();
        if let Some(first) = cut.hosts[..number].iter().find(is_family) {
            let what =
                format!("with derived addressing, {range} beside {first} would give two nodes one block");
            let fix = "give one range of each family that has all of them, or use another addressing";
            report.wrong(at, what, fix.to_owned());
        }
    }
}

/// A node's own index is given with static addressing, and only then.
fn index(at: &At<'_>, mode: &str, reserved: &At<'_>, (cut, whole): (&Cut, bool), report: &mut Report) {
    match (at.whole(), mode) {
        (Some(wanted), "static") => {
            let is_reserved = reserved.items().iter().any(|item| item.whole() == Some(wanted));
            if exists(at, cut, report) && is_reserved {
                let what = format!("block {wanted} is reserved (cluster.reserved)");
                report.wrong(at, what, "use another index".to_owned());
            }
        }
        (Some(_), _) => {
            let what = format!("with {mode} addressing no index can be given");
            report.wrong_key(at, what, "remove it, or let cluster.addressing be static".to_owned());
        }
        (None, "static") if whole => {
            let fix = "give each node its own, as in 'index: 7'".to_owned();
            report.wrong(at, "is missing, and with static addressing nobody else gives it".to_owned(), fix);
        }
        (None, _) => {}
    }
}

/// Checks that there is a block with the index at `at`.
fn exists(at: &At<'_>, cut: &Cut, report: &mut Report) -> bool {
    let (Some(index), Some(count)) = (at.whole(), cut.count()) else { return true };
    if index >= count {
        let what = format!("there is no block {index}: the pod range has {count}");
        report.wrong(at, what, format!("use 0 to {}", count - 1));
    }
    index < count
}

fn reserved_leave_enough(cluster: &At<'_>, cut: &Cut, report: &mut Report) {
    let reserved = cluster.key("reserved");
    let mut indices: Vec<u32> = reserved.items().iter().filter_map(At::whole).collect();
    indices.sort_unstable();
    indices.dedup();
    let (Some(count), Some(needed)) = (cut.count(), cut.nodes) else { return };
    let left = u64::from(count).saturating_sub(indices.len() as u64);
    // Too few blocks without any reserved have been told already.
    if u64::from(count) >= needed && left < needed {
        let what = format!("{left} blocks are left of {count}, and {needed} are needed");
        report.wrong_key(&reserved, what, "reserve fewer, or use a larger pod range".to_owned());
    }
}

fn network(at: &At<'_>, cut: &Cut, whole: bool, report: &mut Report) {
    let mode = at.key("network").key("mode");
    let runtime = at.key("runtime").text().or(whole.then_some("containerd"));
    if mode.text() == Some("docker") && runtime == Some("containerd") {
        let what = "pods can hang on Docker's bridge only if Docker runs them".to_owned();
        report.wrong(&mode, what, "let runtime be docker, or the mode be cni".to_owned());
    }
    let mtu = at.key("network").key("mtu");
    let has_v6 = cut.pods.iter().any(|range| range.addr().is_ipv6());
    let least = if has_v6 { MTU_MIN_V6 } else { MTU_MIN };
    if let Some(found) = mtu.whole().filter(|mtu| *mtu < least) {
        let family = if has_v6 { "IPv6" } else { "IPv4" };
        let what = format!("{found} bytes are less than {family} needs");
        report.wrong(&mtu, what, format!("use {least} to 65535, or leave it out"));
    }
}

fn sandbox(at: &At<'_>, report: &mut Report) {
    let Some(text) = at.text() else { return };
    if let Err(error) = text.parse::<Reference>() {
        let fix = "write it whole, with registry and tag, as in registry.example/pause:3.10".to_owned();
        report.wrong(at, format!("'{text}' {error}"), fix);
    }
}

fn names(at: &At<'_>, report: &mut Report) {
    for item in at.items() {
        if let Some(text) = item.text().filter(|text| !name::is_host(text)) {
            let fix = "write a DNS name or an address, without port".to_owned();
            report.wrong(&item, format!("'{text}' is no name for a certificate"), fix);
        }
    }
}

/// Names like /dev/sdb are given anew at every boot, and this volume is formatted where it is blank.
fn data_volume(at: &At<'_>, report: &mut Report) {
    let is_link = |text: &str| {
        let parts: Vec<&str> = text.strip_prefix("/dev/disk/by-").unwrap_or_default().split('/').collect();
        parts.len() == 2 && parts.iter().all(|part| !part.is_empty() && *part != "..") && !text.contains('\0')
    };
    if let Some(text) = at.text().filter(|text| !is_id(text, "vol-") && !is_link(text)) {
        let shown: String = text.chars().take(80).collect();
        let fix =
            "write an EBS volume's id, vol-0a1b2c3d4e5f60718, or a path that stays: /dev/disk/by-id/NAME";
        report.wrong(at, format!("'{shown}' is no lasting name of a volume"), fix.to_owned());
    }
}
