// SPDX-License-Identifier: Apache-2.0
use std::io::Read;

use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::packet::SubpacketData;
use pgp::ser::Serialize;

use kiln::openpgp::{Accepted, Keys, OpenpgpError, Signed, verify};

use super::gpg::{DAY_S, Gpg, START_S};
use super::vendor::{MADE_S, SIGNED_S, Vendor, vendor};

const DATA: &[u8] = b"a disk image";

const NOW_S: u64 = START_S + 1000 * DAY_S;

/// What these tests ask of a vendor.
impl Vendor {
    fn accepted(&self) -> Vec<Accepted> {
        vec![Accepted { fingerprint: self.primary.clone(), by_manifest: true }]
    }

    fn check(&self, signature: &[u8], data: &'static [u8]) -> Result<Signed, OpenpgpError> {
        check(&Keys::parse(&self.export, &self.accepted())?, signature, data)
    }

    fn words(&self, signature: &[u8]) -> String {
        self.plain(&self.check(signature, DATA).unwrap_err())
    }

    fn plain(&self, error: &OpenpgpError) -> String {
        error.to_string().replace(&self.primary, "PRIMARY").replace(&self.subkey, "SUBKEY")
    }
}

fn check(keys: &Keys, signature: &[u8], data: &'static [u8]) -> Result<Signed, OpenpgpError> {
    verify(keys, signature, NOW_S, &mut || Ok(Box::new(data)))
}

#[test]
fn a_subkey_that_has_expired_since_still_counts() {
    let vendor = vendor();
    let (signer, signed_at_s, by_manifest) = (vendor.subkey.clone(), SIGNED_S, true);
    let signed = Signed { key: vendor.primary.clone(), signer, signed_at_s, by_manifest };
    for options in [&[][..], &["--armor"]] {
        let signature = vendor.gpg.sign(&vendor.subkey, SIGNED_S, options, DATA);
        assert_eq!(vendor.check(&signature, DATA).unwrap(), signed);
    }
}

#[test]
fn a_changed_file_is_refused() {
    let vendor = vendor();
    let signature = vendor.gpg.sign(&vendor.subkey, SIGNED_S, &[], DATA);
    let error = vendor.check(&signature, b"a disk imagE").unwrap_err();
    assert_eq!(vendor.plain(&error), "the file is not what SUBKEY signed on 2025-01-21 00:00:00 UTC");
}

#[test]
fn a_stranger_is_refused() {
    let vendor = vendor();
    let gpg = Gpg::new();
    let stranger = gpg.primary("Stranger <s@kiln.test>", "sign");
    let signature = gpg.sign(&stranger, SIGNED_S, &[], DATA);
    assert_eq!(
        vendor.words(&signature),
        format!("it is signed by {stranger}, which belongs to no accepted key (PRIMARY)")
    );
    let error = Keys::parse(&gpg.export(&stranger), &vendor.accepted()).unwrap_err();
    assert_eq!(vendor.plain(&error), format!("the key file holds {stranger}, but only PRIMARY counts"));
    // The vendor's key beside a stranger's: the stranger's still does not count.
    let both = [gpg.run(START_S, &["--export", &stranger], b""), vendor.gpg.run(START_S, &["--export"], b"")]
        .concat();
    let keys = Keys::parse(&both, &vendor.accepted()).unwrap();
    assert!(matches!(check(&keys, &signature, DATA), Err(OpenpgpError::UnknownSigner { .. })));
}

#[test]
fn one_good_signature_among_others_will_do() {
    let (vendor, gpg) = (vendor(), Gpg::new());
    let stranger = gpg.primary("Stranger <s@kiln.test>", "sign");
    let good = vendor.gpg.sign(&vendor.subkey, SIGNED_S, &[], DATA);
    let others = gpg.sign(&stranger, SIGNED_S, &[], DATA);
    let elsewhere = vendor.gpg.sign(&vendor.subkey, SIGNED_S, &[], b"another image");
    let weak = vendor.gpg.sign(
        &vendor.subkey,
        SIGNED_S,
        &["--digest-algo", "SHA1", "--allow-weak-digest-algos"],
        DATA,
    );
    for before in [&others, &elsewhere, &weak] {
        vendor.check(&[&before[..], &good].concat(), DATA).unwrap();
        vendor.check(&[&good[..], before].concat(), DATA).unwrap();
    }
    let none = vendor.words(&[&others[..], &elsewhere].concat());
    assert_eq!(none, "the file is not what SUBKEY signed on 2025-01-21 00:00:00 UTC");
    // As Windows keeps texts, and with a remark in front.
    let armored = vendor.gpg.sign(&vendor.subkey, SIGNED_S, &["--armor"], DATA);
    let armored = String::from_utf8(armored).unwrap();
    vendor.check(armored.replace('\n', "\r\n").as_bytes(), DATA).unwrap();
    vendor.check(format!("The signature:\n\n{armored}\n").as_bytes(), DATA).unwrap();
}

