// SPDX-License-Identifier: Apache-2.0
//! Known mistakes, each as small a change of the production decisions as it can be made, and the law that finds it.

use super::super::claim::{Claim, State};
use super::super::next::{Next, next, verify};
use super::super::observed::Observed;
use super::super::step::Step;
use super::explore::explore;
use super::law::TEARDOWN;
use super::machine::Model;
use super::model;
use crate::settings::Settings;

fn is_caught(law: &'static str, mutant: Model) {
    let broken = explore(Model { only: Some(law), ..mutant }).expect_err("a mutant that nobody sees");
    println!("{law}: {} ({} turns)", broken.why, broken.trace.len());
    assert_eq!(broken.law, law);
}

/// The recorded index and how far it is.
fn recorded(seen: &Observed) -> Option<(u32, State)> {
    let super::super::observed::Found::Is(record) = &seen.disk.claim else { return None };
    Some((record.index?, record.state))
}

/// As the seed did: looks at the other Nodes, and if none has the block, writes it on the own Node. No name is taken.
fn list_then_label(want: &Settings, seen: &Observed) -> Next {
    let mut believed = seen.clone();
    let others = believed.server.listing.as_mut().map(|listing| {
        let ours = std::mem::take(&mut listing.ours);
        listing.used.retain(|index| !ours.contains(index));
        listing.used.clone()
    });
    believed.server.claim = match (recorded(seen), others) {
        (Some((index, State::Intended)), Some(others)) if others.contains(&index) => {
            Some((index, Claim::Other("other".to_owned())))
        }
        (Some((index, State::Held)), _) | (Some((index, _)), Some(_)) => Some((index, Claim::Mine)),
        _ => None,
    };
    match next(want, &believed) {
        Next::Do(Step::CreateClaim(record)) => Next::Do(Step::ListClaims { node_uid: record.node_uid }),
        next => next,
    }
}

#[test]
fn list_then_label_gives_two_nodes_one_block() {
    let mutant = Model { decide: [list_then_label, verify], lists_nodes: true, ..model(2, 2, 0) };
    is_caught("one user per block", mutant);
}

/// Takes a server that does not answer for one that says that the claim is gone.
fn unreachable_is_lost(want: &Settings, seen: &Observed) -> Next {
    let mut believed = seen.clone();
    if let (Some((index, State::Held)), Some(_)) = (recorded(seen), believed.trouble.take()) {
        believed.server.claim = Some((index, Claim::Absent));
    }
    verify(want, &believed)
}

#[test]
fn unreachable_taken_for_lost_tears_down_what_stands() {
    let mutant = Model { decide: [next, unreachable_is_lost], ..model(1, 1, 0) };
    is_caught(TEARDOWN, mutant);
}

#[test]
fn without_a_timer_an_overlap_does_not_end() {
    let mutant = Model { has_timer: false, ..model(2, 2, 1) };
    is_caught("one user per block in the end", mutant);
}

/// Writes down what it claims when it has it.
fn recorded_after_its_create(want: &Settings, seen: &Observed) -> Next {
    match next(want, seen) {
        Next::Do(Step::Record(record)) if record.state == State::Intended => {
            let asked = seen.server.claim.as_ref().filter(|(index, _)| Some(*index) == record.index);
            Next::Do(match asked {
                Some((_, Claim::Mine)) => Step::Record(record),
                Some((_, Claim::Exists)) => Step::ReadClaim(record),
                _ => Step::CreateClaim(record),
            })
        }
        next => next,
    }
}

#[test]
fn an_index_recorded_after_its_create_is_lost_in_a_power_cut() {
    let mutant = Model { decide: [recorded_after_its_create, verify], ..model(1, 2, 0) };
    is_caught("a free block is found", mutant);
}

#[test]
fn an_index_that_a_power_cut_can_take_after_its_create_is_lost_too() {
    let mutant = Model { settles: |_| false, ..model(1, 2, 0) };
    is_caught("a free block is found", mutant);
}
