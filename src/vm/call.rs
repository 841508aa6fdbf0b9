// SPDX-License-Identifier: Apache-2.0
//! How QEMU is called: its words, and with what the machine's processor is made. QEMU runs in a folder of the machine's
//! own, in which the files have these names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::firmware::{Firmware, Flash};
use super::lacks::Kvm;

/// The machine's copy of the firmware's variables.
pub const VARIABLES: &str = "firmware-variables";
/// What the machine tells kiln, on its second serial port.
pub const TOLD: &str = "told.log";

/// What runs the machine's processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// This machine's own, by the kernel.
    Kvm,
    /// QEMU, which emulates them: some twenty times slower.
    Tcg,
}

impl Accelerator {
    /// Returns how often a machine may be looked at: a look starts five programs, each of which takes an emulated
    /// processor a good part of a second. First boot waits five seconds between its tries.
    pub fn look_every(self) -> Duration {
        match self {
            Self::Kvm => Duration::from_secs(2),
            Self::Tcg => Duration::from_secs(10),
        }
    }
}

/// Returns what to try in turn, and why it is not KVM, where it is not.
pub fn accelerators(kvm: Kvm, wanted: Option<Accelerator>) -> (Vec<Accelerator>, Option<&'static str>) {
    let why = match kvm {
        _ if wanted.is_some() => None,
        Kvm::Present => None,
        Kvm::Denied => Some("this user may not open /dev/kvm (join its group: usermod -aG kvm USER)"),
        Kvm::Absent => Some("this machine has no /dev/kvm"),
    };
    let all = match wanted {
        Some(wanted) => vec![wanted],
        None if kvm == Kvm::Present => vec![Accelerator::Kvm, Accelerator::Tcg],
        None => vec![Accelerator::Tcg],
    };
    (all, why)
}

/// Everything about a machine that QEMU is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// What runs its processors.
    pub accelerator: Accelerator,
    /// The processor's model, as QEMU names it; nothing: the best that is known to boot.
    pub cpu: Option<String>,
    /// How many processors; nothing: as many as are known to boot.
    pub cpus: Option<u16>,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Its firmware.
    pub firmware: Firmware,
    /// Its disk, a qcow2 file.
    pub disk: PathBuf,
    /// Where its network card goes.
    pub link: Link,
    /// Files with credentials, each one of SMBIOS' strings.
    pub credentials: Vec<PathBuf>,
    /// The log of its console.
    pub console: PathBuf,
    /// Whether the console is QEMU's own terminal as well.
    pub is_on_terminal: bool,
    /// Whether it goes on after a reboot; otherwise it ends.
    pub may_reboot: bool,
    /// The socket on which QEMU takes orders.
    pub monitor: PathBuf,
    /// Sockets that lead to the machine's further terminals, hvc0 and up.
    pub terminals: Vec<PathBuf>,
}

/// Where a network card goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// QEMU's user network: 10.0.2.0/24 with DHCP; 10.0.2.2 is this machine's loopback.
    User,
    /// An interface that somebody made (ip tuntap).
    Tap(String),
    /// A switch on a unix socket.
    Switch {
        /// The socket.
        socket: PathBuf,
        /// The card's address on it.
        mac: [u8; 6],
    },
}

impl Machine {
    /// Returns QEMU's arguments.
    pub fn arguments(&self) -> Vec<String> {
        let mut all = self.processor();
        all.extend(["-nodefaults", "-display", "none", "-m"].map(str::to_owned));
        all.push(format!("{}M", self.memory_bytes >> 20));
        all.extend(flash(0, &self.firmware.code, true));
        let variables = Flash { file: VARIABLES.into(), format: self.firmware.variables.format.clone() };
        all.extend(flash(1, &variables, false));
        // Whoever wants the disk after a crash of this machine makes it anew.
        all.extend(words(
            "-drive",
            format!("if=virtio,format=qcow2,cache=unsafe,file={}", escaped(&self.disk)),
        ));
        // A new machine has nothing to make keys of.
        all.extend(words("-device", "virtio-rng-pci"));
        all.extend(self.streams());
        if !self.may_reboot {
            all.push("-no-reboot".to_owned());
        }
        all.extend(self.link());
        for file in &self.credentials {
            all.extend(words("-smbios", format!("type=11,path={}", escaped(file))));
        }
        all
    }

