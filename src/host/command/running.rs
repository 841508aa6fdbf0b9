// SPDX-License-Identifier: Apache-2.0
//! Programs that run on: started apart from kiln's own session, or instead of kiln.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::{CommandError, Program};
use crate::host::interrupt::Asked;

/// Where a program's three streams go; nothing: nowhere.
#[derive(Debug, Default)]
pub struct Streams {
    /// Standard input.
    pub input: Option<File>,
    /// Standard output.
    pub output: Option<File>,
    /// Standard error.
    pub error: Option<File>,
}

impl Streams {
    /// Returns kiln's own input and output.
    ///
    /// # Errors
    /// As the system says.
    pub fn of_kiln() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?.into();
        let output = io::stdout().as_fd().try_clone_to_owned()?.into();
        Ok(Self { input: Some(input), output: Some(output), error: None })
    }
}

/// A program that runs. Dropping it does not end it.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Program {
    /// Starts it and returns at once; its limit does not count.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn spawn(&self, streams: Streams) -> Result<Running, CommandError> {
        let stream = |file: Option<File>| file.map_or_else(Stdio::null, Stdio::from);
        let Streams { input, output, error } = streams;
        let mut command = self.command();
        command.stdin(stream(input)).stdout(stream(output)).stderr(stream(error));
        Ok(Running { child: command.spawn().map_err(|source| self.not_started(source))? })
    }

    /// Becomes the program, with kiln's own streams; returns only if that fails.
    pub fn become_it(&self) -> CommandError {
        let error = self.command().exec();
        self.not_started(error)
    }

    fn not_started(&self, source: io::Error) -> CommandError {
        CommandError::Start { program: self.name.display().to_string(), source }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.name);
        let variables = self.environment.iter().map(|(name, value)| (name, value));
        command.args(&self.arguments).env_clear().envs(variables);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }
}

/// A program that ends with this value, or with kiln.
#[derive(Debug)]
pub struct Mortal {
    child: Child,
    asked: Asked,
}

/// How long a program has to end when it is asked to.
const END_LIMIT: Duration = Duration::from_secs(5);

impl Mortal {
    /// Returns how it has ended, if it has.
    ///
    /// # Errors
    /// As the system says.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        // One that has ended is no more, and its number may be another's.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.asked.ask();
        }
        let until = Instant::now() + END_LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        // It has ended by now, or is made to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Has it end with the value that is returned, and when kiln is interrupted.
    pub fn mortal(self) -> Mortal {
        Mortal { asked: Asked::of(self.child.id()), child: self.child }
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// As the system says.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }

    /// Lets it run for as long as it likes. While this process lives, a thread takes note of its end, as the kernel wants.
    pub fn let_go(mut self) {
        std::thread::spawn(move || self.child.wait());
    }
}
