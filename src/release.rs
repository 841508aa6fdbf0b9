// SPDX-License-Identifier: Apache-2.0
//! Releases: where each project keeps its files, how they can be verified, and where it says what is newest.
//!
//! A table and pure functions over it; nothing here fetches. A mirror takes the place of a layout's `prefix`.

mod checksum;
mod flatcar;
mod table;

use crate::manifest::input::{Arch, Release};
use crate::sigstore::Signer;

pub use checksum::{find_sha256, pointer_version};
pub use flatcar::FINGERPRINT as FLATCAR_FINGERPRINT;

/// One file of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it lies.
    pub url: String,
    /// The name it is locked by: a program's own name, or that of the archive.
    pub file: String,
    /// How upstream lets it be verified.
    pub verify: Verify,
    /// Better evidence, which a mirror may lack.
    pub keyless: Option<Keyless>,
    /// The largest size that makes sense, in bytes.
    pub size_max: u64,
}

/// How upstream lets a file be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verify {
    /// A file of sha256 digests on the same server; see [`find_sha256`].
    Sha256 {
        /// Where it lies.
        url: String,
        /// What the file is called there.
        name: String,
    },
    /// A detached OpenPGP signature.
    Signature {
        /// Where it lies.
        url: String,
        /// Where the key lies; none: the manifest must say.
        key_url: String,
        /// The primary fingerprint that the key must have.
        fingerprint: &'static str,
    },
    /// Not at all.
    Nothing,
}

/// A keyless signature of Sigstore's: see [`crate::sigstore`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyless {
    /// Where the signature lies.
    pub signature: String,
    /// Where the signer's certificate lies.
    pub certificate: String,
    /// Where the certificates of the authority lie.
    pub authority: String,
    /// Whose signature counts.
    pub signer: Signer,
}

/// A small file that says what is newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// What it is newest of: "stable-1.34", "stable current".
    pub label: String,
    /// Where it lies; [`pointer_version`] reads it.
    pub url: String,
}

/// Why a release has no place for what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// No such project in the table.
    #[error("kiln knows no project '{project}'; it knows {known}; use 'url' for others")]
    Project {
        /// What was asked for.
        project: String,
        /// All there are.
        known: String,
    },
    /// The project's release has no such file.
    #[error("a release of {project} has no '{component}'; it has {known}")]
    Component {
        /// The project.
        project: String,
        /// What was asked for.
        component: String,
        /// All there are.
        known: String,
    },
    /// Not a version that could be part of an address.
    #[error("'{0}' is no version (letters, digits, '.', '-', '_' and '+')")]
    Version(String),
    /// The layout wants versions with a `v`.
    #[error("{project} names its releases with a 'v': write 'v{version}'")]
    NoV {
        /// The project.
        project: String,
        /// What was given.
        version: String,
    },
    /// No such channel of Flatcar.
    #[error("'{0}' is no channel of Flatcar; it has alpha, beta, stable and lts")]
    Channel(String),
    /// No disk image for this flavour that kiln could use.
    #[error(
        "kiln knows no disk image of Flatcar's flavour '{flavour}'; it knows {known}; use 'url' for others"
    )]
    Flavour {
        /// What was asked for.
        flavour: String,
        /// All there are.
        known: String,
    },
}

/// Where Fulcio lists its authorities (sigstore/fulcio, README, "Public Instance"); a mirror has it below this path.
const AUTHORITY: &str = "fulcio.sigstore.dev/api/v2/trustBundle";

/// Returns where the file of `component` lies.
///
/// # Errors
/// If project, component or version don't exist in the table.
pub fn component(release: &Release, component: &str, arch: Arch) -> Result<Place, ReleaseError> {
    let layout = table::find(&release.project)?;
    check_version(&release.version)?;
    let Some(number) = release.version.strip_prefix('v') else {
        let (project, version) = (release.project.clone(), release.version.clone());
        return Err(ReleaseError::NoV { project, version });
    };
    if !layout.components.contains(&component) {
        let (project, component) = (release.project.clone(), component.to_owned());
        return Err(ReleaseError::Component { project, component, known: layout.components.join(", ") });
    }
    let prefix = release.mirror.as_deref().unwrap_or(layout.prefix).trim_end_matches('/');
    let fill = |text: &str| {
        let text = text.replace("{version}", &release.version).replace("{number}", number);
        text.replace("{component}", component).replace("{arch}", arch_name(arch))
    };
    let (folder, name) = (format!("{prefix}/{}", fill(layout.folder)), fill(layout.file));
    let verify = match layout.sums {
        Some(sums) => Verify::Sha256 { url: format!("{folder}/{}", fill(sums)), name: name.clone() },
        None => Verify::Nothing,
    };
    let file = if layout.is_program { component.to_owned() } else { name.clone() };
    let url = format!("{folder}/{name}");
    let keyless = layout.signer.map(|signer| Keyless {
        signature: format!("{url}.sig"),
        certificate: format!("{url}.cert"),
        authority: match &release.mirror {
            Some(_) => format!("{prefix}/{AUTHORITY}"),
            None => format!("https://{AUTHORITY}"),
        },
        signer,
    });
    Ok(Place { url, file, verify, keyless, size_max: table::SIZE_MAX_BYTES })
}

/// Returns where the disk image of a Flatcar release lies. `version` is never "current": resolve that first.
///
/// # Errors
/// If channel, version or flavour don't exist.
pub fn base(release: &Release, version: &str, flavour: &str, arch: Arch) -> Result<Place, ReleaseError> {
    check_version(version)?;
    flatcar::image(release, version, flavour, arch)
}

/// Returns the files that say what is newest, for layouts that have such.
pub fn pointers(release: &Release, arch: Arch) -> Vec<Pointer> {
    match release.project.as_str() {
        "flatcar" => flatcar::current(release, arch).into_iter().collect(),
        "kubernetes" => table::kubernetes_pointers(release),
        _ => Vec::new(),
    }
}

fn check_version(version: &str) -> Result<(), ReleaseError> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || ".-_+".contains(c);
    if version.is_empty() || version.len() > 80 || version.starts_with('.') || !version.chars().all(is_fine) {
        return Err(ReleaseError::Version(version.chars().take(80).collect()));
    }
    Ok(())
}

/// Go's names, which all of these projects use.
fn arch_name(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "amd64",
        Arch::Arm64 => "arm64",
    }
}

#[cfg(test)]
mod tests;
