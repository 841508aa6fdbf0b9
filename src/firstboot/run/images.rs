// SPDX-License-Identifier: Apache-2.0
//! Flow: asks the runtime which of the machine's own container images it has, and gives it the others.

use std::time::Duration;

use super::super::images::{self, Call};
use crate::host::command::{CommandError, Program};
use crate::host::files::FileError;
use crate::host::root::Root;
use crate::preload::{self, Preload, Preloaded};
use crate::settings::Settings;

/// Names and digests of a few dozen images.
const INDEX_MAX_BYTES: u64 = 1 << 20;
/// Unpacking a gigabyte on a slow disk; the unit's limit is longer.
const CALL_LIMIT: Duration = Duration::from_secs(240);
/// Where the runtimes' own programs are: those of components first, then the vendor's.
const PATH: &str = "/opt/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why images could not be given to the runtime.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// The list of images can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The list is another kiln's, or damaged.
    #[error("can't understand {index}: {why}", index = preload::INDEX)]
    Index {
        /// What of it.
        why: String,
    },
    /// The runtime can't be asked.
    #[error(transparent)]
    List(#[from] CommandError),
}

/// What became of the images.
#[derive(Debug, Default)]
pub struct Imported {
    /// Names of those that the runtime has now and had not before.
    pub names: Vec<String>,
    /// A line for each that it could not be given.
    pub failures: Vec<String>,
}

/// Gives the runtime what it lacks, and calls `ready` once it can start sandboxes. One image that fails keeps none of the
/// others away.
///
/// # Errors
/// When nothing could be tried.
pub fn import(root: &Root, settings: &Settings, ready: impl Fn()) -> Result<Imported, ImagesError> {
    let mut imported = Imported::default();
    let Some(preload) = read(root)? else {
        ready();
        return Ok(imported);
    };
    let listed = call(&images::list(settings.runtime))?;
    let missing = images::missing(&preload, settings, &String::from_utf8_lossy(&listed));
    if !missing.iter().any(|image| images::is_sandbox(image, settings)) {
        ready();
    }
    for image in missing {
        let done = give(image, settings, &ready);
        match done {
            Ok(()) => imported.names.extend(image.names.iter().cloned()),
            Err(error) => imported.failures.push(format!("{}: {}", image.archive, one_line(&error))),
        }
    }
    Ok(imported)
}

/// Every pod waits for the sandboxes' image. For the others kubelet's start need not be slowed down, nor for pins: nothing is
/// removed before the disk fills.
fn give(image: &Preloaded, settings: &Settings, ready: &impl Fn()) -> Result<(), CommandError> {
    let import = images::import(image, settings.runtime);
    if images::is_sandbox(image, settings) {
        call(&import)?;
        ready();
    } else {
        call(&import.patient())?;
    }
    images::pin(image, settings.runtime).into_iter().try_for_each(|pin| call(&pin.patient()).map(drop))
}

fn read(root: &Root) -> Result<Option<Preload>, ImagesError> {
    let Some(text) = root.text(preload::INDEX, INDEX_MAX_BYTES)? else { return Ok(None) };
    let preload: Preload =
        serde_json::from_str(&text).map_err(|error| ImagesError::Index { why: error.to_string() })?;
    if preload.version != preload::VERSION {
        let why = format!("its version is {}, not {}", preload.version, preload::VERSION);
        return Err(ImagesError::Index { why });
    }
    Ok(Some(preload))
}

fn call(Call { program, arguments }: &Call) -> Result<Vec<u8>, CommandError> {
    Program::new(program, CALL_LIMIT).env("PATH", PATH).env("HOME", "/").args(arguments).run(&|_| ())
}

fn one_line(error: &CommandError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