#[test]
fn a_signature_after_the_subkey_expired_is_refused() {
    // gpg signs with no expired key: the expiry is moved to before the signature afterwards.
    let gpg = Gpg::new();
    let primary = gpg.primary("Late <l@kiln.test>", "cert");
    let subkey = gpg.subkey(&primary, MADE_S, 500);
    let signature = gpg.sign(&subkey, START_S + 200 * DAY_S, &[], DATA);
    let expire = format!("seconds={}", 50 * DAY_S);
    gpg.run(MADE_S + 1, &["--quick-set-expire", &primary, &expire, &subkey], b"");
    let accepted = [Accepted { fingerprint: primary, by_manifest: false }];
    let keys = Keys::parse(&gpg.export(&accepted[0].fingerprint), &accepted).unwrap();
    let error = check(&keys, &signature, DATA).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "key {subkey} was not valid on 2025-07-20 00:00:00 UTC, when it signed: expired on 2025-03-02 00:00:01 UTC"
        )
    );
}

#[test]
fn weak_future_expired_and_foreign_signatures_are_refused() {
    let vendor = vendor();
    let sign = |at_s, options: &[&str]| vendor.gpg.sign(&vendor.subkey, at_s, options, DATA);
    let weak = sign(SIGNED_S, &["--digest-algo", "SHA1", "--allow-weak-digest-algos"]);
    assert_eq!(vendor.words(&weak), "it is made with SHA1, which is too weak to count");
    let weak = sign(SIGNED_S, &["--digest-algo", "RIPEMD160", "--allow-weak-digest-algos"]);
    assert_eq!(vendor.words(&weak), "it is made with RIPEMD160, which is too weak to count");
    let expired = sign(SIGNED_S, &["--default-sig-expire", "seconds=86400"]);
    assert_eq!(vendor.words(&expired), "it has expired on 2025-01-22 00:00:00 UTC");
    let text = sign(SIGNED_S, &["--textmode"]);
    assert_eq!(vendor.words(&text), "it is a Text signature, not one over a file's bytes");
    let signature = sign(SIGNED_S, &[]);
    let keys = Keys::parse(&vendor.export, &vendor.accepted()).unwrap();
    let at = |now_s| verify(&keys, &signature, now_s, &mut || Ok(Box::new(DATA)));
    assert!(at(SIGNED_S - 300).is_ok(), "clocks differ a little");
    assert_eq!(
        at(SIGNED_S - 301).unwrap_err().to_string(),
        "it is dated 2025-01-21 00:00:00 UTC, which is in the future (now is 2025-01-20 23:54:59 UTC)"
    );
}

#[test]
fn what_is_no_signature_or_key_is_refused() {
    let vendor = vendor();
    for wrong in [&b""[..], b"<html>not found</html>", &[0xff; 100], &[0xc2, 0xff, 0xff, 0xff, 0xff, 0xff]] {
        let words = vendor.words(wrong);
        assert!(words.starts_with("no OpenPGP signature could be read: "), "{words}");
        let words = Keys::parse(wrong, &vendor.accepted()).unwrap_err().to_string();
        let is_told = words.starts_with("no OpenPGP key could be read: ");
        assert!(is_told || words.starts_with("the key file holds no key, but only "), "{words}");
    }
    let clear = vendor.gpg.run(SIGNED_S, &["--clear-sign"], DATA);
    assert!(vendor.check(&clear, DATA).is_err());
    let signature = vendor.gpg.sign(&vendor.subkey, SIGNED_S, &[], DATA);
    for len in 0..signature.len() {
        assert!(vendor.check(&signature[..len], DATA).is_err(), "{len}");
    }
}

