// SPDX-License-Identifier: Apache-2.0
//! Folders that go with everything in them, and never with what is mounted there: a mount is somebody else's.

use std::fs;
use std::io;
use std::path::Path;

use super::files::FileError;
use super::mount_table;

/// Removes a folder with everything in it; one that is not there is no error.
///
/// # Errors
/// As the system says, and if something is mounted on it or below: then nothing of it is removed.
pub fn remove_folder(path: &Path) -> Result<(), FileError> {
    match removed(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::at("remove", path)(error)),
        _ => Ok(()),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the port")]
fn removed(path: &Path) -> io::Result<()> {
    let real = path.canonicalize()?;
    if let Some(target) = mount_table::first_within(&real).map_err(|error| error.source)? {
        let why = format!("{} is mounted there; unmount it", target.display());
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, why));
    }
    fs::remove_dir_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files;

    #[test]
    fn a_folder_goes_with_all_that_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        files::make_folder(&inner).unwrap();
        files::replace(&inner.join("file"), b"", 0o644).unwrap();
        remove_folder(&folder.path().join("a")).unwrap();
        remove_folder(&folder.path().join("a")).unwrap();
        assert!(files::list(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn what_is_mounted_below_keeps_the_whole_folder() {
        // /proc has mounts below it on every machine that these tests run on, and can't be harmed.
        let error = remove_folder(Path::new("/proc")).unwrap_err();
        assert_eq!(error.source.to_string(), "/proc is mounted there; unmount it");
    }
}
