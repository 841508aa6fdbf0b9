// SPDX-License-Identifier: Apache-2.0
//! The data volume of a control plane on real devices: formatted once, whatever kills that, and nothing else touched. Needs
//! root, loop devices and mke2fs.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use kiln::firstboot::volume::{Content, END_BYTES, MARK, mark_at, recognise};

use super::tree::Tree;
use crate::bench;

/// As settings name it.
const NAME: &str = "/dev/disk/by-id/kiln-test";
/// Sparse. Its journal takes mke2fs long enough to be killed in.
const LEN: u64 = 64 << 30;

/// A loop device, gone when this is dropped.
pub struct Disk {
    pub device: PathBuf,
    _folder: tempfile::TempDir,
}

impl Disk {
    pub fn new(len: u64) -> Self {
        let folder = tempfile::Builder::new().prefix("kiln-volume-").tempdir().unwrap();
        let file = folder.path().join("disk");
        fs::File::create(&file).unwrap().set_len(len).unwrap();
        let output = Command::new("losetup").args(["--find", "--show"]).arg(&file).output().unwrap();
        assert!(output.status.success(), "it needs root and loop devices: {output:?}");
        let device = String::from_utf8(output.stdout).unwrap().trim().into();
        Self { device, _folder: folder }
    }

    /// What firstboot would find there.
    fn content(&self) -> Content {
        let mut device = fs::File::open(&self.device).unwrap();
        let len = std::io::Seek::seek(&mut device, std::io::SeekFrom::End(0)).unwrap();
        let mut ends = [vec![0; END_BYTES as usize], vec![0; END_BYTES as usize]];
        device.read_exact_at(&mut ends[0], 0).unwrap();
        device.read_exact_at(&mut ends[1], len - END_BYTES).unwrap();
        recognise(len, &ends[0], &ends[1])
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        let device = fs::OpenOptions::new().write(true).open(&self.device).unwrap();
        device.write_all_at(bytes, at).unwrap();
        device.sync_all().unwrap();
    }

    fn digest_of_ends(&self) -> Vec<u8> {
        let mut device = fs::File::open(&self.device).unwrap();
        let mut bytes = vec![0; END_BYTES as usize];
        device.read_exact(&mut bytes).unwrap();
        bytes
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, where a mount namespace that is just ending still has it.
        let _ = Command::new("losetup").arg("--detach").arg(&self.device).status();
    }
}

/// A control plane's tree whose settings name the volume.
struct Machine {
    tree: Tree,
}

impl Machine {
    fn new(disk: &Disk) -> Self {
        let mut tree = Tree::empty();
        tree.settings.control_plane.data_volume = Some(NAME.to_owned());
        tree.settings.node.instance_id = Some("i-1".to_owned());
        let machine = Self { tree };
        machine.tell();
        machine.attach(disk);
        machine
    }

    fn tell(&self) {
        self.tree.write("/etc/kiln/settings.d/10-image.yaml", &bench::layer(&self.tree.settings));
    }

    fn attach(&self, disk: &Disk) {
        let link = self.tree.path(NAME);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&link);
        symlink(&disk.device, link).unwrap();
    }

    /// A script in which `firstboot` is the program on this tree; what it mounts is gone after it.
    fn script(&self, text: &str) -> Command {
        let mut command = Command::new("unshare");
        let program =
            format!("{} --root {}", env!("CARGO_BIN_EXE_kiln-firstboot"), self.tree.root().display());
        command.args(["--mount", "--propagation", "private", "/bin/sh", "-c"]);
        command.arg(format!("firstboot() {{ {program} \"$@\"; }}; {text}"));
        command.current_dir(self.tree.root()).stdin(Stdio::null());
        command
    }

    fn run(&self, text: &str) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.script(text).output().unwrap();
        (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    }

    fn volume(&self) -> (Option<i32>, String) {
        self.run("firstboot run --phase volume")
    }
}