    fn processor(&self) -> Vec<String> {
        // Emulated machines with the default processor, or with two, had kernels that panicked (QEMU 7.2).
        let (accelerator, cpu, cpus) = match self.accelerator {
            Accelerator::Kvm => ("kvm", "host", 2),
            Accelerator::Tcg => ("tcg", "max", 1),
        };
        // smbios-entry-point-type: tables of the older version 2 have 64 KiB for all strings together.
        let machine = format!("q35,accel={accelerator},smbios-entry-point-type=64");
        let cpu = self.cpu.as_deref().unwrap_or(cpu);
        let cpus = self.cpus.unwrap_or(cpus).to_string();
        ["-machine", &machine, "-cpu", cpu, "-smp", &cpus].map(str::to_owned).into()
    }

    fn streams(&self) -> Vec<String> {
        let console = escaped(&self.console);
        let mut all = match self.is_on_terminal {
            false => words("-chardev", format!("file,id=console,append=on,path={console}")),
            // signal=off: Ctrl-C is the machine's. Its end is QEMU's own: Ctrl-A x.
            true => words("-chardev", format!("stdio,id=console,mux=on,signal=off,logfile={console}")),
        };
        if self.is_on_terminal {
            all.extend(words("-mon", "chardev=console"));
        }
        all.extend(words("-serial", "chardev:console"));
        all.extend(words("-serial", format!("file:{TOLD}")));
        all.extend(words("-qmp", format!("unix:{},server=on,wait=off", escaped(&self.monitor))));
        if !self.terminals.is_empty() {
            all.extend(words("-device", "virtio-serial-pci"));
        }
        for (number, socket) in self.terminals.iter().enumerate() {
            let socket = escaped(socket);
            all.extend(words("-chardev", format!("socket,id=hvc{number},path={socket},server=on,wait=off")));
            all.extend(words("-device", format!("virtconsole,chardev=hvc{number}")));
        }
        all
    }

    fn link(&self) -> Vec<String> {
        let mut card = "virtio-net-pci,netdev=link".to_owned();
        let netdev = match &self.link {
            Link::User => "user,id=link".to_owned(),
            Link::Tap(name) => format!("tap,id=link,ifname={name},script=no,downscript=no"),
            Link::Switch { socket, mac } => {
                card.push_str(&format!(",mac={}", mac.map(|byte| format!("{byte:02x}")).join(":")));
                format!("stream,id=link,server=off,addr.type=unix,addr.path={}", escaped(socket))
            }
        };
        [words("-netdev", netdev), words("-device", card)].concat()
    }
}

fn flash(unit: u8, flash: &Flash, is_fixed: bool) -> Vec<String> {
    let readonly = if is_fixed { "on" } else { "off" };
    let Flash { file, format } = flash;
    words(
        "-drive",
        format!("if=pflash,unit={unit},format={format},readonly={readonly},file={}", escaped(file)),
    )
}

pub(super) fn words(option: &str, value: impl Into<String>) -> Vec<String> {
    vec![option.to_owned(), value.into()]
}

/// QEMU ends a value at a comma; two are one of the value's own (qemu(1)).
pub(super) fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(accelerator: Accelerator) -> Machine {
        let raw = |file: &str| Flash { file: file.into(), format: "raw".into() };
        Machine {
            accelerator,
            cpu: None,
            cpus: None,
            memory_bytes: 1 << 30,
            firmware: Firmware { code: raw("/code"), variables: raw("/variables") },
            disk: "a,b.qcow2".into(),
            link: Link::User,
            credentials: vec!["/run/c-0".into()],
            console: "console.log".into(),
            is_on_terminal: false,
            may_reboot: false,
            monitor: "/run/monitor".into(),
            terminals: vec![],
        }
    }

    #[test]
    fn secrets_are_named_by_their_files() {
        let words = machine(Accelerator::Tcg).arguments().join(" ");
        assert!(words.contains("-smbios type=11,path=/run/c-0"), "{words}");
        assert!(words.contains("-cpu max -smp 1"), "{words}");
        assert!(words.contains("-qmp unix:/run/monitor,server=on"), "{words}");
        assert!(words.contains("file=a,,b.qcow2"), "{words}");
        assert!(machine(Accelerator::Kvm).arguments().join(" ").contains("-cpu host -smp 2"));
    }

    #[test]
    fn kvm_is_tried_where_it_is_and_nothing_else_where_it_is_wanted() {
        use Accelerator::{Kvm as K, Tcg};
        assert_eq!(accelerators(Kvm::Present, None), (vec![K, Tcg], None));
        assert_eq!(accelerators(Kvm::Present, Some(K)).0, [K]);
        let (all, why) = accelerators(Kvm::Denied, None);
        assert_eq!(all, [Tcg]);
        assert!(why.unwrap().contains("usermod"));
    }
}
