// SPDX-License-Identifier: Apache-2.0
//! The lab image, baked once for all that need it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Bakes the lab image as README's first command does, with the cache of whoever runs the tests, so that nothing heavy
/// is compiled twice. Done once: all tests of a process take the same image.
pub fn baked() -> PathBuf {
    static BAKED: OnceLock<PathBuf> = OnceLock::new();
    BAKED.get_or_init(|| baked_into(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab"))).clone()
}

/// The same into a folder of one's own.
pub fn baked_into(folder: &Path) -> PathBuf {
    // The lock is this machine's own and may be of another day's manifest.
    kiln(&["lock", "image/lab.yaml"]);
    kiln(&["bake", "image/lab.yaml", "--force", "-o", folder.to_str().unwrap()]);
    folder.join("kiln-lab.raw")
}

/// Writes the archive of one of the image's own container images to a file.
pub fn archive_of(image: &Path, name: &str, to: &Path) {
    let archive = format!("{}/{name}.tar", kiln::preload::FOLDER);
    let mut cat = Command::new(env!("CARGO_BIN_EXE_kiln"));
    let cat = cat.arg("cat").arg(image).arg(&archive).stdout(File::create(to).unwrap());
    assert!(cat.status().unwrap().success(), "{archive}");
}

/// Runs kiln in the checkout, which must succeed, and returns what it printed.
pub fn kiln(words: &[&str]) -> String {
    let mut kiln = Command::new(env!("CARGO_BIN_EXE_kiln"));
    let output = kiln.args(words).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(output.status.success(), "{}", said.concat());
    let [printed, _] = said;
    printed
}
