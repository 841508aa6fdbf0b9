// SPDX-License-Identifier: Apache-2.0
//! Why a recipe gave no base.

use std::path::PathBuf;
use std::process::ExitStatus;

use crate::host::command::CommandError;
use crate::host::files::FileError;

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