#[test]
fn a_blank_volume_is_formatted_once_and_mounted_at_every_boot() {
    let disk = Disk::new(LEN);
    let machine = Machine::new(&disk);
    let (code, said) = machine.run("firstboot run --dry-run --phase volume");
    assert_eq!((code, disk.content()), (Some(0), Content::Blank), "{said}");
    assert!(said.starts_with("would mark the data volume, which is blank,"), "{said}");
    let (code, said) = machine
        .run("firstboot run --phase volume && firstboot run --phase volume && grep lib/etcd /proc/mounts");
    assert_eq!(code, Some(0), "{said}");
    let line = format!("{}/var/lib/etcd ext4 rw,nosuid,nodev,noexec,noatime", machine.tree.root().display());
    assert_eq!(said.matches(&line).count(), 1, "{said}");
    let Content::Ours { uuid } = disk.content() else { panic!("{}", disk.content()) };
    assert!(machine.tree.read("/var/lib/kiln/volume.json").contains(&uuid));
    // The next boot: nothing but the mount.
    let ledger = machine.tree.read("/var/lib/kiln/ledger.jsonl");
    assert_eq!(machine.volume().0, Some(0));
    let words = |text: &str| -> Vec<String> {
        let word = |line: &str| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["step"].as_str().unwrap().to_owned()
        };
        text.lines().map(word).collect()
    };
    let all = words(&ledger);
    assert_eq!(all, ["volume-mark", "volume-format", "volume-unmark", "volume-mount", "volume-record"]);
    assert_eq!(words(&machine.tree.read("/var/lib/kiln/ledger.jsonl"))[all.len()..], ["volume-mount"]);
    let check = Command::new("e2fsck").arg("-fn").arg(&disk.device).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}

/// A mark without the rest, and everything but the superblock: what mke2fs has done when it is killed.
#[test]
fn a_volume_that_is_half_formatted_is_formatted_anew() {
    for has_begun in [false, true] {
        let disk = Disk::new(LEN);
        if has_begun {
            let made = Command::new("mke2fs").args(["-q", "-F", "-t", "ext4"]).arg(&disk.device).status();
            assert!(made.unwrap().success());
            disk.write(1024, &[0; 1024]);
            assert_eq!(disk.content().to_string(), "data of an unknown kind");
        }
        disk.write(mark_at(LEN), MARK.as_bytes());
        assert_eq!(disk.content(), Content::Marked);
        let (code, said) = Machine::new(&disk).volume();
        assert_eq!(code, Some(0), "{said}");
        assert!(matches!(disk.content(), Content::Ours { .. }), "{}", disk.content());
    }
}

/// The program with its mke2fs, as systemd ends a unit or a power cut all.
#[test]
fn a_boot_that_is_killed_anywhere_ends_well_at_the_next() {
    let mut in_the_middle = 0;
    for delay_ms in (0..).step_by(6).take(24) {
        let disk = Disk::new(LEN);
        let machine = Machine::new(&disk);
        let mut child = machine.script("firstboot run --phase volume").spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay_ms));
        end_all_in_namespace_of(child.id());
        let _ = child.wait();
        in_the_middle += usize::from(disk.content() == Content::Marked);
        let (code, said) = machine.volume();
        assert_eq!(code, Some(0), "{delay_ms} ms: {said}");
        assert!(matches!(disk.content(), Content::Ours { .. }), "{delay_ms} ms: {}", disk.content());
    }
    assert!(in_the_middle > 0, "no kill met a half-formatted volume");
}

/// Kills every process that has the mount namespace of `pid`, which nobody else has.
fn end_all_in_namespace_of(pid: u32) {
    let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let (own, wanted) = (of("self"), of(&pid.to_string()));
    let kill = |pid: &str| {
        let _ = Command::new("kill").args(["-9", pid]).stderr(Stdio::null()).status();
    };
    if wanted.is_none() || wanted == own {
        return kill(&pid.to_string());
    }
    for entry in fs::read_dir("/proc").unwrap() {
        let Ok(name) = entry.unwrap().file_name().into_string() else { continue };
        if name.bytes().all(|byte| byte.is_ascii_digit()) && of(&name) == wanted {
            kill(&name);
        }
    }
}

