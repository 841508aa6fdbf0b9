// SPDX-License-Identifier: Apache-2.0
//! The origin of a component: one source, with everything that source needs.

use super::source;
use crate::manifest::known::{self, Known};
use crate::manifest::{Go, Release, Source, raw};
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::nearest::nearest;

/// Returns the source of the component `name`; without any it is its project's release.
pub fn origin(
    name: &str,
    raw: raw::Component,
    known: Option<&Known>,
    version: Option<&str>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<Source> {
    let raw::Component { version: typed, release, go, url, file, itself, sha256, signature, .. } = raw;
    let (sha256, signature) = source::proofs((sha256, signature), url.is_some(), file.is_some(), at, report);
    match (go, url, file, itself) {
        (Some(go), ..) => self::go(go, &at.key("go"), report).map(Source::Go),
        (_, Some(url), ..) => source::address(Some(url), &at.key("url"), report).map(|url| Source::Url {
            url,
            sha256,
            signature,
        }),
        (_, _, Some(path), _) => {
            source::file(path, &at.key("file"), report).map(|path| Source::File { path, sha256 })
        }
        (.., Some(_)) => own(name, typed.is_some(), at, report),
        _ => self::release(name, release, known, (version, typed.is_some()), at, report).map(Source::Release),
    }
}

fn own(name: &str, has_version: bool, at: &At<'_>, report: &mut Report) -> Option<Source> {
    if name != "kiln-firstboot" {
        let what = format!("kiln does not bring '{name}'");
        report.wrong_key(&at.key("self"), what, "only kiln-firstboot can have 'self'".to_owned());
        return None;
    }
    if has_version {
        let what = "the version is that of the running kiln".to_owned();
        report.wrong_key(&at.key("version"), what, "remove it".to_owned());
    }
    Some(Source::Itself)
}

fn release(
    name: &str,
    raw: Option<raw::Release>,
    known: Option<&Known>,
    (version, is_typed): (Option<&str>, bool),
    at: &At<'_>,
    report: &mut Report,
) -> Option<Release> {
    let mirror = raw.and_then(|raw| source::address(raw.mirror, &at.key("release").key("mirror"), report));
    let Some(project) = known.and_then(|known| known.project) else {
        let fix = match (known, nearest(name, known::names())) {
            (Some(_), _) => "add 'self: true'".to_owned(),
            (None, Some(meant)) => format!("did you mean '{meant}'? Otherwise add 'url', 'file' or 'go'"),
            (None, None) => "add 'url', 'file' or 'go'".to_owned(),
        };
        report.wrong_key(at, format!("kiln knows no release of '{name}'"), fix);
        return None;
    };
    let Some(version) = version else {
        if !is_typed {
            let fix = match project {
                "kubernetes" => "add 'version', or 'kubernetes' to 'cluster' for all of its parts",
                _ => "add 'version'",
            };
            report.wrong_key(at, "has no version".to_owned(), fix.to_owned());
        }
        return None;
    };
    Some(Release { project: project.to_owned(), version: version.to_owned(), channel: None, mirror })
}

fn go(raw: raw::Go, at: &At<'_>, report: &mut Report) -> Option<Go> {
    let raw::Go { folder, packages, cgo, tags, ldflags } = raw;
    for (package, at) in packages.iter().zip(at.key("packages").items()) {
        // A leading '-' would be an option of go itself; "./x" names a package of the folder's own module.
        let is_path = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
        if package.is_empty()
            || package.starts_with('-')
            || !package.bytes().all(is_path)
            || package.contains("...")
        {
            let fix = "write it as k8s.io/kubernetes/cmd/kubelet".to_owned();
            report.wrong(&at, format!("'{package}' is no import path of one program"), fix);
        }
    }
    for (tag, at) in tags.iter().zip(at.key("tags").items()) {
        if tag.is_empty() || !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b)) {
            report.wrong(
                &at,
                format!("'{tag}' is no build tag"),
                "use letters, digits, '_' and '.'".to_owned(),
            );
        }
    }
    let folder = source::folder(folder, &at.key("folder"), report)?;
    Some(Go { folder, packages, cgo, tags, ldflags })
}
