// SPDX-License-Identifier: Apache-2.0
//! What all sources share: addresses, local paths, digests, and whether the wanted trust can ever be had.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::lock::TrustLevel;
use crate::manifest::Source;
use crate::marks::at::At;
use crate::marks::report::Report;

/// Tells of a key that is there without the one it belongs to.
pub fn belongs(is_given: bool, has_owner: bool, owner: &str, at: &At<'_>, report: &mut Report) {
    if is_given && !has_owner {
        report.wrong_key(at, format!("belongs to '{owner}', which is not given"), "remove it".to_owned());
    }
}

/// Reads a sha256, if there is one.
pub fn digest(text: Option<String>, at: &At<'_>, report: &mut Report) -> Option<Digest> {
    let text = text?;
    let digest = text.parse().ok();
    if digest.is_none() {
        let what = format!("is not a sha256: it has {} characters", text.chars().count());
        report.wrong(at, what, "give it the 64 hex digits that 'sha256sum' prints".to_owned());
    }
    digest
}

/// Reads an address, if there is one: https, with a host, without a password.
pub fn address(text: Option<String>, at: &At<'_>, report: &mut Report) -> Option<String> {
    let text = text?;
    let (what, fix) = match url::Url::parse(&text) {
        Err(error) => (format!("is not an address: {error}"), "write it as https://host/path"),
        Ok(url) if url.scheme() != "https" => {
            (format!("is not https but {}", url.scheme()), "use an https address")
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            ("holds a user name or password".to_owned(), "remove it: the image carries its manifest's lock")
        }
        Ok(_) if text.contains(char::is_whitespace) => ("holds white space".to_owned(), "write it as %20"),
        Ok(_) => return Some(text),
    };
    report.wrong(at, what, fix.to_owned());
    None
}

/// Reads what a source of one file is proven by, a digest and the address of a signature, and tells where they belong to none.
pub fn proofs(
    (sha256, signature): (Option<String>, Option<String>),
    has_url: bool,
    has_file: bool,
    at: &At<'_>,
    report: &mut Report,
) -> (Option<Digest>, Option<String>) {
    belongs(sha256.is_some(), has_url || has_file, "file' or 'url", &at.key("sha256"), report);
    belongs(signature.is_some(), has_url, "url", &at.key("signature"), report);
    (digest(sha256, &at.key("sha256"), report), address(signature, &at.key("signature"), report))
}

/// Reads the path of a file that is read later.
pub fn file(text: String, at: &At<'_>, report: &mut Report) -> Option<PathBuf> {
    let path = path(text, at, report)?;
    report.names(at, path.clone(), false);
    Some(path)
}

/// Reads the path of a folder that is read later.
pub fn folder(text: String, at: &At<'_>, report: &mut Report) -> Option<PathBuf> {
    let path = path(text, at, report)?;
    report.names(at, path.clone(), true);
    Some(path)
}

/// Reads a path on this machine.
pub fn path(text: String, at: &At<'_>, report: &mut Report) -> Option<PathBuf> {
    if text.is_empty() || text.contains('\0') {
        report.wrong(
            at,
            "is not a path".to_owned(),
            "give it a path relative to the manifest's folder".to_owned(),
        );
        return None;
    }
    Some(PathBuf::from(text))
}

/// Tells when no file from this source can ever be trusted as far as required.
pub fn can_be_trusted(source: &Source, require: Option<TrustLevel>, at: &At<'_>, report: &mut Report) {
    let (Some(wanted), Some(most)) = (require, most_trust(source)) else { return };
    if wanted > most {
        let what = format!("'{}' can't be had from this source: '{}' at most", name(wanted), name(most));
        let fix = match source {
            Source::Url { .. } => "add 'signature' or 'sha256', or require less",
            Source::File { .. } => "add 'sha256', or require less",
            _ => "require less",
        };
        report.wrong(at, what, fix.to_owned());
    }
}

/// What a release can offer is known to the table of releases alone.
fn most_trust(source: &Source) -> Option<TrustLevel> {
    match source {
        Source::Release(_) => None,
        Source::Url { signature: Some(_), .. } => Some(TrustLevel::Signed),
        Source::Url { sha256: Some(_), .. } | Source::File { sha256: Some(_), .. } => Some(TrustLevel::Given),
        Source::Url { .. } | Source::File { .. } => Some(TrustLevel::FirstUse),
        Source::Itself | Source::Recipe { .. } | Source::Go(_) => Some(TrustLevel::Built),
    }
}

fn name(level: TrustLevel) -> &'static str {
    match level {
        TrustLevel::FirstUse => "first-use",
        TrustLevel::SameOrigin => "same-origin",
        TrustLevel::Given => "given",
        TrustLevel::Built => "built",
        TrustLevel::Attested => "attested",
        TrustLevel::Signed => "signed",
    }
}
