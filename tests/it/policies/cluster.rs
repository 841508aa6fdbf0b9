// SPDX-License-Identifier: Apache-2.0
//! A cluster that was made by kiln's own bootstrap, and the people in it.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use kiln::cluster::{Access, Client};
use kiln::firstboot::apply_bootstrap::Clients;
use kiln::firstboot::bootstrap::{Next, Plan, Seen, Stuck, next};
use kiln::ipam::{Ranges, claim_name, family};
use kiln::settings::{Addressing, Settings};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::people::Person;
use crate::bench::{Bench, Credential, Options};

pub const CLAIMS: &str = "/api/v1/namespaces/kiln-ipam/configmaps";
pub const POOL: &str = "/api/v1/namespaces/kiln-ipam/configmaps/pool";
pub const NODES: &str = "/api/v1/nodes";

/// Controllers answer within a second; this machine is shared.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The cluster as a test sees it, from inside its network.
pub struct Cluster {
    pub runtime: Runtime,
    pub settings: Settings,
    pub ranges: Ranges,
    pub ca: String,
    /// The control plane's own folder of keys and certificates.
    pub pki: PathBuf,
    pub clients: Clients,
    /// admin.conf, of kubeadm:cluster-admins.
    pub admin: Person,
}

/// How a run of the API phase ended, and the steps that it took.
pub struct Birth {
    pub end: Result<(), Stuck>,
    pub steps: Vec<String>,
    pub waits: Vec<String>,
    pub warnings: Vec<String>,
}

/// Returns both families, 64 blocks, of which 1 and 3 are reserved.
pub fn both_families(addressing: Addressing) -> Options {
    let mut options = Options::default();
    let cluster = &mut options.settings.cluster;
    cluster.pods = vec!["10.234.0.0/20".parse().unwrap(), "fd00:1::/56".parse().unwrap()];
    cluster.block_prefix = Some(26);
    cluster.block_prefix_v6 = Some(64);
    cluster.reserved = vec![1, 3];
    cluster.addressing = addressing;
    options
}

/// Starts a server of nothing and runs `work` in its network; nothing is applied yet.
pub fn in_new_cluster(options: Options, work: impl FnOnce(&Cluster) + Send) {
    in_new_cluster_of(&Bench::start(options), work);
}

/// The same on a server that is there.
pub fn in_new_cluster_of(bench: &Bench, work: impl FnOnce(&Cluster) + Send) {
    let (endpoint, ca, settings) = (bench.endpoint(), bench.ca_pem(), bench.settings.clone());
    let (break_glass, admin) = (bench.super_admin(), bench.admin());
    let pki = bench.root().join("etc/kubernetes/pki");
    bench.within(|| work(&Cluster::new(&endpoint, ca, pki, settings, &break_glass, &admin)));
}

/// The same after a whole bootstrap.
pub fn in_cluster(options: Options, work: impl FnOnce(&Cluster) + Send) {
    in_new_cluster(options, |cluster| {
        let birth = cluster.bootstrap(&cluster.settings);
        assert_eq!((birth.end, birth.warnings), (Ok(()), Vec::new()));
        work(cluster);
    });
}

impl Cluster {
    fn new(
        endpoint: &str,
        ca: String,
        pki: PathBuf,
        settings: Settings,
        break_glass: &Credential,
        admin: &Credential,
    ) -> Self {
        let client = |credential: &Credential| {
            let Credential { certificate_pem, key_pem } = credential.clone();
            let credential = kiln::cluster::Credential::Certificate { chain: certificate_pem, key: key_pem };
            Client::new(&Access::of_node(endpoint, &ca, credential)).unwrap()
        };
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            ranges: Ranges::of(&settings.cluster).unwrap(),
            clients: Clients { break_glass: client(break_glass), admin: client(admin), looks_first: false },
            admin: Person::with_certificate(endpoint, &ca, admin),
            settings,
            ca,
            pki,
        }
    }

    /// Runs the API phase for `settings` to its end.
    pub fn bootstrap(&self, settings: &Settings) -> Birth {
        let plan = Plan::of(settings).unwrap();
        let mut seen = Seen::default();
        let (mut steps, mut waits) = (Vec::new(), Vec::new());
        let end = loop {
            match next(&plan, &seen) {
                Next::Do(step) => {
                    let answer = self.runtime.block_on(self.clients.answer(&step));
                    seen.fold(&step, &answer);
                    steps.push(step.to_string());
                }
                Next::Wait(reason) => {
                    let pause = Duration::from_millis(50);
                    thread::sleep(pause);
                    seen.waited(pause);
                    waits.push(reason);
                }
                Next::Done => break Ok(()),
                Next::Stuck(stuck) => break Err(stuck),
            }
        };
        Birth { end, steps, waits, warnings: seen.warnings }
    }

    /// Returns a claim as it should be.
    pub fn claim(&self, index: u32, node: &str, uid: &str) -> Value {
        let mut data = json!({"pool": self.ranges.hash(), "node": node, "instance": "i-1", "nonce": "00ff"});
        for block in self.ranges.blocks(index).unwrap_or_default() {
            data[family(&block)] = json!(block.to_string());
        }
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": claim_name(index),
                "ownerReferences": [{
                    "apiVersion": "v1", "kind": "Node", "name": node, "uid": uid,
                    "controller": false, "blockOwnerDeletion": false,
                }],
            },
            "immutable": true,
            "data": data,
        })
    }

    /// Returns `spec` with the blocks of an index.
    pub fn podcidrs(&self, index: u32) -> Value {
        let blocks = self.ranges.blocks(index).unwrap();
        let blocks: Vec<String> = blocks.iter().map(ToString::to_string).collect();
        spec(&blocks.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// Returns a patch that sets a Node's podCIDRs.
pub fn spec(blocks: &[&str]) -> Value {
    json!({"spec": {"podCIDR": blocks[0], "podCIDRs": blocks}})
}

/// Asks until it holds.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    until_within(LIMIT, what, holds);
}

/// The same for what takes longer.
pub fn until_within(limit: Duration, what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
