// SPDX-License-Identifier: Apache-2.0
//! Steps on this machine: one durable change each.

use serde::Serialize;
use time::OffsetDateTime;

use super::super::credential::{CURRENT, dated, stored};
use super::super::look::Wanted;
use super::super::network::stale::Repair;
use super::super::next::{CLAIM, IDENTITY, KEY, ROUTES};
use super::super::observed::{Observed, Request};
use super::super::step::Step;
use super::{ApplyError, PEM_MAX_BYTES};
use crate::host::files::FileError;
use crate::host::root::Root;
use crate::host::{clock, entropy, links};

/// Does a step on this machine.
///
/// # Errors
/// When the machine refuses, and when it is no longer as it was looked at.
pub fn change(root: &Root, step: &Step, seen: &Observed, wanted: &Wanted) -> Result<(), ApplyError> {
    let moved = || ApplyError::Moved(step.to_string());
    match step {
        Step::RecordIdentity(identity) => record(root, IDENTITY, identity),
        Step::Record(claim) => record(root, CLAIM, claim),
        Step::RecordRoutes(routed) => record(root, ROUTES, routed),
        Step::MakeKey => Ok(root.replace(KEY, entropy::key_pem()?.as_bytes(), 0o600)?),
        Step::StoreCertificate => {
            let pem = issued(root, seen)?.ok_or_else(moved)?;
            Ok(root.replace(&stored(&dated(&date(clock::now_s()))), pem.as_bytes(), 0o600)?)
        }
        Step::LinkCertificate(name) => Ok(root.replace_link(&stored(CURRENT), name)?),
        Step::Remove(path) => Ok(root.remove(path)?),
        Step::Write(path) => {
            let file = wanted.file(path).ok_or_else(moved)?;
            Ok(root.replace(path, file.text.as_bytes(), file.mode)?)
        }
        Step::Repair(what) => {
            let found = wanted.repairs.iter().find(|repair| repair.to_string() == *what);
            repair(root, found.ok_or_else(moved)?)
        }
        _ => Err(moved()),
    }
}

/// The certificate that was just issued with its key, in one text, the certificate first, as kubelet writes it. None if
/// either is gone.
pub(super) fn issued(root: &Root, seen: &Observed) -> Result<Option<String>, FileError> {
    let Request::Issued(certificate) = &seen.server.request else { return Ok(None) };
    let key = root.text(KEY, PEM_MAX_BYTES)?;
    Ok(key.map(|key| format!("{}\n{key}", certificate.trim_end())))
}

fn record(root: &Root, path: &str, value: &impl Serialize) -> Result<(), ApplyError> {
    let mut text = serde_json::to_vec_pretty(value).expect("records are texts and numbers");
    text.push(b'\n');
    Ok(root.replace(path, &text, 0o600)?)
}

fn repair(root: &Root, repair: &Repair) -> Result<(), ApplyError> {
    match repair {
        Repair::DeleteLink { name, .. } => Ok(links::delete_link(name)?),
        Repair::DeleteRoute { route, .. } => Ok(links::delete_route(route)?),
        Repair::RemoveFile { path, .. } => Ok(root.remove(path)?),
    }
}

/// Returns a second as kubelet writes it in names of certificates: `2006-01-02-15-04-05`.
fn date(now_s: u64) -> String {
    let time = i64::try_from(now_s).ok().and_then(|now_s| OffsetDateTime::from_unix_timestamp(now_s).ok());
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    format!("{year:04}-{:02}-{day:02}-{hour:02}-{minute:02}-{second:02}", u8::from(month))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_date_is_kubelets() {
        assert_eq!(super::date(1_136_214_245), "2006-01-02-15-04-05");
    }
}
