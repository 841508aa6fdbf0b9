// SPDX-License-Identifier: Apache-2.0
//! AWS in kiln's words: snapshots written and read block by block, images, instances, groups, parameters. A thin port.
//!
//! Each method is one call of the API, made again only for reasons that pass: there is one retry layer, this one, and the
//! SDK's own is off. Errors say which call, in which region, and what kind of failure it was; the SDK's types stop here.
//! Who calls is the business of the SDK's own chain (environment, profiles, SSO, instance roles); kiln looks for no
//! credential anywhere.
//!
//! ```text
//! Cloud (the SDK's chain, endpoints, limits) ─► Region (one region's clients) ─► Snapshot, Image, Instance, parameters
//!                                                  │
//!                                                  └► CloudError { kind, call, region }
//! ```

mod access;
mod account;
mod disk;
mod error;
mod group;
mod image;
mod instance;
mod kind;
mod network;
mod pace;
mod parameter;
pub mod policy;
mod retry;
mod snapshot;
mod stored;
mod turn;

pub use access::{Cloud, ENDPOINTS, Limits, Region, SettingError, check_endpoint};
pub use account::PublicAccess;
pub use disk::{SnapshotDisk, StoredError};
pub use error::CloudError;
pub use group::{Group, NewGroup};
pub use image::{Image, ImageState, NewImage, Permission};
pub use instance::{Attached, Instance, InstanceState, NewInstances};
pub use kind::{CloudErrorKind, Throttle};
pub use network::Subnet;
pub use pace::Pace;
pub use snapshot::{Block, NewSnapshot, Snapshot, SnapshotState};
pub use stored::{Stored, StoredBlock};

use std::collections::BTreeMap;

/// Tags of a resource, by key.
pub type Tags = BTreeMap<String, String>;
