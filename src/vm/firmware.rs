// SPDX-License-Identifier: Apache-2.0
//! UEFI firmware: which of the files on this machine is one that boots an image nobody has signed.
//!
//! Distributions say it in descriptors (QEMU's docs/interop/firmware.json), in folders that are read in the order of their
//! names; the known places are for those that do not.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Folders of descriptors; a file of an earlier one hides those of the same name in later ones.
pub const DESCRIPTORS: [&str; 3] =
    ["/etc/qemu/firmware", "/usr/local/share/qemu/firmware", "/usr/share/qemu/firmware"];

/// The firmware of a machine, in two flash chips.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firmware {
    /// The program, which is only read.
    pub code: Flash,
    /// What its variables are to begin with; each machine has a copy.
    pub variables: Flash,
}

/// The content of a flash chip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    /// The file.
    #[serde(rename = "filename")]
    pub file: PathBuf,
    /// Its format, as QEMU calls it: "raw", "qcow2".
    pub format: String,
}

/// Code and variables in the places of distributions without descriptors.
const KNOWN: [[&str; 2]; 8] = [
    // Debian, Ubuntu.
    ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"],
    ["/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"],
    // Fedora, RHEL.
    ["/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"],
    // Arch.
    ["/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"],
    ["/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"],
    // openSUSE.
    ["/usr/share/qemu/ovmf-x86_64-4m-code.bin", "/usr/share/qemu/ovmf-x86_64-4m-vars.bin"],
    // QEMU's own; the variables serve both widths.
    ["/usr/share/qemu/edk2-x86_64-code.fd", "/usr/share/qemu/edk2-i386-vars.fd"],
    ["/usr/local/share/qemu/edk2-x86_64-code.fd", "/usr/local/share/qemu/edk2-i386-vars.fd"],
];

/// Returns the firmware in the places of distributions without descriptors.
pub fn known() -> impl Iterator<Item = Firmware> {
    let raw = |file: &str| Flash { file: file.into(), format: "raw".into() };
    KNOWN.iter().map(move |[code, variables]| Firmware { code: raw(code), variables: raw(variables) })
}

/// Reads a descriptor; nothing: it is none, or one of a firmware that does not fit.
pub fn read(descriptor: &[u8]) -> Option<Firmware> {
    let descriptor: Descriptor = serde_json::from_slice(descriptor).ok()?;
    let fits = descriptor.interface_types.iter().any(|kind| kind == "uefi")
        && descriptor.targets.iter().any(Target::is_ours)
        && !descriptor.features.iter().any(|feature| UNFIT.contains(&&feature[..]));
    let Mapping { device, executable, nvram_template } = descriptor.mapping;
    let is_flash = device == "flash";
    Some(Firmware { code: executable?, variables: nvram_template? }).filter(|_| fits && is_flash)
}

/// A firmware that asks for signatures, or for a machine that is more than plain.
const UNFIT: [&str; 4] = ["enrolled-keys", "requires-smm", "amd-sev-snp", "intel-tdx"];

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Descriptor {
    interface_types: Vec<String>,
    mapping: Mapping,
    targets: Vec<Target>,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    executable: Option<Flash>,
    nvram_template: Option<Flash>,
}

#[derive(Deserialize)]
struct Target {
    architecture: String,
    /// Patterns such as "pc-q35-*".
    machines: Vec<String>,
}

impl Target {
    fn is_ours(&self) -> bool {
        let is_q35 = |pattern: &String| pattern == "q35" || pattern.starts_with("pc-q35-");
        self.architecture == "x86_64" && self.machines.iter().any(is_q35)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(device: &str, machine: &str, features: &str) -> String {
        format!(
            r#"{{"description": "d", "interface-types": ["uefi"], "tags": [], "features": [{features}],
            "mapping": {{"device": "{device}", "executable": {{"filename": "/c", "format": "raw"}},
            "nvram-template": {{"filename": "/v", "format": "qcow2"}}}},
            "targets": [{{"architecture": "x86_64", "machines": ["{machine}"]}}]}}"#
        )
    }

    #[test]
    fn a_plain_firmware_is_taken() {
        let found = read(descriptor("flash", "pc-q35-*", "\"acpi-s3\"").as_bytes()).unwrap();
        assert_eq!((found.code.file, found.variables.format), ("/c".into(), "qcow2".to_owned()));
    }

    #[test]
    fn one_that_asks_for_signatures_or_another_machine_is_not() {
        for (device, machine, features) in [
            ("flash", "pc-q35-*", "\"secure-boot\", \"requires-smm\""),
            ("flash", "pc-q35-*", "\"enrolled-keys\""),
            ("flash", "pc-i440fx-*", ""),
            ("memory", "pc-q35-*", ""),
        ] {
            assert_eq!(read(descriptor(device, machine, features).as_bytes()), None, "{machine} {features}");
        }
        assert_eq!(read(b"{}"), None);
    }
}
