// SPDX-License-Identifier: Apache-2.0
//! The folders of one machine: what QEMU reads and writes there, its start, and the watch over it until it is over.
//! They go with the value.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::call::{Accelerator, Machine, TOLD, VARIABLES};
use super::credential::looking;
use super::ears::{Ears, Heard};
use super::error::BootError;
use super::firmware::Firmware;
use super::order::{Order, Purpose};
use super::watch::{Next, Seen, next};
use crate::gpt;
use crate::host::command::{Mortal, Program, SYSTEM_PATH, Streams};
use crate::host::disk::open_image;
use crate::host::files::{self, FileError};
use crate::host::qemu::{self, Overlay};
use crate::host::scratch::Scratch;
use crate::output::qcow2;
use crate::progress::Progress;

/// How often the machine is looked at.
const PAUSE: Duration = Duration::from_millis(100);
/// A machine that is to end has ended in this, emulated on a busy machine too.
const OFF_LIMIT: Duration = Duration::from_secs(240);
/// As much of QEMU's own words as is repeated.
const SAID_MAX: usize = 4 << 10;
/// QEMU says little.
const LOG_MAX: u64 = 16 << 20;
/// OVMF's flash is 4 MiB.
const VARIABLES_MAX: u64 = 64 << 20;
/// The name of the machine's disk in its folder.
const DISK: &str = "disk.qcow2";
/// QEMU's own words.
const LOG: &str = "qemu.log";

/// The image as QEMU is told of it.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its absolute path.
    pub path: PathBuf,
    /// "raw" or "qcow2".
    pub format: &'static str,
    /// The size of the disk in it, in bytes.
    pub size_bytes: u64,
}

impl Image {
    /// Finds an image that has a partition table.
    ///
    /// # Errors
    /// If it can't be read or has none.
    pub fn find(path: &Path) -> Result<Self, BootError> {
        let absolute = path.canonicalize().map_err(FileError::at("open", path))?;
        let image = open_image(&absolute)?;
        gpt::parse(&*image, path)?;
        let format = if image.file().is_some() { "raw" } else { "qcow2" };
        Ok(Self { path: absolute, format, size_bytes: image.size() })
    }
}

/// The folders of one machine.
pub(super) struct Room {
    work: Scratch,
    secrets: Scratch,
    credentials: Vec<PathBuf>,
    disk: PathBuf,
}

impl Room {
    pub fn new(
        order: &Order,
        image: &Image,
        firmware: &Firmware,
        accelerator: Accelerator,
    ) -> Result<Self, BootError> {
        let (work, secrets) = (Scratch::new(&order.place.work)?, Scratch::new(&order.place.secrets)?);
        let variables = files::read(&firmware.variables.file, VARIABLES_MAX)?;
        files::replace(&work.path().join(VARIABLES), &variables, 0o600)?;
        // Whether KVM runs a machine is known when its systemd has spoken.
        let is_asked = order.purpose == Purpose::Check || accelerator == Accelerator::Kvm;
        let looking = if is_asked { looking(accelerator.look_every()) } else { Vec::new() };
        let mut credentials = Vec::new();
        for (index, credential) in order.credentials.iter().chain(&looking).enumerate() {
            let file = secrets.path().join(format!("credential-{index}"));
            files::replace(&file, credential.text().as_bytes(), 0o600)?;
            credentials.push(file);
        }
        let disk = make_disk(order, image, work.path())?;
        Ok(Self { work, secrets, credentials, disk })
    }

    pub fn machine(&self, order: &Order, accelerator: Accelerator, firmware: &Firmware) -> Machine {
        Machine {
            accelerator,
            cpu: order.cpu.clone(),
            cpus: order.cpus,
            memory_bytes: order.memory_bytes,
            firmware: firmware.clone(),
            disk: self.disk.clone(),
            link: order.link.clone(),
            credentials: self.credentials.clone(),
            console: self.console(),
            is_on_terminal: order.purpose == Purpose::Person,
            may_reboot: order.purpose != Purpose::Check,
            monitor: self.monitor(),
            terminals: Vec::new(),
        }
    }

    /// A socket's path has 107 bytes at most (unix(7)); the folder for secrets has a short one.
    fn monitor(&self) -> PathBuf {
        self.secrets.path().join("monitor")
    }

    fn console(&self) -> PathBuf {
        self.work.path().join("console.log")
    }

