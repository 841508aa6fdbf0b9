// SPDX-License-Identifier: Apache-2.0
//! The few words of go.mod and of Go's command line that matter before Go is asked.
//!
//! Pure. go.mod itself is Go's to understand; here only what would make a build depend on more than its key is found.

/// Returns the name that `go build` gives to the program of `package`: its last element that is not a major version.
/// None for patterns, versions, flags and `.`, which name no program or hide its name.
pub(super) fn program_name(package: &str) -> Option<&str> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "-._~/+".contains(c);
    if package.starts_with('-') || package.contains("...") || !package.chars().all(is_fine) {
        return None;
    }
    let mut elements = package.rsplit('/');
    let last = elements.next()?;
    let name = if is_major_version(last) { elements.next().unwrap_or(last) } else { last };
    (!matches!(name, "" | "." | "..")).then_some(name)
}

fn is_major_version(element: &str) -> bool {
    let digits = element.strip_prefix('v').unwrap_or_default();
    // cmd/go's load.DefaultExecName: v2 and up; v0 and v1 are ordinary names.
    !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0')
        && digits != "1"
}

/// Returns the version of go.mod's `go` line (Go Modules Reference, "go directive").
pub(super) fn wanted_version(go_mod: &str) -> Option<&str> {
    let mut lines = go_mod.lines().map(|line| line.split("//").next().unwrap_or_default().split_whitespace());
    lines.find_map(|mut words| if words.next() == Some("go") { words.next() } else { None })
}

/// Returns the first replacement by a folder that is not inside: its files would shape the result without being in the
/// key.
pub(super) fn outside(go_mod: &str) -> Option<&str> {
    go_mod.lines().map(str::trim).find(|line| {
        let code = line.split("//").next().unwrap_or_default();
        let target = code.split_once("=>").map(|(_, target)| target.trim().trim_matches(['"', '`']));
        target
            .is_some_and(|target| target.starts_with('/') || target.split('/').any(|element| element == ".."))
    })
}

/// Whether Go `has` will do for a go.mod that asks for `needs`; both as Go writes versions: 1.26, 1.26.3, 1.27rc1.
pub(super) fn is_new_enough(has: &str, needs: &str) -> bool {
    numbers(has) >= numbers(needs)
}

/// A release candidate counts as its release's first: Go itself decides that case.
fn numbers(version: &str) -> Vec<u32> {
    let parts = version.split('.').map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().unwrap_or(0)
    });
    parts.chain([0, 0]).take(3).collect()
}

#[cfg(test)]
mod tests;
