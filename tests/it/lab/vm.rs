// SPDX-License-Identifier: Apache-2.0
//! `kiln boot --check` for tests: the image on a virtual machine, with firmware, and its disk to read afterwards.
//!
//! What a test wants to know beyond kiln's own answer is asked by a probe: a shell script that reaches the machine as a
//! credential, runs once first boot has ended, and leaves its answer on the disk.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;

use super::kiln;

/// One machine at a time: two emulated ones on two cores boot slower than one after the other.
static TURN: Mutex<()> = Mutex::new(());

/// Where the probe's answer lies on ROOT.
const ANSWER: &str = "/var/lib/probe";

/// How a machine's boot ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    /// What `--format json` printed.
    pub result: Value,
    /// Progress and console.
    pub said: String,
    /// The machine's disk, whole, as raw as the image.
    pub disk: PathBuf,
}

/// Boots `image` by `program` (kiln itself, or something that starts it elsewhere), with these words besides.
///
/// `probe` is run by /bin/sh as root; the boot is not over before it is.
pub fn boot(mut program: Command, image: &Path, words: &[&str], probe: &str, folder: &Path) -> Ended {
    // A test that failed while its machine ran has poisoned nothing.
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let overlay = folder.join("overlay.qcow2");
    program.args(["boot", "--check", "--format=json"]).arg(image).arg("--disk").arg(&overlay).args(words);
    for (name, content) in credentials(probe) {
        let file = folder.join(&name);
        fs::write(&file, content).unwrap();
        program.arg("--credential").arg(format!("{name}={}", file.display()));
    }
    let output = program.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let result = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    Ended { code: output.status.code(), result, said, disk: whole(&overlay, folder) }
}

fn credentials(probe: &str) -> [(String, String); 3] {
    let unit = format!(
        "[Unit]\nDescription=Probe of the test\nAfter=kiln-firstboot.service\n\n\
        [Service]\nType=oneshot\nLoadCredential=test.probe\nExecStart=/bin/sh %d/test.probe\n\
        StandardOutput=file:{ANSWER}\nStandardError=inherit\n"
    );
    [
        ("systemd.extra-unit.test-probe.service".to_owned(), unit),
        (
            "systemd.unit-dropin.multi-user.target~test-probe".to_owned(),
            "[Unit]\nWants=test-probe.service\n".to_owned(),
        ),
        ("test.probe".to_owned(), probe.to_owned()),
    ]
}

/// Joins an overlay and its image.
fn whole(overlay: &Path, folder: &Path) -> PathBuf {
    let disk = folder.join("disk.raw");
    let status = Command::new("qemu-img").args(["convert", "-O", "raw"]).args([overlay, &disk]).status();
    assert!(status.expect("qemu-img (apt-get install qemu-utils)").success());
    disk
}

impl Ended {
    /// Returns what the probe printed.
    pub fn answer(&self) -> String {
        self.cat(&format!("ROOT:{ANSWER}"))
    }

    /// Returns a file of the disk, LABEL:/path.
    pub fn cat(&self, place: &str) -> String {
        kiln(&["cat", self.disk.to_str().unwrap(), place])
    }

    /// Returns the names in a folder of the disk, LABEL:/path.
    pub fn names(&self, place: &str) -> Vec<String> {
        let listing = kiln(&["ls", "--format=json", self.disk.to_str().unwrap(), place]);
        let rows: Vec<Value> = serde_json::from_str(&listing).unwrap();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// What is said of a file without reading it: kind and permissions, owner, group, where a link leads.
pub type About = (u32, u32, u32, PathBuf);

/// Returns everything on the ROOT of a disk but what grows while a machine runs.
pub fn tree(disk: &Path) -> BTreeMap<PathBuf, About> {
    let folder = tempfile::tempdir().unwrap();
    // noload: a machine that was not ended cleanly has left a journal, and the disk stays as it is.
    let options = format!("ro,noload,loop,offset={ROOT_OFFSET_BYTES}");
    let run = |program: &str, words: &[&std::ffi::OsStr]| {
        let output = Command::new(program).args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run("mount", &["-o".as_ref(), options.as_ref(), disk.as_os_str(), folder.path().as_os_str()]);
    let mut found = BTreeMap::new();
    walk(folder.path(), folder.path(), &mut found);
    run("umount", &[folder.path().as_os_str()]);
    found.retain(|path, _| !GROWING.iter().any(|growing| path.starts_with(growing)));
    found
}

/// Where ROOT starts on the lab's disk (image/lab/build, `table`).
const ROOT_OFFSET_BYTES: u64 = 656 << 20;
/// Journals, states of services, the probe's answer: they tell of a run, not of a tree.
const GROWING: [&str; 3] = ["var/log", "var/lib", "var/tmp"];

fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, About>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = path.symlink_metadata().unwrap();
        let target = fs::read_link(&path).unwrap_or_default();
        let name = path.strip_prefix(root).unwrap().to_owned();
        found.insert(name, (about.mode(), about.uid(), about.gid(), target));
        if about.is_dir() {
            walk(root, &path, found);
        }
    }
}
