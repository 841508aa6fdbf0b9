// SPDX-License-Identifier: Apache-2.0
//! A unit's program, running in a room.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Child;
use std::sync::Mutex;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::room::Room;
use super::unit::Unit;

/// A running program; it is killed when this goes.
pub struct Service {
    name: String,
    child: Mutex<Child>,
}

impl Service {
    /// Starts a unit's program. What it prints is appended to `log`.
    pub fn start(room: &Room, unit: &Unit, extra: &[String], log: &Path) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        // nsenter waits for the program; setpriv ends it with nsenter, which is what `kill` reaches.
        let mut command = room.in_root("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(&unit.words).args(extra);
        command.envs(&unit.environment).stdout(log.try_clone().unwrap()).stderr(log);
        Self { name: unit.name.clone(), child: Mutex::new(command.spawn().unwrap()) }
    }

    /// Panics if the program has ended.
    pub fn check(&self) {
        let ended = self.child.lock().unwrap().try_wait().unwrap();
        assert!(ended.is_none(), "{} has ended ({})", self.name, ended.unwrap());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let own = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id()));
        // nsenter waits for its program: after that its ports are free. Killed alone, it would leave it a moment behind.
        let _ = match own.unwrap_or_default().trim().parse() {
            Ok(program) => kill(Pid::from_raw(program), Signal::SIGKILL).map_err(Into::into),
            Err(_) => child.kill(),
        };
        let _ = child.wait();
    }
}
