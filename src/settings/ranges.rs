// SPDX-License-Identifier: Apache-2.0
//! The cluster's ranges: they don't overlap, and their blocks suffice for its nodes and pods.
//!
//! Manifests and settings say the same things with other keys, and one set of rules judges both. The rules, and the
//! systems of old that broke each, are traps T1 to T5, T12 and T14.

use ipnet::IpNet;

use crate::marks::at::At;
use crate::marks::report::Report;
use crate::pool::{self, Pool, PoolError};

/// kube-controller-manager's defaults for node CIDR masks.
pub const BLOCK_DEFAULT: u8 = 24;
/// The same for IPv6.
pub const BLOCK_V6_DEFAULT: u8 = 64;
/// kubeadm's place for the DNS service: the tenth address of a service range (kubeadm's `GetDNSIP`).
pub const DNS_INDEX: u8 = 10;

/// The shortest prefix of an IPv6 range of services (k8s.io/kubernetes/pkg/registry/core/service/ipallocator).
const SERVICES_V6_MIN: u8 = 64;

/// What the keys are called beside `pods`, `services` and `hosts`.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// Prefix length of IPv4 blocks.
    pub block: &'static str,
    /// Prefix length of IPv6 blocks.
    pub block_v6: &'static str,
    /// The most nodes.
    pub nodes: &'static str,
    /// The most pods on a node.
    pub pods: &'static str,
}

/// What the blocks must suffice for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Nodes, and those that replace others; none if nobody has said yet.
    pub nodes: Option<(u32, u32)>,
    /// Pods on a node.
    pub pods: Option<u32>,
    /// Prefix lengths of blocks, where given.
    pub blocks: [Option<u8>; 2],
}

/// Ranges that were read, and the pod ranges as they are cut.
#[derive(Debug, Clone, Default)]
pub struct Cut {
    /// Pod ranges.
    pub pods: Vec<IpNet>,
    /// Service ranges.
    pub services: Vec<IpNet>,
    /// Hosts' ranges.
    pub hosts: Vec<IpNet>,
    /// Pod ranges and their blocks.
    pub pools: Vec<Pool>,
    /// How many blocks are needed: for nodes, and for those that replace others.
    pub nodes: Option<u64>,
}

impl Cut {
    /// Returns how many indices there are: as many as the range with the fewest blocks has.
    pub fn count(&self) -> Option<u32> {
        self.pools.iter().map(Pool::blocks).min()
    }
}

/// A range and where it stands.
type Range<'a> = (IpNet, At<'a>);

/// Reads and checks the ranges of the cluster at `at`.
pub fn check(at: &At<'_>, words: Words, wanted: Wanted, report: &mut Report) -> Cut {
    let pods = ranges(&at.key("pods"), report);
    let services = ranges(&at.key("services"), report);
    let hosts = ranges(&at.key("hosts"), report);
    one_of_each_family(&pods, report);
    one_of_each_family(&services, report);
    same_families(&pods, &services, report);
    hosts_have_the_first_family(&hosts, &pods, report);
    hold_dns(&services, report);
    are_served(&services, report);
    overlaps(&[("pods", &pods), ("services", &services), ("hosts", &hosts)], report);
    let prefixes = [wanted.blocks[0].unwrap_or(BLOCK_DEFAULT), wanted.blocks[1].unwrap_or(BLOCK_V6_DEFAULT)];
    let pools: Vec<Pool> =
        pods.iter().filter_map(|range| pool(range, prefixes, (at, words), report)).collect();
    blocks_suffice(&pools, wanted, (at, words), report);
    families_are_needed(wanted, &pods, (at, words), report);
    let needed = wanted.nodes.map(|(nodes, surge)| u64::from(nodes) + u64::from(surge));
    let nets = |ranges: Vec<Range<'_>>| ranges.into_iter().map(|(net, _)| net).collect();
    Cut { pods: nets(pods), services: nets(services), hosts: nets(hosts), pools, nodes: needed }
}

fn ranges<'a>(at: &At<'a>, report: &mut Report) -> Vec<Range<'a>> {
    at.items().into_iter().filter_map(|at| Some((range(at.text()?, &at, report)?, at))).collect()
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
    if let Some((taken, what)) = SPECIAL.into_iter().find(|(taken, _)| takes(taken, &net)) {
        let what = match taken == net.to_string() {
            true => format!("{net} is for {what}"),
            false => format!("{net} has addresses of {taken}, which are for {what}"),
        };
        report.wrong(at, what, "use a private range".to_owned());
        return None;
    }
    Some(net)
}

