// SPDX-License-Identifier: Apache-2.0
//! Certificates whose time this machine's clock can't judge alone.

use std::fs;

use super::{Place, bounded, retell};
use crate::cluster::server::{Reply, Server};

const CURRENT: &str = "var/lib/kubelet/pki/kubelet-client-current.pem";

/// A certificate of the node's, signed by the cluster's CA for other years than these.
fn signed(place: &Place, name: &str, years: [i32; 2]) -> String {
    let own = |file| fs::read_to_string(place.bench.root().join("etc/kubernetes/pki").join(file)).unwrap();
    let authority = rcgen::KeyPair::from_pem(&own("ca.key")).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_pem(&own("ca.crt"), authority).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "system:nodes");
    params.distinguished_name.push(rcgen::DnType::CommonName, format!("system:node:{name}"));
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = rcgen::date_time_ymd(years[0], 1, 1);
    params.not_after = rcgen::date_time_ymd(years[1], 1, 1);
    format!("{}{}", params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
}

pub fn clocks(place: &Place) {
    let worker = place.born("timely");
    let good = worker.text(CURRENT);
    let store = |pem: &str| {
        fs::remove_file(worker.path(CURRENT)).unwrap();
        fs::write(worker.path(CURRENT), pem).unwrap();
    };
    // A clock that is behind: the certificate is of the future.
    store(&signed(place, "timely", [2090, 2091]));
    let ended = bounded(&worker, &["run"]);
    assert!(
        ended.said.contains("this machine's clock is wrong: kubelet's certificate is not valid before 2090"),
        "{}",
        ended.said
    );
    ended.is(75);
    store(&good);
    bounded(&worker, &["run"]).is(0);

    // A clock that is ahead: the server, which has another, is asked before anything is removed.
    let expired = signed(place, "timely", [2020, 2021]);
    store(&expired);
    fs::write(worker.path("run/provision/token"), crate::birth::cluster::TOKEN).unwrap();
    let early = Reply::status(401, "Unauthorized", "{}").with("Date: Wed, 01 Jul 2020 00:00:00 GMT");
    let server = place.machine.within(|| Server::start(vec![early; 50]));
    retell(&worker, |settings| {
        settings.api.endpoint = format!("https://localhost:{}", server.port);
        settings.api.ca = place.both(&server.access().ca);
    });
    let ended = bounded(&worker, &["run"]);
    assert!(
        ended.said.contains("s ahead of the API server's, and takes kubelet's certificate for expired"),
        "{}",
        ended.said
    );
    ended.is(75);
    assert_eq!(worker.text(CURRENT), expired, "a good credential is not removed for a wrong clock");

    // The cluster itself agrees that it has expired, so that the token brings another one.
    retell(&worker, |settings| {
        settings.api.endpoint = place.bench.settings.api.endpoint.clone();
        settings.api.ca = place.bench.ca_pem();
    });
    bounded(&worker, &["run"]).is(0);
    assert_ne!(worker.text(CURRENT), expired);
}