#[test]
fn what_is_not_kilns_is_never_touched() {
    let made_by = |words: &[&str]| {
        let disk = Disk::new(2 << 30);
        let made = Command::new(words[0]).args(&words[1..]).arg(&disk.device).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        disk
    };
    let unknown = Disk::new(2 << 30);
    unknown.write((2 << 30) - 1, b"x");
    let foreign = [
        (made_by(&["mke2fs", "-q", "-t", "ext4", "-L", "home"]), "an ext4 file system with the label home"),
        (made_by(&["mkswap"]), "swap space"),
        (made_by(&["sgdisk", "-n", "1:0:0"]), "a partition table (GPT)"),
        (unknown, "data of an unknown kind"),
    ];
    for (disk, what) in foreign {
        let before = disk.digest_of_ends();
        let (code, said) = Machine::new(&disk).volume();
        assert_eq!(code, Some(78), "{said}");
        let words = format!(
            "kiln-firstboot: the data volume {NAME} holds {what}, and only a blank one is formatted;"
        );
        assert!(said.starts_with(&words), "{said}");
        assert_eq!(disk.digest_of_ends(), before);
    }
}

#[test]
fn what_can_be_no_data_volume_is_named() {
    let disk = Disk::new(512 << 20);
    let machine = Machine::new(&disk);
    let (code, said) = machine.volume();
    assert_eq!(
        (code, said.as_str()),
        (
            Some(78),
            &*format!(
                "kiln-firstboot: the data volume {NAME} has 536870912 bytes; give it 1073741824 at least\n"
            )
        )
    );
    fs::remove_file(machine.tree.path(NAME)).unwrap();
    fs::write(machine.tree.path(NAME), "").unwrap();
    let (code, said) = machine.volume();
    assert_eq!(
        (code, said.as_str()),
        (
            Some(78),
            &*format!("kiln-firstboot: {NAME} is no block device; correct control_plane.data_volume\n")
        )
    );
    fs::remove_file(machine.tree.path(NAME)).unwrap();
    let (code, said) = machine.run("firstboot run --dry-run --phase volume");
    assert_eq!(code, Some(0));
    assert!(
        said.starts_with(&format!(
            "would stop: the data volume {NAME} (control_plane.data_volume) is not attached to this machine;"
        )),
        "{said}"
    );
}

/// Attached while first boot waits for it.
#[test]
fn a_volume_that_comes_later_is_waited_for() {
    let disk = Disk::new(2 << 30);
    let machine = Machine::new(&disk);
    fs::remove_file(machine.tree.path(NAME)).unwrap();
    let child = machine.script("firstboot run --phase volume").stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    machine.attach(&disk);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(matches!(disk.content(), Content::Ours { .. }));
}

/// Whatever would let etcd begin an empty cluster beside the one that there is.
#[test]
fn etcd_never_starts_without_the_volume_of_its_cluster() {
    let disk = Disk::new(2 << 30);
    let mut machine = Machine::new(&disk);
    let has_started = |machine: &Machine| machine.tree.path("/etc/kubernetes/etcd.env").exists();
    // Not mounted.
    let (code, said) = machine.run("firstboot run");
    assert_eq!((code, has_started(&machine)), (Some(78), false), "{said}");
    assert!(said.contains("is not mounted at /var/lib/etcd; kiln-volume.service mounts it"), "{said}");
    assert_eq!(machine.run("firstboot run --phase volume && firstboot run"), (Some(0), String::new()));
    // Another one in its place, blank or with another cluster.
    let other = Disk::new(2 << 30);
    machine.attach(&other);
    for found in ["nothing", "kiln's file system"] {
        let (code, said) = machine.volume();
        assert_eq!(code, Some(78), "{said}");
        assert!(
            said.contains("this machine's cluster is on the file system ")
                && said.contains(&format!("holds {found}")),
            "{said}"
        );
        assert_eq!(Machine::new(&other).volume().0, Some(0));
    }
    // Named no more.
    machine.tree.settings.control_plane.data_volume = None;
    machine.tell();
    let (code, said) = machine.run("firstboot run");
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("the settings name none; give control_plane.data_volume again"), "{said}");
    // A cluster on the machine's own disk, which the volume would hide.
    let older = Machine::new(&disk);
    fs::create_dir_all(older.tree.path("/var/lib/etcd/member")).unwrap();
    let (code, said) = older.volume();
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("holds a cluster already, which the data volume"), "{said}");
}

