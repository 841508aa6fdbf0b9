// SPDX-License-Identifier: Apache-2.0
//! `kiln ipam` and `kiln boots` on a real server whose objects are made good and bad by hand. No controller runs: nothing
//! is collected behind the test's back.

use std::path::{Path, PathBuf};
use std::process::Command;

use kiln::ipam::{Ranges, claim_name, family, mirror};
use kiln::settings::Addressing;
use serde_json::{Value, json};

use crate::bench::{Bench, Options};
use crate::birth::cluster::prepare;
use crate::policies::cluster::both_families;

pub const CLAIMS: &str = "/api/v1/namespaces/kiln-ipam/configmaps";
pub const NODES: &str = "/api/v1/nodes";

pub struct Cluster {
    pub bench: Bench,
    pub ranges: Ranges,
}

/// What the program printed, and its exit code.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Cluster {
    pub fn new(addressing: Addressing) -> Self {
        Self::of(Options { controller_manager: false, ..both_families(addressing) })
    }

    pub fn of(options: Options) -> Self {
        let bench = Bench::start(options);
        let ranges = Ranges::of(&bench.settings.cluster).unwrap();
        Self { bench, ranges }
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.bench.ask(Some(&self.bench.super_admin()), "POST", path, Some(&body.to_string()));
        assert_eq!(answer.status, 201, "{path}: {}", answer.body);
        answer.json()
    }

    /// Makes a Node with the blocks of an index, and returns its UID.
    fn node(&self, name: &str, index: Option<u32>, annotations: &Value) -> String {
        let blocks = index.map(|index| self.ranges.blocks(index).unwrap()).unwrap_or_default();
        let mut node = json!({"metadata": {"name": name, "annotations": annotations}});
        if !blocks.is_empty() {
            node["metadata"]["labels"] = json!({"ipblock": mirror(&blocks)});
            node["spec"] = json!({"podCIDR": blocks[0], "podCIDRs": blocks});
        }
        self.post(NODES, &node)["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    pub fn claim(&self, index: u32, node: &str, uid: &str) {
        let mut data = json!({"pool": self.ranges.hash(), "node": node});
        for block in self.ranges.blocks(index).unwrap() {
            data[family(&block)] = json!(block.to_string());
        }
        let owner = json!({"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid});
        let meta = json!({"name": claim_name(index), "ownerReferences": [owner]});
        self.post(CLAIMS, &json!({"metadata": meta, "immutable": true, "data": data}));
    }

    fn held(&self, name: &str, index: u32) {
        let uid = self.node(name, Some(index), &Value::Null);
        self.claim(index, name, &uid);
    }

    fn kiln(&self, words: &[&str]) -> Ended {
        self.kiln_as("super-admin.conf", words)
    }

    fn kiln_as(&self, kubeconfig: &str, words: &[&str]) -> Ended {
        let kubeconfig: PathBuf = self.bench.root().join("etc/kubernetes").join(kubeconfig);
        let mut command: Command = self.bench.in_network(Path::new(env!("CARGO_BIN_EXE_kiln")));
        command.args(words).arg("--kubeconfig").arg(kubeconfig);
        let output = command.env("LC_ALL", "C.UTF-8").env("COLUMNS", "90").output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
        Ended { code: output.status.code(), out, err }
    }
}

#[test]
fn the_audit_shows_who_holds_what_and_what_is_wrong() {
    let cluster = Cluster::new(Addressing::Claim);
    let none = cluster.kiln(&["ipam"]);
    assert_eq!(none.code, Some(1), "{}", none.err);
    assert!(none.err.starts_with("kiln: the cluster has no pool (ConfigMap kiln-ipam/pool)"), "{}", none.err);
    rights_that_are_missing_are_named_at_once(&cluster);
    prepare(&cluster.bench);

    for (name, index) in [("w0", 0), ("w2", 2), ("w63", 63)] {
        cluster.held(name, index);
    }
    cluster.node("new", None, &Value::Null);
    let sound = cluster.kiln(&["ipam"]);
    let expected = "\
pool    10.234.0.0/20 in /26, fd00:1::/56 in /64; addressing claim
blocks  64: 3 held, 59 free, 2 reserved
nodes   4, 1 of them joining (new)

10.234.0.0/21  fd00:1::/59       █-█-····························
10.234.8.0/21  fd00:1:0:20::/59  ·······························█
█ held  · free  - reserved

       0  10.234.0.0/26  fd00:1::/64          w0
       2  10.234.0.128/26  fd00:1:0:2::/64    w2
      63  10.234.15.192/26  fd00:1:0:3f::/64  w63

nothing is wrong
";
    assert_eq!((sound.code, sound.out.as_str(), sound.err.as_str()), (Some(0), expected, ""));
    what_is_wrong_is_said_with_exit_code_1(&cluster);
}

/// admin.conf's group is not bound yet.
fn rights_that_are_missing_are_named_at_once(cluster: &Cluster) {
    let refused = cluster.kiln_as("admin.conf", &["ipam"]);
    assert_eq!(refused.code, Some(1));
    let words = "kiln: who this kubeconfig is may not get configmaps in kiln-ipam, nor list configmaps in kiln-ipam, \
                 nor list nodes, nor list servicecidrs.networking.k8s.io: bind a role with these rights; the server says: ";
    assert!(refused.err.starts_with(words), "{}", refused.err);
    assert!(refused.err.contains("cannot get resource \"configmaps\""), "{}", refused.err);
}

fn what_is_wrong_is_said_with_exit_code_1(cluster: &Cluster) {
    cluster.node("thief", Some(2), &Value::Null);
    cluster.claim(7, "gone", "11111111-2222-3333-4444-555555555555");
    let uid = cluster.node("greedy", Some(9), &Value::Null);
    cluster.claim(9, "greedy", &uid);
    cluster.claim(10, "greedy", &uid);
    cluster.post(CLAIMS, &json!({"metadata": {"name": "b-05"}}));
    let ranges = "/apis/networking.k8s.io/v1/servicecidrs";
    cluster.post(ranges, &json!({"metadata": {"name": "more"}, "spec": {"cidrs": ["10.234.15.0/24"]}}));
    let wrong = cluster.kiln(&["ipam"]);
    assert_eq!((wrong.code, wrong.err.as_str()), (Some(1), ""));
    for line in [
        "10.234.0.0/21  fd00:1::/59       █-!-···!·!!·····················",
        "7 wrong:",
        "- ConfigMap kiln-ipam/b-05 is no claim: those are named b-INDEX in plain decimal",
        "- claim b-7: its Node gone is gone; the garbage collector of kube-controller-manager frees it, does that run?",
        "- Node greedy owns b-9 and b-10: delete those that its podCIDRs don't name",
        "- Node thief has podCIDRs 10.234.0.128/26, fd00:1:0:2::/64 and no claim: another node may be given that block",
        "- Nodes thief and w2 have the same podCIDR 10.234.0.128/26",
        "- Nodes thief and w2 have the same podCIDR fd00:1:0:2::/64",
        "- services 10.234.15.0/24 lie in the pod range 10.234.0.0/20",
    ] {
        assert!(wrong.out.lines().any(|said| said == line), "{line}\n{}", wrong.out);
    }
    let json = cluster.kiln(&["ipam", "--format", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["pool"]["held"], 6);
    let kinds: Vec<&str> = json["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.len(), 7);
    assert!(kinds.contains(&"claim-without-node") && kinds.contains(&"shared-block"), "{kinds:?}");
}

#[test]
fn births_are_shown_from_annotations_that_nodes_may_have_forged() {
    let cluster = Cluster::new(Addressing::Claim);
    let report = json!({
        "version": 1, "kiln": "0.1.0", "node": "w1", "boot": "b", "started_s": 1_763_697_600, "took_ms": 400, "exit": 0,
        "reason": null, "blocks": ["10.234.0.0/26"], "requests": 7, "retries": 0,
        "steps": [
            {"step": "csr-create", "at_ms": 0, "took_ms": 100, "tries": 1},
            {"step": "csr-await", "at_ms": 100, "took_ms": 290, "tries": 1},
        ],
    });
    let annotated = |line: &str| json!({"kiln.dev/first-boot": line});
    cluster.node("w1", None, &annotated(&report.to_string()));
    cluster.node("bare", None, &Value::Null);
    let evil = "</text><script>alert(1)</script>\u{1b}[2J";
    cluster.node(
        "evil",
        None,
        &annotated(&report.to_string().replace("csr-create", &evil.replace('\u{1b}', "\\u001b"))),
    );
    cluster.node("torn", None, &annotated("{\"version\":1"));
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("boots.svg");
    let shown = cluster.kiln(&["boots", "--svg", svg.to_str().unwrap()]);
    assert_eq!((shown.code, shown.err.as_str()), (Some(0), ""));
    for line in ["bare: no report", "torn: a broken report: EOF while parsing an object at line 1 column 12"]
    {
        assert!(shown.out.lines().any(|said| said == line), "{line}\n{}", shown.out);
    }
    assert!(shown.out.contains("w1      400 ms    7 requests CCCC"), "{}", shown.out);
    assert!(!shown.out.contains('\u{1b}'));
    is_a_picture(&svg);
    let json: Value = serde_json::from_str(&cluster.kiln(&["boots", "--format", "json"]).out).unwrap();
    assert_eq!(json["slowest"][0]["step"], "csr-await");
    assert_eq!(json["boots"].as_array().unwrap().len(), 4);
}

/// Another reader's judgement: well-formed, with shapes and texts alone, and the forged one is text.
fn is_a_picture(svg: &Path) {
    let script = "import sys, xml.etree.ElementTree as tree\n\
        root = tree.parse(sys.argv[1]).getroot()\n\
        print(' '.join(sorted({e.tag.split('}')[1] for e in root.iter()})))\n\
        print(any('<script>' in (e.text or '') for e in root.iter()))\n";
    let output = Command::new("python3").args(["-c", script]).arg(svg).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "line rect svg text title\nTrue\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
