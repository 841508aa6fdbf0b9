// SPDX-License-Identifier: Apache-2.0
//! What a control plane shares by parameters of Systems Manager: its CA and its operator's certificate, both public, and a
//! bootstrap token that is always good for a while. Pure.

use std::collections::BTreeMap;

use super::pki::{self, Key, Leaf, Misfit, Validity};
use crate::names::{ADMINS, SHARED_CA, SHARED_OPERATOR};
use crate::settings::Cloud;
use crate::token::{Token, left_s};

/// An operator's certificate is renewed when less than this is left of its year.
const OPERATOR_SPARE_S: u64 = 30 * 24 * 3600;
/// A token lives for an hour; whoever reads it has at least this long to join with it.
pub const TOKEN_SPARE_S: u64 = 30 * 60;

/// The names of the parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// The cluster's CA certificates.
    pub ca: Option<String>,
    /// The operator's certificate.
    pub operator: Option<String>,
    /// The token.
    pub token: Option<String>,
}

/// Returns the names that settings give.
pub fn names(cloud: &Cloud) -> Names {
    let below = |name: &str| cloud.share.as_ref().map(|path| format!("{path}/{name}"));
    Names {
        ca: below(SHARED_CA),
        operator: below(SHARED_OPERATOR).filter(|_| cloud.operator.is_some()),
        token: cloud.token_parameter.clone(),
    }
}

impl Names {
    /// Returns all of them.
    pub fn all(&self) -> Vec<&str> {
        [&self.ca, &self.operator, &self.token].into_iter().flatten().map(String::as_str).collect()
    }
}

/// The cluster's authority, as far as it is on this machine.
#[derive(Debug)]
pub struct Authority<'a> {
    /// What everybody trusts (PEM).
    pub trusted: &'a str,
    /// The certificate that signs (PEM).
    pub certificate: &'a str,
    /// Its key.
    pub key: &'a Key,
}

/// Returns the operator's certificate, if the one that is shared will not do; `request` is theirs, in PEM.
///
/// # Errors
/// When the request can't be read, or nothing can be signed.
pub fn operator(
    request: &str,
    shared: Option<&str>,
    authority: &Authority<'_>,
    now_s: u64,
) -> Result<Option<String>, Misfit> {
    let asked = pki::asked(request)?;
    let wanted = Leaf::client(&asked.name, Some(ADMINS));
    let judge = |text| pki::judge_leaf(&wanted, text, &asked.key, authority.trusted, now_s);
    let is_good = |validity: Validity| validity.until_s > now_s + OPERATOR_SPARE_S;
    if shared.and_then(|text| judge(text).ok()).is_some_and(is_good) {
        return Ok(None);
    }
    pki::leaf(&wanted, &asked.key, authority.certificate, authority.key, now_s).map(Some)
}

/// Returns whether the token that is shared is good for long enough; `ends` has the ends of the cluster's tokens (RFC 3339;
/// none: never) by id.
pub fn is_live(shared: Option<&str>, ends: &BTreeMap<String, Option<String>>, now_s: u64) -> bool {
    let id = shared.and_then(|text| Token::parse(text).ok()).map(|token| token.id);
    match id.and_then(|id| ends.get(&id)) {
        None => false,
        Some(None) => true,
        Some(Some(end)) => left_s(end, now_s).is_some_and(|left_s| left_s > TOKEN_SPARE_S),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    const NOW_S: u64 = 1_800_000_000;

    fn key() -> Key {
        Key::parse(&KeyPair::generate().unwrap().serialize_pem()).unwrap()
    }

    fn request(name: &str, organization: &str) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, organization);
        params.distinguished_name.push(DnType::CommonName, name);
        params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap()
    }

    #[test]
    fn an_operator_becomes_an_administrator_and_nothing_else() {
        let signer = key();
        let ca = pki::authority("kubernetes", &signer, NOW_S).unwrap();
        let authority = Authority { trusted: &ca, certificate: &ca, key: &signer };
        let request = request("me", "system:masters");
        let made = operator(&request, None, &authority, NOW_S).unwrap().unwrap();
        let asked = pki::asked(&request).unwrap();
        let wanted = Leaf::client("me", Some("kubeadm:cluster-admins"));
        pki::judge_leaf(&wanted, &made, &asked.key, &ca, NOW_S).unwrap();
        assert_eq!(operator(&request, Some(&made), &authority, NOW_S), Ok(None), "it is good");
        let late_s = NOW_S + 340 * 24 * 3600;
        assert!(operator(&request, Some(&made), &authority, late_s).unwrap().is_some(), "it is old");
        let other = self::request("me", "x");
        assert!(operator(&other, Some(&made), &authority, NOW_S).unwrap().is_some(), "another key");
        let broken = request.replace("MI", "MJ");
        assert_eq!(operator(&broken, None, &authority, NOW_S), Err(Misfit::NotARequest));
    }

    #[test]
    fn a_token_is_replaced_before_it_ends() {
        let end = |text: &str| BTreeMap::from([("abcdef".to_owned(), Some(text.to_owned()))]);
        let token = Some("abcdef.0123456789abcdef");
        // 2027-01-15T08:00:00Z.
        assert!(is_live(token, &end("2027-01-15T08:30:01Z"), NOW_S));
        assert!(!is_live(token, &end("2027-01-15T08:30:00Z"), NOW_S));
        assert!(!is_live(token, &end("soon"), NOW_S) && !is_live(None, &end("2027-01-15T09:00:00Z"), NOW_S));
        assert!(
            !is_live(Some("none"), &end("2027-01-15T09:00:00Z"), NOW_S),
            "as kiln launch --group makes it"
        );
        assert!(!is_live(token, &BTreeMap::new(), NOW_S), "it was revoked");
        assert!(is_live(token, &BTreeMap::from([("abcdef".to_owned(), None)]), NOW_S));
    }
}
