// SPDX-License-Identifier: Apache-2.0
//! Files that take long to make and are only read: made once and kept in the target folder. Not for what a test changes.

use std::fs::{self, File};
use std::path::Path;

/// Makes the file `path`, unless it is there. `make` is given another name in the same folder and writes the whole file.
pub fn kept(path: &Path, make: impl FnOnce(&Path)) {
    let folder = path.parent().unwrap();
    fs::create_dir_all(folder).unwrap();
    // Threads, and a test that runs itself again as another process, come here at once; a mutex would not do.
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    if !path.exists() {
        let mut half = path.as_os_str().to_owned();
        half.push("-half");
        make(Path::new(&half));
        fs::rename(half, path).unwrap();
    }
}
