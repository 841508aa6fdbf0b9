// SPDX-License-Identifier: Apache-2.0
//! A virtual machine with firmware that boots an image: QEMU, emulated, on a throw-away overlay of the image.
//!
//! What a test wants to know is asked by a probe: a shell script that reaches the guest through SMBIOS, runs as a unit
//! after multi-user.target, answers on a serial port of its own and powers the machine off. The image stays untouched.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// One machine at a time: two emulated ones on two cores boot slower than one after the other.
static TURN: Mutex<()> = Mutex::new(());

/// Where Debian's ovmf puts the firmware.
const FIRMWARE: [&str; 2] = ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"];
/// Ends the probe's answer.
const END: &str = "end of the probe";

/// What differs from a plain machine.
#[derive(Debug, Clone)]
pub struct Extra {
    /// Size of the disk in GiB; the image lies at its start.
    pub disk_gib: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// The script that runs in the guest, as root, by /bin/sh.
    pub probe: String,
    /// Further system credentials (systemd.system-credentials(7)): name and content.
    pub credentials: Vec<(String, String)>,
    /// Further arguments of QEMU.
    pub arguments: Vec<String>,
}

impl Default for Extra {
    fn default() -> Self {
        let probe = "systemctl is-system-running --wait".into();
        Self { disk_gib: 8, memory_mib: 1024, probe, credentials: Vec::new(), arguments: Vec::new() }
    }
}

/// A booted machine and what it says. Dropping it ends the machine and removes its disk.
#[derive(Debug)]
pub struct Console {
    qemu: Child,
    folder: tempfile::TempDir,
    started: Instant,
    _turn: MutexGuard<'static, ()>,
}

/// Boots `image` (raw or qcow2) and returns at once; it waits only for another machine of this process to end.
pub fn boot(image: &Path, extra: &Extra) -> Console {
    // A test that failed while its machine ran has poisoned nothing.
    let turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    make_overlay(image, &path("disk.qcow2"), extra.disk_gib);
    fs::copy(FIRMWARE[1], path("firmware-variables"))
        .unwrap_or_else(|error| panic!("can't copy {} (apt-get install ovmf): {error}", FIRMWARE[1]));
    let mut qemu = Command::new("qemu-system-x86_64");
    // Emulation with more than one processor, or with the default one, made the kernel panic (QEMU 7.2).
    qemu.args(["-machine", "q35,accel=tcg", "-smp", "1", "-cpu", "max", "-nodefaults", "-display", "none"])
        .args(["-no-reboot", "-m", &extra.memory_mib.to_string()])
        .args(["-drive", &format!("if=pflash,unit=0,format=raw,readonly=on,file={}", FIRMWARE[0])])
        .args(["-drive", "if=pflash,unit=1,format=raw,file=firmware-variables"])
        .args(["-drive", "if=virtio,format=qcow2,cache=unsafe,file=disk.qcow2"])
        .args(["-serial", "file:console.log", "-serial", "file:probe.log"])
        .args(&extra.arguments)
        .current_dir(folder.path());
    for (index, (name, content)) in credentials(extra).into_iter().enumerate() {
        let file = format!("credential-{index}");
        fs::write(path(&file), format!("io.systemd.credential:{name}={content}")).unwrap();
        qemu.args(["-smbios", &format!("type=11,path={file}")]);
    }
    let log = fs::File::create(path("qemu.log")).unwrap();
    let qemu = qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    let qemu = qemu.unwrap_or_else(|error| {
        panic!("can't start qemu-system-x86_64 (apt-get install qemu-system-x86): {error}")
    });
    Console { qemu, folder, started: Instant::now(), _turn: turn }
}

fn make_overlay(image: &Path, overlay: &Path, disk_gib: u32) {
    let image = image.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", image.display()));
    let is_qcow2 = fs::File::open(&image).is_ok_and(|mut file| {
        let mut magic = [0; 4];
        std::io::Read::read_exact(&mut file, &mut magic).is_ok() && magic == *b"QFI\xfb"
    });
    let status = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F", if is_qcow2 { "qcow2" } else { "raw" }, "-b"])
        .args([&image, overlay])
        .arg(format!("{disk_gib}G"))
        .status();
    let status =
        status.unwrap_or_else(|error| panic!("can't start qemu-img (apt-get install qemu-utils): {error}"));
    assert!(status.success(), "qemu-img create: {status}");
}

fn credentials(extra: &Extra) -> Vec<(String, String)> {
    let unit = "[Unit]\nDescription=Probe of the test\nAfter=multi-user.target\n\n\
        [Service]\nType=exec\nLoadCredential=kiln.probe\nExecStart=/bin/sh %d/kiln.probe\n\
        StandardOutput=file:/dev/ttyS1\nStandardError=inherit\n";
    let probe = format!("{}\necho '{END}'\nsystemctl poweroff\n", extra.probe);
    let own = [
        ("systemd.extra-unit.kiln-probe.service", unit),
        ("systemd.unit-dropin.multi-user.target~kiln-probe", "[Unit]\nWants=kiln-probe.service\n"),
        ("kiln.probe", &probe),
    ];
    let own = own.map(|(name, content)| (name.to_owned(), content.to_owned()));
    own.into_iter().chain(extra.credentials.iter().cloned()).collect()
}

impl Console {
    /// Waits until the machine has powered itself off and returns what the probe answered.
    ///
    /// Panics, with the end of the console, if that takes longer than `limit` or the probe has not come to its end.
    pub fn answer(&mut self, limit: Duration) -> String {
        while self.qemu.try_wait().unwrap().is_none() {
            assert!(
                self.started.elapsed() < limit,
                "the machine did not end within {limit:?}{}",
                self.last_words()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        let answer = self.log("probe.log");
        match answer.split_once(END) {
            Some((answer, _)) => answer.to_owned(),
            None => panic!("the machine ended before the probe did{}", self.last_words()),
        }
    }

    /// Returns what stands on the console, without colours: firmware, kernel, systemd, and what units print there.
    pub fn said(&self) -> String {
        self.log("console.log")
    }

    fn log(&self, name: &str) -> String {
        // Before the machine's first word there is no file.
        let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
        plain(&String::from_utf8_lossy(&bytes))
    }

    fn last_words(&self) -> String {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        let end = lines[lines.len().saturating_sub(60)..].join("\n");
        format!(
            "\n--- qemu\n{}\n--- console\n{end}\n--- probe\n{}",
            self.log("qemu.log"),
            self.log("probe.log")
        )
    }
}

/// Takes out carriage returns and the control sequences (ECMA-48: ESC [ ... letter) of colours and cursors.
fn plain(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    let plain = pieces.fold(first, |plain, piece| {
        plain + piece.trim_start_matches(|c: char| !c.is_ascii_alphabetic()).get(1..).unwrap_or_default()
    });
    plain.replace('\r', "")
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
