// SPDX-License-Identifier: Apache-2.0
//! All events of claims and Nodes while something happens, in the server's order.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::bench::Credential;
use crate::policies::cluster::{CLAIMS, Cluster, NODES};

/// Longer than all of it takes on a slow machine.
const LONGEST: Duration = Duration::from_secs(300);

/// What was seen.
pub struct Seen {
    claims: Vec<Value>,
    /// Nodes, by UID, with the version at which each was deleted.
    deleted: BTreeMap<String, u64>,
    live: BTreeMap<String, String>,
}

/// Runs `work` while claims and Nodes are watched, by a client that knows nothing of kiln's.
pub fn while_watched<T>(cluster: &Cluster, work: impl FnOnce() -> T) -> (T, Seen) {
    let list = cluster.admin.may(cluster, "GET", CLAIMS, &Value::Null);
    let live = claims_of(&list);
    let nodes = cluster.admin.may(cluster, "GET", NODES, &Value::Null);
    let claims = Watch::start(cluster, CLAIMS, &list);
    let gone = Watch::start(cluster, NODES, &nodes);
    let done = work();
    let deleted = gone.end().into_iter().filter(|event| event["type"] == "DELETED");
    let deleted = deleted.map(|event| (text(&event["object"]["metadata"]["uid"]), version(&event))).collect();
    (done, Seen { claims: claims.end(), deleted, live })
}

impl Seen {
    /// At any time at most one live claim per index, and each of them is freed only after its Node was deleted. Returns how
    /// many blocks changed hands.
    pub fn check(mut self) -> usize {
        let mut changed = BTreeSet::new();
        let mut before: BTreeMap<String, String> = BTreeMap::new();
        for event in &self.claims {
            let meta = &event["object"]["metadata"];
            let (name, owner) = (text(&meta["name"]), text(&meta["ownerReferences"][0]["uid"]));
            match event["type"].as_str().unwrap() {
                "ADDED" => {
                    let held = self.live.insert(name.clone(), owner.clone());
                    assert_eq!(held, None, "{name} is claimed twice");
                    if before.get(&name).is_some_and(|before| *before != owner) {
                        changed.insert(name);
                    }
                }
                "DELETED" => {
                    assert_eq!(self.live.remove(&name).as_ref(), Some(&owner), "{name}");
                    let node = self.deleted.get(&owner);
                    assert!(
                        node.is_some_and(|node| *node < version(event)),
                        "{name} was freed under a live Node"
                    );
                    before.insert(name, owner);
                }
                other => panic!("{other}: claims are immutable"),
            }
        }
        changed.len()
    }
}

fn claims_of(list: &Value) -> BTreeMap<String, String> {
    let maps = list["items"].as_array().unwrap().iter();
    let all =
        maps.map(|map| (text(&map["metadata"]["name"]), text(&map["metadata"]["ownerReferences"][0]["uid"])));
    all.filter(|(name, _)| name.starts_with("b-")).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn version(event: &Value) -> u64 {
    event["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// An object of this name ends a watch: whatever happened before has come by then.
const MARKER: &str = "marker";

struct Watch<'a> {
    cluster: &'a Cluster,
    path: &'static str,
    events: JoinHandle<Vec<Value>>,
}

impl<'a> Watch<'a> {
    fn start(cluster: &'a Cluster, path: &'static str, list: &Value) -> Self {
        let from = text(&list["metadata"]["resourceVersion"]);
        let url = format!("{}{path}?watch=1&resourceVersion=", cluster.settings.api.endpoint);
        let credential = Credential::of_kubeconfig(&cluster.pki.with_file_name("admin.conf"));
        let pem = format!("{}{}", credential.certificate_pem, credential.key_pem);
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(LONGEST)
            .tls_certs_only([reqwest::Certificate::from_pem(cluster.ca.as_bytes()).unwrap()])
            .identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap())
            .build()
            .unwrap();
        // A thread of this one's network.
        let events = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(events(&client, &url, from))
        });
        Self { cluster, path, events }
    }

    fn end(self) -> Vec<Value> {
        let marker = serde_json::json!({"metadata": {"name": MARKER}});
        self.cluster.admin.may(self.cluster, "POST", self.path, &marker);
        let events = self.events.join().unwrap();
        self.cluster.admin.may(self.cluster, "DELETE", &format!("{}/{MARKER}", self.path), &Value::Null);
        events
    }
}

/// Until the marker has come. A server may end a watch at any time, such as one that is read too slowly; it goes on from the
/// version that was seen last.
async fn events(client: &reqwest::Client, url: &str, mut from: String) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let mut answer = client.get(format!("{url}{from}")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.unwrap() {
            bytes.extend_from_slice(&chunk);
            while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = bytes.drain(..=end).collect();
                let event: Value = serde_json::from_slice(&line).unwrap();
                assert_ne!(event["type"], "ERROR", "{event}");
                if event["object"]["metadata"]["name"] == MARKER {
                    return events;
                }
                from = text(&event["object"]["metadata"]["resourceVersion"]);
                events.push(event);
            }
        }
    }
}
