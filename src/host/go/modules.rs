// SPDX-License-Identifier: Apache-2.0
//! Modules: what a build imports, fetched into Go's module cache and checked against go.sum by Go.
//!
//! `go list -deps` fetches what the named packages import and no more; `go mod download` would also fetch what only
//! the tests of all those modules need.

use std::collections::BTreeSet;
use std::time::Duration;

use super::error::fix;
use super::recipe::settings;
use super::toolchain::Toolchain;
use super::{Builder, GoError, Order, libraries};
use crate::host::command::{CommandError, Program};

/// Kubernetes needs 0.8 GB: half an hour allows for 4 Mbit/s.
pub(super) const LIMIT: Duration = Duration::from_secs(30 * 60);

/// What takes part in a build.
#[derive(Debug)]
pub(super) struct Modules {
    /// Import paths of all packages.
    pub(super) packages: BTreeSet<String>,
    /// Names of C libraries, as pkg-config knows them.
    pub(super) libraries: BTreeSet<String>,
}

/// Fetches what is missing and returns what takes part.
///
/// # Errors
/// If something can't be had, is not what go.sum says, or is no program.
pub(super) fn fetch(
    builder: &Builder<'_>,
    order: &Order<'_>,
    toolchain: &Toolchain,
) -> Result<Modules, GoError> {
    let work = format!("modules of {}", order.component);
    builder.progress.begin(&work, &format!("fetching the Go {work}"), None);
    let on_line = |line: &str| {
        if line.starts_with("go: downloading ") {
            builder.progress.advance(&work, 1);
        }
    };
    let listed = program(builder, order, toolchain).run(&on_line).map_err(|error| failed(order, error))?;
    let modules = modules(order, &String::from_utf8_lossy(&listed))?;
    builder.progress.end(&work, &format!("{} packages", modules.packages.len()));
    Ok(modules)
}

fn program(builder: &Builder<'_>, order: &Order<'_>, toolchain: &Toolchain) -> Program {
    let mut program = Program::new(&toolchain.go, LIMIT).folder(order.folder());
    // The person's own settings: GOPROXY, GOPRIVATE, GOFLAGS, the file that `go env -w` writes, proxies, .netrc.
    for (name, value) in builder.environment {
        program = program.env(name, value);
    }
    for (name, value) in settings(order.arch, order.go.cgo) {
        program = program.env(name, value);
    }
    program = program
        .env("GOMODCACHE", builder.cache.go_folder("mod"))
        .env("GOCACHE", builder.cache.go_folder("build"));
    program = program.env("GOWORK", "off").env("GOTOOLCHAIN", "local");
    if builder.is_offline {
        program = program.env("GOPROXY", "off");
    }
    // -modcacherw: so that who removes the cache folder can.
    program = program.args(["list", "-mod=readonly", "-modcacherw", "-deps", "-f", FORMAT]);
    program.args([format!("-tags={}", order.go.tags.join(","))]).args(["--"]).args(&order.go.packages)
}

/// One line a package: its name, its import path, and what it hands to pkg-config.
const FORMAT: &str = "{{.Name}} {{.ImportPath}}{{range .CgoPkgConfig}} {{.}}{{end}}";

/// Returns what Go's answer says, once all packages of the order prove programs.
fn modules(order: &Order<'_>, listed: &str) -> Result<Modules, GoError> {
    let mut modules = Modules { packages: BTreeSet::new(), libraries: BTreeSet::new() };
    for line in listed.lines() {
        let mut words = line.split(' ');
        let (Some(name), Some(path)) = (words.next(), words.next()) else { continue };
        if name != "main" && order.go.packages.iter().any(|package| package == path) {
            let what = format!("{path} is the library '{name}', not a program; name a package `main`");
            return Err(GoError::order(order, what));
        }
        modules.packages.insert(path.to_owned());
        modules.libraries.extend(libraries::names(words));
    }
    Ok(modules)
}

fn failed(order: &Order<'_>, error: CommandError) -> GoError {
    let CommandError::Failed { stderr, .. } = error else {
        return GoError::command(order.component)(error);
    };
    let words: Vec<&str> = stderr.lines().filter(|line| !line.starts_with("go: downloading ")).collect();
    let (words, folder) = (words.join("\n"), order.folder());
    let fix = fix(&words, &folder.display().to_string());
    GoError::Modules { component: order.component.to_owned(), folder, words, fix }
}
