// SPDX-License-Identifier: Apache-2.0
//! Flavour: the platforms that a base can be built for, and which outputs suit them.
//!
//! Names are Flatcar's (`flatcar_production_<flavour>_image`, build_library/vm_image_util.sh). A platform starts from the
//! formats that its import accepts: qcow2 where the platform runs or imports QEMU images, raw everywhere.

use super::Format;

/// Without a platform id: never reads a cloud's user-data.
pub const GENERIC: &str = "generic";
/// EC2's.
pub const AMI: &str = "ami";

use Format::{Qcow2, Raw};

static FLAVOURS: [(&str, &[Format]); 14] = [
    (GENERIC, &[Raw, Qcow2]),
    ("qemu", &[Raw, Qcow2]),
    ("qemu_uefi", &[Raw, Qcow2]),
    ("openstack", &[Raw, Qcow2]),
    ("digitalocean", &[Raw, Qcow2]),
    ("kubevirt", &[Raw, Qcow2]),
    ("nutanix", &[Raw, Qcow2]),
    ("proxmoxve", &[Raw, Qcow2]),
    ("scaleway", &[Raw, Qcow2]),
    (AMI, &[Raw]),
    ("azure", &[Raw]),
    ("gce", &[Raw]),
    ("hetzner", &[Raw]),
    ("vmware", &[Raw]),
];

/// Returns the formats that suit `flavour`, if kiln knows it.
pub fn formats(flavour: &str) -> Option<&'static [Format]> {
    FLAVOURS.iter().find(|(name, _)| *name == flavour).map(|(_, formats)| *formats)
}

/// Tells whether a base of `flavour` names itself `oem_id` (coreos-overlay's OEM packages; `ec2` is EC2's of old).
pub fn is_named(flavour: &str, oem_id: &str) -> bool {
    let other = match flavour {
        AMI => "ec2",
        "qemu_uefi" => "qemu",
        _ => flavour,
    };
    oem_id == flavour || oem_id == other
}

/// Returns all flavours.
pub fn names() -> impl Iterator<Item = &'static str> {
    FLAVOURS.iter().map(|(name, _)| *name)
}