/// Addresses that are nobody's to give (RFC 6890 and IANA's special-purpose registries). 240.0.0.0/4 is not among them: Linux
/// routes it, and some clouds give it to pods.
const SPECIAL: [(&str, &str); 10] = [
    ("0.0.0.0/8", "this network"),
    ("127.0.0.0/8", "loopback"),
    // The metadata services of clouds are there.
    ("169.254.0.0/16", "links"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("::/128", "no host"),
    ("::1/128", "loopback"),
    ("::ffff:0:0/96", "IPv4 written as IPv6"),
    ("fe80::/10", "links"),
    ("ff00::/8", "multicast"),
];

fn takes(taken: &str, net: &IpNet) -> bool {
    taken.parse().is_ok_and(|taken| pool::overlap(&taken, net))
}

/// Nodes reach each other's pods through the hosts' network, by the family that is the pods' first.
fn hosts_have_the_first_family(hosts: &[Range<'_>], pods: &[Range<'_>], report: &mut Report) {
    let (Some((first, _)), Some((_, at))) = (pods.first(), hosts.first()) else { return };
    let is_v4 = first.addr().is_ipv4();
    if !hosts.iter().any(|(net, _)| net.addr().is_ipv4() == is_v4) {
        let family = if is_v4 { "IPv4" } else { "IPv6" };
        let what = format!("hosts have no {family} range, the family of the pods' first");
        report.wrong(at, what, "add the range that the nodes' addresses are from".to_owned());
    }
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

/// The cluster's DNS has the tenth address, which a smaller range does not hold.
fn hold_dns(services: &[Range<'_>], report: &mut Report) {
    for (net, at) in services.iter().filter(|(net, _)| net.max_prefix_len() - net.prefix_len() < 4) {
        let what = format!("{net} has no address number {DNS_INDEX}, which is that of the cluster's DNS");
        report.wrong(at, what, format!("use a range of /{} or larger", net.max_prefix_len() - 4));
    }
}

/// kube-apiserver does not start with a larger one.
fn are_served(services: &[Range<'_>], report: &mut Report) {
    let is_too_large = |net: &IpNet| net.addr().is_ipv6() && net.prefix_len() < SERVICES_V6_MIN;
    for (net, at) in services.iter().filter(|(net, _)| is_too_large(net)) {
        let what = format!("{net} is larger than what kube-apiserver takes for IPv6 services");
        report.wrong(at, what, format!("use a range of /{SERVICES_V6_MIN} or smaller; /112 is usual"));
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

fn pool(
    range: &Range<'_>,
    [v4, v6]: [u8; 2],
    (at, words): (&At<'_>, Words),
    report: &mut Report,
) -> Option<Pool> {
    let (net, range_at) = range;
    let (key, prefix) = if net.addr().is_ipv4() { (words.block, v4) } else { (words.block_v6, v6) };
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

fn blocks_suffice(pools: &[Pool], wanted: Wanted, (at, words): (&At<'_>, Words), report: &mut Report) {
    let (nodes, surge) = wanted.nodes.unwrap_or_default();
    let needed = u64::from(nodes) + u64::from(surge);
    for pool in pools {
        let (range, prefix, blocks, serves) =
            (pool.range(), pool.block_prefix(), pool.blocks(), pool.pods_per_block());
        if u64::from(blocks) < needed {
            let what = format!(
                "{nodes} nodes and {surge} in exchange need {needed} blocks; {range} has {blocks} of /{prefix}"
            );
            report.wrong(
                &at.key(words.nodes),
                what,
                "use a larger range, a longer block prefix or fewer nodes".to_owned(),
            );
        }
        if let Some(pods) = wanted.pods.filter(|pods| *pods > serves) {
            let what = format!("a block of /{prefix} serves {serves} pods, not {pods}");
            report.wrong(
                &at.key(words.pods),
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
            report.wrong(
                &at.key(words.block_v6),
                what,
                "give IPv6 at least as many blocks as IPv4".to_owned(),
            );
        }
    }
}

/// A block prefix without a range of its family is a mistake about one of the two.
fn families_are_needed(
    wanted: Wanted,
    pods: &[Range<'_>],
    (at, words): (&At<'_>, Words),
    report: &mut Report,
) {
    let [v4, v6] = wanted.blocks;
    for (key, is_given, is_v4) in [(words.block, v4.is_some(), true), (words.block_v6, v6.is_some(), false)] {
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
