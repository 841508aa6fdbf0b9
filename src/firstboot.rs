// SPDX-License-Identifier: Apache-2.0
//! First boot: makes the machine that it runs on a Kubernetes node. Look, decide one step, do it, record it, look again.

pub mod addons;
pub mod apply;
pub mod apply_bootstrap;
pub mod apply_control;
pub mod apply_plane;
pub mod bootstrap;
pub mod claim;
pub mod control;
pub mod credential;
mod entry;
pub mod explain;
pub mod file;
pub mod identity;
pub mod images;
pub mod instance;
pub mod ledger;
pub mod look;
pub mod look_cloud;
pub mod look_control;
pub mod look_volume;
pub mod machine;
pub mod network;
pub mod next;
pub mod node;
pub mod observed;
pub mod outcome;
pub mod pki;
pub mod plane;
pub mod reason;
pub mod rehearsal;
pub mod repair;
pub mod run;
pub mod share;
pub mod step;
pub mod tend;
pub mod volume;
pub mod vpc;

#[cfg(test)]
mod model;
