// SPDX-License-Identifier: Apache-2.0
//! Paths that a manifest can't have: the vendor's, the running system's, each machine's own, and kiln's.
//!
//! Sources for Flatcar: bootengine's initrd-setup-root (users, /etc overlay), baselayout's tmpfiles.d (the links of
//! the root folder), build_library/disk_layout.json (mounts), systemd's machine-id(5), sshkeygen's units.

use crate::tree::TreePath;

const VENDOR_USR: &str = "the vendor's /usr is read-only and mounted over it";
const ALIAS: &str = "it is a link into the vendor's /usr";
const MOUNT: &str = "another partition is mounted over it";
const RUNTIME: &str = "the running system mounts over it, so nothing put there is ever seen";
const IDENTITY: &str = "each machine makes its own at first boot; one for all would break networks and logs";
const HOST_KEY: &str =
    "host keys are made by each machine; baked in, everyone with the image could be the host";
const USERS: &str = "the vendor keeps users there and changes them by updates; use Ignition or sysusers.d(5)";
const RELEASE: &str = "the vendor's version stands there and changes with updates";
const SEED: &str = "a random seed shared by all machines is none";
const KILN: &str = "kiln keeps its own account of the image there";

/// Patterns and reasons: a path and all below it (`/**`), or names that begin alike (`*`), or one path.
const OWNED: [(&str, &str); 38] = [
    ("/usr/**", VENDOR_USR),
    ("/bin/**", ALIAS),
    ("/sbin/**", ALIAS),
    ("/lib/**", ALIAS),
    ("/lib32/**", ALIAS),
    ("/lib64/**", ALIAS),
    ("/boot/**", MOUNT),
    ("/efi/**", MOUNT),
    ("/oem/**", MOUNT),
    ("/dev/**", RUNTIME),
    ("/proc/**", RUNTIME),
    ("/run/**", RUNTIME),
    ("/sys/**", RUNTIME),
    ("/tmp/**", RUNTIME),
    ("/var/run/**", RUNTIME),
    ("/var/lock/**", RUNTIME),
    ("/lost+found/**", "the file system keeps what it rescues there"),
    ("/etc/machine-id", IDENTITY),
    ("/etc/machine-info", IDENTITY),
    ("/etc/hostname", IDENTITY),
    ("/var/lib/dbus/machine-id", IDENTITY),
    ("/etc/ssh/ssh_host_*", HOST_KEY),
    ("/var/lib/systemd/random-seed", SEED),
    ("/var/lib/systemd/credential.secret", "each machine makes its own secret"),
    ("/etc/passwd*", USERS),
    ("/etc/shadow*", USERS),
    ("/etc/group*", USERS),
    ("/etc/gshadow*", USERS),
    ("/etc/subuid*", USERS),
    ("/etc/subgid*", USERS),
    ("/etc/.pwd.lock", USERS),
    ("/etc/os-release", RELEASE),
    ("/etc/lsb-release", RELEASE),
    ("/etc/initrd-release", RELEASE),
    ("/etc/mtab", "it is a link into /proc"),
    ("/etc/ld.so.cache", "it is made for the libraries of the vendor's /usr"),
    ("/opt/kiln/**", KILN),
    ("/opt/extensions/kiln/**", KILN),
];

/// Returns why nobody but its owner may put something at `path`; none: everyone may.
pub fn reason(path: &TreePath) -> Option<&'static str> {
    if path.parent().is_none() {
        return Some("it is the root folder");
    }
    let text = path.to_string();
    OWNED.iter().find(|(pattern, _)| matches(pattern, &text)).map(|(_, reason)| *reason)
}

fn matches(pattern: &str, path: &str) -> bool {
    if let Some(folder) = pattern.strip_suffix("/**") {
        return path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    }
    match pattern.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => path == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_owned(path: &str) -> bool {
        reason(&TreePath::parse(path).unwrap()).is_some()
    }

    #[test]
    fn what_others_own_is_known() {
        for path in
            ["/", "/usr", "/usr/bin/x", "/etc/ssh/ssh_host_rsa_key", "/etc/passwd-", "/etc/machine-id"]
        {
            assert!(is_owned(path), "{path}");
        }
        for path in [
            "/usrlocal",
            "/etc/ssh/sshd_config",
            "/etc/kiln/x",
            "/opt/bin/kubelet",
            "/etc/flatcar/update.conf",
        ] {
            assert!(!is_owned(path), "{path}");
        }
    }
}
