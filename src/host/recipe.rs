// SPDX-License-Identifier: Apache-2.0
//! Base images made by a recipe: a folder with a program `build` that leaves a disk and the list of what is in it.
//!
//! This module reads the folder, names its content by a key and runs it once. It keeps no result and decides nothing
//! about an older one: that is the cache's and the lock's work. A recipe is trusted like the manifest that names it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use super::command::{CommandError, Program};
use super::files::{self, FileError};
use crate::digest::{Digest, Hasher};
use crate::progress::Progress;

/// The name of a recipe's program; it is called as `build OUTDIR`.
const BUILD: &str = "build";
/// Longest run: the lab base takes 3 minutes on two idle cores, and ten times that is a hang.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// Limits of the folder, so that a wrong path (a home folder, `/`) is refused and not read to its end.
const FILE_MAX_BYTES: u64 = 1 << 20;
const NAMES_MAX: usize = 1000;
const DEPTH_MAX: usize = 16;
/// As many of a failed recipe's lines as its error repeats.
const LAST_WORDS_LINES: usize = 20;
/// What reaches a recipe of kiln's own environment: where tools, home and temporary files are, and the way out.
const PASSED: [&str; 9] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// A recipe as it was read: everything in its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    folder: PathBuf,
    files: BTreeMap<PathBuf, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// Of a file's mode only what git keeps counts, so that a checkout's umask does not change the key.
    File {
        executable: bool,
        bytes: Vec<u8>,
    },
    Symlink(PathBuf),
}

/// How and for whom a recipe is run.
#[derive(Debug)]
pub struct Order<'a> {
    /// Folder for the result; made if it is missing. It belongs to this run alone.
    pub out: &'a Path,
    /// What the machine is called: "amd64", "arm64". Part of the key.
    pub arch: &'a str,
    /// The time that everything in the result is given, in seconds since 1970 (reproducible-builds.org).
    pub source_date_epoch_s: u64,
    /// kiln's own environment, of which only search path, home, temporary folder and proxies are passed on.
    pub environment: &'a [(OsString, OsString)],
}

/// What a recipe has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The raw disk, sparse.
    pub disk: PathBuf,
    /// What shaped it, for [`crate::lock::Trust::Built`]: `recipe` and its key, and version by package.
    pub from: BTreeMap<String, String>,
}

/// Why a recipe gave no base.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// Its folder or result can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder can't be a recipe's.
    #[error("{} is no recipe: {why}", folder.display())]
    NoRecipe {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it, and the fix.
        why: String,
    },
    /// Its program could not be run to its end.
    #[error("recipe {}: can't run its program", folder.display())]
    Run {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: CommandError,
    },
    /// Its program failed.
    #[error("recipe {} failed ({status}); its last words:\n{last_words}", folder.display())]
    Failed {
        /// The folder.
        folder: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said, without what went to the progress.
        last_words: String,
    },
    /// Its program ended well, but the result is not what a recipe leaves.
    #[error("recipe {} ended well, but {why}", folder.display())]
    Result {
        /// The folder.
        folder: PathBuf,
        /// What is missing or wrong.
        why: String,
    },
}

impl Recipe {
    /// Reads a recipe's folder.
    ///
    /// # Errors
    /// If it can't be read, has no executable `build`, or holds what no recipe holds (large files, devices).
    pub fn look(folder: &Path) -> Result<Self, RecipeError> {
        let mut recipe = Self { folder: folder.to_owned(), files: BTreeMap::new() };
        recipe.look_into(Path::new(""), 0)?;
        match recipe.files.get(Path::new(BUILD)) {
            Some(Entry::File { executable: true, .. }) => Ok(recipe),
            Some(_) => Err(recipe.is_none("its 'build' is not executable; chmod +x it")),
            None => Err(recipe.is_none("it has no program named 'build'; name a folder that has one")),
        }
    }

    fn look_into(&mut self, below: &Path, depth: usize) -> Result<(), RecipeError> {
        if depth > DEPTH_MAX {
            return Err(self.is_none(&format!("its folders are more than {DEPTH_MAX} deep")));
        }
        for name in files::list(&self.folder.join(below))? {
            let path = below.join(name);
            let full = self.folder.join(&path);
            let metadata = full.symlink_metadata().map_err(FileError::at("look at", &full))?;
            let entry = if metadata.is_dir() {
                self.look_into(&path, depth + 1)?;
                continue;
            } else if metadata.is_symlink() {
                Entry::Symlink(full.read_link().map_err(FileError::at("read link", &full))?)
            } else if metadata.is_file() {
                let executable = metadata.permissions().mode() & 0o100 != 0;
                Entry::File { executable, bytes: files::read(&full, FILE_MAX_BYTES)? }
            } else {
                return Err(self.is_none(&format!("{} is no file, folder or link", path.display())));
            };
            if self.files.len() == NAMES_MAX {
                return Err(self.is_none(&format!("it has more than {NAMES_MAX} files")));
            }
            self.files.insert(path, entry);
        }
        Ok(())
    }

