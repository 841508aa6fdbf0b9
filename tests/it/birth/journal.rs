// SPDX-License-Identifier: Apache-2.0
//! A real systemd-journald of the test's own, whose socket lies where a worker's tree has it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kiln::host::journal as host;
use kiln::host::root::Root;
use serde_json::Value;

/// journald makes its sockets in /run, which is this folder for it alone. The first process of the namespace takes it along.
const SETUP: &str = r#"
set -e
mount --bind "$1" /run
mkdir -p /run/systemd/journal /run/log/journal
exec /usr/lib/systemd/systemd-journald
"#;
/// journald starts in a fraction of a second and writes an entry in a millisecond; this machine is shared.
const LIMIT: Duration = Duration::from_secs(30);

/// The journal.
pub struct Journal {
    first: Child,
    folder: tempfile::TempDir,
}

impl Journal {
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("kiln-journal-").tempdir().unwrap();
        let mut first = Command::new("unshare");
        first.args(["--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", SETUP, "journal"]);
        first.arg(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let journal = Self { first: first.spawn().unwrap(), folder };
        within("journald listens", || journal.sockets().join("socket").exists());
        journal
    }

    /// Returns the folder that is /run/systemd/journal.
    pub fn sockets(&self) -> PathBuf {
        self.folder.path().join("systemd/journal")
    }

    /// Returns kiln's entries as journalctl shows them, once this many runs have ended.
    pub fn entries(&self, runs: usize) -> Vec<Value> {
        let mut entries = Vec::new();
        within(&format!("the journal has the end of {runs} runs"), || {
            entries = self.read();
            entries.iter().filter(|entry| !entry["KILN_EXIT"].is_null()).count() >= runs
        });
        entries
    }

    fn read(&self) -> Vec<Value> {
        let mut journalctl = Command::new("journalctl");
        journalctl.args(["--quiet", "--all", "--output=json", "--identifier=kiln-firstboot", "--directory"]);
        let output = journalctl.arg(self.folder.path().join("log/journal")).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = self.first.kill();
        let _ = self.first.wait();
    }
}

fn within(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_entry_that_no_datagram_takes_goes_as_a_file_in_memory() {
    let journal = Journal::start();
    let tree = tempfile::tempdir().unwrap();
    let entry = |size: usize| {
        format!("SYSLOG_IDENTIFIER=kiln-firstboot\nMESSAGE={}\nKILN_EXIT=0\n", "m".repeat(size)).into_bytes()
    };
    assert!(!host::send(&Root::new(tree.path()), &entry(1)), "nobody listens, and nobody waits");
    // The journal's folder is its /run; as a tree it has one, too.
    let run = journal.folder.path().join("run");
    std::os::unix::fs::symlink(".", run).unwrap();
    let root = Root::new(journal.folder.path());
    for size in [1, 3 << 20] {
        assert!(host::send(&root, &entry(size)), "{size}");
    }
    let entries = journal.entries(2);
    let lengths: Vec<usize> = entries.iter().map(|entry| entry["MESSAGE"].as_str().unwrap().len()).collect();
    assert_eq!(lengths, [1, 3 << 20]);
    assert!(entries.iter().all(|entry| entry["KILN_EXIT"] == "0"));
}

/// Every change of a birth is an entry, and so is its end.
pub fn tells_the_birth(journal: &Journal, block: &str, secret: &str) {
    let entries = journal.entries(1);
    let end = entries.last().unwrap();
    assert_eq!(
        (&end["KILN_RESULT"], &end["KILN_EXIT"], &end["PRIORITY"]),
        (&"done".into(), &"0".into(), &"5".into())
    );
    assert_eq!(
        (&end["KILN_NODE"], &end["KILN_BLOCK"], &end["KILN_REQUESTS"]),
        (&"w1".into(), &block.into(), &"8".into())
    );
    let report: Value = serde_json::from_str(end["KILN_REPORT"].as_str().unwrap()).unwrap();
    assert_eq!(report["blocks"][0], block);
    let steps: Vec<&str> = entries.iter().filter_map(|entry| entry["KILN_STEP"].as_str()).collect();
    for step in
        ["identity", "key", "csr-create", "certificate", "node-create", "claim-create", "podcidrs", "file"]
    {
        assert!(steps.contains(&step), "{step}: {steps:?}");
    }
    for entry in &entries {
        assert_eq!(entry["_TRANSPORT"], "journal");
        assert_eq!(entry["MESSAGE_ID"].as_str().unwrap().len(), 32);
        let text = entry.to_string();
        assert!(!text.contains(secret) && !text.contains("PRIVATE KEY"), "{text}");
    }
}
