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
use super::{Builder, GoError, Order};
use crate::host::command::{CommandError, Program};

/// Kubernetes needs 0.8 GB: half an hour allows for 4 Mbit/s.
pub(super) const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Fetches what is missing and returns the import paths of all packages that take part.
///
/// # Errors
/// If something can't be had, is not what go.sum says, or is no program.
pub(super) fn fetch(
    builder: &Builder<'_>,
    order: &Order<'_>,
    toolchain: &Toolchain,
) -> Result<BTreeSet<String>, GoError> {
    let work = format!("modules of {}", order.component);
    builder.progress.begin(&work, &format!("fetching the Go {work}"), None);
    let on_line = |line: &str| {
        if line.starts_with("go: downloading ") {
            builder.progress.advance(&work, 1);
        }
    };
    let listed = program(builder, order, toolchain).run(&on_line).map_err(|error| failed(order, error))?;
    let packages = packages(order, &String::from_utf8_lossy(&listed))?;
    builder.progress.end(&work, &format!("{} packages", packages.len()));
    Ok(packages)
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
    program =
        program.args(["list", "-mod=readonly", "-modcacherw", "-deps", "-f", "{{.Name}} {{.ImportPath}}"]);
    program.args([format!("-tags={}", order.go.tags.join(","))]).args(["--"]).args(&order.go.packages)
}

/// Returns the import paths of Go's answer, lines of name and path, once all packages of the order prove programs.
fn packages(order: &Order<'_>, listed: &str) -> Result<BTreeSet<String>, GoError> {
    for package in &order.go.packages {
        let is_it = |(_, path): &(&str, &str)| path == package;
        if let Some((name, _)) = listed.lines().filter_map(|line| line.split_once(' ')).find(is_it)
            && name != "main"
        {
            let what = format!("{package} is the library '{name}', not a program; name a package `main`");
            return Err(GoError::order(order, what));
        }
    }
    Ok(listed.lines().filter_map(|line| line.split_once(' ')).map(|(_, path)| path.to_owned()).collect())
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
