// SPDX-License-Identifier: Apache-2.0
//! No network for compilers: a network namespace of their own, in which nothing is configured.
//!
//! A compiler needs no network; this is so that none is used unnoticed (a `cc` that fetches, a Go that forgets
//! GOPROXY=off). unshare(1) of util-linux makes the namespace: as root alone, otherwise inside a user namespace. Where
//! the system refuses both, kiln says so and goes on, with GOPROXY=off as the remaining lock: a build must stay
//! possible in containers that may not make namespaces.

use std::path::Path;
use std::time::Duration;

use super::Builder;
use crate::host::command::Program;

const WAYS: [&[&str]; 2] = [&["--net", "--"], &["--net", "--map-root-user", "--"]];

/// For a look whether a way works; it takes milliseconds, but the machine may be busy.
const LOOK_LIMIT: Duration = Duration::from_secs(60);

/// Returns `name` as a program without arguments that runs without network, with PATH as its only variable.
pub(super) fn without(builder: &Builder<'_>, name: &Path, limit: Duration) -> Program {
    let path = builder.variable("PATH").cloned().unwrap_or_default();
    let mut reason = String::new();
    for way in WAYS {
        let look = Program::new("unshare", LOOK_LIMIT).args(way).args(["true"]).env("PATH", &path);
        match look.env("LC_ALL", "C").run(&|_| ()) {
            Ok(_) => return Program::new("unshare", limit).args(way).args([name]).env("PATH", path),
            Err(error) => reason = error.to_string(),
        }
    }
    let text = format!(
        "compiling with the network on, as it can't be shut off here ({})",
        reason.replace('\n', " ")
    );
    builder.progress.say(&text);
    Program::new(name, limit).env("PATH", path)
}
