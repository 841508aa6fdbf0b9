// SPDX-License-Identifier: Apache-2.0
//! Other programs: started with a clean environment, bounded in time, their words kept for the error.

mod running;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::interrupt::Group;

pub use running::{Mortal, Running, Streams};

/// Where the programs of a system are, for those that need no more of an environment.
pub const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program to run. Nothing of kiln's own environment reaches it but what is named here.
#[derive(Debug, Clone)]
pub struct Program {
    name: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    limit: Duration,
}

/// How a program failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("can't start {program}")]
    Start {
        /// Its name.
        program: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It ran longer than it may and was killed.
    #[error("{program} did not end within {limit_s} s and was killed")]
    Limit {
        /// Its name.
        program: String,
        /// The limit in seconds.
        limit_s: u64,
    },
    /// It ended with a failure.
    #[error("{program} failed ({status}):\n{stderr}")]
    Failed {
        /// Its name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it printed to stderr.
        stderr: String,
    },
}

/// As much of a program's stderr as an error repeats: the end, where compilers put what matters.
const STDERR_MAX_BYTES: usize = 16 << 10;

impl Program {
    /// Returns a program without arguments that may run for `limit`.
    pub fn new(name: impl AsRef<Path>, limit: Duration) -> Self {
        let name = name.as_ref().to_owned();
        Self { name, arguments: Vec::new(), environment: Vec::new(), folder: None, limit }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the folder it runs in.
    #[must_use]
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Runs it to its end and returns what it printed to stdout; `line` gets each line of stderr as it comes.
    ///
    /// # Errors
    /// If it can't be started, does not end in time, or fails.
    pub fn run(&self, line: &(dyn Fn(&str) + Sync)) -> Result<Vec<u8>, CommandError> {
        self.run_fed(Stdio::null(), line)
    }

    /// Runs it to its end with a file as its standard input.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn run_with(&self, input: File) -> Result<Vec<u8>, CommandError> {
        self.run_fed(input.into(), &|_| ())
    }

    fn run_fed(&self, input: Stdio, line: &(dyn Fn(&str) + Sync)) -> Result<Vec<u8>, CommandError> {
        let program = self.name.display().to_string();
        let mut command = self.command();
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that a limit or Ctrl-C ends its children too.
        command.process_group(0);
        let mut child =
            command.spawn().map_err(|source| CommandError::Start { program: program.clone(), source })?;
        let group = Group::of(child.id());
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (status, stdout, stderr) = std::thread::scope(|scope| {
            let stdout = scope.spawn(|| read_all(out));
            let stderr = scope.spawn(|| read_lines(err, line));
            let status = wait(&mut child, &group, self.limit);
            (status, stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default())
        });
        match status {
            Some(status) if status.success() => Ok(stdout),
            Some(status) => Err(CommandError::Failed { program, status, stderr: tail(&stderr) }),
            None => Err(CommandError::Limit { program, limit_s: self.limit.as_secs() }),
        }
    }
}

fn wait(child: &mut Child, group: &Group, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < end => std::thread::sleep(pause),
            _ => break,
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    group.kill();
    let _ = child.wait();
    None
}

fn read_all(pipe: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

fn read_lines(pipe: Option<impl Read>, line: &(dyn Fn(&str) + Sync)) -> Vec<u8> {
    use std::io::BufRead;
    let mut all = Vec::new();
    let Some(pipe) = pipe else { return all };
    let mut reader = io::BufReader::new(pipe);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
        line(String::from_utf8_lossy(&bytes).trim_end());
        all.append(&mut bytes);
        if all.len() > 4 * STDERR_MAX_BYTES {
            all.drain(..all.len() - STDERR_MAX_BYTES);
        }
    }
    all
}

fn tail(bytes: &[u8]) -> String {
    let start = bytes.len().saturating_sub(STDERR_MAX_BYTES);
    String::from_utf8_lossy(&bytes[start..]).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit_ms: u64) -> Result<Vec<u8>, CommandError> {
        Program::new("/bin/sh", Duration::from_millis(limit_ms))
            .args(["-c", script])
            .env("A", "b")
            .run(&|_| ())
    }

    #[test]
    fn output_and_failure_come_back() {
        assert_eq!(sh("printf %s $A$HOME", 10_000).unwrap(), b"b");
        let error = sh("echo no such luck >&2; exit 3", 10_000).unwrap_err().to_string();
        assert_eq!(error, "/bin/sh failed (exit status: 3):\nno such luck");
    }

    #[test]
    fn a_program_that_hangs_is_killed() {
        let error = sh("sleep 1000 & wait", 50).unwrap_err();
        assert!(matches!(error, CommandError::Limit { .. }), "{error}");
    }
}
