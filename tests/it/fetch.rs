// SPDX-License-Identifier: Apache-2.0
//! Cache, downloads, signatures and pins, against a local TLS server that misbehaves on demand, and gpg's own signatures.

mod download;
mod full;
mod gpg;
pub mod keyless;
mod killed;
mod name;
mod pins;
pub mod proxy;
pub mod server;
mod signature;
pub mod vendor;
