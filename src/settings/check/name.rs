// SPDX-License-Identifier: Apache-2.0
//! Names as Kubernetes spells them (apimachinery, `util/validation`): domains, label keys, label values.

use std::net::IpAddr;

/// RFC 1123.
const LABEL_MAX: usize = 63;
const SUBDOMAIN_MAX: usize = 253;

/// Returns whether a text is one part of a domain: lower-case letters, digits and '-', not at an end, 63 at most.
pub fn is_label(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=LABEL_MAX).contains(&text.len())
        && text.bytes().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Returns whether a text is a domain, which is what most objects may be called; 253 bytes at most.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= SUBDOMAIN_MAX && text.split('.').all(is_label)
}

/// Returns whether a text is a domain or an address.
pub fn is_host(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || is_subdomain(text)
}

/// Returns whether a text is a key of a label or taint: `NAME` or `DOMAIN/NAME`.
pub fn is_qualified(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, name)) => is_subdomain(domain) && !name.is_empty() && is_label_value(name),
        None => !text.is_empty() && is_label_value(text),
    }
}

/// Returns whether a text is a value of a label or taint: empty, or 63 letters, digits, '-', '_' and '.', the first and the
/// last being a letter or digit.
pub fn is_label_value(text: &str) -> bool {
    let is_end = |b: Option<u8>| b.is_none_or(|b| b.is_ascii_alphanumeric());
    text.len() <= LABEL_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && is_end(text.bytes().next())
        && is_end(text.bytes().last())
}
