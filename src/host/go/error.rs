// SPDX-License-Identifier: Apache-2.0
//! How a Go build fails: which component, in whose words, and what to do about it.

use std::path::PathBuf;

use super::Order;
use crate::host::cache::CacheError;
use crate::host::command::CommandError;
use crate::host::files::FileError;

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum GoError {
    /// A program that takes part is not installed.
    #[error("building {component} needs `{program}`, which is in no folder of PATH; install {install}")]
    Missing {
        /// What was to be built.
        component: String,
        /// The program.
        program: &'static str,
        /// What to install.
        install: String,
    },
    /// The installed Go is older than go.mod asks for.
    #[error("building {component} needs Go {needs} or newer, and {} is Go {has}; install a newer Go and put it first in PATH", program.display())]
    Old {
        /// What was to be built.
        component: String,
        /// What go.mod asks for.
        needs: String,
        /// What there is.
        has: String,
        /// Which `go` was asked.
        program: PathBuf,
    },
    /// The folder or the packages of the order can't be built as they stand.
    #[error("can't build {component} from {}: {what}", folder.display())]
    Order {
        /// What was to be built.
        component: String,
        /// Its folder.
        folder: PathBuf,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// Packages or their modules can't be had.
    #[error("can't get the Go modules of {component} ({}):\n{words}{}", folder.display(), fix.iter().map(|fix| format!("\n{fix}")).collect::<String>())]
    Modules {
        /// What was to be built.
        component: String,
        /// Its folder.
        folder: PathBuf,
        /// What Go printed.
        words: String,
        /// What to do, where that is known.
        fix: Option<String>,
    },
    /// It does not compile.
    #[error("can't compile {component} ({packages}):\n{words}")]
    Compile {
        /// What was to be built.
        component: String,
        /// The packages of the order.
        packages: String,
        /// What the compilers printed.
        words: String,
    },
    /// Something else about a program that takes part, such as its time limit.
    #[error("can't build {component}")]
    Command {
        /// What was to be built.
        component: String,
        /// What it was.
        #[source]
        source: CommandError,
    },
    /// A file of the folder, or scratch.
    #[error(transparent)]
    File(#[from] FileError),
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

impl GoError {
    /// Makes an error of what is wrong with `order`.
    pub(super) fn order(order: &Order<'_>, what: String) -> Self {
        Self::Order { component: order.component.to_owned(), folder: order.folder(), what }
    }

    /// Returns a function that makes an error about `component` of a [`CommandError`].
    pub(super) fn command(component: &str) -> impl FnOnce(CommandError) -> Self {
        let component = component.to_owned();
        move |source| Self::Command { component, source }
    }
}

/// Returns what to do about what Go printed when it could not get modules, where that is known.
pub(super) fn fix(words: &str, folder: &str) -> Option<String> {
    let has = |needle: &str| words.contains(needle);
    if has("checksum mismatch") {
        return Some(
            "what was fetched is not what go.sum promises: find out why before you go on".to_owned(),
        );
    }
    if has("missing go.sum entry") || has("updates to go.mod needed") || has("no required module provides") {
        return Some(format!("run `go mod tidy` in {folder} and look at what it changed"));
    }
    has("GOPROXY=off").then(|| "run once without --offline to fetch it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gos_words_get_an_instruction() {
        let fixes = [
            ("verifying m@v1: checksum mismatch\nmissing go.sum entry", "before you go on"),
            ("main.go:3:8: missing go.sum entry for module", "`go mod tidy` in /f"),
            ("no required module provides package x.org/y", "`go mod tidy` in /f"),
            ("module lookup disabled by GOPROXY=off", "without --offline"),
        ];
        for (words, expected) in fixes {
            assert!(fix(words, "/f").unwrap().contains(expected), "{words}");
        }
        assert_eq!(fix("dial tcp: i/o timeout", "/f"), None);
    }
}
