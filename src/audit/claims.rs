// SPDX-License-Identifier: Apache-2.0
//! Claims: each by itself, and against the Nodes that they name.

use std::collections::BTreeMap;

use super::{Holder, Listed, Problem};
use crate::cluster::{ConfigMap, Node, Owner, clean};
use crate::ipam::{POOL, Ranges, claimed_index, family};
use crate::settings::Addressing;

/// Returns the holders by index.
pub(super) fn judge(listed: &Listed, problems: &mut Vec<Problem>) -> BTreeMap<u32, Holder> {
    let live: BTreeMap<&str, &Node> = listed.nodes.iter().map(|node| (&*node.meta.uid, node)).collect();
    let mut holders = BTreeMap::new();
    for map in listed.maps.iter().filter(|map| map.meta.name != POOL) {
        match claimed_index(&map.meta.name) {
            Some(index) => {
                form(&listed.ranges, index, map, problems);
                holders.insert(index, holder(listed, &live, index, map, problems));
            }
            // The cluster puts objects of its own into every namespace.
            None if !map.meta.name.starts_with("b-") => {}
            None => problems.push(Problem::NotAClaim { name: clean(&map.meta.name) }),
        }
    }
    holders
}

/// What a claim must be whoever holds it.
fn form(ranges: &Ranges, index: u32, map: &ConfigMap, problems: &mut Vec<Problem>) {
    if ranges.addressing == Addressing::Kcm {
        problems.push(Problem::NeedlessClaim { index });
    }
    if !map.immutable {
        problems.push(Problem::MutableClaim { index });
    }
    if !map.meta.finalizers.is_empty() {
        let finalizers = map.meta.finalizers.iter().map(|name| clean(name)).collect();
        problems.push(Problem::ClaimHeldUp { index, finalizers });
    }
    let said = |key: &str| map.data.get(key).map_or("", String::as_str);
    if said("pool") != ranges.hash() {
        problems.push(Problem::OtherPool { index, said: clean(said("pool")) });
    }
    let Some(blocks) = ranges.blocks(index) else {
        return problems.push(Problem::BeyondPool { index, blocks: ranges.count() });
    };
    for block in blocks.iter().filter(|block| said(family(block)) != block.to_string()) {
        let (key, said) = (family(block).to_owned(), clean(said(family(block))));
        problems.push(Problem::ClaimData { index, key, said, right: block.to_string() });
    }
}

/// Who holds it: the Node with the UID that the claim names. Names are for people.
fn holder(
    listed: &Listed,
    live: &BTreeMap<&str, &Node>,
    index: u32,
    map: &ConfigMap,
    problems: &mut Vec<Problem>,
) -> Holder {
    let owners = &map.meta.owner_references;
    let nodes: Vec<&Owner> = owners.iter().filter(|owner| owner.kind == "Node").collect();
    if owners.len() != 1 || nodes.len() != 1 {
        let owners = owners.iter().map(|owner| clean(&format!("{} {}", owner.kind, owner.name))).collect();
        problems.push(Problem::ClaimOwners { index, owners });
    }
    let blocks = listed.ranges.blocks(index).unwrap_or_default();
    let Some(owner) = nodes.first() else {
        return Holder { node: String::new(), uid: String::new(), is_live: false, blocks };
    };
    let node = clean(&owner.name);
    let live = live.get(owner.uid.as_str());
    match live {
        Some(live) if live.meta.name != owner.name => {
            let (said, node) = (node.clone(), live.meta.name.clone());
            problems.push(Problem::OwnerName { index, said, node });
        }
        Some(_) => {}
        None => {
            let is_replaced = listed.nodes.iter().any(|live| live.meta.name == owner.name);
            problems.push(Problem::ClaimWithoutNode { index, node: node.clone(), is_replaced });
        }
    }
    if listed.ranges.is_reserved(index) {
        problems.push(Problem::ReservedClaim { index, node: node.clone() });
    }
    let node = live.map_or(node, |live| live.meta.name.clone());
    Holder { node, uid: clean(&owner.uid), is_live: live.is_some(), blocks }
}
