// SPDX-License-Identifier: Apache-2.0
//! The cluster: ranges that don't overlap, and blocks that suffice for its nodes and pods.
//!
//! The rules, and the systems of old that broke each, are traps T1 to T5, T12 and T14.

use ipnet::IpNet;

use crate::manifest::at::At;
use crate::manifest::report::Report;
use crate::manifest::version::Version;
use crate::manifest::{Cluster, raw};
use crate::pool::{self, Pool, PoolError};

/// kubelet's own default.
const PODS_MAX_DEFAULT: u32 = 110;
/// kube-controller-manager's defaults for node CIDR masks.
const BLOCK_DEFAULT: u8 = 24;
const BLOCK_V6_DEFAULT: u8 = 64;
/// Nodes are replaced one at a time unless somebody asks for more.
const SURGE_DEFAULT: u32 = 1;

/// A range and where it stands.
type Range<'a> = (IpNet, At<'a>);

/// Returns the version of the cluster's API servers, if it is given, right or wrong: components that take it are not wrong
/// as well.
pub fn kubernetes(text: Option<&String>, at: &At<'_>, report: &mut Report) -> Option<String> {
    let text = text?;
    if Version::parse(text).is_none() {
        let what = format!("'{text}' is no version of Kubernetes");
        report.wrong(at, what, "write it as v1.36.3".to_owned());
    }
    Some(text.clone())
}

pub fn cluster(raw: raw::Cluster, at: &At<'_>, report: &mut Report) -> Option<Cluster> {
    let pods = ranges(&raw.pods, &at.key("pods"), report);
    let services = ranges(&raw.services, &at.key("services"), report);
    let hosts = ranges(&raw.hosts, &at.key("hosts"), report);
    one_of_each_family(&pods, report);
    one_of_each_family(&services, report);
    same_families(&pods, &services, report);
    overlaps(&[("pods", &pods), ("services", &services), ("hosts", &hosts)], report);
    let surge = raw.surge.unwrap_or(SURGE_DEFAULT);
    let wanted = Wanted { nodes: raw.nodes, surge, pods: raw.max_pods };
    let prefixes = [raw.block.unwrap_or(BLOCK_DEFAULT), raw.block_v6.unwrap_or(BLOCK_V6_DEFAULT)];
    let pools: Vec<Pool> = pods.iter().filter_map(|range| pool(range, prefixes, at, report)).collect();
    blocks_suffice(&pools, wanted, at, report);
    families_are_needed(&raw, &pods, at, report);
    let block_prefix = |is_v4: bool| {
        pools.iter().find(|pool| pool.range().addr().is_ipv4() == is_v4).map(Pool::block_prefix)
    };
    let nets = |ranges: Vec<Range<'_>>| ranges.into_iter().map(|(net, _)| net).collect();
    let pods_per_block = pools.iter().map(Pool::pods_per_block).min()?;
    Some(Cluster {
        block_prefix: block_prefix(true),
        block_prefix_v6: block_prefix(false),
        pods: nets(pods),
        services: nets(services),
        hosts: nets(hosts),
        nodes_max: raw.nodes,
        surge,
        pods_max: raw.max_pods.unwrap_or(PODS_MAX_DEFAULT.min(pods_per_block)),
    })
}

/// What the blocks must suffice for.
#[derive(Clone, Copy)]
struct Wanted {
    nodes: u32,
    surge: u32,
    pods: Option<u32>,
}

fn ranges<'a>(texts: &[String], at: &At<'a>, report: &mut Report) -> Vec<Range<'a>> {
    let both = texts.iter().zip(at.items());
    both.filter_map(|(text, at)| Some((range(text, &at, report)?, at))).collect()
}

fn range(text: &str, at: &At<'_>, report: &mut Report) -> Option<IpNet> {
    let Ok(net) = text.parse::<IpNet>() else {
        let fix = match format!("{text}/0").parse::<IpNet>() {
            Ok(IpNet::V4(_)) => format!("add the prefix length: {text}/16"),
            Ok(IpNet::V6(_)) => format!("add the prefix length: {text}/48"),
            Err(_) => "write it as 10.244.0.0/16".to_owned(),
        };
        report.wrong(at, format!("'{text}' is no address range"), fix);
        return None;
    };
    if pool::has_host_bits(&net) {
        let what = format!("{net} has bits set after its prefix");
        report.wrong(at, what, format!("did you mean {}?", net.trunc()));
        return None;
    }
    let first = net.network();
    if first.is_loopback() || first.is_multicast() || first.is_unspecified() {
        report.wrong(
            at,
            format!("{net} is not for hosts, pods or services"),
            "use a private range".to_owned(),
        );
        return None;
    }
    Some(net)
}

