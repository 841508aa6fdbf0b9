// SPDX-License-Identifier: Apache-2.0
//! AWS as a node sees it: its instance's metadata service (IMDSv2, never v1), the four calls of EC2 by which pods are reached
//! through the VPC, and the two of Systems Manager by which machines hear of each other.
//!
//! Without an SDK, which would make the node's program three times as large. One call is one request: when to ask again is
//! decided by whoever asks, and nothing here keeps a credential anywhere but in memory.

mod autoscaling;
mod caller;
mod credentials;
mod ec2;
mod error;
mod facts;
mod http;
mod metadata;
mod query;
mod ssm;
mod tables;
mod xml;

pub use autoscaling::{AutoScaling, Member};
pub use ec2::Ec2;
pub use error::{AwsError, AwsErrorKind};
pub use facts::{Facts, UserData};
pub use metadata::Metadata;
pub use ssm::{Parameter, Ssm, Storage};
