// SPDX-License-Identifier: Apache-2.0
//! Who may launch the images, and with which keys that goes together.

use std::collections::BTreeMap;

use serde::Serializer;

use super::raw;
use crate::cloud::Permission;
use crate::marks::at::At;
use crate::marks::report::Report;

/// Writes permissions as words: `account 123456789012`.
pub fn words<S: Serializer>(share: &[Permission], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(share.iter().map(Permission::to_string))
}

/// Returns who may launch, sorted and without repetition.
pub fn share(raw: raw::Share, at: &At<'_>, report: &mut Report) -> Vec<Permission> {
    let raw::Share { public, accounts, organizations, units } = raw;
    let mut share: Vec<Permission> = public.then_some(Permission::Public).into_iter().collect();
    for (text, at) in accounts.into_iter().zip(at.key("accounts").items()) {
        if text.len() != 12 || !text.bytes().all(|b| b.is_ascii_digit()) {
            let what = format!("'{text}' is no account");
            report.wrong(&at, what, "give the 12 digits in quotes".to_owned());
        }
        share.push(Permission::Account(text));
    }
    for (text, at) in organizations.into_iter().zip(at.key("organizations").items()) {
        is_arn(&text, "organization/o-", &at, report);
        share.push(Permission::Organization(text));
    }
    for (text, at) in units.into_iter().zip(at.key("units").items()) {
        is_arn(&text, "ou/o-", &at, report);
        share.push(Permission::Unit(text));
    }
    if public && share.len() > 1 {
        let what = "names some beside everybody".to_owned();
        report.wrong_key(at, what, "remove the others, or public: true".to_owned());
    }
    share.sort();
    if share.windows(2).any(|pair| pair[0] == pair[1]) {
        report.wrong_key(at, "names somebody twice".to_owned(), "keep one of them".to_owned());
    }
    share
}

/// Checks the ARN of an organization or a unit ("Resource types defined by AWS Organizations").
fn is_arn(text: &str, kind: &str, at: &At<'_>, report: &mut Report) {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let is_right =
        matches!(parts.as_slice(), ["arn", _, "organizations", "", _, rest] if rest.starts_with(kind));
    if !is_right {
        let what = format!("'{text}' is not the ARN that is wanted here");
        report.wrong(at, what, format!("write it as arn:aws:organizations::ACCOUNT:{kind}..."));
    }
}

/// Returns the keys by region.
pub fn keys(
    raw: raw::Encryption,
    regions: &[String],
    share: &[Permission],
    at: &At<'_>,
    report: &mut Report,
) -> BTreeMap<String, String> {
    if share.contains(&Permission::Public) {
        let what = "an encrypted image can't be public".to_owned();
        report.wrong_key(at, what, "remove it, or share.public".to_owned());
    }
    for (region, at) in at.key("keys").entries() {
        if !regions.iter().any(|known| known == region) {
            let what = format!("{region} is not among the regions");
            report.wrong_key(&at, what, "remove it, or add the region".to_owned());
        }
        let key = at.text().unwrap_or_default();
        let parts: Vec<&str> = key.splitn(6, ':').collect();
        match parts.as_slice() {
            ["arn", _, "kms", of, _, rest] if rest.starts_with("key/") && *of == region => {}
            ["arn", _, "kms", of, _, rest] if rest.starts_with("key/") => {
                let what = format!("the key is one of {of}");
                report.wrong(&at, what, format!("name a key of {region}"));
            }
            _ => {
                let what = format!("'{key}' is not the ARN of a key");
                let fix = format!("write it as arn:aws:kms:{region}:ACCOUNT:key/ID; an alias won't do");
                report.wrong(&at, what, fix);
            }
        }
    }
    for region in regions.iter().filter(|region| !share.is_empty() && !raw.keys.contains_key(*region)) {
        let what = format!("the account's own default key in {region} can't be shared");
        report.wrong_key(at, what, format!("name a key of your own for {region}"));
    }
    raw.keys
}
