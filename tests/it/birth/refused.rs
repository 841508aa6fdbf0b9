// SPDX-License-Identifier: Apache-2.0
//! What the real program says, and with which exit code it ends, where a birth can't go on: foreign files, disks, servers,
//! other allocators. Each is one line that names the unmet condition and the fix.

mod alone;
mod cluster;
mod credential;
mod machine;

use std::fs;
use std::sync::Arc;

use kiln::settings::Settings;

use super::cluster::{claims, prepare, within};
use super::worker::{Worker, told};
use crate::bench::{Bench, Machine, Options};

const NEW: &str = "w1";

/// A cluster, and a machine on which one tree after the other is tried.
struct Place {
    bench: Bench,
    machine: Arc<Machine>,
}

impl Place {
    fn worker(&self, change: impl FnOnce(&mut Settings)) -> Worker {
        let mut settings = told(&self.bench, NEW, "i-w1");
        change(&mut settings);
        let tree = tempfile::Builder::new().prefix("kiln-refused-").tempdir().unwrap();
        Worker::on(self.machine.clone(), tree, &settings)
    }

    /// A worker that was born.
    fn born(&self, name: &str) -> Worker {
        let worker = self.worker(|settings| {
            settings.node.name = Some(name.to_owned());
            settings.node.instance_id = Some(format!("i-{name}"));
        });
        worker.run(&["run"]).is(0);
        worker
    }

    fn ask(&self, method: &str, path: &str, body: &serde_json::Value) -> serde_json::Value {
        let body = (!body.is_null()).then(|| body.to_string());
        let answer = self.bench.ask(Some(&self.bench.super_admin()), method, path, body.as_deref());
        assert!(answer.status < 300, "{method} {path}: {}", answer.body);
        answer.json()
    }
}

/// Runs it once more: this line, this exit code.
fn says(worker: &Worker, code: i32, line: &str) {
    let ended = worker.run(&["run"]);
    assert!(ended.said.contains(line), "wanted: {line}\nsaid: {}", ended.said);
    ended.is(code);
}

fn put(worker: &Worker, path: &str, text: &str) {
    let path = worker.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn forget(place: &Place, name: &str) {
    let path = format!("/api/v1/nodes/{name}");
    if place.bench.ask(Some(&place.bench.super_admin()), "DELETE", &path, None).status == 200 {
        let is_free = || {
            let owner = |claim: &serde_json::Value| claim["metadata"]["ownerReferences"][0]["name"] == name;
            !claims(&place.bench).iter().any(owner)
        };
        within(is_free);
    }
}

#[test]
fn what_stops_a_birth_is_one_line_with_the_fix() {
    let bench = Bench::start(Options::default());
    prepare(&bench);
    let machine = Arc::new(bench.machine("10.99.0.11"));
    let mut place = Place { bench, machine };
    std::thread::scope(|scope| {
        // Refusals for rights are asked again for a while, since rights may lag.
        scope.spawn(|| cluster::a_token_that_has_expired(&place));
        machine::own_files_that_are_not_what_was_written(&place);
        machine::disks(&place);
        machine::a_network_that_overlaps(&place);
        credential::tokens(&place);
        credential::certificates_that_do_not_fit(&place);
        cluster::servers_and_pools_of_others(&place);
        cluster::a_denied_request(&place);
        cluster::a_second_allocator(&place);
        cluster::a_wrong_clock(&place);
    });
    cluster::nodes_that_are_not_ready_keep_their_blocks(&place);
    cluster::a_node_outlives_its_control_plane(&mut place);
}