#[test]
fn a_revoked_key_counts_for_nothing() {
    let gpg = Gpg::new();
    let primary = gpg.primary("Revoked <r@kiln.test>", "cert");
    let subkey = gpg.subkey(&primary, MADE_S, 100);
    let signature = gpg.sign(&subkey, SIGNED_S, &[], DATA);
    let accepted = [Accepted { fingerprint: primary.clone(), by_manifest: false }];
    let keys = |gpg: &Gpg| Keys::parse(&gpg.export(&primary), &accepted).unwrap();
    assert!(check(&keys(&gpg), &signature, DATA).is_ok());
    // gpg leaves a revocation beside each key it makes, with a ':' before it so that nobody imports it by mistake.
    let path = gpg.home().join(format!("openpgp-revocs.d/{primary}.rev"));
    let revocation = std::fs::read_to_string(path).unwrap().replace(":-----BEGIN", "-----BEGIN");
    gpg.run(NOW_S, &["--import"], revocation.as_bytes());
    let error = check(&keys(&gpg), &signature, DATA).unwrap_err().to_string();
    assert_eq!(error, format!("key {primary} has been revoked by its owner"));
}

#[test]
fn a_primary_key_signs_only_if_its_owner_says_so() {
    let gpg = Gpg::new();
    let primary = gpg.primary("Signs <p@kiln.test>", "cert,sign");
    let accepted = [Accepted { fingerprint: primary.clone(), by_manifest: false }];
    let signature = gpg.sign(&primary, SIGNED_S, &[], DATA);
    let keys = Keys::parse(&gpg.export(&primary), &accepted).unwrap();
    assert_eq!(check(&keys, &signature, DATA).unwrap().signer, primary);
    assert!(check(&keys, &gpg.sign(&primary, START_S, &[], DATA), DATA).is_ok(), "in the second it was made");
}

#[test]
fn a_subkey_counts_only_by_good_binding_signatures_both_ways() {
    let vendor = vendor();
    let parse = |export: &[u8]| SignedPublicKey::from_armor_single(export).unwrap().0;
    let words = |cert: &SignedPublicKey, signature: &[u8]| {
        let keys = Keys::parse(&cert.to_bytes().unwrap(), &vendor.accepted()).unwrap();
        check(&keys, signature, DATA).unwrap_err().to_string()
    };
    // A stranger's subkey, put under the vendor's primary key with the stranger's own binding.
    let gpg = Gpg::new();
    let stranger = gpg.primary("Stranger <s@kiln.test>", "cert");
    let subkey = gpg.subkey(&stranger, MADE_S, 100);
    let mut cert = parse(&vendor.export);
    cert.public_subkeys.extend(parse(&gpg.export(&stranger)).public_subkeys);
    assert_eq!(
        words(&cert, &gpg.sign(&subkey, SIGNED_S, &[], DATA)),
        format!("key {subkey} may not sign: its primary key has not bound it by a good signature")
    );
    // The vendor's own, without the subkey's consent.
    let mut cert = parse(&vendor.export);
    let binding = &mut cert.public_subkeys[0].signatures[0];
    let unhashed: Vec<_> = binding.config().unwrap().unhashed_subpackets().collect();
    let is_back = |data: &SubpacketData| matches!(data, SubpacketData::EmbeddedSignature(_));
    let at = unhashed.iter().position(|it| is_back(&it.data)).expect("gpg puts it there");
    binding.unhashed_subpacket_remove(at).unwrap();
    let signature = vendor.gpg.sign(&vendor.subkey, SIGNED_S, &[], DATA);
    assert_eq!(
        words(&cert, &signature),
        format!(
            "key {} may not sign: it has not confirmed its primary key by a good signature",
            vendor.subkey
        )
    );
}

#[test]
fn a_disk_that_fails_is_not_taken_for_a_bad_signature() {
    struct Bad;
    impl Read for Bad {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("sector 7"))
        }
    }
    let vendor = vendor();
    let signature = vendor.gpg.sign(&vendor.subkey, SIGNED_S, &[], DATA);
    let keys = Keys::parse(&vendor.export, &vendor.accepted()).unwrap();
    let error = verify(&keys, &signature, NOW_S, &mut || Ok(Box::new(Bad))).unwrap_err();
    assert!(matches!(error, OpenpgpError::Read(source) if source.to_string() == "sector 7"));
}
