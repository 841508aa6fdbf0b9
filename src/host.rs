// SPDX-License-Identifier: Apache-2.0
//! The machine kiln runs on: files, processes, clock. Effects live here and know no flow and no decision.

#[cfg(feature = "toolchain")]
pub mod cache;
pub mod clock;
pub mod command;
#[cfg(feature = "toolchain")]
pub mod decode;
#[cfg(feature = "toolchain")]
pub mod disk;
#[cfg(feature = "toolchain")]
pub mod download;
#[cfg(feature = "firstboot")]
pub mod entropy;
#[cfg(feature = "toolchain")]
pub mod extract;
pub mod fault;
pub mod files;
#[cfg(feature = "toolchain")]
pub mod go;
pub mod interrupt;
#[cfg(feature = "toolchain")]
pub mod recipe;
pub mod scratch;
#[cfg(feature = "toolchain")]
pub mod unpack;
