// SPDX-License-Identifier: Apache-2.0
//! A cluster on one machine, booted from the image that a bake made: first its nodes, each a container of
//! systemd-nspawn(1).
//!
//! Whatever a node needs of the machine (mounts, loop devices, addresses) hangs on namespaces that only its own processes
//! hold, so that it goes with them, however they end. The rest is known by the lab's name alone: a lock, a tmpfs with the
//! records and secrets, a network namespace, a folder of disks and a control group. The lock's file is made first, and
//! [`down`] removes what follows from the name, whether it is there or not: no crash leaves anything that it can't find.
//!
//! The containers are privileged. They keep a cluster's parts apart from the machine by decency, not by force.

mod down;
mod error;
mod keep;
mod lacks;
mod layout;
mod look;
mod node;
mod nspawn;
mod plan;
mod up;
mod workaround;

pub use down::down;
pub use error::LabError;
pub use keep::{Ended, keep};
pub use lacks::{Facts, Lacks, Need, lacks};
pub use layout::{NotTheLabs, Span, Spans};
pub use look::{Condition, NodeState, facts, labs, record, state};
pub use node::{Node, NodeOrder};
pub use plan::{Lab, Name, NameError, Network, NodeRecord, Places, Record};
pub use up::{Made, Order, Segment, make, read_image};
pub use workaround::{Means, Workaround, workarounds};
