// SPDX-License-Identifier: Apache-2.0
//! Processes that have a file open (proc_pid_fd(5)). Who leaves a program behind hands it such a file, by which it is
//! found again, however its own maker ended; that takes no root and no control group.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::files::{self, FileError};

/// How often processes that were killed are looked for.
const PAUSE: Duration = Duration::from_millis(20);

/// Returns the processes that have a file open which `is_meant`, but for this one; those of others can't be seen without
/// root.
///
/// # Errors
/// If the kernel's list can't be read.
pub fn of(is_meant: &dyn Fn(&Path) -> bool) -> Result<BTreeSet<i32>, FileError> {
    let mut found = BTreeSet::new();
    for name in files::list(Path::new("/proc"))? {
        let Some(process) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if process as u32 != std::process::id() && holds(process, is_meant) {
            found.insert(process);
        }
    }
    Ok(found)
}

fn holds(process: i32, is_meant: &dyn Fn(&Path) -> bool) -> bool {
    let folder = Path::new("/proc").join(process.to_string()).join("fd");
    // One that has ended meanwhile holds nothing.
    let opened = files::list(&folder).unwrap_or_default();
    opened.iter().any(|number| std::fs::read_link(folder.join(number)).is_ok_and(|path| is_meant(&path)))
}

/// Kills them until there are none, within `limit`; returns whether there are none.
///
/// # Errors
/// If the kernel's list can't be read.
pub fn end(is_meant: &dyn Fn(&Path) -> bool, limit: Duration) -> Result<bool, FileError> {
    let until = Instant::now() + limit;
    loop {
        let found = of(is_meant)?;
        if found.is_empty() {
            return Ok(true);
        }
        for process in found {
            // It may have ended since.
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        if Instant::now() > until {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a program that is left behind")]
    fn a_program_is_found_by_the_file_that_it_was_handed_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alive");
        let input = Stdio::from(std::fs::File::create(&path).unwrap());
        let mut sleeps = Command::new("sleep").arg("1000").stdin(input).spawn().unwrap();
        let is_it = |held: &Path| held == path;
        assert_eq!(of(&is_it).unwrap(), BTreeSet::from([sleeps.id() as i32]));
        // A child that has ended and was not waited for holds nothing.
        assert!(end(&is_it, Duration::from_secs(20)).unwrap());
        assert!(!sleeps.wait().unwrap().success());
    }
}
