// SPDX-License-Identifier: Apache-2.0
//! kiln's own files and kubelet's store. Whatever is not as kiln would write it is told, and left alone.

use serde::de::DeserializeOwned;

use super::super::credential::{CURRENT, STORE, is_dated, stored};
use super::super::file::File;
use super::super::identity::Identity;
use super::super::next::{CLAIM, IDENTITY, KEY, ROUTES, STATE};
use super::super::observed::{Certificate, Found, Observed};
use super::super::pki::Misfit;
use super::LookError;
use super::judged::Judged;
use crate::host::files::FileError;
use crate::host::root::Root;
use crate::settings::Settings;

/// A record has less than a kilobyte, a certificate with its chain and key a few.
const FILE_MAX_BYTES: u64 = 256 << 10;

/// Reads what is recorded of identity and claim, and what a killed run left half-written beside it.
pub(super) fn records(root: &Root, seen: &mut Observed) -> Result<(), LookError> {
    seen.disk.identity = record(root, IDENTITY)?;
    seen.disk.claim = record(root, CLAIM)?;
    seen.disk.routes = record(root, ROUTES)?;
    seen.disk.leftovers.clear();
    // A certificate's name has a date, so nobody writes that file again.
    for folder in [STATE, STORE] {
        let names = root.list(folder)?.into_iter();
        let leftovers = names.filter(|name| name.starts_with('.') && name.contains(".kiln-"));
        seen.disk.leftovers.extend(leftovers.map(|name| format!("{folder}/{name}")));
    }
    Ok(())
}

fn record<T: DeserializeOwned>(root: &Root, path: &str) -> Result<Found<T>, FileError> {
    let Some(bytes) = root.read(path, FILE_MAX_BYTES)? else { return Ok(Found::Missing) };
    Ok(serde_json::from_slice(&bytes).map_or_else(|error| Found::Broken(error.to_string()), Found::Is))
}

/// Judges key and certificate.
pub(super) fn credential(
    root: &Root,
    settings: &Settings,
    now_s: u64,
    seen: &mut Observed,
    judged: &mut Judged,
) -> Result<(), LookError> {
    let token_file = settings.node.token_file.as_ref().map(|path| path.display().to_string());
    seen.disk.token_file = match token_file {
        // A link to it is not what is to go.
        Some(path) if root.mode(&path)?.is_some() => Some(root.target(&path)),
        _ => None,
    };
    let Found::Is(identity) = &seen.disk.identity else { return Ok(()) };
    let identity = identity.clone();
    seen.disk.key = key(root, &identity, judged)?;
    let dated: Vec<String> = root.list(STORE)?.into_iter().filter(|name| is_dated(name)).collect();
    let has_link = root.link(&stored(CURRENT))?.is_some() || root.mode(&stored(CURRENT))?.is_some();
    let link = has_link.then(|| stored(CURRENT));
    seen.disk.store = link.into_iter().chain(dated.iter().map(|name| stored(name))).collect();
    let judge = |name: &str, judged: &mut Judged| -> Result<Option<Result<(), Misfit>>, FileError> {
        let Some(pem) = root.text(&stored(name), FILE_MAX_BYTES)? else { return Ok(None) };
        Ok(Some(judged.certificate(&pem, &settings.api.ca, &identity.name, now_s)))
    };
    seen.disk.certificate = certificate(has_link, &dated, |name| judge(name, judged))?;
    Ok(())
}

fn key(root: &Root, identity: &Identity, judged: &mut Judged) -> Result<Found<String>, FileError> {
    let Some(pem) = root.text(KEY, FILE_MAX_BYTES)? else { return Ok(Found::Missing) };
    Ok(match judged.key(&pem, &identity.name) {
        Ok(request) => Found::Is(request),
        Err(misfit) => Found::Broken(misfit.to_string()),
    })
}

/// `judge` says of a name in the store whether what is there will do.
fn certificate(
    has_link: bool,
    dated: &[String],
    mut judge: impl FnMut(&str) -> Result<Option<Result<(), Misfit>>, FileError>,
) -> Result<Certificate, FileError> {
    if has_link {
        return Ok(match judge(CURRENT)? {
            Some(Ok(())) => Certificate::Current,
            Some(Err(Misfit::Expired { until_s, now_s })) => {
                Certificate::Expired { since_s: now_s.saturating_sub(until_s) }
            }
            Some(Err(misfit @ Misfit::NotYet { .. })) => Certificate::Early(misfit.to_string()),
            Some(Err(misfit)) => Certificate::Unfit(misfit.to_string()),
            None => Certificate::Unfit("its link leads nowhere".to_owned()),
        });
    }
    // The newest one that is sound: kiln may have been cut between writing it and making it the current one.
    for name in dated.iter().rev() {
        if let Some(Ok(())) = judge(name)? {
            return Ok(Certificate::Stored(name.clone()));
        }
    }
    Ok(Certificate::Missing)
}

/// Returns the paths of the files that are not as they are wanted, in order.
pub(super) fn missing(root: &Root, wanted: &[File]) -> Result<Vec<String>, FileError> {
    let mut missing = Vec::new();
    for File { path, mode, text } in wanted {
        let is_there = root.mode(path)? == Some(*mode)
            && root.read(path, FILE_MAX_BYTES.max(text.len() as u64 + 1))?.as_deref()
                == Some(text.as_bytes());
        if !is_there {
            missing.push(path.clone());
        }
    }
    Ok(missing)
}
