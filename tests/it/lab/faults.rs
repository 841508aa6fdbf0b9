// SPDX-License-Identifier: Apache-2.0
//! Workers that meet trouble on their first boot: each says what is wrong and how to mend it, and where a later try
//! succeeds its kubelet runs. They need root.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use kiln::cluster::{Client, NewConfigMap, ObjectRef};
use kiln::host::clock;
use kiln::lab::{self, Made, Node, NodeOrder, Worker};
use kiln::settings::Runtime;
use kiln::token::Token;

use super::KILN;
use super::bench::{BOOT_LIMIT, ask};
use super::person::{Up, eventually, healthy};

/// A worker that is made by hand, so that it can be told wrong things.
struct Told<'a> {
    place: u8,
    ca: &'a str,
    token: &'a Token,
}

fn start(made: &Made, up: &Up, told: &Told<'_>) -> Node {
    let worker = Worker(told.place);
    let name = worker.name().unwrap();
    let shape = lab::record(&up.lab).unwrap().unwrap().shape;
    let settings = shape.worker_settings(Runtime::Containerd, &format!("{}-{name}", up.lab.name), told.ca);
    let credentials = [("kiln.settings", settings), ("kiln.token", told.token.reveal())];
    let credentials: BTreeMap<_, _> =
        credentials.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes())).collect();
    let gateway = Some(lab::bridge().addr());
    let order = NodeOrder { name, address: worker.address(), gateway, disk_bytes: 8 << 30, credentials };
    made.start(&order).unwrap()
}

fn token(number: u8) -> Token {
    Token::parse(&format!("faulty.{number:016}")).unwrap()
}

fn create(up: &Up, token: &Token) {
    let new = token.created(clock::now_s(), 3600, "a test's").unwrap();
    up.api().ask(async |client: &Client| client.token_create(&new).await).unwrap();
}

/// Waits until the console says something.
fn says(node: &Node, what: &str) {
    let name = &node.record.name;
    eventually(&format!("{name} says {what:?}"), BOOT_LIMIT, || {
        node.console().unwrap_or_default().contains(what).then_some(())
    });
}

fn firstboot(node: &Node, property: &str) -> String {
    node.property(Some("kiln-firstboot.service"), property).unwrap()
}

#[test]
#[ignore = "minutes on a quiet machine; README names the command"]
fn workers_in_trouble_say_so_and_join_once_it_is_over() {
    let up = Up::new("faults", &["--workers", "1", "--network", "host-gw"]);
    healthy(&up, "worker-1");
    up.smoke();
    let made = lab::open(&up.lab, Path::new(KILN)).unwrap();
    let ca = up.api().ca;

    let unknown = token(2);
    let wrong_token = start(&made, &up, &Told { place: 2, ca: &ca, token: &unknown });
    let other = rcgen_ca();
    let wrong_ca = start(&made, &up, &Told { place: 3, ca: &other, token: &unknown });

    says(&wrong_ca, "check api.ca");
    eventually("it gives up", BOOT_LIMIT, || (firstboot(&wrong_ca, "ActiveState") == "failed").then_some(()));
    assert_eq!(firstboot(&wrong_ca, "ExecMainStatus"), "78");
    assert_eq!(wrong_ca.property(Some("kubelet.service"), "ActiveState").unwrap(), "inactive");
    assert!(ask(&wrong_ca, "/opt/bin/kiln-firstboot explain").contains("certificate is not good"));
    wrong_ca.kill().unwrap();

    says(&wrong_token, "kiln token create");
    eventually("it comes back", BOOT_LIMIT, || (firstboot(&wrong_token, "NRestarts") != "0").then_some(()));
    fill_the_pool(&up);
    create(&up, &unknown);
    says(&wrong_token, "the pool is exhausted");
    free_one_block(&up);
    up.ready_block("worker-2", BOOT_LIMIT, |_| true);
    healthy(&up, "worker-2");

    the_control_plane_is_away_while_a_worker_boots(&up, &made, &ca);
    workers_are_killed_at_any_moment(&up, &made, &ca);
}

fn rcgen_ca() -> String {
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}

/// Blocks 0 to 255 less those that Nodes hold.
fn fill_the_pool(up: &Up) {
    let taken = up.claims();
    let taken: Vec<&String> = taken.values().flatten().collect();
    up.api()
        .ask(async |client: &Client| {
            for name in (0..256).map(|index| format!("b-{index}")).filter(|name| !taken.contains(&name)) {
                let namespace = "kiln-ipam".to_owned();
                client
                    .config_map_create(&NewConfigMap { namespace, name, ..NewConfigMap::default() })
                    .await?;
            }
            Ok(())
        })
        .unwrap();
}

/// Frees all that nobody holds, one of which the worker then takes.
fn free_one_block(up: &Up) {
    up.api()
        .ask(async |client: &Client| {
            for meta in client.config_map_metas("kiln-ipam").await? {
                if meta.name.starts_with("b-") && meta.owner_references.is_empty() {
                    let place = ObjectRef {
                        api_version: "v1".into(),
                        kind: "ConfigMap".into(),
                        namespace: Some(meta.namespace),
                        name: meta.name,
                    };
                    client.delete(&place, None).await?;
                }
            }
            Ok(())
        })
        .unwrap();
}

fn the_control_plane_is_away_while_a_worker_boots(up: &Up, made: &Made, ca: &str) {
    let token = token(4);
    create(up, &token);
    let control = up.node("control");
    ask(&control, "systemctl stop kube-apiserver");
    let late = start(made, up, &Told { place: 4, ca, token: &token });
    eventually("it tries", BOOT_LIMIT, || late.system().ok());
    eventually("first boot runs", BOOT_LIMIT, || {
        (firstboot(&late, "ActiveState") == "activating").then_some(())
    });
    ask(&control, "systemctl start kube-apiserver");
    ask(&control, "systemctl kill --signal=SIGKILL etcd.service");
    up.ready_block("worker-4", BOOT_LIMIT, |_| true);
    healthy(up, "worker-4");
}

/// Four workers, five times each, at moments that a small generator draws.
fn workers_are_killed_at_any_moment(up: &Up, made: &Made, ca: &str) {
    let places = [5, 6, 7, 8];
    std::thread::scope(|scope| {
        for place in places {
            scope.spawn(move || {
                let token = token(place);
                create(up, &token);
                let node = start(made, up, &Told { place, ca, token: &token });
                let mut moment_ms = u64::from(place) * 7919;
                for _ in 0..5 {
                    moment_ms = moment_ms
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    std::thread::sleep(Duration::from_millis((moment_ms >> 33) % 6000));
                    node.kill().unwrap();
                    node.power_on(Path::new(KILN)).unwrap();
                }
            });
        }
    });
    for place in places {
        let name = format!("worker-{place}");
        up.ready_block(&name, BOOT_LIMIT, |_| true);
        healthy(up, &name);
    }
    let claims = up.claims();
    assert!(claims.values().all(|claims| claims.len() == 1), "{claims:?}");
}
