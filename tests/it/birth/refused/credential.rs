// SPDX-License-Identifier: Apache-2.0
//! What is wrong with tokens and certificates.

use std::fs;
use std::os::unix::fs::symlink;

use super::{NEW, Place, put, says};

pub fn tokens(place: &Place) {
    let worker = place.worker(|settings| settings.node.token_file = None);
    says(
        &worker,
        78,
        "no bootstrap token, and no certificate on the disk; make one with 'kiln token create' and give it as the \
        credential kiln.token or as node.token_file",
    );
    for text in
        ["", "abcdef", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcde", "abcdef.0123456789abcdef x"]
    {
        let worker = place.worker(|_| ());
        put(&worker, "run/provision/token", text);
        let ended = worker.run(&["run"]);
        ended.is(78);
        assert!(ended.said.contains("token"), "{}", ended.said);
        assert!(
            text.is_empty() || !ended.said.contains(text),
            "the token itself is not told: {}",
            ended.said
        );
    }
}

pub fn certificates_that_do_not_fit(place: &Place) {
    const CURRENT: &str = "var/lib/kubelet/pki/kubelet-client-current.pem";
    let own =
        |file: &str| fs::read_to_string(place.bench.root().join("etc/kubernetes/pki").join(file)).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let signed = |name: &str, years: [i32; 2]| {
        let authority = rcgen::KeyPair::from_pem(&own("ca.key")).unwrap();
        let issuer = rcgen::Issuer::from_ca_cert_pem(&own("ca.crt"), authority).unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "system:nodes");
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("system:node:{name}"));
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(years[0], 1, 1), rcgen::date_time_ymd(years[1], 1, 1));
        format!("{}{}", params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    };
    let unfit = format!("/{CURRENT} does not fit this node: ");
    let other = format!("{unfit}is for CN=system:node:other, O=system:nodes, not for ");
    for (pem, code, line) in [
        ("nonsense".to_owned(), 78, unfit.as_str()),
        (own("apiserver.crt") + &own("apiserver.key"), 78, unfit.as_str()),
        (signed("other", [2020, 2090]), 78, other.as_str()),
    ] {
        let worker = place.worker(|_| ());
        put(&worker, CURRENT, &pem);
        says(&worker, code, line);
        assert_eq!(worker.text(CURRENT), pem, "it is left as it is");
    }
    let worker = place.worker(|settings| settings.node.token_file = None);
    put(&worker, "var/lib/kubelet/pki/kubelet-client-2020-01-01-00-00-00.pem", &signed(NEW, [2020, 2021]));
    symlink("kubelet-client-2020-01-01-00-00-00.pem", worker.path(CURRENT)).unwrap();
    says(&worker, 78, "kubelet's certificate has expired and there is no bootstrap token to get another one");
    let worker = place.worker(|settings| settings.node.token_file = None);
    put(&worker, "var/lib/kubelet/pki/x", "");
    symlink("gone.pem", worker.path(CURRENT)).unwrap();
    says(&worker, 78, &format!("{unfit}its link leads nowhere"));
}
