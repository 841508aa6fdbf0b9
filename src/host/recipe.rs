// SPDX-License-Identifier: Apache-2.0
//! Base images made by a recipe: a folder with a program `build` that leaves a disk and the list of what is in it.
//!
//! This module reads the folder, names its content by a key and runs it once. It keeps no result and decides nothing
//! about an older one: that is the cache's and the lock's work. A recipe is trusted like the manifest that names it.

mod error;
mod folder;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::{CommandError, Program};
use super::files::{self, FileError};
use crate::digest::Digest;
use crate::progress::Progress;

pub use error::RecipeError;
pub use folder::Recipe;
use folder::{BUILD, FILE_MAX_BYTES};

/// Longest run: the lab base takes 3 minutes on two idle cores, and ten times that is a hang.
const LIMIT: Duration = Duration::from_secs(30 * 60);
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

impl Recipe {
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
