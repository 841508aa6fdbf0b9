// SPDX-License-Identifier: Apache-2.0
//! Launch: from a cluster's description to what an instance is given, and from there to Ready nodes. Look (the image),
//! decide (plan), do (token, instances), and watch what the cluster shows.

mod authority;
#[cfg(feature = "aws")]
mod birth;
mod check;
mod cluster;
#[cfg(feature = "aws")]
mod error;
#[cfg(feature = "aws")]
pub mod farewell;
#[cfg(feature = "aws")]
mod group;
#[cfg(feature = "aws")]
mod grouping;
mod layer;
#[cfg(feature = "aws")]
mod look;
mod network;
#[cfg(feature = "aws")]
pub mod plan;
#[cfg(feature = "aws")]
mod plane;
mod raw;
#[cfg(feature = "aws")]
mod run;
#[cfg(feature = "aws")]
pub mod tag;
#[cfg(feature = "aws")]
mod terminate;
#[cfg(feature = "aws")]
mod trust;
mod user_data;
#[cfg(feature = "aws")]
mod watch;

pub use authority::authorities;
#[cfg(feature = "aws")]
pub use birth::Failure;
pub use check::is_name;
pub use cluster::{Cluster, Group, Image, parse, schema};
#[cfg(feature = "aws")]
pub use error::LaunchError;
#[cfg(feature = "aws")]
pub use group::{Grouped, launch_group, rehearse_group};
#[cfg(feature = "aws")]
pub use grouping::Grouping;
pub use network::Network;
#[cfg(feature = "aws")]
pub use plane::{PlaneDesk, launch_plane, rehearse_plane};
#[cfg(feature = "aws")]
pub use run::{Desk, Launch, Launched, launch, rehearse};
#[cfg(feature = "aws")]
pub use terminate::{Leaving, look_back, terminate};
pub use user_data::{Form, Given, UserDataError, render};
