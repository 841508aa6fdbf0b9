// SPDX-License-Identifier: Apache-2.0
//! What must end or go when the program is interrupted: running programs' process groups and scratch folders.
//!
//! Nameless files vanish by themselves ([`super::files::Pending`]). It catches no signal: the program does, and calls
//! [`clean_up`].

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::files;
use super::removal::remove_folder;

static OPEN: Mutex<Open> = Mutex::new(Open { groups: Vec::new(), programs: Vec::new(), scratch: Vec::new() });

struct Open {
    groups: Vec<i32>,
    programs: Vec<i32>,
    scratch: Vec<PathBuf>,
}

/// What is left behind on purpose, in the words of whoever is at work.
static LEFT: Mutex<Option<String>> = Mutex::new(None);

/// Notes what an interruption leaves behind, and what to do about it.
pub fn leaves(words: &str) {
    *LEFT.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.to_owned());
}

/// Takes the note back.
pub fn leaves_nothing() {
    *LEFT.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Returns the note.
pub fn left() -> Option<String> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn open() -> MutexGuard<'static, Open> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long groups have to put their own things in order: an unpacker that has files of other users takes seconds.
const GROUPS_LIMIT: Duration = Duration::from_secs(10);

/// Ends every running program with its children and removes every scratch folder and temporary file.
pub fn clean_up() {
    let open = open();
    let signal = |group: i32, signal: Option<Signal>| kill(Pid::from_raw(-group), signal).is_ok();
    for group in &open.groups {
        signal(*group, Some(Signal::SIGTERM));
    }
    for program in &open.programs {
        let _ = kill(Pid::from_raw(*program), Signal::SIGTERM);
    }
    let until = Instant::now() + GROUPS_LIMIT;
    while open.groups.iter().any(|group| signal(*group, None)) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    for group in &open.groups {
        signal(*group, Some(Signal::SIGKILL));
    }
    for path in &open.scratch {
        let _ = remove_folder(path).or_else(|_| files::remove(path));
    }
}

/// Ends a process group when dropped or interrupted.
#[derive(Debug)]
pub(super) struct Group(i32);

impl Group {
    pub(super) fn of(leader: u32) -> Self {
        let leader = leader as i32;
        open().groups.push(leader);
        Self(leader)
    }

    /// Kills the whole group; one that is gone already is no error.
    pub(super) fn kill(&self) {
        let _ = kill(Pid::from_raw(-self.0), Signal::SIGKILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        open().groups.retain(|group| *group != self.0);
    }
}

/// A program in kiln's own group that is asked to end when kiln is interrupted: it has a terminal to put in order.
#[derive(Debug)]
pub(super) struct Asked(i32);

impl Asked {
    pub(super) fn of(program: u32) -> Self {
        let program = program as i32;
        open().programs.push(program);
        Self(program)
    }

    /// Asks it to end; one that is gone already is no error.
    pub(super) fn ask(&self) {
        let _ = kill(Pid::from_raw(self.0), Signal::SIGTERM);
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        open().programs.retain(|program| *program != self.0);
    }
}

/// A path that goes when the program is interrupted.
#[derive(Debug)]
pub(super) struct Doomed(PathBuf);

impl Doomed {
    pub(super) fn new(path: &Path) -> Self {
        open().scratch.push(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        open().scratch.retain(|path| *path != self.0);
    }
}
