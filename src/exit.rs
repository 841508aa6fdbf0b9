// SPDX-License-Identifier: Apache-2.0
//! What the exit codes of both programs mean; README has the same table and the units rely on it.

/// The reason a program ends, as its exit code (the numbers from 64 on are those of BSD sysexits.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for holds.
    Done = 0,
    /// Something failed; the message says what.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Something outside was not ready (network, server, a lost race): try again (EX_TEMPFAIL).
    TryAgain = 75,
    /// A manifest, lock or setting is wrong; trying again changes nothing (EX_CONFIG).
    Config = 78,
    /// Interrupted by Ctrl-C (128 + SIGINT).
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
