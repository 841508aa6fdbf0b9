// SPDX-License-Identifier: Apache-2.0
//! coldsnap, where it comes from and how it is called.

use std::path::PathBuf;
use std::process::Command;

use super::double::KEY;

const VERSION: &str = "0.12.0";
pub const REGION: &str = "us-east-1";

/// Returns the program, which is built where it is missing: outside the checkout, as all that the tests install.
pub fn program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| std::env::home_dir().unwrap().join(".cache"));
    let root = cache.join("kiln-tests").join(format!("coldsnap-{VERSION}"));
    let program = root.join("bin/coldsnap");
    if !program.exists() {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["install", "coldsnap", "--locked", "--version", VERSION, "--root"]).arg(&root);
        // In a folder without this project's settings, which are not for it.
        assert!(cargo.current_dir("/").status().unwrap().success(), "cargo install coldsnap");
    }
    program
}

/// Returns its command against an account of a double.
pub fn coldsnap(url: &str, words: &[&str]) -> Command {
    let mut coldsnap = Command::new(program());
    coldsnap.args(["--endpoint", url, "--region", REGION]).args(words);
    coldsnap.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", "secret");
    coldsnap
}
