// SPDX-License-Identifier: Apache-2.0
//! A cluster on one machine, booted from the image that a bake made: a control plane and workers, each a container of
//! systemd-nspawn(1) or a virtual machine of QEMU, and a way to their API server from this machine's loopback.
//!
//! Whatever a container needs of the machine (mounts, loop devices, addresses) hangs on namespaces that only its own
//! processes hold, so that it goes with them, however they end. A virtual machine needs nothing of the machine but files
//! and processes, which anybody may have. The rest is known by the lab's name alone: a lock, a folder with the records and
//! secrets (root's a tmpfs), a network namespace, a folder of disks, a control group, and files that its processes hold
//! open. The lock's file is made first, and [`down`] removes what follows from the name, whether it is there or not: no
//! crash leaves anything that it can't find.
//!
//! The containers are privileged. They keep a cluster's parts apart from the machine by decency, not by force.

mod access;
mod body;
mod down;
mod error;
mod form;
mod forwarder;
mod ground;
mod helper;
mod join;
mod keep;
mod lacks;
mod layout;
mod load;
mod look;
mod machines;
mod node;
mod nspawn;
mod pace;
mod plan;
mod records;
mod shape;
mod smoke;
mod up;
mod workaround;

pub use access::Api;
pub use body::{Body, Container, Virtual};
pub use down::down;
pub use error::LabError;
pub use form::{add, form};
pub use forwarder::{carry, forward};
pub use ground::{Backend, Ground, Likeness, Link, Machines};
pub use helper::switch;
pub use join::Joining;
pub use keep::{Ended, keep};
pub use lacks::{Facts, Lacks, Need, lacks};
pub use layout::{NotTheLabs, Span, Spans};
pub use load::load;
pub use look::{Condition, NodeState, ask_stages, facts, labs, record, state};
pub use node::Node;
pub use node::begin::NodeOrder;
pub use node::orders::run as order;
pub use pace::Pace;
pub use plan::{Lab, Name, NameError, Network, NodeRecord, Places, Record};
pub use shape::{API_PORT, CONTROL, Shape, WORKERS_MAX, Worker, bridge};
pub use smoke::matrix::{Cell, Matrix, Target};
pub use smoke::smoke;
pub use up::{Made, Order, Segment, foreign, make, open, read_image};
pub use workaround::{Means, Workaround, workarounds};
