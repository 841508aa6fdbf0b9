// SPDX-License-Identifier: Apache-2.0
//! The real program, killed as it enters its n-th call of a kind, for every n that it reaches, and then started again:
//! strace sends the signal, so that the call itself does not happen and everything before it did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread;

use kiln::settings::Role;
use serde_json::Value;

use super::cluster::{claims, prepare};
use super::worker::{Worker, told};
use crate::bench::{Bench, Machine, Options};

/// All that makes something durable, gives or takes a name, or sends. What the program never calls costs one run.
const CALLS: [&str; 13] = [
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "linkat",
    "symlink",
    "unlink",
    "mkdir",
    "sendto",
    "sendmsg",
    "pwrite64",
    "writev",
];

/// Two cores, and servers that wait for each other.
const LANES: usize = 3;

/// What the program goes on writing: its text may differ, but is whole.
const TOLD_ANEW: [&str; 3] = ["var/lib/kiln/ledger.jsonl", "var/lib/kiln/claim.json", "run/kiln/report.json"];

/// Which kill is next. Calls are gone through one after the other; a run that was not killed ends its call's list.
struct Kills {
    at: Mutex<(usize, u32)>,
    done: Mutex<BTreeMap<&'static str, u32>>,
}

impl Kills {
    fn new() -> Self {
        Self { at: Mutex::new((0, 0)), done: Mutex::default() }
    }

    fn next(&self) -> Option<(&'static str, u32)> {
        let mut at = self.at.lock().unwrap();
        at.1 += 1;
        CALLS.get(at.0).map(|call| (*call, at.1))
    }

    fn tell(&self, call: &'static str, is_killed: bool) {
        let mut at = self.at.lock().unwrap();
        if is_killed {
            *self.done.lock().unwrap().entry(call).or_default() += 1;
        } else if CALLS.get(at.0) == Some(&call) {
            *at = (at.0 + 1, 0);
        }
    }
}

/// Kills `birth` everywhere: on each lane a machine, for each kill a fresh tree in memory. Returns the kills by call.
fn everywhere(
    bench: &Bench,
    addresses: [&str; LANES],
    birth: impl Fn(&Arc<Machine>, &str) -> Worker + Sync,
) -> BTreeMap<&'static str, u32> {
    let kills = Kills::new();
    let machines = addresses.map(|address| Arc::new(bench.machine(address)));
    thread::scope(|scope| {
        for machine in &machines {
            scope.spawn(|| {
                while let Some((call, n)) = kills.next() {
                    let worker = birth(machine, &format!("{call}-{n}"));
                    kills.tell(call, killed(&worker, call, n));
                }
            });
        }
    });
    kills.done.into_inner().unwrap()
}

/// Returns whether the run reached its n-th call. The next one converges, and the one after that changes nothing.
fn killed(worker: &Worker, call: &str, n: u32) -> bool {
    let inject = format!("inject={call}:signal=KILL:when={n}");
    let trace = format!("trace={call}");
    let strace = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let ended = worker.run_by(&strace, &["run"]);
    if !ended.is_killed() {
        ended.is(0);
    }
    let left = texts(worker);
    worker.run(&["run"]).is(0);
    let born = texts(worker);
    for (path, text) in left.iter().filter(|(path, _)| !is_temporary(path)) {
        if TOLD_ANEW.contains(&path.as_str()) {
            assert!(is_whole(path, text), "{call} {n}: {path} is torn: {text}");
        } else if let Some(whole) = born.get(path) {
            assert_eq!(text, whole, "{call} {n}: {path} was torn, or was made twice");
        }
    }
    let temporary: Vec<&String> = born.keys().filter(|path| is_temporary(path)).collect();
    assert!(temporary.is_empty(), "{call} {n}: left behind: {temporary:?}");
    let before = worker.state();
    worker.run(&["run"]).is(0);
    assert_eq!(worker.state(), before, "{call} {n}: the run after that changes something");
    ended.is_killed()
}