    fn is_none(&self, why: &str) -> RecipeError {
        RecipeError::NoRecipe { folder: self.folder.clone(), why: why.to_owned() }
    }

    /// Returns the name of what this recipe makes: it changes when any file, `arch` or the time does.
    ///
    /// Not when Debian's packages do: those are known only after the run, from [`Built::from`].
    pub fn key(&self, arch: &str, source_date_epoch_s: u64) -> Digest {
        let mut hasher = Hasher::new();
        let mut add = |part: &[u8]| {
            // Lengths first, so that no two lists of parts make the same bytes.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        };
        add(b"kiln recipe 1");
        add(arch.as_bytes());
        add(&source_date_epoch_s.to_le_bytes());
        for (path, entry) in &self.files {
            add(path.as_os_str().as_bytes());
            let (kind, bytes): (&[u8], &[u8]) = match entry {
                Entry::File { executable: false, bytes } => (b"file", bytes),
                Entry::File { executable: true, bytes } => (b"program", bytes),
                Entry::Symlink(target) => (b"link", target.as_os_str().as_bytes()),
            };
            add(kind);
            add(bytes);
        }
        hasher.finish()
    }

    /// Runs the recipe's program, for half an hour at most.
    ///
    /// Lines of its stderr that start with `I: ` or `W: ` (as Debian's own tools mark information and warnings) go to
    /// `progress` while it runs; the others are kept for the error, so that each is shown once.
    ///
    /// # Errors
    /// If the program can't be run, fails, or leaves no disk or list of inputs.
    pub fn run(&self, order: &Order<'_>, progress: &dyn Progress) -> Result<Built, RecipeError> {
        files::make_folder(order.out)?;
        let id = format!("recipe {}", self.folder.display());
        progress.begin(&id, &format!("build {}", self.folder.display()), None);
        let said = |line: &str| {
            if is_news(line) {
                progress.say(&line["I: ".len()..]);
            }
        };
        self.program(order)?.run(&said).map_err(|error| self.failed(error))?;
        let key = self.key(order.arch, order.source_date_epoch_s);
        let built = self.take(order.out, key)?;
        progress.end(&id, "built");
        Ok(built)
    }

    fn program(&self, order: &Order<'_>) -> Result<Program, RecipeError> {
        // A name without a slash would be searched in PATH, and the program runs in its own folder.
        let absolute = |path: &Path| std::path::absolute(path).map_err(FileError::at("find", path));
        let folder = absolute(&self.folder)?;
        let mut program = Program::new(folder.join(BUILD), LIMIT)
            .args([absolute(order.out)?])
            .env("SOURCE_DATE_EPOCH", order.source_date_epoch_s.to_string())
            .folder(&folder);
        for (name, value) in order.environment.iter().filter(|(name, _)| is_passed(name)) {
            program = program.env(name, value);
        }
        Ok(program)
    }

    fn failed(&self, error: CommandError) -> RecipeError {
        let folder = self.folder.clone();
        match error {
            CommandError::Failed { status, stderr, .. } => {
                RecipeError::Failed { folder, status, last_words: last_words(&stderr) }
            }
            source => RecipeError::Run { folder, source },
        }
    }

    fn take(&self, out: &Path, key: Digest) -> Result<Built, RecipeError> {
        let wrong = |why: String| RecipeError::Result { folder: self.folder.clone(), why };
        let disk = out.join("disk.raw");
        if !disk.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0) {
            return Err(wrong(format!("left no disk at {}", disk.display())));
        }
        let inputs = out.join("inputs.json");
        let bytes = files::read(&inputs, FILE_MAX_BYTES)
            .map_err(|error| wrong(format!("left no readable {} ({})", inputs.display(), error.source)))?;
        let mut from: BTreeMap<String, String> = serde_json::from_slice(&bytes).map_err(|error| {
            wrong(format!("{} is no JSON object of names and versions: {error}", inputs.display()))
        })?;
        from.insert("recipe".into(), key.to_string());
        Ok(Built { disk, from })
    }
}

fn is_passed(name: &OsStr) -> bool {
    PASSED.iter().any(|passed| name == *passed)
}

fn is_news(line: &str) -> bool {
    line.starts_with("I: ") || line.starts_with("W: ")
}

