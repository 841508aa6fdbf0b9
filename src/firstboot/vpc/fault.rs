// SPDX-License-Identifier: Apache-2.0
//! Why a node has no routes in its VPC: each reason names the call, what is missing, and the fix.

use ipnet::IpNet;

/// Why a node has no routes in its VPC.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// The settings want routes in a VPC, and the machine is in none.
    #[error(
        "network.routes is vpc, and the machine is no instance that its metadata service knows; let cloud.platform be aws on EC2, or remove network.routes"
    )]
    NoInstance,
    /// A subnet without a table.
    #[error(
        "subnet {subnet} has no route table in {vpc}, and {vpc} shows no main table; are cloud.subnets of this VPC?"
    )]
    NoTable {
        /// The subnet.
        subnet: String,
        /// The machine's VPC.
        vpc: String,
    },
    /// A more specific route.
    #[error(
        "route table {table} leads {destination} to {target}, which takes it out of this node's block {block}; remove that route, or reserve the block (cluster.reserved)"
    )]
    Inside {
        /// The table.
        table: String,
        /// Where the route leads.
        destination: IpNet,
        /// To what.
        target: String,
        /// The node's block.
        block: IpNet,
    },
    /// The table is full.
    #[error(
        "{call} on {table}: the route table is full ({said}); have the VPC quota 'Routes per route table' raised, delete routes to blocks that nobody claims, or let network.fabric be vxlan"
    )]
    Quota {
        /// EC2's action.
        call: String,
        /// The table.
        table: String,
        /// EC2's words.
        said: String,
    },
    /// The role may not.
    #[error(
        "{call} is not allowed: the instance's role lacks ec2:{call} ({said}); allow it in the role's policy"
    )]
    Denied {
        /// EC2's action, which is also the right's name.
        call: String,
        /// EC2's words.
        said: String,
    },
    /// Too many calls in this account and region.
    #[error(
        "{call} was throttled ({code}): too many calls of this account; it is tried again, ever more slowly"
    )]
    Throttled {
        /// EC2's action.
        call: String,
        /// EC2's code.
        code: String,
    },
    /// No role.
    #[error(
        "the instance has no role, so it can't write its routes; give it an instance profile (README, On AWS)"
    )]
    NoRole,
    /// The role's credentials are refused.
    #[error("{call}: {why}; was the role deleted or made anew?")]
    Credentials {
        /// EC2's action.
        call: String,
        /// EC2's words.
        why: String,
    },
    /// Nothing was sent.
    #[error(
        "{call}: {why}; the subnet needs a way to EC2 (NAT, or an endpoint of EC2 in the VPC), or set cloud.endpoint"
    )]
    Unreachable {
        /// EC2's action.
        call: String,
        /// Where it should have gone, and why it did not.
        why: String,
    },
    /// The request may have had its effect.
    #[error("{call} brought no good answer: {why}")]
    Unanswered {
        /// EC2's action.
        call: String,
        /// Why.
        why: String,
    },
    /// The time is refused.
    #[error(
        "{call}: {why}; this machine's clock is wrong, and kiln never sets the clock: check time synchronisation"
    )]
    Clock {
        /// EC2's action.
        call: String,
        /// EC2's words.
        why: String,
    },
    /// Refused for another reason.
    #[error("{call} is refused: {why}")]
    Refused {
        /// EC2's action.
        call: String,
        /// EC2's words.
        why: String,
    },
    /// What was written does not show yet.
    #[error("route table {table} does not show the route to {block} yet, which was written")]
    Unseen {
        /// The table.
        table: String,
        /// The node's block.
        block: IpNet,
    },
    /// A route of somebody else's, and no server to say that the claim still stands.
    #[error(
        "route table {table} leads {block} to {was}, and no API server says now that the block is still this node's"
    )]
    Unconfirmed {
        /// The table.
        table: String,
        /// The node's block.
        block: IpNet,
        /// Where its packets go.
        was: String,
    },
}

/// Rights may lag: IAM is eventually consistent. The unit starts again after these tries.
const REFUSALS_MAX: u32 = 5;

impl Fault {
    /// Returns whether waiting can't help, so that the run ends.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::NoInstance
                | Self::NoTable { .. }
                | Self::Inside { .. }
                | Self::Quota { .. }
                | Self::Refused { .. }
        )
    }

    /// Returns whether the machine's or its account's configuration is to blame, and not the moment.
    pub fn is_configuration(&self) -> bool {
        self.is_final() && !matches!(self, Self::Quota { .. })
    }

    /// Returns how often in a row a run waits for this.
    pub fn waits_max(&self) -> u32 {
        match self {
            Self::Denied { .. } | Self::NoRole | Self::Credentials { .. } => REFUSALS_MAX,
            // The deadline of the run is what ends these.
            _ => u32::MAX,
        }
    }
}
