// SPDX-License-Identifier: Apache-2.0
//! Launch: from a cluster's description to what an instance is given. Pure; whoever calls a cloud does so elsewhere.

mod check;
mod cluster;
mod layer;
mod raw;
mod user_data;

pub use cluster::{Cluster, Group, Image, parse, schema};
pub use user_data::{Form, UserDataError, render};
