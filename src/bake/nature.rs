// SPDX-License-Identifier: Apache-2.0
//! What a base says about itself: which machine its programs are for, and which platform its OEM partition names.
//!
//! A manifest says both as well, and a base that was fetched by hand need not agree. What a base does not say is not held
//! against it; [`super::check`] judges.

use std::io::Read;

use super::check::facts::BaseFacts;
use super::check::scan::scan_bytes;
use crate::base::Family;
use crate::read::FileSystem;
use crate::tree::TreePath;

/// What every base has of these is for its machine. Paths within /usr, without links (`lib` is one on Flatcar).
const PROGRAMS: [&str; 3] = ["/lib/systemd/systemd", "/lib64/systemd/systemd", "/bin/bash"];
/// More than the headers of a program have.
const HEAD_BYTES: u64 = 64 << 10;
/// More than an os-release or a grub.cfg has.
const TEXT_BYTES: u64 = 64 << 10;

/// Looks at USR-A and OEM; none: it has no filesystem.
pub(super) fn look(family: Family, usr: Option<&dyn FileSystem>, oem: Option<&dyn FileSystem>) -> BaseFacts {
    let machine =
        usr.and_then(|usr| PROGRAMS.iter().find_map(|path| machine(usr, path)).or_else(|| board(usr)));
    let platform = oem.and_then(|oem| platform(&text(oem, "/grub.cfg")?));
    BaseFacts { machine, platform, is_for_platforms: family == Family::Flatcar }
}

fn bytes(from: &dyn FileSystem, path: &str, most: u64) -> Option<Vec<u8>> {
    let path = TreePath::parse(path).ok()?;
    let mut bytes = Vec::new();
    from.open(&path).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn text(from: &dyn FileSystem, path: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&bytes(from, path, TEXT_BYTES)?).into_owned())
}

fn machine(usr: &dyn FileSystem, path: &str) -> Option<u16> {
    Some(scan_bytes(&bytes(usr, path, HEAD_BYTES)?).elf?.machine).filter(|machine| *machine != 0)
}

/// Flatcar's os-release: `FLATCAR_BOARD="arm64-usr"`.
fn board(usr: &dyn FileSystem) -> Option<u16> {
    let text = text(usr, "/lib/os-release").or_else(|| text(usr, "/lib64/os-release"))?;
    let board = text.lines().find_map(|line| line.strip_prefix("FLATCAR_BOARD="))?;
    match board.trim_matches('"') {
        "amd64-usr" => Some(object::elf::EM_X86_64.0),
        "arm64-usr" => Some(object::elf::EM_AARCH64.0),
        _ => None,
    }
}

/// GRUB's configuration in OEM, which becomes `flatcar.oem.id` on the kernel's command line: `set oem_id="ec2"`.
fn platform(text: &str) -> Option<String> {
    let id = text.lines().find_map(|line| line.trim().strip_prefix("set oem_id="))?;
    Some(id.trim().trim_matches(['"', '\'']).to_owned()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::platform;

    #[test]
    fn a_platform_is_read_as_grub_reads_it() {
        assert_eq!(
            platform("# Flatcar\nset oem_id=\"ec2\"\nset linux_append=\"\"\n").as_deref(),
            Some("ec2")
        );
        assert_eq!(platform("  set oem_id=qemu \n").as_deref(), Some("qemu"));
        assert_eq!(platform("set oem_id=\"\"\n"), None);
        assert_eq!(platform("# set oem_id=\"ec2\"\n"), None);
    }
}
