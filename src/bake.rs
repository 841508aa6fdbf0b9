// SPDX-License-Identifier: Apache-2.0
//! From a lock to an image.

pub mod check;
pub mod content;
pub mod provenance;
pub mod sbom;
pub mod settings;
pub mod sysext;
pub mod units;
