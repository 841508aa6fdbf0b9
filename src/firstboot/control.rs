// SPDX-License-Identifier: Apache-2.0
//! Control plane: the files that etcd, the API server and the controllers run from.
//!
//! [`next`] says which file is missing, first things first, or what is wrong with those that are there. A file is made
//! from settings, identity, time, chance and files made before it; a key comes before the certificate that is about it,
//! so every crash leaves a beginning of the same list. What is there and fits is used, whoever wrote it; what does not
//! fit is never replaced, but named. Two kinds are: texts that only repeat the settings are written again when they
//! differ, and a leaf that expires soon is renewed with the key it has.
//!
//! Nothing here talks to an API server, and nothing joins an existing control plane: the first machine makes the keys.

mod authority;
mod kept;
mod kubeconfig;
mod kubelet;
mod pair;
pub mod place;
mod plane;
mod round;
mod secrets;
mod seen;
mod table;
mod text;
mod trouble;

pub use round::Chance;
pub use seen::{Found, Seen};
pub use trouble::Trouble;

use round::Round;

use super::file::File;
use super::identity::Identity;
use crate::settings::Settings;

/// What is to be done about the control plane's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This first.
    Do(Step),
    /// All files are there and fit.
    Done,
    /// What a person has to mend: everything that is wrong at once.
    Stuck(Vec<Trouble>),
}

/// One durable change of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A file is made or replaced.
    Write(File),
    /// A symbolic link is made or replaced.
    Link {
        /// Where it lies, absolute.
        path: String,
        /// What it says.
        target: String,
    },
}

impl Step {
    /// Returns the path that the step changes.
    pub fn path(&self) -> &str {
        match self {
            Self::Write(file) => &file.path,
            Self::Link { path, .. } => path,
        }
    }
}

/// Returns the address of this machine's own API server, `https://HOST:PORT`.
///
/// # Errors
/// When the settings describe no control plane on this machine.
pub fn local(settings: &Settings, identity: &Identity) -> Result<String, Trouble> {
    Ok(plane::Plane::of(settings, identity)?.local)
}

/// Returns the first file that is missing, or that all are there, or everything that is wrong.
pub fn next(settings: &Settings, identity: &Identity, seen: &Seen, now_s: u64, chance: &Chance) -> Next {
    let plane = match plane::Plane::of(settings, identity) {
        Ok(plane) => plane,
        Err(trouble) => return Next::Stuck(vec![trouble]),
    };
    let mut round = Round::new(&plane, seen, now_s, chance);
    if settings.control_plane.data_volume.is_some() {
        kept::settle(&mut round);
        // What is still on the volume alone is missing only as long as it was not taken.
        if !round.is_content() {
            return round.end();
        }
    }
    for authority in &table::AUTHORITIES {
        authority::settle(&mut round, authority);
    }
    authority::settle_signing(&mut round);
    secrets::settle_accounts(&mut round);
    for wanted in table::pairs(&plane) {
        pair::settle(&mut round, &wanted);
    }
    for wanted in table::users(&plane) {
        kubeconfig::settle(&mut round, &wanted);
    }
    kubelet::settle(&mut round);
    secrets::settle_encryption(&mut round);
    // Last, because the units start only where these are.
    for file in text::files(&plane, seen) {
        round.settle_text(file);
    }
    round.end()
}
