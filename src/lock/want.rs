// SPDX-License-Identifier: Apache-2.0
//! What a manifest asks for, input by input, each in one line that the lock repeats.
//!
//! A mirror is no part of it: the pinned bytes are the same wherever they come from.

use std::fmt::Write;

use super::TrustLevel;
use crate::manifest::{Arch, Go, Manifest, Release, Source};

/// The name of the base among the inputs.
pub const BASE: &str = "base";

/// One thing that is pinned.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Unique: [`BASE`], or the name of a component or container image.
    pub name: &'a str,
    /// Where it comes from.
    pub source: &'a Source,
    /// The least trust that will do.
    pub require: Option<TrustLevel>,
    /// What programs in it are built for.
    pub arch: Arch,
    /// The platform of the base; none: it is something else.
    pub flavour: Option<&'a str>,
    /// The version that the manifest says it has; a release says more in its source.
    pub version: Option<&'a str>,
}

/// Returns all inputs of a manifest, the base first.
pub fn inputs(manifest: &Manifest) -> Vec<Input<'_>> {
    let (base, arch) = (&manifest.base, manifest.arch);
    let flavour = Some(base.flavour.as_str());
    let base =
        Input { name: BASE, source: &base.source, require: base.require, arch, flavour, version: None };
    let components = manifest.components.iter().map(|component| {
        let (name, source) = (component.name.as_str(), &component.source);
        let version = component.version.as_deref();
        Input { name, source, require: component.require, arch, flavour: None, version }
    });
    let images = manifest.images.iter().map(|image| {
        let (name, source) = (image.name.as_str(), &image.source);
        let version = image.version.as_deref();
        Input { name, source, require: image.require, arch, flavour: None, version }
    });
    std::iter::once(base).chain(components).chain(images).collect()
}

impl Input<'_> {
    /// Returns what is asked for, in one line.
    pub fn want(&self) -> String {
        let mut line = match self.source {
            Source::Release(release) => self.want_release(release),
            Source::Url { url, sha256, signature } => {
                let mut line = format!("url {url}");
                sha256.iter().for_each(|it| line += &format!(" sha256={it}"));
                signature.iter().for_each(|it| line += &format!(" signature={it}"));
                line
            }
            Source::File { path, sha256 } => {
                let mut line = format!("file {}", path.display());
                sha256.iter().for_each(|it| line += &format!(" sha256={it}"));
                line
            }
            Source::Itself => "self".to_owned(),
            Source::Recipe { folder } => format!("recipe {}", folder.display()),
            Source::Go(go) => want_go(go),
        };
        let arch = match self.arch {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
        };
        // Writing to a string never fails.
        let _ = write!(line, " {arch}");
        line
    }

    fn want_release(&self, release: &Release) -> String {
        let Release { project, version, channel, mirror: _ } = release;
        let channel = channel.as_ref().map(|it| format!("{it} ")).unwrap_or_default();
        let what = self.flavour.unwrap_or(self.name);
        format!("release {project} {channel}{version} {what}")
    }
}

fn want_go(go: &Go) -> String {
    let Go { folder, packages, cgo, tags, ldflags } = go;
    let mut line = format!("go {} {}", folder.display(), packages.join(" "));
    if *cgo {
        line += " cgo";
    }
    if !tags.is_empty() {
        line += &format!(" tags={}", tags.join(","));
    }
    if !ldflags.is_empty() {
        line += &format!(" ldflags='{ldflags}'");
    }
    line
}