/// As README says it.
#[test]
fn a_cluster_is_moved_to_a_volume_by_hand() {
    let disk = Disk::new(2 << 30);
    let mut machine = Machine::new(&disk);
    machine.tree.settings.control_plane.data_volume = None;
    machine.tell();
    assert_eq!(machine.run("firstboot run"), (Some(0), String::new()));
    let ca = machine.tree.read("ca.crt");
    machine.tree.write("/var/lib/etcd/member/wal", "data");
    machine.tree.settings.control_plane.data_volume = Some(NAME.to_owned());
    machine.tell();
    assert_eq!(machine.volume().0, Some(78));
    let words = "mv var/lib/etcd/member var/lib/aside && firstboot run --phase volume && firstboot run && \
        mv var/lib/aside var/lib/etcd/member && firstboot run && cat var/lib/etcd/member/wal var/lib/etcd/kiln/pki/ca.crt";
    assert_eq!(machine.run(words), (Some(0), format!("data{ca}")));
}

/// Files alone: the folder stands for the volume.
#[test]
fn the_clusters_own_files_are_on_the_volume_before_there_is_data() {
    let mut old = Tree::empty();
    old.settings.control_plane.data_volume = Some(NAME.to_owned());
    let copy = |name: &str| {
        kiln::firstboot::volume::kept(&match name.strip_prefix('/') {
            Some(_) => name.to_owned(),
            None => format!("/etc/kubernetes/pki/{name}"),
        })
    };
    old.settle().unwrap();
    for name in super::misfits::CLUSTERS_OWN {
        assert_eq!(old.read(&copy(name)), old.read(name), "{name}");
    }
    let other = |tree: &Tree| {
        let mut new = Tree::empty();
        new.settings = tree.settings.clone();
        new.identity.name = "control-2".to_owned();
        fs::create_dir_all(new.path("/var/lib")).unwrap();
        let folders = [tree.path("/var/lib/etcd"), new.path("/var/lib")];
        assert!(Command::new("cp").arg("-a").args(folders).status().unwrap().success());
        fs::create_dir_all(new.path("/var/lib/etcd/member")).unwrap();
        new
    };
    let new = other(&old);
    new.settle().unwrap();
    for name in super::misfits::CLUSTERS_OWN {
        assert_eq!(new.read(name), old.read(name), "{name}");
    }
    assert_ne!(new.read("apiserver.crt"), old.read("apiserver.crt"));
    assert_eq!(new.settle().unwrap(), 0);
    // One of them is gone from the volume, on a machine that has it, and on one that has it no more.
    fs::remove_file(new.path(&copy("sa.key"))).unwrap();
    let [said] = &new.troubles()[..] else { panic!("{:?}", new.troubles()) };
    assert!(
        said.starts_with(
            "/var/lib/etcd/kiln/pki/sa.key is missing on the data volume, which has a cluster, and "
        ),
        "{said}"
    );
    let bare = other(&new);
    let said = bare.settle().unwrap_err().to_string();
    assert!(
        said.contains(
            "pki/sa.key is missing, and /var/lib/etcd/member holds a cluster that was made with it"
        ),
        "{said}"
    );
    // A volume of another cluster, beside keys of this one.
    let mine = Tree::whole();
    let mut mixed = other(&old);
    for name in super::misfits::CLUSTERS_OWN {
        mixed.write(name, &mine.read(name));
    }
    assert_eq!(mixed.troubles().len(), 9, "{:?}", mixed.troubles());
    assert!(
        mixed.troubles()[0]
            .contains("is another than /var/lib/etcd/kiln/pki/ca.key on the data volume: attach the volume")
    );
    mixed = other(&old);
    mixed.settings.cluster.pods = vec!["10.200.0.0/16".parse().unwrap()];
    let [said] = &mixed.troubles()[..] else { panic!("{:?}", mixed.troubles()) };
    assert!(said.contains("cluster.json is of a cluster with the pods 10.244.0.0/16 and the services 10.96.0.0/16, not this one"), "{said}");
}
