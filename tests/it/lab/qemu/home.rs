// SPDX-License-Identifier: Apache-2.0
//! A user who is nobody special: folders, a copy of the image, and kiln run as that user.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::super::person::eventually;
use super::super::{KILN, baked};

/// Nobody, and nobody's group.
pub const USER: &str = "65534";

/// A user's own folders, and what may be left in them.
pub struct Home {
    pub folder: tempfile::TempDir,
    pub image: PathBuf,
}

impl Home {
    pub fn new() -> Self {
        Self::with(&baked())
    }

    /// The same with an image of one's own choice, of which the user gets a copy.
    pub fn with(image: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The user comes to the image by a path that others may walk.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["run", "cache"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            std::os::unix::fs::chown(&path, USER.parse().ok(), USER.parse().ok()).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        let here = [folder.path().join("kiln-lab.raw"), folder.path().join("kiln")];
        for (from, to) in [image, Path::new(KILN)].into_iter().zip(&here) {
            let status =
                Command::new("cp").args(["--sparse=always", "--reflink=auto"]).args([from, to]).status();
            assert!(status.unwrap().success());
            fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let [image, _] = here;
        Self { folder, image }
    }

    /// Returns kiln, to be run by the user.
    pub fn kiln(&self, words: &[&str]) -> Command {
        let path = |name: &str| self.folder.path().join(name);
        let mut kiln = Command::new("setpriv");
        kiln.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(path("kiln")).args(words);
        kiln.env_clear().env("PATH", "/usr/bin:/bin").current_dir(self.folder.path());
        kiln.env("XDG_RUNTIME_DIR", path("run")).env("XDG_CACHE_HOME", path("cache"));
        kiln
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.kiln(words).output().unwrap()
    }

    /// Runs kiln, which must succeed, and returns what it printed.
    pub fn done(&self, words: &[&str]) -> String {
        let start = Instant::now();
        let output = self.run(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
        println!("{words:?} took {:.1} s", start.elapsed().as_secs_f64());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `kiln lab up` with these words, on virtual machines.
    pub fn up(&self, words: &[&str]) -> Child {
        self.begin(&[&["lab", "up", "--backend", "qemu", self.image.to_str().unwrap()], words].concat())
    }

    /// Runs kiln beside the test, which reads what it says.
    pub fn begin(&self, words: &[&str]) -> Child {
        self.kiln(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until QEMU runs the control plane.
    pub fn wait_for_qemu(&self) {
        let monitor = self.folder.path().join("run/kiln-lab/lab/nodes/control/monitor");
        eventually("QEMU runs", Duration::from_secs(60), || UnixStream::connect(&monitor).ok());
    }

    /// Processes and files of labs that are left.
    pub fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let folder = self.folder.path().to_str().unwrap();
        for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            left.extend(line.contains(folder).then(|| format!("{:?} {line}", entry.file_name())));
        }
        for place in ["run/kiln-lab", "cache/kiln/labs"] {
            let found = fs::read_dir(self.folder.path().join(place)).into_iter().flatten();
            left.extend(found.map(|entry| entry.unwrap().path().display().to_string()));
        }
        left
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.run(&["lab", "down"]);
    }
}
