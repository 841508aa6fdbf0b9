// SPDX-License-Identifier: Apache-2.0
//! Programs that run on: started apart from kiln's own session, or instead of kiln.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use super::{CommandError, Program};

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

    fn not_started(&self, source: std::io::Error) -> CommandError {
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

impl Running {
    /// Waits until it has ended.
    ///
    /// # Errors
    /// As the system says.
    pub fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait()
    }

    /// Lets it run for as long as it likes. While this process lives, a thread takes note of its end, as the kernel wants.
    pub fn let_go(mut self) {
        std::thread::spawn(move || self.child.wait());
    }
}