    pub fn start(&self, order: &Order, program: &Path, machine: &Machine) -> Result<Mortal, BootError> {
        let streams = match order.purpose {
            Purpose::Check => Streams::default(),
            Purpose::Person => Streams::of_kiln().map_err(BootError::Run)?,
        };
        let streams = Streams { error: Some(files::append(&self.work.path().join(LOG))?), ..streams };
        // Should kiln be killed, the kernel ends QEMU.
        let program = Program::new("setpriv", Duration::MAX)
            .env("PATH", SYSTEM_PATH)
            .args(["--pdeathsig", "TERM", "--"])
            .args([program])
            .args(machine.arguments())
            .folder(self.work.path());
        Ok(program.spawn(streams)?.mortal())
    }

    /// Watches until it is over; nothing: the accelerator does not run the machine.
    pub fn watch(
        &self,
        order: &Order,
        accelerator: Accelerator,
        mut qemu: Mortal,
        progress: &dyn Progress,
    ) -> Result<Option<Heard>, BootError> {
        let is_check = order.purpose == Purpose::Check;
        let told = self.work.path().join(TOLD);
        let mut ears = Ears::new(&self.console(), &told, is_check.then_some(progress));
        loop {
            // Asked before the logs are read, so that none of its last words is missed.
            let ended = qemu.ended().map_err(BootError::Run)?;
            ears.listen()?;
            let seen = Seen {
                accelerator,
                is_running: ended.is_none(),
                has_failed: ended.is_some_and(|status| !status.success()),
                is_check,
                elapsed: ears.started.elapsed(),
                silence: ears.heard.elapsed(),
                limit: order.limit,
                looks: &ears.looks,
            };
            match next(&seen) {
                Next::Wait => std::thread::sleep(PAUSE),
                Next::Dead => return Ok(None),
                Next::Done(verdict) => {
                    let took = ears.started.elapsed();
                    if order.disk.is_some() && ended.is_none() {
                        self.power_off(&mut qemu, &mut ears)?;
                    }
                    self.keep_log(order)?;
                    return Ok(Some(Heard { verdict, look: ears.looks.last, said: ears.words.lines, took }));
                }
            }
        }
    }

    /// Has a machine whose disk is kept end as its own systemd ends it, so that the disk is whole.
    fn power_off(&self, qemu: &mut Mortal, ears: &mut Ears<'_>) -> Result<(), BootError> {
        let is_asked = qemu::press_power(&self.monitor()).is_ok();
        let until = Instant::now() + OFF_LIMIT;
        while qemu.ended().map_err(BootError::Run)?.is_none() {
            ears.listen()?;
            if !is_asked || Instant::now() > until {
                ears.say("the machine does not end when it is asked to, and is cut off from its power");
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn keep_log(&self, order: &Order) -> Result<(), BootError> {
        let console = self.console();
        match &order.log {
            Some(log) if console.exists() => {
                Ok(files::replace(log, &files::read(&console, LOG_MAX)?, 0o600)?)
            }
            _ => Ok(()),
        }
    }

    /// Returns the end of QEMU's own words.
    pub fn said(&self) -> String {
        let said = files::read(&self.work.path().join(LOG), LOG_MAX).unwrap_or_default();
        let said = String::from_utf8_lossy(&said[said.len().saturating_sub(SAID_MAX)..]).into_owned();
        said.trim_end().to_owned()
    }
}

/// Makes the disk of a machine, or finds the one that it had.
fn make_disk(order: &Order, image: &Image, work: &Path) -> Result<PathBuf, BootError> {
    let overlay = Overlay {
        image: &image.path,
        format: image.format,
        size_bytes: order.disk_bytes.max(image.size_bytes),
    };
    let fresh = work.join(DISK);
    let Some(kept) = &order.disk else {
        overlay.make(&fresh)?;
        return Ok(fresh);
    };
    if kept.exists() {
        let mut magic = [0; 4];
        let read = files::open(kept)?.read_exact_at(&mut magic, 0);
        if read.is_err() || magic != qcow2::MAGIC {
            return Err(BootError::NoDisk { disk: kept.clone() });
        }
        let age = |path: &Path| path.metadata().and_then(|about| about.modified());
        let ages = [age(kept), age(&image.path)].map(|age| age.map_err(FileError::at("look at", kept)));
        let [kept_at, image_at] = ages;
        if kept_at? < image_at? {
            return Err(BootError::StaleDisk { disk: kept.clone(), image: image.path.clone() });
        }
    } else {
        overlay.make(&fresh)?;
        files::replace(kept, &files::read(&fresh, LOG_MAX)?, 0o600)?;
    }
    Ok(kept.canonicalize().map_err(FileError::at("open", kept))?)
}