fn last_words(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty() && !is_news(line)).collect();
    lines[lines.len().saturating_sub(LAST_WORDS_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::progress::Silent;

    /// Remembers what was said.
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Progress for Heard {
        fn begin(&self, _id: &str, _what: &str, _total: Option<u64>) {}
        fn advance(&self, _id: &str, _amount: u64) {}
        fn end(&self, _id: &str, _note: &str) {}
        fn say(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }

    fn recipe(script: &str) -> (tempfile::TempDir, Recipe) {
        let folder = tempfile::tempdir().unwrap();
        files::replace(&folder.path().join("build"), format!("#!/bin/sh\n{script}").as_bytes(), 0o755)
            .unwrap();
        files::replace(&folder.path().join("packages"), b"systemd\n", 0o644).unwrap();
        let recipe = Recipe::look(folder.path()).unwrap();
        (folder, recipe)
    }

    fn run(script: &str, progress: &dyn Progress) -> Result<Built, RecipeError> {
        let (folder, recipe) = recipe(script);
        let environment = [("PATH".into(), "/usr/bin:/bin".into()), ("SECRET".into(), "s".into())];
        let out = folder.path().join("a result");
        let order = Order { out: &out, arch: "amd64", source_date_epoch_s: 7, environment: &environment };
        recipe.run(&order, progress)
    }

    #[test]
    fn a_recipe_leaves_a_disk_and_its_inputs() {
        let heard = Heard::default();
        let script = r#"
            echo "I: one" >&2; echo "noise" >&2; echo "W: two" >&2
            echo disk > "$1/disk.raw"
            echo "{\"epoch\": \"$SOURCE_DATE_EPOCH\", \"secret\": \"$SECRET\"}" > "$1/inputs.json"
        "#;
        let built = run(script, &heard).unwrap();
        assert_eq!(built.disk.file_name().unwrap(), "disk.raw");
        assert_eq!((built.from["epoch"].as_str(), built.from["secret"].as_str()), ("7", ""));
        assert_eq!(built.from["recipe"].len(), 64);
        assert_eq!(*heard.0.lock().unwrap(), ["one", "two"]);
    }

    #[test]
    fn a_failed_recipe_has_its_last_words_once() {
        let heard = Heard::default();
        let error = run("echo 'I: unpacking' >&2; echo 'E: no such mirror' >&2; exit 4", &heard).unwrap_err();
        let text = error.to_string();
        assert!(text.ends_with("failed (exit status: 4); its last words:\nE: no such mirror"), "{text}");
        assert_eq!(*heard.0.lock().unwrap(), ["unpacking"]);
    }

    #[test]
    fn a_result_that_is_none_is_refused() {
        for (script, why) in [
            ("exit 0", "left no disk at"),
            (r#"mkdir "$1/disk.raw""#, "left no disk at"),
            (r#"echo > "$1/disk.raw""#, "left no readable"),
            (
                r#"echo > "$1/disk.raw"; echo "[1]" > "$1/inputs.json""#,
                "is no JSON object of names and versions",
            ),
        ] {
            let error = run(script, &Silent).unwrap_err().to_string();
            assert!(error.contains("ended well, but") && error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_folder_without_a_program_is_no_recipe() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = || Recipe::look(folder.path()).unwrap_err().to_string();
        assert!(refusal().ends_with("it has no program named 'build'; name a folder that has one"));
        files::replace(&folder.path().join("build"), b"#!/bin/sh\n", 0o644).unwrap();
        assert!(refusal().ends_with("its 'build' is not executable; chmod +x it"));
        files::remove(&folder.path().join("build")).unwrap();
        nix::unistd::mkfifo(&folder.path().join("a"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(refusal().ends_with("a is no file, folder or link"));
        assert!(
            Recipe::look(Path::new("/no such recipe")).unwrap_err().to_string().contains("/no such recipe")
        );
    }

    #[test]
    fn the_key_changes_with_all_that_shapes_the_result() {
        let (folder, first) = recipe("true");
        let again = || Recipe::look(folder.path()).unwrap().key("amd64", 7);
        let key = first.key("amd64", 7);
        assert_eq!(again(), key);
        assert_ne!(first.key("arm64", 7), key);
        assert_ne!(first.key("amd64", 8), key);
        let packages = folder.path().join("packages");
        for (bytes, mode, same) in
            [(&b"systemd\n"[..], 0o664, true), (b"systemd\n", 0o755, false), (b"udev\n", 0o644, false)]
        {
            files::replace(&packages, bytes, mode).unwrap();
            assert_eq!(again() == key, same, "{mode:o}");
        }
        files::replace(&packages, b"systemd\n", 0o644).unwrap();
        assert_eq!(again(), key);
        nix::unistd::symlinkat("packages", nix::fcntl::AT_FDCWD, &folder.path().join("link")).unwrap();
        assert_ne!(again(), key);
    }
}
