// SPDX-License-Identifier: Apache-2.0
//! How the program fails: one message with its chain of causes, printed once, and an exit code.

use std::error::Error;

use kiln::audit::look::LookError;
use kiln::bake::BakeError;
use kiln::bake::verify::VerifyError;
#[cfg(feature = "aws")]
use kiln::cloud::StoredError;
use kiln::cluster::{AccessError, ApiError};
use kiln::compare::DiffError;
use kiln::exit::Exit;
#[cfg(feature = "aws")]
use kiln::fleet::look::FleetError;
use kiln::host::cache::CacheError;
use kiln::host::command::CommandError;
use kiln::host::disk::OpenError;
use kiln::host::download::{DownloadError, DownloadErrorKind};
use kiln::host::extract::ExtractError;
use kiln::host::files::FileError;
use kiln::lab::LabError;
#[cfg(feature = "aws")]
use kiln::launch::LaunchError;
use kiln::problem::Problems;
#[cfg(feature = "aws")]
use kiln::publish::PublishError;
use kiln::vm::{BootError, ToldError};
use kiln::{gpt, read};

use crate::cli::Format;
use crate::colour::ERROR;
use crate::out::tell;

/// Why the program ends without having done what was asked.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    error: Box<dyn Error>,
}

impl Failure {
    /// Fails with `exit` because of `error`.
    pub fn with(exit: Exit, error: impl Into<Box<dyn Error>>) -> Self {
        Self { exit, error: error.into() }
    }

    /// Prints the message to standard error.
    pub fn print(&self, format: Format) {
        match format {
            Format::Text => self.print_text(),
            Format::Json => {
                let problems = self.error.downcast_ref::<Problems>();
                tell!(
                    "{}",
                    serde_json::json!({"event": "failed", "error": self.chain(), "problems": problems})
                );
            }
        }
    }

    fn print_text(&self) {
        for line in self.chain().lines() {
            tell!("{ERROR}kiln:{ERROR:#} {line}");
        }
    }

    fn chain(&self) -> String {
        let mut text = self.error.to_string();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl From<BakeError> for Failure {
    fn from(error: BakeError) -> Self {
        let exit = error.exit();
        match error {
            BakeError::Problems(problems) => Self::with(exit, problems),
            error => Self::with(exit, error),
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        Self::with(error.exit(), error)
    }
}

impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        let is_setting = matches!(*error.kind, DownloadErrorKind::Setting(_));
        Self::with(if is_setting { Exit::Config } else { Exit::Failed }, error)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let exit = if error.may_pass() { Exit::TryAgain } else { Exit::Failed };
        Self::with(exit, error)
    }
}

impl From<LookError> for Failure {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Api(error) => error.into(),
            error => Self::with(Exit::Failed, error),
        }
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        Self::with(Exit::Config, error)
    }
}

#[cfg(feature = "aws")]
impl From<StoredError> for Failure {
    fn from(error: StoredError) -> Self {
        let may_pass = matches!(&error, StoredError::Cloud(error) if error.may_pass());
        Self::with(if may_pass { Exit::TryAgain } else { Exit::Failed }, error)
    }
}

#[cfg(feature = "aws")]
impl From<FleetError> for Failure {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::Look(error) => error.into(),
            FleetError::Cloud(error) if error.may_pass() => Self::with(Exit::TryAgain, error),
            FleetError::Vpcs(_) | FleetError::NoClaims => Self::with(Exit::Config, error),
            error => Self::with(Exit::Failed, error),
        }
    }
}

#[cfg(feature = "aws")]
impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        let exit = error.exit();
        match error {
            PublishError::Problems(problems) => Self::with(exit, problems),
            error => Self::with(exit, error),
        }
    }
}

#[cfg(feature = "aws")]
impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        let exit = error.exit();
        match error {
            LaunchError::Problems(problems) => Self::with(exit, problems),
            error => Self::with(exit, error),
        }
    }
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        Self::with(error.exit(), error)
    }
}

impl From<BootError> for Failure {
    fn from(error: BootError) -> Self {
        Self::with(error.exit(), error)
    }
}

impl From<ToldError> for Failure {
    fn from(error: ToldError) -> Self {
        let exit = error.exit();
        match error {
            ToldError::Settings(problems) => Self::with(exit, problems),
            error => Self::with(exit, error),
        }
    }
}

/// Errors that are no more than what they say.
macro_rules! plain {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::with(Exit::Failed, error)
            }
        })*
    };
}

plain!(
    std::io::Error,
    serde_json::Error,
    FileError,
    CacheError,
    CommandError,
    OpenError,
    ExtractError,
    DiffError,
    gpt::Error,
    read::Error,
);
