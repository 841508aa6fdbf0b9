// SPDX-License-Identifier: Apache-2.0
//! How kiln recognises the kiln-firstboot of its own version without running it: it may be of another architecture.

/// The version of both programs.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What kiln-firstboot prints for `--version`, and therefore holds as a string.
pub const FIRSTBOOT: &str =
    concat!("kiln-firstboot ", env!("CARGO_PKG_VERSION"), " (belongs to the kiln of the same version)");
