// SPDX-License-Identifier: Apache-2.0
//! What programs are told of a node, at each stage of its birth: `kiln-firstboot status --format json`, word for word but for
//! times.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::worker::{Worker, told};
use crate::bench::{Bench, layer};

/// Kills the program as it says the first word to the API server, which is TLS and gathered.
const AT_FIRST_WORD: [&str; 8] = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=writev", "-e"];

/// A worker that is asked for its status as it is born. It ends as a node, and as another machine's disk.
pub fn is_told_at_each_stage(bench: &Bench) {
    let worker = Worker::new(bench, "s1", "10.99.0.18");
    // Else a warning stands beside the JSON.
    let token = worker.path("run/provision/token");
    std::fs::set_permissions(token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let files = worker.files();
    let nothing = status(&worker);
    assert_eq!(
        nothing,
        json!({
            "ledger": {"entries": []}, "report": null, "is_held": false,
            "next": "record that this machine is node s1, instance i-s1",
        })
    );
    assert_eq!(worker.files(), files, "asking touches nothing");

    let kill = [&AT_FIRST_WORD[..], &["inject=writev:signal=KILL:when=1"]].concat();
    assert!(worker.run_by(&kill, &["run"]).is_killed());
    let half = status(&worker);
    assert_eq!(half["ledger"]["entries"], entries(&["identity", "key"], &half));
    // No run has ended.
    assert_eq!(
        without_ledger(&half),
        json!({"report": null, "is_held": false, "next": "ask for a client certificate"})
    );

    worker.run(&["run"]).is(0);
    let done = status(&worker);
    let report = worker.report();
    assert_eq!(
        without_ledger(&done),
        json!({"report": report, "is_held": true, "next": next_of_a_node(&report)})
    );
    assert_eq!((&report["exit"], &report["reason"]), (&json!(0), &Value::Null));
    let ledger = done["ledger"]["entries"].as_array().unwrap();
    let words: Vec<&str> = ledger.iter().map(|entry| entry["step"].as_str().unwrap()).collect();
    for word in ["identity", "key", "csr-create", "claim-intend", "claim-create", "podcidrs", "claim-record"]
    {
        assert_eq!(words.iter().filter(|found| **found == word).count(), 1, "{word}: {words:?}");
    }
    assert_eq!(done["ledger"]["entries"], entries(&words, &done));

    stuck(bench, &worker);
}

/// What a look finds wrong is told before a run does, and after it by its report as well.
fn stuck(bench: &Bench, worker: &Worker) {
    let settings = told(bench, "s1", "i-clone");
    let path = worker.path("etc/kiln/settings.d/10-image.yaml");
    std::fs::write(path, layer(&settings)).unwrap();
    let why = "this disk was made a node as instance i-s1, but the machine is i-clone: a cloned disk; start from a \
               fresh image, or empty /var/lib/kiln and /var/lib/kubelet";
    assert_eq!(status(worker)["next"], why);
    worker.run(&["run"]).is(78);
    let stuck = status(worker);
    assert_eq!(without_ledger(&stuck), json!({"report": worker.report(), "is_held": true, "next": why}));
    assert_eq!((&stuck["report"]["exit"], &stuck["report"]["reason"]), (&json!(78), &json!(why)));
}

fn status(worker: &Worker) -> Value {
    let told = worker.run(&["status", "--format", "json"]);
    told.is(0);
    assert_eq!(worker.run(&["status"]).said, told.said, "JSON is the default");
    serde_json::from_str(&told.said).unwrap()
}

fn without_ledger(status: &Value) -> Value {
    let mut rest = status.clone();
    rest.as_object_mut().unwrap().remove("ledger").unwrap();
    rest
}

/// The entries of these steps: each with this boot and all of its keys, of which the sentence and the times are as they are.
fn entries(steps: &[&str], status: &Value) -> Value {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let found = status["ledger"]["entries"].as_array().unwrap();
    let entry = |(step, found): (&&str, &Value)| {
        let (at_s, took_ms) = (found["at_s"].as_u64().unwrap(), found["took_ms"].as_u64().unwrap());
        let what = found["what"].as_str().unwrap();
        json!({"at_s": at_s, "boot": boot.trim(), "step": step, "what": what, "took_ms": took_ms})
    };
    assert_eq!(found.len(), steps.len(), "{found:?}");
    Value::Array(steps.iter().zip(found).map(entry).collect())
}

/// A look at the machine finds all of its files; whether the claim stands, only the server knows.
fn next_of_a_node(report: &Value) -> String {
    format!("read the claim on {}", report["blocks"][0].as_str().unwrap())
}
