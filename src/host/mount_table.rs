// SPDX-License-Identifier: Apache-2.0
//! What is mounted where, as the kernel lists it (proc_pid_mounts(5)). Mounts nothing.

use std::path::{Path, PathBuf};

use super::files::{self, FileError};

/// One line of mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Where.
    pub target: PathBuf,
    /// The filesystem's type.
    pub kind: String,
}

/// Returns what is mounted in this process's namespace.
///
/// # Errors
/// As the system says.
pub fn mounted() -> Result<Vec<Mounted>, FileError> {
    let text = files::read(Path::new("/proc/thread-self/mounts"), 64 << 20)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(text.lines().filter_map(line).collect())
}

/// Returns whether something is mounted on `target`.
///
/// # Errors
/// If the list of mounts can't be read.
pub fn is_mounted(target: &Path) -> Result<bool, FileError> {
    Ok(mounted()?.iter().any(|mounted| mounted.target == target))
}

/// Returns the first thing that is mounted on `folder` or below it, which is a path without links.
///
/// # Errors
/// If the list of mounts can't be read.
pub fn first_within(folder: &Path) -> Result<Option<PathBuf>, FileError> {
    Ok(mounted()?.into_iter().map(|mounted| mounted.target).find(|target| target.starts_with(folder)))
}

fn line(line: &str) -> Option<Mounted> {
    let mut words = line.split(' ').skip(1);
    let target = PathBuf::from(unescaped(words.next()?));
    Some(Mounted { target, kind: words.next()?.to_owned() })
}

/// Blanks, tabs, line ends and backslashes stand there as three octal digits.
fn unescaped(word: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(word.to_owned(), |word, (escape, plain)| word.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_kernel_writes_them() {
        let mounted = line("tmpfs /run/a\\040b\\134c tmpfs rw,nosuid 0 0").unwrap();
        assert_eq!(mounted, Mounted { target: "/run/a b\\c".into(), kind: "tmpfs".into() });
        assert_eq!(line("short"), None);
    }
}