fn one_of_each_family(ranges: &[Range<'_>], report: &mut Report) {
    if let [(first, _), (second, at)] = ranges
        && first.addr().is_ipv4() == second.addr().is_ipv4()
    {
        let what = format!("{second} is of the same address family as {first}");
        report.wrong(at, what, "give at most one range of each family".to_owned());
    }
}

/// kube-apiserver's service ranges and kubelet's pod ranges pair up by family, the first being the primary.
fn same_families(pods: &[Range<'_>], services: &[Range<'_>], report: &mut Report) {
    for (index, (net, at)) in services.iter().enumerate() {
        let is_v4 = net.addr().is_ipv4();
        let family = if is_v4 { "IPv4" } else { "IPv6" };
        let partner = pods.iter().position(|(pod, _)| pod.addr().is_ipv4() == is_v4);
        if partner.is_none() && !pods.is_empty() {
            report.wrong(
                at,
                format!("pods have no {family} range"),
                "give pods and services the same families".to_owned(),
            );
        } else if partner.is_some_and(|partner| partner != index) && services.len() == pods.len() {
            let what = format!("the {family} range does not have the same place as in pods");
            report.wrong(at, what, "order pods and services alike".to_owned());
            return;
        }
    }
}

fn overlaps(named: &[(&str, &[Range<'_>]); 3], report: &mut Report) {
    let all: Vec<(&str, &Range<'_>)> =
        named.iter().flat_map(|(name, ranges)| ranges.iter().map(move |r| (*name, r))).collect();
    for (index, (name, (net, at))) in all.iter().enumerate() {
        // Hosts may well list a range and a part of it.
        let earlier = all[..index].iter().filter(|(other, _)| other != name);
        for (_, (other, other_at)) in earlier.filter(|(_, (other, _))| pool::overlap(net, other)) {
            let what = format!("{net} overlaps {other} ({})", other_at.path);
            report.wrong(at, what, "choose ranges that have no address in common".to_owned());
        }
    }
}

fn pool(range: &Range<'_>, [v4, v6]: [u8; 2], at: &At<'_>, report: &mut Report) -> Option<Pool> {
    let (net, range_at) = range;
    let (key, prefix) = if net.addr().is_ipv4() { ("block", v4) } else { ("block_v6", v6) };
    let at = Some(at.key(key)).filter(|at| at.node.is_some()).unwrap_or_else(|| range_at.clone());
    let fix = match Pool::new(*net, prefix) {
        Ok(pool) => return Some(pool),
        Err(PoolError::BlockTooSmall { longest, .. }) => format!("set '{key}' to {longest} or less"),
        Err(PoolError::TooManyBlocks { .. }) => format!("set '{key}' to {} or less", net.prefix_len() + 24),
        Err(_) => format!("set '{key}' to {} or more", net.prefix_len()),
    };
    let error = Pool::new(*net, prefix).expect_err("matched above");
    report.wrong(&at, error.to_string(), fix);
    None
}

fn blocks_suffice(pools: &[Pool], wanted: Wanted, at: &At<'_>, report: &mut Report) {
    let Wanted { nodes, surge, pods } = wanted;
    let needed = u64::from(nodes) + u64::from(surge);
    for pool in pools {
        let (range, prefix, blocks, serves) =
            (pool.range(), pool.block_prefix(), pool.blocks(), pool.pods_per_block());
        if u64::from(blocks) < needed {
            let what = format!(
                "{nodes} nodes and {surge} in exchange need {needed} blocks; {range} has {blocks} of /{prefix}"
            );
            report.wrong(
                &at.key("nodes"),
                what,
                "use a larger range, a longer block prefix or fewer nodes".to_owned(),
            );
        }
        if let Some(pods) = pods.filter(|pods| *pods > serves) {
            let what = format!("a block of /{prefix} serves {serves} pods, not {pods}");
            report.wrong(
                &at.key("max_pods"),
                what,
                format!("set it to {serves} or less, or use larger blocks"),
            );
        }
    }
    // One index names a block of each family.
    if let [first, second] = pools
        && first.blocks() != second.blocks()
    {
        let (v4, v6) = if first.range().addr().is_ipv4() { (first, second) } else { (second, first) };
        if v6.blocks() < v4.blocks() {
            let what =
                format!("{} has {} blocks and {} only {}", v4.range(), v4.blocks(), v6.range(), v6.blocks());
            report.wrong(&at.key("block_v6"), what, "give IPv6 at least as many blocks as IPv4".to_owned());
        }
    }
}

/// A block prefix without a range of its family is a mistake about one of the two.
fn families_are_needed(raw: &raw::Cluster, pods: &[Range<'_>], at: &At<'_>, report: &mut Report) {
    for (key, is_given, is_v4) in
        [("block", raw.block.is_some(), true), ("block_v6", raw.block_v6.is_some(), false)]
    {
        if is_given && !pods.is_empty() && !pods.iter().any(|(net, _)| net.addr().is_ipv4() == is_v4) {
            let family = if is_v4 { "IPv4" } else { "IPv6" };
            report.wrong_key(
                &at.key(key),
                format!("pods have no {family} range"),
                "remove it, or add the range".to_owned(),
            );
        }
    }
}
