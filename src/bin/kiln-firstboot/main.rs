// SPDX-License-Identifier: Apache-2.0
//! The `kiln-firstboot` program: what a baked image runs before its container runtime and kubelet start.
//!
//! Its work is not built yet: it says so and ends with the code for a configuration that can't do, so that the unit
//! neither retries nor lets kubelet start.

use std::process::ExitCode;

use kiln::exit::Exit;
use kiln::mark;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == "--version") {
        println!("{}", mark::FIRSTBOOT);
        return Exit::Done.into();
    }
    eprintln!("kiln-firstboot {}: has nothing to do yet; this node does not join a cluster", mark::VERSION);
    Exit::Config.into()
}
