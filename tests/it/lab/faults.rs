// SPDX-License-Identifier: Apache-2.0
//! Workers that meet trouble on their first boot: each says what is wrong and how to mend it, and where a later try
//! succeeds its kubelet runs. They need root.

use std::path::Path;
use std::time::Duration;

use kiln::cluster::{Client, NewConfigMap, ObjectRef};
use kiln::lab::{self, Made, Node};

use super::KILN;
use super::bench::{BOOT_LIMIT, ask};
use super::hand::{Told, create, start, token};
use super::outages;
use super::person::{Up, eventually, healthy};

/// Nobody has this address in a lab.
const NOBODY: &str = "https://10.0.2.9:6443";
/// A run waits eight minutes for its server (firstboot/run.rs, DEADLINE), and machines have to boot before.
const GIVE_UP_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Waits until the console says something.
fn says(node: &Node, what: &str) {
    let name = &node.record.name;
    eventually(&format!("{name} says {what:?}"), BOOT_LIMIT, || {
        node.console().unwrap_or_default().contains(what).then_some(())
    });
}

fn firstboot(node: &Node, property: &str) -> String {
    node.property(Some("kiln-firstboot.service"), property).unwrap_or_default()
}

/// Waits until a run has ended with this code; where it is tried again, it is seen for the seconds before that.
fn ends_with(node: &Node, code: &str, limit: Duration) {
    let name = &node.record.name;
    eventually(&format!("first boot of {name} ends with {code}"), limit, || {
        (firstboot(node, "ExecMainStatus") == code).then_some(())
    });
    let kubelet = node.property(Some("kubelet.service"), "ActiveState").unwrap();
    assert_eq!(kubelet, "inactive", "{name}");
}

fn explains(node: &Node, what: &str) {
    let told = ask(node, "/opt/bin/kiln-firstboot explain");
    assert!(told.contains(what), "{}: {told}", node.record.name);
}

#[test]
fn workers_in_trouble_say_so_and_join_once_it_is_over() {
    let up = Up::new("faults", &["--workers", "1"]);
    let made = lab::open(&up.lab, Path::new(KILN)).unwrap();
    let ca = up.api().ca;
    let [unknown, lost] = [token(2), token(9)];
    let never = start(&made, &up, &Told { place: 9, ca: &ca, token: &lost, endpoint: Some(NOBODY) });
    let wrong_token = start(&made, &up, &Told { place: 2, ca: &ca, token: &unknown, endpoint: None });
    a_wrong_ca_is_final(&up, &made);

    says(&wrong_token, "kiln token create");
    ends_with(&wrong_token, "75", BOOT_LIMIT);
    explains(&wrong_token, "kiln token create");
    fill_the_pool(&up);
    create(&up, &unknown);
    says(&wrong_token, "the pool is exhausted");
    ends_with(&wrong_token, "75", BOOT_LIMIT);
    explains(&wrong_token, "delete Nodes that are gone");
    free_the_pool(&up);
    up.ready_block("worker-2", BOOT_LIMIT, |_| true);
    healthy(&up, "worker-2");

    outages::workers_boot_while_the_control_plane_restarts(&up, &made, &ca);
    outages::a_worker_that_is_cut_off_keeps_its_block(&up, "worker-1");
    up.smoke();

    ends_with(&never, "75", GIVE_UP_LIMIT);
    says(&never, "check api.endpoint and the network");
    explains(&never, "check api.endpoint and the network");
}

fn a_wrong_ca_is_final(up: &Up, made: &Made) {
    let (other, unknown) = (some_ca(), token(3));
    let node = start(made, up, &Told { place: 3, ca: &other, token: &unknown, endpoint: None });
    says(&node, "check api.ca");
    ends_with(&node, "78", BOOT_LIMIT);
    assert_eq!(firstboot(&node, "ActiveState"), "failed");
    explains(&node, "certificate is not good");
    node.kill().unwrap();
}

fn some_ca() -> String {
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}

/// Takes all blocks that no Node holds.
fn fill_the_pool(up: &Up) {
    let taken = up.claims();
    let taken: Vec<&String> = taken.values().flatten().collect();
    let free = (0..256).map(|index| format!("b-{index}")).filter(|name| !taken.contains(&name));
    let take = async |client: &Client| {
        for name in free {
            let namespace = "kiln-ipam".to_owned();
            client.config_map_create(&NewConfigMap { namespace, name, ..NewConfigMap::default() }).await?;
        }
        Ok(())
    };
    up.api().ask(take).unwrap();
}

/// Frees what nobody holds.
fn free_the_pool(up: &Up) {
    let free = async |client: &Client| {
        let metas = client.config_map_metas("kiln-ipam").await?;
        let is_free = |name: &str, owners: usize| name.starts_with("b-") && owners == 0;
        for meta in metas.into_iter().filter(|meta| is_free(&meta.name, meta.owner_references.len())) {
            let (api_version, kind) = ("v1".into(), "ConfigMap".into());
            let place = ObjectRef { api_version, kind, namespace: Some(meta.namespace), name: meta.name };
            client.delete(&place, None).await?;
        }
        Ok(())
    };
    up.api().ask(free).unwrap();
}
