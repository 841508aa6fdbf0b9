// SPDX-License-Identifier: Apache-2.0
//! What must not stop, hang or hurt a node: a second run beside the first, a clock that is wrong, a token that is none, a
//! server that answers with something else, files that are no files, and outputs that nobody can write to.

mod answers;
mod clock;
mod files;
mod twice;

use std::fs;
use std::sync::Arc;

use super::cluster::{claims, node, prepare};
use super::worker::{Ended, Worker, told};
use crate::bench::{Bench, Machine, Options};
use kiln::settings::Settings;

/// A cluster, and a machine on which one tree after the other is tried.
struct Place {
    bench: Bench,
    machine: Arc<Machine>,
}

impl Place {
    fn worker(&self, name: &str, change: impl FnOnce(&mut Settings)) -> Worker {
        let mut settings = told(&self.bench, name, &format!("i-{name}"));
        change(&mut settings);
        let tree = tempfile::Builder::new().prefix("kiln-sturdy-").tempdir().unwrap();
        Worker::on(self.machine.clone(), tree, &settings)
    }

    fn born(&self, name: &str) -> Worker {
        let worker = self.worker(name, |_| ());
        worker.run(&["run"]).is(0);
        worker
    }

    /// Both CAs: a node trusts the cluster's for its certificate, and the server that stands in for the cluster's.
    fn both(&self, ca: &str) -> String {
        self.bench.ca_pem() + ca
    }
}

/// Changes what a worker is told.
fn retell(worker: &Worker, change: impl FnOnce(&mut Settings)) {
    const PATH: &str = "etc/kiln/settings.d/10-image.yaml";
    let mut settings: Settings = serde_yaml::from_str(&worker.text(PATH)).unwrap();
    change(&mut settings);
    put(worker, PATH, &crate::bench::layer(&settings));
}

fn put(worker: &Worker, path: &str, text: &str) {
    let path = worker.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Runs it; whatever hangs is ended with 124.
fn bounded(worker: &Worker, words: &[&str]) -> Ended {
    worker.run_by(&["timeout", "60"], words)
}

#[test]
fn a_node_stands_what_happens_around_it() {
    let bench = Bench::start(Options::default());
    prepare(&bench);
    let machine = Arc::new(bench.machine("10.99.0.11"));
    let place = Place { bench, machine };
    files::outputs_that_nobody_can_write_to(&place);
    files::files_that_are_none(&place);
    files::a_tree_is_not_left(&place);
    files::files_of_others(&place);
    files::a_key_that_others_may_read(&place);
    files::a_record_of_a_newer_kiln(&place);
    clock::clocks(&place);
    twice::a_token_that_is_none(&place);
    twice::what_was_corrected_counts_until_something_rests_on_it(&place);
    twice::two_runs_at_once(&place);
    answers::whatever_answers(&place);
}
