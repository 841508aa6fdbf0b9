// SPDX-License-Identifier: Apache-2.0
//! The cluster: its version and its ranges, by the rules that the settings of a node are judged by.

use crate::manifest::{Cluster, raw};
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::pool::Pool;
use crate::settings::ranges::{self, Cut, Wanted, Words};
use crate::version::Version;

/// kubelet's own default.
const PODS_MAX_DEFAULT: u32 = 110;
/// Nodes are replaced one at a time unless somebody asks for more.
const SURGE_DEFAULT: u32 = 1;

const WORDS: Words = Words { block: "block", block_v6: "block_v6", nodes: "nodes", pods: "max_pods" };

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

/// Returns the cluster, and its ranges as they are cut.
pub fn cluster(raw: &raw::Cluster, at: &At<'_>, report: &mut Report) -> Option<(Cluster, Cut)> {
    let surge = raw.surge.unwrap_or(SURGE_DEFAULT);
    let wanted =
        Wanted { nodes: Some((raw.nodes, surge)), pods: raw.max_pods, blocks: [raw.block, raw.block_v6] };
    let cut = ranges::check(at, WORDS, wanted, report);
    let block_prefix = |is_v4: bool| {
        cut.pools.iter().find(|pool| pool.range().addr().is_ipv4() == is_v4).map(Pool::block_prefix)
    };
    let pods_per_block = cut.pools.iter().map(Pool::pods_per_block).min()?;
    let cluster = Cluster {
        kubernetes: raw.kubernetes.clone(),
        block_prefix: block_prefix(true),
        block_prefix_v6: block_prefix(false),
        pods: cut.pods.clone(),
        services: cut.services.clone(),
        hosts: cut.hosts.clone(),
        nodes_max: raw.nodes,
        surge,
        pods_max: raw.max_pods.unwrap_or(PODS_MAX_DEFAULT.min(pods_per_block)),
    };
    Some((cluster, cut))
}
