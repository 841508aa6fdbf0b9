// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("ARCHITECTURE.md")]

pub mod digest;
pub mod exit;
pub mod host;

#[cfg(feature = "toolchain")]
pub mod disk;
#[cfg(feature = "toolchain")]
pub mod progress;
#[cfg(feature = "toolchain")]
pub mod tree;
