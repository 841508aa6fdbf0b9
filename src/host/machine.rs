// SPDX-License-Identifier: Apache-2.0
//! What tells this machine from others: host name, SMBIOS, machine id, boot id, addresses of a host.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};

use super::files::FileError;
use super::root::Root;

/// systemd's machine id (machine-id(5)) and SMBIOS' UUID have 36 bytes and a line end at most.
const ID_MAX_BYTES: u64 = 128;

/// Returns the kernel's host name; empty where it has none that is a text.
pub fn hostname() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}

/// Returns SMBIOS' UUID as it stands in sysfs, in lower case. Readable by root alone; none where there is no SMBIOS.
///
/// # Errors
/// As the system says.
pub fn smbios_uuid(root: &Root) -> Result<Option<String>, FileError> {
    id(root, "/sys/class/dmi/id/product_uuid")
}

/// Returns the machine id, in lower case; none before the machine has one.
///
/// # Errors
/// As the system says.
pub fn machine_id(root: &Root) -> Result<Option<String>, FileError> {
    let is_set = |id: &String| id != "uninitialized";
    Ok(id(root, "/etc/machine-id")?.filter(is_set))
}

/// Returns whether SMBIOS says that the machine is one of EC2's: Nitro's vendor, or Xen's version with Amazon in it
/// ("Identify EC2 instances", EC2 User Guide).
///
/// # Errors
/// As the system says.
pub fn is_ec2(root: &Root) -> Result<bool, FileError> {
    let is_vendor = id(root, "/sys/class/dmi/id/sys_vendor")?.is_some_and(|vendor| vendor == "amazon ec2");
    let is_version =
        id(root, "/sys/class/dmi/id/bios_version")?.is_some_and(|version| version.contains("amazon"));
    Ok(is_vendor || is_version)
}

/// Returns what the kernel calls this boot.
///
/// # Errors
/// As the system says.
pub fn boot_id() -> Result<String, FileError> {
    Ok(id(&Root::new("/"), "/proc/sys/kernel/random/boot_id")?.unwrap_or_default())
}

fn id(root: &Root, path: &str) -> Result<Option<String>, FileError> {
    let text = root.text(path, ID_MAX_BYTES)?;
    Ok(text.map(|text| text.trim().to_ascii_lowercase()).filter(|text| !text.is_empty()))
}

/// Returns the addresses of a host, by the machine's own resolver.
///
/// # Errors
/// As the resolver says.
pub fn addresses_of(host: &str) -> io::Result<Vec<IpAddr>> {
    // The port plays no part.
    let mut found: Vec<IpAddr> = (host, 0).to_socket_addrs()?.map(|address| address.ip()).collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
