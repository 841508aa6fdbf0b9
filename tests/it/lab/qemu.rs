// SPDX-License-Identifier: Apache-2.0
//! Labs of virtual machines, as a user who is nobody special makes them.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use kiln::host::segment;
use kiln::vm::Gateway;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::person::{eventually, turn};
use super::{KILN, baked};

/// Nobody, and nobody's group.
const USER: &str = "65534";

/// A user's own folders, and what may be left in them.
struct Home {
    folder: tempfile::TempDir,
    image: PathBuf,
}

impl Home {
    fn new() -> Self {
        let image = baked();
        let folder = tempfile::tempdir().unwrap();
        // The user comes to the image by a path that others may walk.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["run", "cache"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            std::os::unix::fs::chown(&path, USER.parse().ok(), USER.parse().ok()).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        let here = [folder.path().join("kiln-lab.raw"), folder.path().join("kiln")];
        for (from, to) in [image.as_path(), Path::new(KILN)].into_iter().zip(&here) {
            let status =
                Command::new("cp").args(["--sparse=always", "--reflink=auto"]).args([from, to]).status();
            assert!(status.unwrap().success());
            fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let [image, _] = here;
        Self { folder, image }
    }

    /// Returns kiln, to be run by the user.
    fn kiln(&self, words: &[&str]) -> Command {
        let path = |name: &str| self.folder.path().join(name);
        let mut kiln = Command::new("setpriv");
        kiln.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(path("kiln")).args(words);
        kiln.env_clear().env("PATH", "/usr/bin:/bin").current_dir(self.folder.path());
        kiln.env("XDG_RUNTIME_DIR", path("run")).env("XDG_CACHE_HOME", path("cache"));
        kiln
    }

    fn run(&self, words: &[&str]) -> Output {
        self.kiln(words).output().unwrap()
    }

    /// Runs kiln, which must succeed, and returns what it printed.
    fn done(&self, words: &[&str]) -> String {
        let start = Instant::now();
        let output = self.run(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
        println!("{words:?} took {:.1} s", start.elapsed().as_secs_f64());
        String::from_utf8(output.stdout).unwrap()
    }

    fn up(&self, words: &[&str]) -> Child {
        let first = ["lab", "up", "--backend", "qemu", self.image.to_str().unwrap()];
        let mut up = self.kiln(&[&first, words].concat());
        up.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Processes and files of labs that are left.
    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let folder = self.folder.path().to_str().unwrap();
        for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            left.extend(line.contains(folder).then(|| format!("{:?} {line}", entry.file_name())));
        }
        for place in ["run/kiln-lab", "cache/kiln/labs"] {
            let found = fs::read_dir(self.folder.path().join(place)).into_iter().flatten();
            left.extend(found.map(|entry| entry.unwrap().path().display().to_string()));
        }
        left
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.run(&["lab", "down"]);
    }
}

#[test]
fn whenever_up_of_virtual_machines_is_killed_down_leaves_nothing() {
    let home = Home::new();
    let moments_ms = [1, 20, 40, 60, 80, 120, 200, 300, 500, 900, 2000];
    let crash_or_ctrl_c = [Signal::SIGKILL, Signal::SIGINT].into_iter().cycle();
    for (moment_ms, signal) in moments_ms.into_iter().zip(crash_or_ctrl_c) {
        let mut up = home.up(&["--workers", "1"]);
        std::thread::sleep(Duration::from_millis(moment_ms));
        kill(Pid::from_raw(up.id().try_into().unwrap()), signal).unwrap();
        up.wait().unwrap();
        let down = home.run(&["lab", "down"]);
        let said = String::from_utf8_lossy(&down.stderr).into_owned();
        assert!(down.status.success() || said.contains("there is no lab"), "after {moment_ms} ms: {said}");
        assert_eq!(home.left(), Vec::<String>::new(), "after {moment_ms} ms");
    }
}

#[test]
fn a_machine_that_loses_its_keeper_goes_and_its_up_says_so_and_leaves_nothing() {
    let home = Home::new();
    let _turn = turn();
    let mut up = home.up(&["--workers", "1"]);
    let monitor = home.folder.path().join("run/kiln-lab/lab/nodes/control/monitor");
    eventually("QEMU runs", Duration::from_secs(60), || monitor.exists().then_some(()));
    assert!(String::from_utf8(home.run(&["lab", "list"]).stdout).unwrap().contains("half made"));
    home.done(&["lab", "kill", "control"]);
    let mut said = String::new();
    up.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("QEMU emulates the processors"), "{said}");
    assert!(said.contains("node control does not run"), "{said}");
    assert_eq!(home.left(), Vec::<String>::new());
}

