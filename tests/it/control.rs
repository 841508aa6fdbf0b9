// SPDX-License-Identifier: Apache-2.0
//! The control plane that kiln's own files start.

mod crash;
mod live;
mod misfits;
mod openssl;
mod texts;
mod tree;
mod units;
pub mod volume;
mod volume_live;
