// SPDX-License-Identifier: Apache-2.0
//! Keys and signatures made by GnuPG (Debian's gnupg), at any time that a test wants.

use std::path::Path;
use std::process::{Command, Stdio};

/// A GnuPG home of one test.
#[derive(Debug)]
pub struct Gpg {
    home: tempfile::TempDir,
}

/// 2025-01-01 and multiples: the times of the tests.
pub const DAY_S: u64 = 86_400;
pub const START_S: u64 = 1_735_689_600;

impl Gpg {
    pub fn new() -> Self {
        // gpg-agent's socket needs a short path.
        let home = tempfile::Builder::new().prefix("kiln-gpg-").tempdir_in("/tmp").unwrap();
        Self { home }
    }

    /// Runs gpg at a time and returns what it prints.
    pub fn run(&self, at_s: u64, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command.env("GNUPGHOME", self.home.path()).env("LC_ALL", "C");
        command.args([
            "--batch",
            "--yes",
            "--quiet",
            "--no-permission-warning",
            "--pinentry-mode",
            "loopback",
        ]);
        command.args(["--passphrase", "", "--faked-system-time", &format!("{at_s}!")]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("gpg must be installed: apt-get install gnupg");
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writing = std::thread::spawn(move || {
            // gpg may end without reading all of it.
            let _ = std::io::Write::write_all(&mut stdin, &input);
        });
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {arguments:?}: {stderr}");
        output.stdout
    }

    /// Makes a key that may only certify, as Flatcar's, and returns its fingerprint.
    pub fn primary(&self, name: &str, usage: &str) -> String {
        self.run(START_S, &["--quick-gen-key", name, "rsa2048", usage, "never"], b"");
        let listed = self.run(START_S, &["--with-colons", "--list-keys", name], b"");
        fingerprints(&listed)[0].clone()
    }

    /// Adds a signing subkey that lives `days`, and returns its fingerprint.
    pub fn subkey(&self, primary: &str, at_s: u64, days: u64) -> String {
        let expire = format!("seconds={}", days * DAY_S);
        self.run(at_s, &["--quick-add-key", primary, "rsa2048", "sign", &expire], b"");
        let listed = self.run(at_s, &["--with-colons", "--list-keys", primary], b"");
        fingerprints(&listed).pop().unwrap()
    }

    pub fn export(&self, primary: &str) -> Vec<u8> {
        self.run(START_S, &["--armor", "--export", primary], b"")
    }

    /// Signs with exactly this (sub)key.
    pub fn sign(&self, key: &str, at_s: u64, options: &[&str], data: &[u8]) -> Vec<u8> {
        let key = format!("{key}!");
        let arguments = [&["--local-user", &key, "--detach-sign", "--output", "-"][..], options].concat();
        let (options, command): (Vec<&str>, Vec<&str>) = (options.to_vec(), arguments);
        let count = command.len() - options.len();
        self.run(at_s, &[&options[..], &command[..count]].concat(), data)
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        // The agent would live on for a while in a folder that is gone.
        let mut command = Command::new("gpgconf");
        let _ = command.env("GNUPGHOME", self.home.path()).args(["--kill", "all"]).status();
    }
}

fn fingerprints(listed: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(listed).into_owned();
    let lines = text.lines().filter_map(|line| line.strip_prefix("fpr:"));
    lines.map(|line| line.trim_matches(':').to_owned()).collect()
}
