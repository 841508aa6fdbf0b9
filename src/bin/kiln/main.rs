// SPDX-License-Identifier: Apache-2.0
//! The `kiln` program: bakes node images.
fn main() -> std::process::ExitCode {
    kiln::exit::Exit::Usage.into()
}
