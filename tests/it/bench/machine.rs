// SPDX-License-Identifier: Apache-2.0
//! A further machine on a bench's network: a network of its own, joined to the control plane's bridge.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::room::{Room, within_network_of};

/// As in a room, the first process ends with its input and takes all others along.
const SETUP: &str = r#"
set -e
read -r pid rest </proc/self/stat
mount -t proc proc /proc
ip link set lo up
echo "$pid"
read -r ready
ip link set eth0 up
ip address add "$1" dev eth0
ip route add default via "$2"
echo up
exec cat >/dev/null
"#;

/// A machine with the interface eth0.
pub struct Machine {
    first: Child,
    pid: String,
}

impl Machine {
    /// Makes a machine with `address` (in a /24) beside the room's first address, which is its gateway.
    pub fn new(room: &Room, address: &str) -> Self {
        let gateway = format!("{}.1", address.rsplit_once('.').unwrap().0);
        let mut first = Command::new("unshare");
        first.args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "/bin/sh",
            "-c",
            SETUP,
            "machine",
        ]);
        first.args([&format!("{address}/24"), &gateway]);
        first.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut first = first.spawn().unwrap();
        let mut said = BufReader::new(first.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let pid = line.trim().to_owned();
        room.join(&pid);
        std::io::Write::write_all(first.stdin.as_mut().unwrap(), b"ready\n").unwrap();
        line.clear();
        said.read_line(&mut line).unwrap();
        if line.trim() != "up" {
            let mut why = String::new();
            first.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            panic!("no machine at {address}: {why}");
        }
        Self { first, pid }
    }

    /// Returns a program in the machine's network, with this machine's tree.
    pub fn run(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid, "--net", "--pid", "--"]).arg(program.as_ref());
        command.stdin(Stdio::null());
        command
    }

    /// Runs `work` on a thread that is in the machine's network.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within_network_of(&self.pid, work)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.first.stdin.take());
        let _ = self.first.wait();
    }
}
