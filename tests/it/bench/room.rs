// SPDX-License-Identifier: Apache-2.0
//! A network, a tree and a set of processes of their own, which end together.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};

/// The first process of the room. It waits for the end of its input, which comes with the end of the test process,
/// however that ends; the kernel then ends all others.
const SETUP: &str = r#"
set -e
read -r pid rest </proc/self/stat
root=$1 opt=$2
shift 2
mount --rbind /usr "$root/usr"
mount -o remount,bind,ro "$root/usr"
mount --bind "$opt" "$root/opt"
mount --rbind /dev "$root/dev"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t proc proc "$root/proc"
ip link set lo up
ip link add uplink0 type bridge
ip link set uplink0 up
for address; do ip address add "$address" dev uplink0 nodad; done
exec chroot "$root" /bin/sh -c 'echo "$0"; exec cat >/dev/null' "$pid"
"#;

/// Folders that something is mounted on.
const MOUNTED: [&str; 5] = ["usr", "opt", "dev", "sys", "proc"];
/// Folders that programs expect.
const PLAIN: [&str; 5] = ["etc", "run", "tmp", "var/lib", "var/log"];

/// A room.
pub struct Room {
    first: Child,
    pid: String,
}

impl Room {
    /// Makes a room with the tree `root`, where `/opt` is `opt`, on a bridge `uplink0` with these addresses.
    pub fn new(root: &Path, opt: &Path, addresses: &[IpAddr]) -> Self {
        prepare(root);
        let mut first = Command::new("unshare");
        first.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", SETUP, "room"]);
        first.args([root, opt]);
        first.args(addresses.iter().map(|address| {
            if address.is_ipv4() { format!("{address}/24") } else { format!("{address}/64") }
        }));
        first.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut first = first.spawn().expect("unshare (apt-get install util-linux)");
        let mut pid = String::new();
        BufReader::new(first.stdout.take().unwrap()).read_line(&mut pid).unwrap();
        if pid.trim().is_empty() {
            let mut said = String::new();
            first.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            let _ = first.wait();
            panic!("no room for the bench (it needs root): {said}");
        }
        Self { first, pid: pid.trim().to_owned() }
    }

    /// Runs `ip` in the room's network. Not among its processes: `ip` names other networks by the host's numbers.
    pub fn ip(&self, words: &[&str]) {
        let mut command = Command::new("nsenter");
        let output = command.args(["--target", &self.pid, "--net", "--", "ip"]).args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Gives the network of the process `pid` an interface eth0 on the room's bridge.
    pub fn join(&self, pid: &str) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let port = format!("port{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.ip(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", pid]);
        self.ip(&["link", "set", &port, "master", "uplink0", "up"]);
    }

    /// What the room's processes were told.
    pub fn processes(&self) -> Vec<Process> {
        processes_of(&self.pid)
    }

    fn enter(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid, "--net", "--pid"]).args(words).arg("--");
        command.env_clear().env("PATH", "/opt/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.stdin(Stdio::null());
        command
    }

    /// Returns a program in the room's network and tree.
    pub fn in_root(&self, program: &str) -> Command {
        let mut command = self.enter(&["--mount", "--root", "--wd=/"]);
        command.arg(program);
        command
    }

    /// Returns a program in the room's network, with this machine's tree.
    pub fn in_network(&self, program: &Path) -> Command {
        let mut command = self.enter(&[]);
        command.arg(program);
        command
    }

    /// Runs `work` on a thread that is in the room's network.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within_network_of(&self.pid, work)
    }
}

/// What a process was told, which others may read.
pub struct Process {
    pub arguments: String,
    pub environment: String,
}

/// Returns what the processes were told that `pid` is among.
pub fn processes_of(pid: &str) -> Vec<Process> {
    let room = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = room(pid);
    let names =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let inside = names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit()) && room(name) == own);
    let read = |pid: &str, what: &str| {
        // One that ends meanwhile says nothing.
        String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default())
            .replace('\0', " ")
    };
    let process =
        |pid: String| Process { arguments: read(&pid, "cmdline"), environment: read(&pid, "environ") };
    inside.map(process).collect()
}

/// Runs `work` on a thread that is in the network of the process `pid`.
pub fn within_network_of<T: Send>(pid: &str, work: impl FnOnce() -> T + Send) -> T {
    within_network(Path::new(&format!("/proc/{pid}/ns/net")), work)
}

/// Runs `work` on a thread that is in the network that a file stands for.
pub fn within_network<T: Send>(network: &Path, work: impl FnOnce() -> T + Send) -> T {
    let network = fs::File::open(network).unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(network, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

impl Drop for Room {
    fn drop(&mut self) {
        // The end of its input ends the first process, and that the whole room, before `wait` returns.
        drop(self.first.stdin.take());
        let _ = self.first.wait();
    }
}

fn prepare(root: &Path) {
    for folder in MOUNTED.iter().chain(&PLAIN) {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    // As this machine's /usr expects it: links where it has links.
    for name in ["bin", "sbin", "lib", "lib64"] {
        if let Ok(target) = fs::read_link(Path::new("/").join(name)) {
            let target = Path::new("/").join(target);
            symlink(target, root.join(name)).unwrap_or(());
        }
    }
}
