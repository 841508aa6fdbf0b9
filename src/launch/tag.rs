// SPDX-License-Identifier: Apache-2.0
//! Tags by which a cluster's instances are found.

/// The cluster's name.
pub const CLUSTER: &str = "kiln:cluster";
/// `worker` or `control-plane`.
pub const ROLE: &str = "kiln:role";
/// The run of `kiln launch` that made it.
pub const LAUNCH: &str = "kiln:launch";
/// Version of the kiln that made it.
pub const VERSION: &str = "kiln:version";
/// The auto scaling group that an instance is of; the service's own tag.
pub const GROUP: &str = "aws:autoscaling:groupName";
