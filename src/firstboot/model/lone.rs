// SPDX-License-Identifier: Apache-2.0
//! One machine from its very first boot, in every mode of addressing: power cuts before and after every request and
//! every durable change, answers that never come, requests that are forgotten, and its Node deleted twice.
//!
//! The exploration has no limit on faults, so single and double faults are among them; wherever they stop, the way on
//! ends with a running node, whose second run writes nothing.

use super::local::Local;
use super::machine::Model;
use super::{holds, model, settings};
use crate::settings::Settings;

fn killed_everywhere(addressing: &str, more: impl FnOnce(&mut Settings)) {
    let mut settings = settings(2, addressing);
    more(&mut settings);
    let model = Model { settings, start: Local::fresh(), ..model(1, 2, 2) };
    let extent = holds(&format!("1 machine, {addressing}, from the first boot, 2 deletions"), model);
    assert!(extent.worlds > 1_000, "{extent}");
}

#[test]
fn a_machine_that_claims_is_killed_everywhere() {
    killed_everywhere("claim", |_| ());
}

#[test]
fn a_machine_with_a_given_index_is_killed_everywhere() {
    killed_everywhere("static", |settings| settings.node.index = Some(1));
}

#[test]
fn a_machine_whose_address_names_its_block_is_killed_everywhere() {
    killed_everywhere("derived", |_| ());
}

#[test]
fn a_machine_that_adopts_the_clusters_block_is_killed_everywhere() {
    killed_everywhere("kcm", |_| ());
}
