// SPDX-License-Identifier: Apache-2.0
//! The compilers of this machine, and what of them shapes a result.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::folder::Folder;
use super::words::is_new_enough;
use super::{Builder, GoError, Order};
use crate::host::command::Program;
use crate::manifest::Arch;

/// The compilers that take part in a build.
#[derive(Debug)]
pub(super) struct Toolchain {
    /// Where `go` lies.
    pub(super) go: PathBuf,
    /// Versions by name: `go`; with cgo also `cc` and `libc`, which then shape the result too.
    pub(super) facts: BTreeMap<&'static str, String>,
}

/// For programs that print their version; they take milliseconds, but the machine may be busy.
const LOOK_LIMIT: Duration = Duration::from_secs(60);

impl Toolchain {
    /// Finds out what would build `order`.
    ///
    /// # Errors
    /// If something is missing or too old, or the C compiler is for another architecture.
    pub(super) fn look(builder: &Builder<'_>, order: &Order<'_>, folder: &Folder) -> Result<Self, GoError> {
        let go = find(builder, order, "go", || format!("Go {} or newer", folder.needs))?;
        let version =
            printed(builder, &go, &["env", "GOVERSION"]).map_err(GoError::command(order.component))?;
        let has = version.strip_prefix("go").unwrap_or(&version);
        if !is_new_enough(has, &folder.needs) {
            let (component, needs) = (order.component.to_owned(), folder.needs.clone());
            return Err(GoError::Old { component, needs, has: has.to_owned(), program: go });
        }
        let mut facts = BTreeMap::from([("go", version)]);
        if order.go.cgo {
            check_cgo(order)?;
            let cc = find(builder, order, "cc", || "a C compiler (Debian: gcc and libc6-dev)".to_owned())?;
            let version = printed(builder, &cc, &["--version"]).map_err(GoError::command(order.component))?;
            facts.insert("cc", version);
            // ldd(1) comes with the C library; its first line names the distribution's revision of it too. musl's
            // knows no --version: then the library is known by its compiler alone.
            let libc = printed(builder, Path::new("ldd"), &["--version"]);
            facts.insert("libc", libc.unwrap_or_else(|_| "unknown".to_owned()));
        }
        Ok(Self { go, facts })
    }
}

fn check_cgo(order: &Order<'_>) -> Result<(), GoError> {
    let here = match std::env::consts::ARCH {
        "x86_64" => Some(Arch::Amd64),
        "aarch64" => Some(Arch::Arm64),
        _ => None,
    };
    if here == Some(order.arch) {
        return Ok(());
    }
    let what = "with cgo it can only be built on a machine of the image's architecture".to_owned();
    Err(GoError::order(order, what))
}

/// Returns the first line of what `program` prints.
pub(super) fn printed(
    builder: &Builder<'_>,
    program: &Path,
    arguments: &[&str],
) -> Result<String, crate::host::command::CommandError> {
    let program = Program::new(program, LOOK_LIMIT).args(arguments).env("LC_ALL", "C").env("GOENV", "off");
    let program = program.env("GOTOOLCHAIN", "local").env("GOCACHE", builder.cache.go_folder("build"));
    let path = builder.variable("PATH").cloned().unwrap_or_default();
    let stdout = program.env("PATH", path).folder("/").run(&|_| ())?;
    Ok(String::from_utf8_lossy(&stdout).lines().next().unwrap_or_default().trim().to_owned())
}

fn find(
    builder: &Builder<'_>,
    order: &Order<'_>,
    program: &'static str,
    install: impl FnOnce() -> String,
) -> Result<PathBuf, GoError> {
    let path = builder.variable("PATH").cloned().unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let found = candidates.find_map(|folder| Some(folder.join(program)).filter(|file| is_program(file)));
    let component = order.component.to_owned();
    found.ok_or_else(|| GoError::Missing { component, program, install: install() })
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
