// SPDX-License-Identifier: Apache-2.0
//! What a process took, from the kernel's own books, which are finer than times(2).

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::rounds::Taken;

/// Runs a program to its end, which must be good.
pub fn run(command: &mut Command) -> Taken {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn().unwrap();
    let peak_kb = ended(&child);
    let seconds = start.elapsed().as_secs_f64();
    let cpu_s = cpu_s(&child);
    let status = child.wait().unwrap();
    if !status.success() {
        let mut said = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
        panic!("{status}: {said}");
    }
    Taken { seconds, cpu_s, peak_kb }
}

/// Waits for the end and leaves the dead process in the kernel's books; returns the peak of its memory, in kB.
fn ended(child: &Child) -> u64 {
    let id = || Id::Pid(Pid::from_raw(child.id().cast_signed()));
    let mut peak_kb = 0;
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    while waitid(id(), flags).unwrap() == nix::sys::wait::WaitStatus::StillAlive {
        // proc(5): VmHWM is the peak of the resident set. Of this program it is the parent's until it is executed.
        let is_it = |name: &std::path::Path| name.ends_with("kiln-firstboot");
        if fs::read_link(format!("/proc/{}/exe", child.id())).is_ok_and(|name| is_it(&name)) {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let now_kb = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
            peak_kb = peak_kb.max(now_kb.unwrap_or(0));
        }
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    peak_kb
}

/// Documentation/scheduler/sched-stats.rst: the first number is the time on a processor, in ns. Of the main thread,
/// and first boot has no other.
fn cpu_s(child: &Child) -> f64 {
    let text = fs::read_to_string(format!("/proc/{}/schedstat", child.id())).unwrap();
    text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}
