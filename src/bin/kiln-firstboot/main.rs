// SPDX-License-Identifier: Apache-2.0
//! The `kiln-firstboot` program: what a baked image runs before its container runtime and kubelet start.
fn main() -> std::process::ExitCode {
    eprintln!("kiln-firstboot {}: nothing to do yet", env!("CARGO_PKG_VERSION"));
    kiln::exit::Exit::Config.into()
}
