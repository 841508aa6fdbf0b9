// SPDX-License-Identifier: Apache-2.0
//! The one integration-test program: each topic is a module, so that the library is linked once.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    missing_docs,
    reason = "tests touch the world and may panic"
)]

mod addons;
#[cfg(feature = "aws")]
mod aws;
mod bake;
mod bench;
mod birth;
mod cluster;
mod compare;
mod content;
mod control;
mod decode;
mod disk;
mod ext4;
mod fetch;
mod go;
mod house;
mod instance;
mod ipam;
mod lab;
mod launch;
mod manifest;
mod network;
mod oci;
mod people;
mod policies;
mod races;
mod read;
mod settings;
