// SPDX-License-Identifier: Apache-2.0
//! Flatcar's release server: one host for each channel, one folder for each board and version.
//!
//! Sources: flatcar.org "Verify Flatcar Container Linux images" and "Notes for distributors"; flatcar/scripts,
//! `build_library/vm_image_util.sh` (which flavour has which disk format).

use super::{Place, Pointer, ReleaseError, Verify};
use crate::manifest::input::{Arch, Release};

/// Primary fingerprint of "Flatcar Buildbot (Official Builds)", made on 2018-02-26; certifies the signing subkeys.
pub const FINGERPRINT: &str = "F88CFEDEFF29A5B4D9523864E25D9AED0593B34A";

const KEY_SITE: &str = "https://www.flatcar.org";
const KEY_PATH: &str = "security/image-signing-key/Flatcar_Image_Signing_Key.asc";

/// The compressed images have 400 to 600 MB.
const SIZE_MAX_BYTES: u64 = 8 << 30;

const CHANNELS: [&str; 4] = ["alpha", "beta", "stable", "lts"];

/// Flavours with a disk image that kiln reads (raw or qcow2), and what follows `flatcar_production_`.
const FLAVOURS: [(&str, &str); 7] = [
    ("generic", "image.bin.bz2"),
    ("ami", "ami_image.bin.bz2"),
    ("digitalocean", "digitalocean_image.bin.bz2"),
    ("hetzner", "hetzner_image.bin.bz2"),
    ("openstack", "openstack_image.img.bz2"),
    ("proxmoxve", "proxmoxve_image.img"),
    ("qemu_uefi", "qemu_uefi_image.img"),
];

pub(super) fn image(
    release: &Release,
    version: &str,
    flavour: &str,
    arch: Arch,
) -> Result<Place, ReleaseError> {
    let Some((_, rest)) = FLAVOURS.iter().find(|(name, _)| *name == flavour) else {
        let known: Vec<&str> = FLAVOURS.iter().map(|(name, _)| *name).collect();
        return Err(ReleaseError::Flavour { flavour: flavour.to_owned(), known: known.join(", ") });
    };
    let file = format!("flatcar_production_{rest}");
    let url = format!("{}/{}/{version}/{file}", prefix(release)?, board(arch));
    let site = release.mirror.as_deref().unwrap_or(KEY_SITE).trim_end_matches('/');
    let verify = Verify::Signature {
        url: format!("{url}.sig"),
        key_url: format!("{site}/{KEY_PATH}"),
        fingerprint: FINGERPRINT,
    };
    Ok(Place { url, file, verify, keyless: None, size_max: SIZE_MAX_BYTES })
}

pub(super) fn current(release: &Release, arch: Arch) -> Option<Pointer> {
    let url = format!("{}/{}/current/version.txt", prefix(release).ok()?, board(arch));
    Some(Pointer { label: format!("{} current", release.channel.as_deref().unwrap_or("stable")), url })
}

fn prefix(release: &Release) -> Result<String, ReleaseError> {
    let channel = release.channel.as_deref().unwrap_or("stable");
    if !CHANNELS.contains(&channel) {
        return Err(ReleaseError::Channel(channel.to_owned()));
    }
    let own = || format!("https://{channel}.release.flatcar-linux.net");
    Ok(release.mirror.as_deref().map_or_else(own, |mirror| mirror.trim_end_matches('/').to_owned()))
}

fn board(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "amd64-usr",
        Arch::Arm64 => "arm64-usr",
    }
}
