// SPDX-License-Identifier: Apache-2.0
//! What the system says about a file, and a second name by which it stays.

use std::fs::Metadata;
use std::path::Path;

use super::FileError;

/// Returns what the system says about a file.
///
/// # Errors
/// That it is not there, or as the system says.
pub fn about(path: &Path) -> Result<Metadata, FileError> {
    path.metadata().map_err(FileError::at("look at", path))
}

/// Gives a file a second name, by which it stays when the first one becomes another's. Returns whether that can be: not on
/// another filesystem, and of others' files not for everybody (proc_sys_fs(5), protected_hardlinks).
pub fn hold(path: &Path, name: &Path) -> bool {
    std::fs::hard_link(path, name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "files of a test")]
    fn a_held_file_outlives_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let [image, held, new] = ["image", "held", "new"].map(|name| folder.path().join(name));
        std::fs::write(&image, "one").unwrap();
        assert!(hold(&image, &held));
        assert!(!hold(&image, &held), "it is there");
        // As a bake does it.
        std::fs::write(&new, "two").unwrap();
        std::fs::rename(&new, &image).unwrap();
        assert_eq!(std::fs::read(&held).unwrap(), b"one");
        assert!(!hold(&image, Path::new("/proc/held")), "another filesystem");
    }
}