/// The ledger has a value on each line, and none before its first entry.
fn is_whole(path: &str, text: &str) -> bool {
    let is_value = |text: &str| serde_json::from_str::<Value>(text).is_ok();
    if path.ends_with(".jsonl") {
        return (text.is_empty() || text.ends_with('\n')) && text.lines().all(is_value);
    }
    is_value(text)
}

/// As `host::files` and `host::root` name what has no name yet.
fn is_temporary(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    (name.starts_with('.') && name.contains(".kiln-")) || name.ends_with(".kiln-new")
}

/// What files hold and links say. A control plane's link to its kubelet's certificate leads to the machine's own root,
/// and not into a tree.
fn texts(worker: &Worker) -> BTreeMap<String, String> {
    let text = |path: &str| match worker.path(path).read_link() {
        Ok(target) => target.to_str().unwrap().to_owned(),
        Err(_) => worker.text(path),
    };
    worker.files().into_iter().map(|path| (path.clone(), text(&path))).collect()
}

fn in_memory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("kiln-killed-").tempdir_in("/dev/shm").unwrap()
}

fn told_kills(what: &str, kills: &BTreeMap<&str, u32>) {
    println!("{what} killed {} times: {kills:?}", kills.values().sum::<u32>());
}

#[test]
fn killed_at_any_call_the_next_run_goes_on_and_nothing_is_left_or_made_twice() {
    let mut options = Options::default();
    // A block for every kill.
    options.settings.cluster.pods = vec!["10.240.0.0/14".parse().unwrap()];
    (options.settings.cluster.nodes_max, options.settings.cluster.surge) = (1000, 24);
    let bench = Bench::start(options);
    prepare(&bench);
    let worker = everywhere(&bench, ["10.99.0.11", "10.99.0.12", "10.99.0.13"], |machine, name| {
        Worker::on(machine.clone(), in_memory(), &told(&bench, name, &format!("i-{name}")))
    });
    told_kills("a worker", &worker);
    // Names are synced for many files at once, and the ledger before a wait and at the end.
    for (call, least) in [("fsync", 20), ("fdatasync", 1), ("rename", 15)] {
        assert!(worker.get(call).is_some_and(|kills| *kills >= least), "{call}: {worker:?}");
    }
    one_claim_and_one_request_for_each_node(&bench);

    let plane = everywhere(&bench, ["10.99.0.21", "10.99.0.22", "10.99.0.23"], |machine, name| {
        let mut plane = told(&bench, name, &format!("i-{name}"));
        plane.role = Role::ControlPlane;
        plane.api.ca = String::new();
        plane.node.token_file = None;
        Worker::on(machine.clone(), in_memory(), &plane)
    });
    told_kills("a control plane's files", &plane);
    for call in ["fsync", "rename"] {
        assert!(plane[call] > 30, "{plane:?}");
    }
}

/// A claim has the name of its block, so no block has two; no Node has two and none has none, and none is nobody's.
fn one_claim_and_one_request_for_each_node(bench: &Bench) {
    let list = |path: &str| {
        let list = bench.ask(Some(&bench.super_admin()), "GET", path, None).json();
        list["items"].as_array().unwrap().clone()
    };
    let uid = |value: &Value| value.as_str().unwrap().to_owned();
    let nodes: BTreeSet<String> =
        list("/api/v1/nodes").iter().map(|node| uid(&node["metadata"]["uid"])).collect();
    let claims = claims(bench);
    let owners: BTreeSet<String> =
        claims.iter().map(|claim| uid(&claim["metadata"]["ownerReferences"][0]["uid"])).collect();
    assert_eq!((claims.len(), &owners), (nodes.len(), &nodes));
    let requests = list("/apis/certificates.k8s.io/v1/certificatesigningrequests");
    assert_eq!(requests.len(), nodes.len(), "a node asked for two certificates");
    assert!(nodes.len() > 100, "{}", nodes.len());
}
