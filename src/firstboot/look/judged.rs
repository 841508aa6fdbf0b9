// SPDX-License-Identifier: Apache-2.0
//! Verdicts on texts, for the next look of the same run: a signature is not checked again as long as not one byte that it is
//! about has changed. Only good ones are kept, and the time is looked at each time.

use super::super::credential::request_name;
use super::super::pki::{self, Key, Misfit, Validity};
use crate::digest::{Digest, Hasher};

/// What a look has judged. Texts are kept as digests: they hold keys.
#[derive(Debug, Default)]
pub struct Judged {
    /// A sound private key, and the name of the request that belongs to it.
    key: Option<(Digest, String)>,
    /// A certificate that fits, and when it is valid.
    certificate: Option<(Digest, Validity)>,
}

impl Judged {
    /// Returns the name of the certificate request for a key and node.
    pub(super) fn key(&mut self, pem: &str, node_name: &str) -> Result<String, Misfit> {
        let text = digest(&[pem, node_name]);
        if let Some((_, request)) = self.key.as_ref().filter(|(known, _)| *known == text) {
            return Ok(request.clone());
        }
        let request = request_name(&Key::parse(pem)?.public_pem(), node_name);
        self.key = Some((text, request.clone()));
        Ok(request)
    }

    /// Judges a text of certificate and key, as [`pki::judge`] does.
    pub(super) fn certificate(
        &mut self,
        pem: &str,
        authorities_pem: &str,
        node_name: &str,
        now_s: u64,
    ) -> Result<(), Misfit> {
        let text = digest(&[pem, authorities_pem, node_name]);
        if let Some((_, validity)) = self.certificate.as_ref().filter(|(known, _)| *known == text) {
            return validity.check(now_s).map(drop);
        }
        let validity = pki::judge(pem, pem, authorities_pem, node_name, now_s)?;
        self.certificate = Some((text, validity));
        Ok(())
    }
}

/// Each text with its length before it, so that no two lists of texts are alike.
fn digest(texts: &[&str]) -> Digest {
    let mut hasher = Hasher::new();
    for text in texts {
        hasher.update(&text.len().to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::super::pki::Leaf;
    use super::*;

    const NOW_S: u64 = 1_800_000_000;

    fn issued() -> (String, String) {
        let pem = || rcgen::KeyPair::generate().unwrap().serialize_pem();
        let (authority_key, key) = (pem(), pem());
        let authority_key = Key::parse(&authority_key).unwrap();
        let authority = pki::authority("ca", &authority_key, NOW_S).unwrap();
        let leaf =
            pki::leaf(&Leaf::kubelet("w"), &Key::parse(&key).unwrap(), &authority, &authority_key, NOW_S);
        (format!("{}{key}", leaf.unwrap()), authority)
    }

    #[test]
    fn a_kept_verdict_is_of_these_texts_and_this_time_alone() {
        let (pem, ca) = issued();
        let mut judged = Judged::default();
        for _ in 0..2 {
            judged.certificate(&pem, &ca, "w", NOW_S).unwrap();
        }
        let validity = judged.certificate.as_ref().unwrap().1;
        let late = judged.certificate(&pem, &ca, "w", validity.until_s + 1);
        assert!(matches!(late, Err(Misfit::Expired { .. })), "{late:?}");
        let early = judged.certificate(&pem, &ca, "w", validity.from_s - 1);
        assert!(matches!(early, Err(Misfit::NotYet { .. })), "{early:?}");
        assert!(judged.certificate(&pem, &ca, "v", NOW_S).is_err(), "another node");
        let (other, other_ca) = issued();
        assert!(judged.certificate(&pem, &other_ca, "w", NOW_S).is_err(), "another authority");
        assert!(judged.certificate(&other, &ca, "w", NOW_S).is_err(), "another certificate");
        // What is refused does not take the place of what is good.
        assert!(judged.certificate.is_some());
    }

    #[test]
    fn a_request_belongs_to_key_and_node() {
        let mut judged = Judged::default();
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let name = judged.key(&key, "w").unwrap();
        assert_eq!(judged.key(&key, "w").unwrap(), name);
        assert_ne!(judged.key(&key, "v").unwrap(), name);
        assert!(judged.key("nonsense", "w").is_err());
    }

    #[test]
    fn texts_do_not_run_into_each_other() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
