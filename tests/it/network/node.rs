// SPDX-License-Identifier: Apache-2.0
//! A node for tests: network, processes and mounts of its own over the lab image's tree, with an uplink to an outside.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kiln::firstboot::file::File as Rendered;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::tree::tree;
use crate::bench::{Bench, Process, Unit, processes_of, programs};

/// The first process ends with its input, which comes with the end of the test process, however that ends; the kernel
/// then ends all others and takes the mounts away.
const SETUP: &str = r#"
set -e
read -r pid rest </proc/self/stat
lower=$1 opt=$2 work=$3
mount --make-rprivate /
mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root"
root=$work/root
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$work/upper,workdir=$work/work" "$root"
mount --bind "$opt" "$root/opt"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir "$root/run/systemd"
echo "$pid"
exec chroot "$root" cat >/dev/null
"#;

/// What lies beyond the uplink: a router, and a pod of another node behind it.
const OUTSIDE: &[&str] = &[
    "ip link set lo up",
    "ip netns add outside",
    "ip link add eth0 type veth peer name out0 netns outside",
    "ip address add 10.0.0.5/16 dev eth0",
    "ip address add fd00:1::5/64 dev eth0 nodad",
    "ip link set eth0 up",
    "ip -n outside link set lo up",
    "ip -n outside address add 10.0.0.1/16 dev out0",
    "ip -n outside address add fd00:1::1/64 dev out0 nodad",
    "ip -n outside address add 10.244.7.2/32 dev lo",
    "ip -n outside address add fd00:244:0:7::2/128 dev lo",
    "ip -n outside link set out0 up",
    "ip -n outside route add 10.244.3.0/24 via 10.0.0.5",
    "ip -n outside route add fd00:244:0:3::/64 via fd00:1::5",
    "ip route add default via 10.0.0.1",
    "ip route add default via fd00:1::1",
];

/// Nothing that a node does here takes longer, but the machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(60);

pub struct Node {
    first: Child,
    pid: String,
    _folder: tempfile::TempDir,
}

impl Node {
    /// A node with an outside of its own.
    pub fn new() -> Self {
        let node = Self::apart();
        for command in OUTSIDE {
            node.done(command);
        }
        node
    }

    /// A node on a bench's network, with the control plane as its gateway.
    pub fn beside(bench: &Bench, address: &str) -> Self {
        let node = Self::apart();
        bench.join(&node.pid);
        node.done("ip link set lo up");
        node.done("ip link set eth0 up");
        node.done(&format!("ip address add {address}/24 dev eth0"));
        node.done(&format!("ip route add default via {}", bench.identity.addresses[0]));
        node
    }

    fn apart() -> Self {
        let folder = tempfile::Builder::new().prefix("kiln-node-").tempdir().unwrap();
        let mut unshare = Command::new("unshare");
        unshare.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", SETUP, "node"]);
        unshare.args([tree(), programs(), folder.path()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut first = unshare.spawn().unwrap();
        let mut pid = String::new();
        BufReader::new(first.stdout.take().unwrap()).read_line(&mut pid).unwrap();
        let pid = pid.trim().to_owned();
        assert!(!pid.is_empty(), "no node: the tests need root for namespaces and mounts");
        let node = Self { first, pid, _folder: folder };
        node.wait_for("its own root", || node.path("/run/systemd").exists());
        node
    }

    /// The path of a node's file, as this process sees it.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.pid))
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn put(&self, files: &[Rendered]) {
        for file in files {
            self.write(&file.path, &file.text);
        }
    }

    /// A program of the node's, not yet started; `words` are split at blanks.
    pub fn command(&self, words: &str) -> Command {
        self.command_of(words.split(' '))
    }

    fn command_of<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid, "--net", "--mount", "--pid", "--root", "--wd", "--"]);
        command.args(words).stdin(Stdio::null()).env_clear();
        command.env("PATH", "/opt/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Runs a program and returns whether it succeeded and all it said.
    pub fn said(&self, words: &str) -> (bool, String) {
        let output = self.command(words).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Runs a program that must succeed.
    pub fn done(&self, words: &str) -> String {
        let (is_done, text) = self.said(words);
        assert!(is_done, "{words}:\n{text}");
        text
    }

    /// Starts a program that stays.
    pub fn start(&self, words: &str) -> Service {
        Self::started(self.command(words))
    }

    /// Starts a unit's program by its command line and environment.
    pub fn start_unit(&self, name: &str) -> Service {
        let unit = Unit::read(name, &self.path("/"));
        let mut command = self.command_of(unit.words.iter().map(String::as_str));
        command.envs(&unit.environment);
        Self::started(command)
    }

    /// What the node's processes were told.
    pub fn processes(&self) -> Vec<Process> {
        processes_of(&self.pid)
    }

    fn started(mut command: Command) -> Service {
        let log = tempfile::NamedTempFile::new().unwrap();
        command.stdout(log.reopen().unwrap()).stderr(log.reopen().unwrap());
        Service { child: command.spawn().unwrap(), log }
    }

    /// Waits until `is_true`.
    pub fn wait_for(&self, what: &str, mut is_true: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_true() {
            assert!(start.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs `work` on a thread in the node's network.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let network = File::open(format!("/proc/{}/ns/net", self.pid)).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(network, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.first.stdin.take());
        let _ = self.first.wait();
    }
}

/// A program that runs until it is dropped, or with its node.
pub struct Service {
    child: Child,
    log: tempfile::NamedTempFile,
}

impl Service {
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log.path()).unwrap()).into_owned()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until the program has said one of these; panics with its words when it ends or the limit passes without.
    pub fn wait_for_any(&mut self, texts: &[&str]) -> String {
        let start = Instant::now();
        loop {
            let has_ended = self.child.try_wait().unwrap().is_some();
            let log = self.log();
            if texts.iter().any(|text| log.contains(text)) {
                return log;
            }
            assert!(!has_ended && start.elapsed() < LIMIT, "waited for {texts:?}:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // nsenter waits for the program itself, which is its child among the node's processes.
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        for pid in fs::read_to_string(children).unwrap_or_default().split_whitespace() {
            let _ = kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
