// SPDX-License-Identifier: Apache-2.0
//! Looks at the machine and its disk, and puts what is seen into an [`Observed`]. Nothing is changed, no server asked.

mod disk;
mod links;
mod machine;

use super::file::File;
use super::observed::{Found, Observed};
use super::{credential, network, plane};
use crate::host::clock;
use crate::host::files::FileError;
use crate::host::links::LinksError;
use crate::host::root::Root;
use crate::settings::Settings;

pub use machine::{machine, sources};

/// Why something could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Links and routes.
    #[error(transparent)]
    Links(#[from] LinksError),
}

/// What is wanted of the disk, rendered: a step names a file, and its text is here.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Files of the credential.
    pub credential: Vec<File>,
    /// Files of the network, the last one last.
    pub network: Vec<File>,
    /// What is to be removed, in the order in which it was seen.
    pub repairs: Vec<network::stale::Repair>,
}

impl Wanted {
    /// Returns the file with this path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.credential.iter().chain(&self.network).find(|file| file.path == path)
    }
}

/// Looks at all that survives a power cut, and at the links that pods' own programs made.
///
/// # Errors
/// When something is there but can't be read.
pub fn look(root: &Root, settings: &Settings, seen: &mut Observed) -> Result<Wanted, LookError> {
    let mut wanted = Wanted { credential: credential_files(settings), ..Wanted::default() };
    disk::records(root, seen)?;
    disk::credential(root, settings, clock::now_s(), seen)?;
    seen.disk.credential = disk::missing(root, &wanted.credential)?;
    let (Found::Is(identity), Found::Is(record)) = (&seen.disk.identity, &seen.disk.claim) else {
        return Ok(wanted);
    };
    let (identity, blocks) = (identity.clone(), record.blocks.clone());
    let live = links::links(root, settings, &identity, &blocks)?;
    seen.machine.has_uplink = live.uplink.is_some();
    seen.machine.may_run_pods |= live.has_bridge;
    seen.machine.contradiction = live.contradiction;
    seen.machine.stale = live.repairs.iter().map(ToString::to_string).collect();
    wanted.repairs = live.repairs;
    if let Some(uplink) = &live.uplink {
        wanted.network = network::files(settings, &identity, &blocks, uplink);
        let missing = disk::missing(root, &wanted.network)?;
        let is_last = |path: &&String| *path == network::cni::CONFLIST;
        seen.disk.last = missing.iter().find(is_last).cloned();
        seen.disk.files = missing.into_iter().filter(|path| !is_last(&path)).collect();
    }
    Ok(wanted)
}

/// CA and kubeconfig of a control plane are among the files that it makes itself.
fn credential_files(settings: &Settings) -> Vec<File> {
    if plane::is_meant(settings) { Vec::new() } else { credential::files(&settings.api).into() }
}