/// What a machine at 10.0.2.10 sees of a gateway: who has that address, and then a connection to its port.
#[test]
fn a_gateway_leads_a_port_of_the_loopback_to_an_address_on_the_switch() {
    let folder = tempfile::tempdir().unwrap();
    let switch = folder.path().join("switch");
    let listener = segment::listen(&switch).unwrap();
    std::thread::spawn(move || segment::serve(&listener));
    let mut card = UnixStream::connect(&switch).unwrap();
    card.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gateway = Gateway {
        switch,
        segment: "10.0.2.0/24".parse().unwrap(),
        address: [10, 0, 2, 4].into(),
        resolver: [10, 0, 2, 3].into(),
        port,
        target: "10.0.2.10:6443".parse().unwrap(),
    };
    let mut qemu = Command::new("qemu-system-x86_64");
    let mut qemu = qemu.args(gateway.arguments()).stderr(Stdio::null()).spawn().unwrap();
    let open = || TcpStream::connect(("127.0.0.1", port)).ok();
    let _client = eventually("the port is open", Duration::from_secs(60), open);

    let asked = frame(&mut card, |frame| frame[12..14] == [8, 6] && frame[38..42] == [10, 0, 2, 10]);
    assert_eq!(asked[28..32], [10, 0, 2, 4], "it asks from its own address");
    let mac = [0x52, 0x54, 0, 0, 2, 10];
    let answer = [&asked[6..12], &mac, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2], &mac, &asked[38..42], &asked[22..32]];
    let answer = answer.concat();
    card.write_all(&[&(answer.len() as u32).to_be_bytes()[..], &answer].concat()).unwrap();
    let begun = frame(&mut card, |frame| frame[12..14] == [8, 0] && frame[23] == 6);
    assert_eq!((&begun[30..34], &begun[36..38]), (&[10, 0, 2, 10][..], &6443_u16.to_be_bytes()[..]));
    qemu.kill().unwrap();
    qemu.wait().unwrap();
}

/// Returns the first frame that `is_meant`.
fn frame(card: &mut UnixStream, is_meant: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    loop {
        let mut len = [0; 4];
        card.read_exact(&mut len).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(len) as usize];
        card.read_exact(&mut frame).unwrap();
        if is_meant(&frame) {
            return frame;
        }
    }
}

#[test]
#[ignore = "two emulated machines, most of an hour of two processors"]
fn a_cluster_of_virtual_machines_comes_up_lives_on_and_leaves_nothing() {
    let home = Home::new();
    let _turn = turn();
    let image = home.image.to_str().unwrap();
    let words = ["--format", "json", "lab", "up", "--backend", "qemu", "--workers", "1", image];
    let told: Value = serde_json::from_str(&home.done(&words)).unwrap();
    println!("{told:#}");
    let nodes = told["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 2, "{told}");

    // From the user's own shell.
    let kubeconfig = told["kubeconfig"].as_str().unwrap();
    let tokens = home.run(&["token", "list", "--kubeconfig", kubeconfig]);
    assert!(tokens.status.success(), "{}", String::from_utf8_lossy(&tokens.stderr));
    let audit = home.run(&["ipam", "--kubeconfig", kubeconfig]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));

    home.done(&["lab", "smoke"]);
    assert_eq!(home.done(&["lab", "exec", "worker-1", "--", "hostname"]), "worker-1\n");
    assert_eq!(home.run(&["lab", "exec", "worker-1", "--", "sh", "-c", "exit 7"]).status.code(), Some(7));
    assert!(home.done(&["lab", "logs", "worker-1"]).contains("Linux version"));
    assert!(home.done(&["lab", "status"]).contains("2 of 2 nodes up"));
    let boot_id = ["lab", "exec", "worker-1", "--", "cat", "/proc/sys/kernel/random/boot_id"];
    let before = home.done(&boot_id);
    home.done(&["lab", "reboot", "worker-1"]);
    assert_ne!(home.done(&boot_id), before);
    home.done(&["lab", "kill", "worker-1"]);
    assert!(!home.run(&boot_id).status.success());
    home.done(&["lab", "start", "worker-1"]);
    home.done(&["lab", "down"]);
    assert_eq!(home.left(), Vec::<String>::new());
}
