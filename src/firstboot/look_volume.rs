// SPDX-License-Identifier: Apache-2.0
//! Looks at a control plane's data volume.

use super::control::place::ETCD_MEMBER;
use super::volume::{Content, Device, END_BYTES, MOUNT, Mounted, NOTE, Seen, device, recognise};
use crate::host::files::FileError;
use crate::host::root::Root;
use crate::host::volume::{self, Ends, Found};

/// It has a UUID.
const NOTE_MAX_BYTES: u64 = 4 << 10;

/// Looks at the volume of this name, and at what is mounted where it belongs.
///
/// # Errors
/// As the system says; a device that is not there is none.
pub fn look(root: &Root, name: &str, is_formatted: bool) -> Result<Seen, FileError> {
    let path = root.at(&device(name));
    let mounted = match volume::mounted(&root.at(MOUNT), &path)? {
        volume::Mounted::Nothing => Mounted::Nothing,
        volume::Mounted::Device => Mounted::Volume,
        volume::Mounted::Other => Mounted::Other,
    };
    let device = match volume::look(&path, END_BYTES, mounted == Mounted::Volume)? {
        Found::Absent => Device::Absent,
        Found::Other => Device::Other,
        Found::Busy => Device::Busy,
        Found::There(ends) => there(&ends),
    };
    let has_old_data = mounted == Mounted::Nothing && root.mode(ETCD_MEMBER)?.is_some();
    let note = root.read(NOTE, NOTE_MAX_BYTES)?;
    let note = note.map(|text| serde_json::from_slice(&text).map_err(|error| error.to_string())).transpose();
    Ok(Seen { device, mounted, has_old_data, note, is_formatted })
}

fn there(Ends { len, first, last }: &Ends) -> Device {
    let content: Content = recognise(*len, first, last);
    Device::There { len: *len, content }
}

/// Returns whether something is mounted where a volume belongs, and whether it is recorded which one that is.
///
/// # Errors
/// As the system says.
pub fn state(root: &Root) -> Result<(bool, bool), FileError> {
    let mount = root.at(MOUNT);
    // Seen from no device, whatever is mounted is another one.
    let is_mounted = volume::mounted(&mount, &mount)? != volume::Mounted::Nothing;
    Ok((is_mounted, root.mode(NOTE)?.is_some()))
}
