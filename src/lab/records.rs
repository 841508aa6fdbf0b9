// SPDX-License-Identifier: Apache-2.0
//! Records of a lab, of its nodes and of its forwarder: JSON in the lab's tmpfs, for its owner alone.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::LabError;
use super::plan::NodeRecord;
use crate::host::files;

/// The longest record.
const MAX: u64 = 1 << 20;

/// Reads the record in a node's folder.
pub(super) fn node(folder: &Path) -> Result<NodeRecord, LabError> {
    read(&NodeRecord::path(folder))
}

pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, LabError> {
    let text = files::read(path, MAX)?;
    serde_json::from_slice(&text).map_err(|source| LabError::Record { path: path.to_owned(), source })
}

pub(super) fn write(path: &Path, value: &impl Serialize) -> Result<(), LabError> {
    let text = serde_json::to_vec_pretty(value);
    let text = text.map_err(|source| LabError::Record { path: path.to_owned(), source })?;
    Ok(files::replace(path, &text, 0o600)?)
}
