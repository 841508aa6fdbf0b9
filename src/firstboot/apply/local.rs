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
use super::{ApplyError, Hands, PEM_MAX_BYTES};
use crate::host::{clock, entropy, links};

impl Hands<'_> {
    pub(super) fn change(&mut self, step: &Step, seen: &Observed, wanted: &Wanted) -> Result<(), ApplyError> {
        let moved = || ApplyError::Moved(step.to_string());
        match step {
            Step::RecordIdentity(identity) => self.record(IDENTITY, identity),
            Step::Record(record) => self.record(CLAIM, record),
            Step::RecordRoutes(routed) => self.record(ROUTES, routed),
            Step::MakeKey => Ok(self.root.replace(KEY, entropy::key_pem()?.as_bytes(), 0o600)?),
            Step::StoreCertificate => self.store_certificate(seen)?.ok_or_else(moved),
            Step::LinkCertificate(name) => Ok(self.root.replace_link(&stored(CURRENT), name)?),
            Step::Remove(path) => Ok(self.root.remove(path)?),
            Step::Write(path) => {
                let file = wanted.file(path).ok_or_else(moved)?;
                Ok(self.root.replace(path, file.text.as_bytes(), file.mode)?)
            }
            Step::Repair(what) => {
                let repair = wanted.repairs.iter().find(|repair| repair.to_string() == *what);
                self.repair(repair.ok_or_else(moved)?)
            }
            _ => Err(moved()),
        }
    }

    fn record(&self, path: &str, value: &impl Serialize) -> Result<(), ApplyError> {
        let mut text = serde_json::to_vec_pretty(value).expect("records are texts and numbers");
        text.push(b'\n');
        Ok(self.root.replace(path, &text, 0o600)?)
    }

    /// In one file, certificate first, as kubelet writes it. Nothing if certificate or key are gone.
    fn store_certificate(&self, seen: &Observed) -> Result<Option<()>, ApplyError> {
        let Request::Issued(certificate) = &seen.server.request else { return Ok(None) };
        let Some(key) = self.root.text(KEY, PEM_MAX_BYTES)? else { return Ok(None) };
        let text = format!("{}\n{key}", certificate.trim_end());
        self.root.replace(&stored(&dated(&date(clock::now_s()))), text.as_bytes(), 0o600)?;
        Ok(Some(()))
    }

    fn repair(&self, repair: &Repair) -> Result<(), ApplyError> {
        match repair {
            Repair::DeleteLink { name, .. } => Ok(links::delete_link(name)?),
            Repair::DeleteRoute { route, .. } => Ok(links::delete_route(route)?),
            Repair::RemoveFile { path, .. } => Ok(self.root.remove(path)?),
        }
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
