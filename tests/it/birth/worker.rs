// SPDX-License-Identifier: Apache-2.0
//! A machine with a tree of its own, on which the real program runs.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;

use kiln::settings::{Role, Settings};
use serde_json::Value;

use super::cluster::TOKEN;
use crate::bench::{Bench, Machine, layer};

/// A machine that is to become a node.
pub struct Worker {
    machine: Arc<Machine>,
    tree: tempfile::TempDir,
}

/// How the program ended.
pub struct Ended {
    status: ExitStatus,
    /// Both of its streams.
    pub said: String,
}

impl Ended {
    pub fn is(&self, code: i32) {
        assert_eq!(self.status.code(), Some(code), "{}", self.said);
    }

    pub fn is_one_of(&self, codes: &[i32]) {
        assert!(self.status.code().is_some_and(|code| codes.contains(&code)), "{}", self.said);
    }

    /// Whether it was killed; whoever ran it ends by the same signal.
    pub fn is_killed(&self) -> bool {
        self.status.signal() == Some(nix::libc::SIGKILL)
    }
}

impl Worker {
    pub fn new(bench: &Bench, name: &str, address: &str) -> Self {
        Self::named(bench, name, &format!("i-{name}"), address)
    }

    /// A machine whose name is not its own.
    pub fn named(bench: &Bench, name: &str, instance: &str, address: &str) -> Self {
        let tree = tempfile::Builder::new().prefix("kiln-worker-").tempdir().unwrap();
        Self::on(Arc::new(bench.machine(address)), tree, &told(bench, name, instance))
    }

    /// A fresh tree on a machine that may have others beside it.
    pub fn on(machine: Arc<Machine>, tree: tempfile::TempDir, settings: &Settings) -> Self {
        let put = |path: &str, text: &str| {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("etc/kiln/settings.d/10-image.yaml", &layer(settings));
        if let Some(path) = &settings.node.token_file {
            put(path.to_str().unwrap().trim_start_matches('/'), TOKEN);
        }
        Self { machine, tree }
    }

    /// Puts the sockets of a journal where the machine has them.
    pub fn has_journal(&self, sockets: &Path) {
        let folder = self.tree.path().join("run/systemd");
        // Links of a tree stay in it; a socket has a second name there instead.
        let folder = folder.join("journal");
        fs::create_dir_all(&folder).unwrap();
        for entry in fs::read_dir(sockets).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_socket() {
                fs::hard_link(entry.path(), folder.join(entry.file_name())).unwrap();
            }
        }
    }

    /// Runs the program on the machine, to its end.
    pub fn run(&self, words: &[&str]) -> Ended {
        self.run_by(&[], words)
    }

    /// Has another program run the program.
    pub fn run_by(&self, other: &[&str], words: &[&str]) -> Ended {
        let whole = [other, &[env!("CARGO_BIN_EXE_kiln-firstboot"), "--root"]].concat();
        let mut command = self.machine.run(whole[0]);
        let output = command.args(&whole[1..]).arg(self.tree.path()).args(words).output().unwrap();
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        Ended { status: output.status, said: said.concat() }
    }

    /// Returns every file and link of the tree, sorted.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(self.tree.path(), &mut found);
        found.sort();
        let named =
            |path: &PathBuf| path.strip_prefix(self.tree.path()).unwrap().to_str().unwrap().to_owned();
        found.iter().map(named).collect()
    }

    /// Where a file of the tree lies.
    pub fn path(&self, path: &str) -> PathBuf {
        self.tree.path().join(path)
    }

    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn report(&self) -> Value {
        serde_json::from_str(&self.text("run/kiln/report.json")).unwrap()
    }

    /// Returns what would show a write, for everything but the report in /run: times and inodes too.
    pub fn state(&self) -> Vec<(String, u64, i64, i64)> {
        let stat = |path: String| {
            let stat = self.tree.path().join(&path).symlink_metadata().unwrap();
            (path, stat.ino(), stat.mtime(), stat.mtime_nsec())
        };
        self.files().into_iter().filter(|path| !path.starts_with("run/kiln")).map(stat).collect()
    }

    /// No token anywhere, and the key in kubelet's own file alone, which is its owner's alone.
    pub fn keeps_no_secret_but_its_key(&self) {
        // The journal's sockets are not the node's files.
        for path in self.files().into_iter().filter(|path| self.tree.path().join(path).is_file()) {
            let text = self.text(&path);
            assert!(!text.contains("0123456789abcdef"), "{path} holds the token");
            if text.contains("PRIVATE KEY") {
                assert!(path.starts_with("var/lib/kubelet/pki/kubelet-client-"), "{path} holds a key");
                let mode = self.tree.path().join(&path).metadata().unwrap().mode() & 0o777;
                assert_eq!(mode, 0o600, "{path}");
            }
        }
    }
}

/// What a worker of the bench's cluster is told.
pub fn told(bench: &Bench, name: &str, instance: &str) -> Settings {
    let mut settings = bench.settings.clone();
    settings.role = Role::Worker;
    settings.api.ca = bench.ca_pem();
    settings.node.name = Some(name.to_owned());
    settings.node.instance_id = Some(instance.to_owned());
    settings.node.provider_id = Some(format!("lab://{name}"));
    settings.node.labels = [("example.org/rack".to_owned(), "r1".to_owned())].into();
    settings.node.token_file = Some("/run/provision/token".into());
    settings
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.symlink_metadata().unwrap().is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}
