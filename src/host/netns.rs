// SPDX-License-Identifier: Apache-2.0
//! Network namespaces: made and held by a file, entered by a thread; links in them by ip(8).

use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, setns, unshare};

use super::command::{CommandError, Program, SYSTEM_PATH};
use super::files::{self, FileError};

/// ip(8) asks the kernel only.
const LIMIT: Duration = Duration::from_secs(30);

/// Makes a network namespace that lives as long as `file` is mounted on.
///
/// # Errors
/// As the system says.
pub fn make(file: &Path) -> Result<(), FileError> {
    files::replace(file, b"", 0o600)?;
    let failed = |errno: Errno| FileError::at("make network namespace", file)(errno.into());
    in_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET).map_err(failed)?;
        let source = Some("/proc/thread-self/ns/net");
        nix::mount::mount(source, file, None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(failed)
    })
}

/// Takes this thread, and the programs that it starts, into the namespace that `file` holds.
///
/// # Errors
/// As the system says.
pub fn enter(file: &Path) -> Result<(), FileError> {
    let failed = FileError::at("enter network namespace", file);
    setns(files::open(file)?, CloneFlags::CLONE_NEWNET).map_err(|errno| failed(errno.into()))
}

/// Runs ip(8) in the namespace that `file` holds.
///
/// # Errors
/// If the namespace can't be entered, or as ip says.
pub fn ip<E>(file: &Path, words: &[&str]) -> Result<(), E>
where
    E: From<FileError> + From<CommandError> + Send,
{
    in_thread(|| {
        enter(file)?;
        Program::new("ip", LIMIT).env("PATH", SYSTEM_PATH).args(words).run(&|_| ())?;
        Ok(())
    })
}

/// Does `work` in a thread of its own, whose namespaces end with it.
pub fn in_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
