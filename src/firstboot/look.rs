// SPDX-License-Identifier: Apache-2.0
//! Looks at the machine and its disk, and puts what is seen into an [`Observed`]. Nothing is changed, no server asked.

mod disk;
mod judged;
mod links;
mod machine;

use super::claim::{Record, State};
use super::file::File;
use super::observed::{Found, Observed};
use super::{credential, network, plane};
use crate::host::clock;
use crate::host::files::FileError;
use crate::host::links::LinksError;
use crate::host::root::Root;
use crate::settings::Settings;

use judged::Judged;
pub use machine::{Sources, machine, sources};

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
    /// What was judged on the way.
    judged: Judged,
}

impl Wanted {
    /// Returns the file with this path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.credential.iter().chain(&self.network).find(|file| file.path == path)
    }
}

/// Looks at what kiln has recorded.
///
/// # Errors
/// As [`look`].
pub fn records(root: &Root, seen: &mut Observed) -> Result<(), LookError> {
    disk::records(root, seen)
}

/// Looks at all that survives a power cut, and at the links that pods' own programs made. `last` is what the last look of
/// this run came to; the first one has none.
///
/// # Errors
/// When something is there but can't be read.
pub fn look(
    root: &Root,
    settings: &Settings,
    seen: &mut Observed,
    last: Wanted,
) -> Result<Wanted, LookError> {
    records(root, seen)?;
    let mut wanted = credential(root, settings, seen, last)?;
    network(root, settings, seen, &mut wanted)?;
    Ok(wanted)
}

/// Looks at the credential of the recorded identity.
///
/// # Errors
/// As [`look`].
pub fn credential(
    root: &Root,
    settings: &Settings,
    seen: &mut Observed,
    last: Wanted,
) -> Result<Wanted, LookError> {
    let mut wanted =
        Wanted { credential: credential_files(settings), judged: last.judged, ..Wanted::default() };
    disk::credential(root, settings, clock::now_s(), seen, &mut wanted.judged)?;
    seen.disk.credential = disk::missing(root, &wanted.credential)?;
    Ok(wanted)
}

/// Looks at links and files, held against the recorded block.
///
/// # Errors
/// As [`look`].
pub fn network(
    root: &Root,
    settings: &Settings,
    seen: &mut Observed,
    wanted: &mut Wanted,
) -> Result<(), LookError> {
    // Nothing is made for a block that is not held yet, and nothing can be on it.
    let (Found::Is(identity), Found::Is(record @ Record { state: State::Held, .. })) =
        (&seen.disk.identity, &seen.disk.claim)
    else {
        return Ok(());
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
        let mut missing = disk::missing(root, &wanted.network)?;
        if let Some(note) = network::runtime::note(&missing) {
            missing.splice(..0, disk::missing(root, std::slice::from_ref(&note))?);
            wanted.network.push(note);
        }
        let is_last = |path: &&String| *path == network::cni::CONFLIST;
        seen.disk.last = missing.iter().find(is_last).cloned();
        seen.disk.files = missing.into_iter().filter(|path| !is_last(&path)).collect();
    }
    Ok(())
}

/// CA and kubeconfig of a control plane are among the files that it makes itself.
fn credential_files(settings: &Settings) -> Vec<File> {
    if plane::is_meant(settings) { Vec::new() } else { credential::files(&settings.api).into() }
}
