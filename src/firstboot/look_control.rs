// SPDX-License-Identifier: Apache-2.0
//! Looks at the control plane's files.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::control::{Found, Seen, place};
use super::identity::Identity;
use super::next::IDENTITY;
use super::volume::KEPT;
use super::{look_volume, plane};
use crate::host::files::{self, FileError};
use crate::host::root::Root;
use crate::settings::Settings;

/// None of these files is near it.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// The folders that hold them and nothing large.
const FOLDERS: [&str; 7] = [
    "/etc/kubernetes",
    place::PKI,
    "/etc/kubernetes/pki/etcd",
    place::KUBELET_PKI,
    KEPT,
    "/var/lib/etcd/kiln/pki",
    "/var/lib/etcd/kiln/pki/etcd",
];

/// Reads what is in the control plane's folders.
///
/// # Errors
/// As the system says; what is not there is no error.
pub fn look(root: &Root) -> Result<Seen, FileError> {
    let etcd_data = metadata(&root.at(place::ETCD_MEMBER))?.is_some();
    let (is_mounted, is_noted) = look_volume::state(root)?;
    let mut seen = Seen { etcd_data, is_mounted, is_noted, ..Seen::default() };
    for folder in FOLDERS {
        // A name with a dot before it is that of a file which is being written, or was when the power went.
        for name in root.list(folder)?.iter().filter(|name| !name.starts_with('.')) {
            let path = format!("{folder}/{name}");
            if let Some(found) = find(&root.at(&path))? {
                seen.files.insert(path, found);
            }
        }
    }
    Ok(seen)
}

/// Returns the settings by which this machine's own Node is judged: those that it was told, and on a control plane that
/// has its files what follows from these.
///
/// # Errors
/// As the system says.
pub fn own_settings(root: &Root, told: &Settings) -> Result<Settings, FileError> {
    if !plane::is_meant(told) {
        return Ok(told.clone());
    }
    let identity = root.text(IDENTITY, FILE_MAX_BYTES)?;
    let identity: Option<Identity> = identity.and_then(|text| serde_json::from_str(&text).ok());
    let ca = root.text(&place::certificate(place::CLUSTER_CA), FILE_MAX_BYTES)?;
    let own = identity.zip(ca).and_then(|(identity, ca)| plane::own(told, &identity, &ca).ok());
    Ok(own.unwrap_or_else(|| told.clone()))
}

fn metadata(path: &Path) -> Result<Option<Metadata>, FileError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::at("look at", path)(error)),
    }
}

fn find(path: &Path) -> Result<Option<Found>, FileError> {
    let Some(metadata) = metadata(path)? else { return Ok(None) };
    if metadata.is_symlink() {
        let target = fs::read_link(path).map_err(FileError::at("read", path))?;
        let target = target.to_str().map(str::to_owned);
        return Ok(Some(target.map_or(Found::Other("a link to no name"), |target| Found::Link { target })));
    }
    if !metadata.is_file() {
        return Ok(Some(Found::Other(if metadata.is_dir() { "a folder" } else { "something special" })));
    }
    if metadata.len() > FILE_MAX_BYTES {
        return Ok(Some(Found::Other("larger than 1 MiB")));
    }
    let text = String::from_utf8(files::read(path, FILE_MAX_BYTES)?);
    Ok(Some(
        text.map_or(Found::Other("not a text"), |text| Found::File { text, mode: metadata.mode() & 0o7777 }),
    ))
}
