// SPDX-License-Identifier: Apache-2.0
//! A lab by the command line, as a person makes it, and what tests ask of its cluster.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kiln::cluster::{Client, ObjectRef};
use kiln::lab::{self, Api, Lab, Node};
use serde_json::Value;

use super::bench::{BOOT_LIMIT, ask, named};
use super::{KILN, baked};

/// One cluster at a time: two on two cores come up slower than one after the other.
static TURN: Mutex<()> = Mutex::new(());

/// Waits until no other test has a cluster.
pub fn turn() -> MutexGuard<'static, ()> {
    // A test that failed while it had a cluster has poisoned nothing.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A lab, gone when this is dropped.
pub struct Up {
    pub lab: Lab,
    pub nodes: BTreeMap<String, Value>,
    _turn: MutexGuard<'static, ()>,
}

impl Up {
    pub fn new(name: &str, words: &[&str]) -> Self {
        let image = baked();
        let mut up = Self { lab: named(name), nodes: BTreeMap::new(), _turn: turn() };
        let first = ["--format", "json", "lab", "up", image.to_str().unwrap()];
        let told = up.json(&[&first, words].concat());
        up.note(&told);
        up
    }

    pub fn add(&mut self, words: &[&str]) -> String {
        let told = self.json(&[&["--format", "json", "lab", "add"], words].concat());
        self.note(&told);
        told["nodes"][0]["name"].as_str().unwrap().to_owned()
    }

    fn note(&mut self, told: &Value) {
        for node in told["nodes"].as_array().unwrap() {
            self.nodes.insert(node["name"].as_str().unwrap().to_owned(), node.clone());
        }
    }

    pub fn run(&self, words: &[&str]) -> Output {
        let name = self.lab.name.to_string();
        Command::new(KILN).args(words).args(["--name", &name]).output().unwrap()
    }

    pub fn json(&self, words: &[&str]) -> Value {
        let output = self.run(words);
        let said = String::from_utf8_lossy(&output.stderr);
        println!("{said}");
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn node(&self, name: &str) -> Node {
        Node::of(&self.lab, &name.parse().unwrap()).unwrap()
    }

    pub fn api(&self) -> Api {
        Api::of(&self.lab).unwrap()
    }

    /// The block that a node was given, as `up` or `add` told it.
    pub fn block(&self, name: &str) -> String {
        let stages = self.nodes[name]["stages"].as_array().unwrap();
        stages.last().unwrap()["blocks"][0].as_str().unwrap().to_owned()
    }

    /// The block that a node has now, once it is Ready.
    pub fn ready_block(
        &self,
        name: &str,
        limit: Duration,
        is_fine: impl Fn(&kiln::cluster::Node) -> bool,
    ) -> String {
        let api = self.api();
        let until = Instant::now() + limit;
        loop {
            let found = api.ask(async |client: &Client| client.node_get(name).await);
            match &found {
                Ok(node) if node.is_ready && !node.pod_cidrs.is_empty() && is_fine(node) => {
                    return node.pod_cidrs[0].to_string();
                }
                _ => assert!(Instant::now() < until, "{name} is not Ready: {found:?}"),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Every node's pod reaches every other's, a Service and its name.
    pub fn smoke(&self) {
        let matrix = self.json(&["--format", "json", "lab", "smoke"]);
        let cells = matrix.as_array().unwrap();
        assert!(!cells.is_empty() && cells.iter().all(|cell| cell["trouble"].is_null()), "{matrix:#}");
    }

    /// `kiln ipam` finds nothing wrong.
    pub fn audit(&self) {
        let kubeconfig = self.lab.kubeconfig();
        let output = Command::new(KILN).args(["ipam", "--kubeconfig"]).arg(kubeconfig).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// Claims by the UID of their Node: names.
    pub fn claims(&self) -> BTreeMap<String, Vec<String>> {
        let metas = self.api().ask(async |client| client.config_map_metas("kiln-ipam").await).unwrap();
        let mut claims = BTreeMap::new();
        for meta in metas.iter().filter(|meta| meta.name.starts_with("b-")) {
            let owner = meta.owner_references[0].uid.clone();
            claims.entry(owner).or_insert_with(Vec::new).push(meta.name.clone());
        }
        claims
    }

    /// Deletes a Node as a person does who means it.
    pub fn delete_node(&self, name: &str) -> String {
        let api = self.api();
        let node = api.ask(async |client| client.node_get(name).await).unwrap();
        let allow = [("kiln.dev/allow-delete".to_owned(), Some("true".to_owned()))].into();
        api.ask(async |client| client.node_annotate(name, &node.meta.uid, &allow).await).unwrap();
        let place =
            ObjectRef { api_version: "v1".into(), kind: "Node".into(), namespace: None, name: name.into() };
        api.ask(async |client| client.delete(&place, Some(&node.meta.uid)).await).unwrap();
        node.meta.uid
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in Node::all(&self.lab).unwrap_or_default() {
                println!("== {}\n{}", node.record.name, tail(&node.console().unwrap_or_default()));
                println!("{}", tail(&node.journal(None).unwrap_or_default()));
            }
        }
        // It may never have been.
        let _ = lab::down(&self.lab);
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(150)..].join("\n")
}

/// Waits until a node has booted and finds nothing amiss in it.
pub fn healthy(up: &Up, name: &str) {
    let node = up.node(name);
    node.wait_settled(BOOT_LIMIT).unwrap();
    assert_eq!(ask(&node, "systemctl --failed --no-legend --plain"), "", "{name}");
    assert_eq!(ask(&node, "findmnt -no FSTYPE,OPTIONS /usr | cut -c1-11"), "squashfs ro");
}

/// Waits for what `look` finds.
pub fn eventually<T>(what: &str, limit: Duration, look: impl Fn() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "not within {} s: {what}", limit.as_secs());
        std::thread::sleep(Duration::from_millis(200));
    }
}
