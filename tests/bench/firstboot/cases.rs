// SPDX-License-Identifier: Apache-2.0
//! What is measured.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::bench::{Bench, Credential, Machine};
use crate::floor;
use crate::it::birth::cluster::claims;
use crate::it::birth::worker::{Worker, told};
use crate::measured;
use crate::rounds::{Case, Ratio, Taken, Times};

pub const CASES: [Case; 8] = [
    ("calibration", "SHA-256 of 64 MiB"),
    ("birth", "a worker's first boot, the process from start to end"),
    ("podcidr", "the same until spec.podCIDRs is set"),
    ("certificate", "a bare request with the token until it is signed"),
    ("bare node", "the same, then its Node, claim and podCIDRs as that node, nothing on a disk"),
    ("warm", "a later boot of a node, the process from start to end"),
    ("get", "one connection, TLS handshake and GET of the claim"),
    ("curl", "the same by curl, the process from start to end"),
];

/// The targets; curl's row and the bare node's have none, and are there to see.
pub const RATIOS: [Ratio; 5] = [
    ("podcidr", "certificate", 1.3),
    ("bare node", "certificate", 1.3),
    ("podcidr", "bare node", 1.3),
    ("warm", "get", 1.5),
    ("warm", "curl", 1.5),
];

/// A worker's first boot, in seconds on a processor, and its memory in kB.
const CPU_MAX_S: f64 = 0.060;
const PEAK_MAX_KB: u64 = 16_000;
/// Requests from the one for a certificate to podCIDRs.
const REQUESTS_MAX: f64 = 6.0;
const SIZE_MAX_BYTES: u64 = 5_000_000;

/// A node that was born before, and a machine for those that will be.
pub struct Cases<'a> {
    bench: &'a Bench,
    machine: Arc<Machine>,
    born: Worker,
    credential: Credential,
    claim: String,
    count: AtomicU32,
    /// Of each birth; one whose probe missed has two more.
    requests: Mutex<Vec<f64>>,
}

impl<'a> Cases<'a> {
    pub fn new(bench: &'a Bench) -> Self {
        let machine = Arc::new(bench.machine("10.99.0.11"));
        let born = worker(bench, &machine, "born");
        machine.within(|| measured::run(&mut program(&born)));
        let pem = born.text("var/lib/kubelet/pki/kubelet-client-current.pem");
        let (certificate_pem, key_pem) = pem.split_at(pem.find("-----BEGIN PRIVATE KEY").unwrap());
        let credential =
            Credential { certificate_pem: certificate_pem.to_owned(), key_pem: key_pem.to_owned() };
        let name = claims(bench)[0]["metadata"]["name"].as_str().unwrap().to_owned();
        let claim = format!("/api/v1/namespaces/kiln-ipam/configmaps/{name}");
        Self { bench, machine, born, credential, claim, count: AtomicU32::new(0), requests: Mutex::default() }
    }

    /// Times one case.
    pub fn time(&self, case: &str) -> Taken {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let only = |seconds| Taken { seconds, cpu_s: 0.0, peak_kb: 0 };
        match case {
            "calibration" => {
                let start = Instant::now();
                let digest = kiln::digest::Digest::of(&vec![1; 64 << 20]);
                assert!(!digest.to_string().is_empty());
                only(start.elapsed().as_secs_f64())
            }
            "birth" => self.birth(count).0,
            "podcidr" => self.birth(count).1,
            "certificate" => only(floor::certificate(self.bench, &format!("bare-{count}"))),
            "bare node" => only(floor::node(self.bench, &format!("node-{count}"))),
            "warm" => self.warm(),
            "get" => only(floor::get(self.bench, &self.credential, &self.claim)),
            "curl" => self.curl(),
            other => panic!("no case {other}"),
        }
    }

    /// The whole run, and how long it took until the podCIDRs were set, by the run's own report.
    fn birth(&self, count: u32) -> (Taken, Taken) {
        let worker = worker(self.bench, &self.machine, &format!("w{count}"));
        let whole = self.machine.within(|| measured::run(&mut program(&worker)));
        let report = worker.report();
        // The last ones are the version, and the report.
        self.requests.lock().unwrap().push(report["requests"].as_f64().unwrap() - 2.0);
        let steps = report["steps"].as_array().unwrap();
        let set = steps.iter().find(|step| step["step"] == "podcidrs").unwrap();
        let ms = |value: &serde_json::Value| value.as_u64().unwrap();
        let after_ms = ms(&report["took_ms"]) - ms(&set["at_ms"]) - ms(&set["took_ms"]);
        (whole, Taken { seconds: whole.seconds - after_ms as f64 / 1000.0, ..whole })
    }

    fn warm(&self) -> Taken {
        let before = self.born.state();
        let taken = self.machine.within(|| measured::run(&mut program(&self.born)));
        assert_eq!(self.born.state(), before, "a warm boot writes nothing");
        taken
    }

    fn curl(&self) -> Taken {
        let current = self.born.path("var/lib/kubelet/pki/kubelet-client-current.pem");
        let mut curl = Command::new("curl");
        curl.args(["-sSf", "--cacert"]).arg(self.born.path("etc/kubernetes/pki/ca.crt"));
        curl.arg("--cert").arg(&current).arg("--key").arg(&current);
        curl.arg(format!("{}{}", self.bench.endpoint(), self.claim));
        self.machine.within(|| measured::run(&mut curl))
    }
}

fn worker(bench: &Bench, machine: &Arc<Machine>, name: &str) -> Worker {
    let tree = tempfile::Builder::new().prefix("kiln-worker-").tempdir().unwrap();
    Worker::on(machine.clone(), tree, &told(bench, name, &format!("i-{name}")))
}

fn program(worker: &Worker) -> Command {
    let mut program = Command::new(small());
    program.arg("--root").arg(worker.path("")).arg("run");
    program
}

/// What `cargo node` has built.
fn small() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_kiln-firstboot")).parent().and_then(Path::parent).unwrap();
    let small = folder.join("node/kiln-firstboot");
    assert!(small.exists(), "{} is missing: cargo node", small.display());
    small
}

/// Prints what has a limit of its own and no rival.
pub fn print_limits(times: &Times, cases: &Cases<'_>) {
    let verdict = |is_met| if is_met { "met" } else { "MISSED" };
    let births = || times["birth"].iter().chain(&times["podcidr"]);
    let cpu = crate::rounds::median(births().map(|taken| taken.cpu_s).collect());
    println!("own CPU of a first boot: {:.1} ms (target 60: {})", cpu * 1e3, verdict(cpu <= CPU_MAX_S));
    let peak = births().map(|taken| taken.peak_kb).max().unwrap();
    println!("peak memory: {:.1} MB (target 16: {})", peak as f64 / 1e3, verdict(peak <= PEAK_MAX_KB));
    let requests = crate::rounds::median(cases.requests.lock().unwrap().clone());
    println!(
        "requests from CSR to podCIDRs: {requests:.0} (target 6: {})",
        verdict(requests <= REQUESTS_MAX)
    );
    let size = small().metadata().unwrap().len();
    println!("program: {size} bytes (target 5 MB: {})", verdict(size <= SIZE_MAX_BYTES));
}
