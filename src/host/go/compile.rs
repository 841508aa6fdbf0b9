// SPDX-License-Identifier: Apache-2.0
//! Compiling, hermetic: no variable but those named here, no network, nothing fetched, nothing changed in the folder.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use super::recipe::{flags, settings};
use super::toolchain::Toolchain;
use super::words::program_name;
use super::{Builder, GoError, Order, network};
use crate::host::command::{CommandError, Program};
use crate::host::files;
use crate::host::scratch::Scratch;

/// A cold build of kube-apiserver takes 13 CPU minutes; ten times that for slow and busy machines.
pub(super) const LIMIT: Duration = Duration::from_secs(130 * 60);

/// As much of what compilers print as an error repeats: the beginning, as the first error is the one to mend.
const WORDS_MAX_BYTES: usize = 16 << 10;

/// Programs fresh from the linker, gone when dropped.
#[derive(Debug)]
pub(super) struct Compiled {
    scratch: Scratch,
    names: Vec<String>,
}

impl Compiled {
    /// Returns names and places of the programs.
    pub(super) fn programs(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        self.names.iter().map(|name| (name.as_str(), self.scratch.path().join("out").join(name)))
    }
}

/// Compiles the packages of `order`, of which `packages` take part.
///
/// # Errors
/// If they don't compile in time, or the system says so.
pub(super) fn compile(
    builder: &Builder<'_>,
    order: &Order<'_>,
    toolchain: &Toolchain,
    packages: &BTreeSet<String>,
) -> Result<Compiled, GoError> {
    let scratch = Scratch::new(&builder.cache.go_folder("scratch"))?;
    let id = order.component;
    builder.progress.begin(id, &format!("compiling {id} with Go"), None);
    let words = Mutex::new(String::new());
    let on_line = |line: &str| match packages.contains(line) {
        true => builder.progress.advance(id, 1),
        false => keep(&words, line),
    };
    let compiled = program(builder, order, toolchain, &scratch)?.run(&on_line);
    compiled.map_err(|error| failed(order, error, &words))?;
    let names: Vec<String> =
        order.go.packages.iter().filter_map(|package| program_name(package)).map(str::to_owned).collect();
    builder.progress.end(id, &names.join(", "));
    Ok(Compiled { scratch, names })
}

fn keep(words: &Mutex<String>, line: &str) {
    let mut words = words.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if words.len() + line.len() < WORDS_MAX_BYTES {
        words.push_str(line);
        words.push('\n');
    }
}

fn failed(order: &Order<'_>, error: CommandError, words: &Mutex<String>) -> GoError {
    match error {
        CommandError::Failed { .. } => {}
        // unshare(1) may be what was started; it is not what took long.
        CommandError::Limit { limit_s, .. } => {
            let program = "go build".to_owned();
            return GoError::command(order.component)(CommandError::Limit { program, limit_s });
        }
        CommandError::Start { .. } => return GoError::command(order.component)(error),
    }
    let words = words.lock().unwrap_or_else(std::sync::PoisonError::into_inner).trim_end().to_owned();
    GoError::Compile { component: order.component.to_owned(), packages: order.go.packages.join(" "), words }
}

fn program(
    builder: &Builder<'_>,
    order: &Order<'_>,
    toolchain: &Toolchain,
    scratch: &Scratch,
) -> Result<Program, GoError> {
    let (out, temporary) = (scratch.path().join("out"), scratch.path().join("tmp"));
    files::make_folder(&out)?;
    files::make_folder(&temporary)?;
    let mut program = network::without(builder, &toolchain.go, LIMIT).folder(order.folder());
    for (name, value) in settings(order.arch, order.go.cgo) {
        program = program.env(name, value);
    }
    for (name, value) in [("GOENV", "off"), ("GOWORK", "off"), ("GOPROXY", "off"), ("GOSUMDB", "off")] {
        program = program.env(name, value);
    }
    // C: what compilers print is found again by search engines, and by tests.
    program = program.env("GOTOOLCHAIN", "local").env("CC", "cc").env("LC_ALL", "C");
    program = program
        .env("GOMODCACHE", builder.cache.go_folder("mod"))
        .env("GOCACHE", builder.cache.go_folder("build"));
    // Beside the caches: linking Kubernetes needs more room than a /tmp in memory may have.
    program = program.env("GOTMPDIR", &temporary).env("TMPDIR", &temporary).env("HOME", &temporary);
    // -v: each package's name when it is begun, for progress.
    program = program.args(["build", "-v", "-mod=readonly", "-o"]).args([out]);
    Ok(program.args(flags(&order.go.tags, &order.go.ldflags)).args(["--"]).args(&order.go.packages))
}
