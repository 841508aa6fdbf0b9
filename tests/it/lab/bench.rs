// SPDX-License-Identifier: Apache-2.0
//! A lab for a test: nodes from the baked image, removed with everything that belongs to it when the test ends, however
//! it ends; and what of a lab is left on the machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kiln::lab::{self, Lab, Made, Node, NodeOrder, Order, Places, Segment, Shape};
use kiln::settings::{Fabric, Runtime};

/// A node boots in about 5 seconds; many times that where others use the machine too.
pub const BOOT_LIMIT: Duration = Duration::from_secs(300);
/// Longest answer of a program in a node.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A lab that is removed when this is dropped.
pub struct Bench {
    pub lab: Lab,
    made: Option<Made>,
}

/// What a node is given.
#[derive(Default)]
pub struct Given<'a> {
    /// The layer of settings that comes as a credential.
    pub settings: &'a str,
    /// The bootstrap token; none: an empty one is not handed over.
    pub token: Option<&'a str>,
    /// Further system credentials, such as `systemd.extra-unit.NAME`.
    pub credentials: &'a [(&'a str, &'a str)],
}

/// Returns a lab of this name, made unique on the machine.
pub fn named(name: &str) -> Lab {
    let name = format!("{name}-{}", std::process::id()).parse().unwrap();
    Lab { name, places: Places::default() }
}

impl Bench {
    /// Makes a lab whose nodes hang on a bridge of its own, 10.0.2.1/24.
    pub fn new(name: &str, image: &Path) -> Self {
        Self::on(name, image, Segment::Own("10.0.2.1/24".parse().unwrap()))
    }

    /// Makes a lab whose nodes hang on another's bridge: there a test has its own control plane.
    pub fn on(name: &str, image: &Path, network: Segment) -> Self {
        let kiln = PathBuf::from(env!("CARGO_BIN_EXE_kiln"));
        let shape = Shape { fabric: Fabric::Vxlan, runtime: Runtime::Containerd };
        let order = Order { image: image.to_owned(), network, nodes: 1, shape, kiln };
        let mut bench = Self { lab: named(name), made: None };
        bench.made = Some(lab::make(&bench.lab, &order).unwrap_or_else(|error| panic!("{error}")));
        bench
    }

    /// Starts a node and returns at once.
    pub fn start(&self, name: &str, address: &str, given: &Given<'_>) -> Node {
        let owned = |(name, content): (&str, &str)| (name.to_owned(), content.as_bytes().to_vec());
        let mut credentials: BTreeMap<_, _> = given.credentials.iter().copied().map(owned).collect();
        credentials.extend((!given.settings.is_empty()).then(|| owned(("kiln.settings", given.settings))));
        credentials.extend(given.token.map(|token| owned(("kiln.token", token))));
        let (name, address) = (name.parse().unwrap(), address.parse().unwrap());
        self.begin(&NodeOrder { name, address, gateway: None, disk_bytes: 16 << 30, credentials })
    }

    /// Starts a node that is made from this, and returns at once.
    pub fn begin(&self, order: &NodeOrder) -> Node {
        self.made.as_ref().unwrap().start(order).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Removes the lab.
    pub fn down(mut self) {
        self.made = None;
        lab::down(&self.lab).unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.made = None;
        // It may be gone already, or never have been.
        let _ = lab::down(&self.lab);
    }
}

/// Asks a node; the answer's end is cut off.
pub fn ask(node: &Node, script: &str) -> String {
    let answer = node.exec(["sh", "-c", script], ANSWER_LIMIT);
    answer.unwrap_or_else(|error| panic!("{script}: {error}")).trim_end().to_owned()
}

/// Returns everything on the machine that belongs to a lab: processes, mounts, loops, groups, links, files.
pub fn left(lab: &Lab) -> Vec<String> {
    let name = lab.name.to_string();
    let mut left = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        let about = [read("cmdline"), read("cgroup"), read("mounts")];
        let [line, group, mounts] = about.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
        let is_own = entry.file_name().to_str() == Some(&std::process::id().to_string()[..]);
        // A process without words has ended and waits for its parent to notice.
        let is_other = !is_own && !line.is_empty();
        if is_other && (line.contains(&name) || group.contains(&name) || mounts.contains(&name)) {
            left.push(format!("process {:?}: {line} {group}", entry.file_name()));
        }
    }
    for (what, command) in [("mount", "cat /proc/mounts"), ("loop", "losetup --list"), ("link", "ip link")] {
        let output = Command::new("sh").args(["-c", command]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        left.extend(text.lines().filter(|line| line.contains(&name)).map(|line| format!("{what} {line}")));
    }
    for folder in
        ["/run/kiln-lab", "/var/lib/kiln-lab", "/run/systemd/nspawn", "/run/systemd/nspawn/propagate"]
    {
        left.extend(entries(Path::new(folder), &name));
    }
    for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap().filter_map(Result::ok) {
        left.extend(entries(&hierarchy.path(), &name));
    }
    left.extend(entries(Path::new("/sys/fs/cgroup"), &name));
    left
}

fn entries(folder: &Path, name: &str) -> Vec<String> {
    let Ok(found) = fs::read_dir(folder) else { return Vec::new() };
    let found = found.filter_map(Result::ok).map(|entry| entry.path().display().to_string());
    found.filter(|path| path.contains(name)).collect()
}

/// Settings of the whole machine that something in a node might want to change. Those of a network namespace are not
/// the machine's, and counters are no settings.
pub fn sysctls() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders =
        ["kernel", "vm", "fs", "user", "net"].map(|room| Path::new("/proc/sys").join(room)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().filter_map(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(value) = fs::read_to_string(&path) {
                found.insert(path, value);
            }
        }
    }
    // The kernel itself lowers how often it samples on a busy machine.
    let counters = [
        "perf_event_max_sample_rate",
        "random",
        "-nr",
        "-state",
        "ns_last_pid",
        "pty/nr",
        "fs/quota",
        "nf_conntrack_count",
        "/net/",
    ];
    found.retain(|path, _| !counters.iter().any(|counter| path.to_str().unwrap().contains(counter)));
    found
}
