// SPDX-License-Identifier: Apache-2.0
//! The block's routes in the VPC: switched on, described, written, described again, recorded.
//!
//! A later boot describes them once and repairs what is missing; there EC2 may fail, for pods must not die of it.
//!
//! The claim is the authority: whoever holds it may lead the block's packets to itself, and a route to the very block that
//! leads elsewhere is a former holder's. Nothing but the block itself is ever touched.

use ipnet::IpNet;

use super::super::claim::{Claim, Record};
use super::super::observed::{Found, Node, Observed};
use super::super::reason::Reason;
use super::super::step::Step;
use super::super::vpc::{self, Fault, Routed};
use super::{CLAIM, Part, act, stuck};
use crate::route::{Route, Table};
use crate::settings::{Routes, Settings};

/// After the files, and before the one that turns the node ready.
pub(super) fn routes(want: &Settings, seen: &Observed, record: &Record) -> Part<()> {
    if want.network.routes != Routes::Vpc {
        return Ok(());
    }
    let Some(attachment) = &seen.machine.attachment else { return stuck(Fault::NoInstance) };
    if !vpc::are_blocks(&want.cluster, &record.blocks) {
        let why = "its blocks are none of the pool's".to_owned();
        return stuck(Reason::Broken { path: CLAIM.to_owned(), why });
    }
    let own = std::slice::from_ref(&attachment.subnet);
    let subnets = if want.cloud.subnets.is_empty() { own } else { &want.cloud.subnets };
    let routed = Routed {
        interface: attachment.interface.clone(),
        subnets: subnets.to_vec(),
        blocks: record.blocks.clone(),
    };
    let is_done = seen.disk.routes == Found::Is(routed.clone());
    match written(seen, record, &attachment.vpc, &routed, is_done) {
        // What was in order once is not given up because EC2 can't be asked today.
        Err(next) if is_done && is_excused(seen, &next) => Ok(()),
        Err(next) => Err(next),
        Ok(()) if is_done => Ok(()),
        Ok(()) => act(Step::RecordRoutes(routed)),
    }
}

fn is_excused(seen: &Observed, next: &super::Next) -> bool {
    match next {
        super::Next::Stuck(_) => true,
        super::Next::Wait(_) => seen.is_patience_over,
        super::Next::Do(_) | super::Next::Done => false,
    }
}

fn written(seen: &Observed, record: &Record, vpc: &str, routed: &Routed, is_done: bool) -> Part<()> {
    match &seen.vpc.trouble {
        Some(reason) if reason.is_final() => return stuck(reason.clone()),
        Some(reason) => return Err(super::Next::Wait(reason.clone())),
        None => {}
    }
    if !is_done && !seen.vpc.is_check_off {
        return act(Step::SourceCheckOff(routed.interface.clone()));
    }
    let Some(tables) = &seen.vpc.tables else { return act(Step::ReadRoutes(vpc.to_owned())) };
    let tables = vpc::tables_of(tables, &routed.subnets, vpc).or_else(stuck)?;
    let change = change(&tables, &routed.blocks, &routed.interface).or_else(stuck)?;
    let Some(step) = change else {
        // Once more, for what was answered is not yet what is seen.
        return if seen.vpc.is_written { act(Step::ReadRoutes(vpc.to_owned())) } else { Ok(()) };
    };
    permitted(seen, record, &step)?;
    act(step)
}

/// Returns what is to be done first, so that all blocks have their route in all tables.
/// A route that is not the block's own and takes packets away from it is a fault.
fn change(tables: &[&Table], blocks: &[IpNet], interface: &str) -> Result<Option<Step>, Fault> {
    for table in tables {
        for block in blocks {
            if let Some(inside) = table.inside(block) {
                let Route { destination, target, .. } = inside.clone();
                let table = table.id.clone();
                return Err(Fault::Inside { table, destination, target, block: *block });
            }
            if let Some(step) = missing(table, *block, interface) {
                return Ok(Some(step));
            }
        }
    }
    Ok(None)
}

fn missing(table: &Table, block: IpNet, interface: &str) -> Option<Step> {
    let (interface, name) = (interface.to_owned(), table.id.clone());
    match table.route_to(&block) {
        None => Some(Step::CreateRoute { table: name, block, interface }),
        Some(route) if route.target == interface && route.is_active => None,
        Some(route) => Some(Step::ReplaceRoute { table: name, block, interface, was: route.target.clone() }),
    }
}

/// What was written and does not show is waited for; a route of somebody else's is replaced only if a server has said in
/// this run that the block is ours.
fn permitted(seen: &Observed, record: &Record, step: &Step) -> Part<()> {
    let (Step::CreateRoute { table, block, .. } | Step::ReplaceRoute { table, block, .. }) = step else {
        return Ok(());
    };
    let (table, block) = (table.clone(), *block);
    if seen.vpc.written.contains(&(table.clone(), block)) {
        return Err(super::Next::Wait(Fault::Unseen { table, block }.into()));
    }
    match step {
        Step::ReplaceRoute { was, .. } if !is_confirmed(seen, record) => {
            Err(super::Next::Wait(Fault::Unconfirmed { table, block, was: was.clone() }.into()))
        }
        _ => Ok(()),
    }
}

fn is_confirmed(seen: &Observed, record: &Record) -> bool {
    match (&seen.server.claim, &seen.server.node, record.index) {
        (Some((asked, Claim::Mine)), _, Some(index)) => *asked == index,
        (_, Node::Seen(node), None) => node.uid == record.node_uid,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
