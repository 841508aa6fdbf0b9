// SPDX-License-Identifier: Apache-2.0
//! The addons phase of a control plane, by the real program against a real API server.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use serde_json::{Value, json};

use crate::bench::{Bench, Options};

const COREDNS: &str = include_str!("../../image/addons/coredns.yaml");
/// An object in a namespace that is not there.
const LATE: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: late}\ndata: {a: \"1\"}\n";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/kube-system/deployments/coredns";

struct Plane(Bench);

impl Plane {
    /// A control plane whose administrators have their rights, and that was told what it is.
    fn start() -> Self {
        let plane = Self(Bench::start(Options { controller_manager: false, ..Options::default() }));
        let mut settings = serde_json::to_value(&plane.0.settings).unwrap();
        drop_empty(&mut settings);
        plane.write("etc/kiln/settings.d/10-image.yaml", &serde_yaml::to_string(&settings).unwrap());
        let admins = include_str!("../../src/firstboot/bootstrap/admins.yaml");
        let binding: Value = serde_yaml::from_str(admins).unwrap();
        let made =
            plane.ask("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", Some(&binding));
        assert_eq!(made.0, 201, "{}", made.1);
        plane
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string);
        let answer = self.0.ask(Some(&self.0.super_admin()), method, path, body.as_deref());
        (answer.status, answer.json())
    }

    /// Runs the phase; returns its exit code and both of its streams.
    fn run(&self) -> (Option<i32>, String) {
        let mut command = self.0.in_network(env!("CARGO_BIN_EXE_kiln-firstboot"));
        let command = command.arg("--root").arg(self.0.root()).args(["run", "--phase", "addons"]);
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        (output.status.code(), said.concat())
    }

    /// What would show a write of the record.
    fn record(&self) -> (u64, i64, i64) {
        let found = fs::metadata(self.0.root().join("var/lib/kiln/addons.json")).unwrap();
        (found.ino(), found.mtime(), found.mtime_nsec())
    }
}

/// A layer says nothing where there is nothing to say.
fn drop_empty(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| !value.is_null() && value != "");
        map.values_mut().for_each(drop_empty);
    }
}

#[test]
fn addons_are_applied_until_they_have_worked_once_and_then_left_alone() {
    let mut plane = Plane::start();
    assert_eq!(plane.run(), (Some(0), String::new()), "no addons, nothing to do");
    plane.write("etc/kiln/addons/coredns.yaml", COREDNS);
    plane.write("etc/kiln/addons/aa-late.yaml", LATE);
    plane.write("etc/kiln/addons/zz-word.yaml", &LATE.replace("\"1\"", "\"${KILN_X}\""));

    // One that can't be applied yet and one that never will are told, and keep CoreDNS away from nobody.
    let (code, said) = plane.run();
    assert_eq!(code, Some(75), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let line = "kiln-firstboot: addons are not applied: zz-word: line 4: '${KILN_X}' stands for nothing; the words are \
        ${KILN_CLUSTER_DNS}, ${KILN_CLUSTER_DOMAIN}, ${KILN_API_ENDPOINT}; aa-late: ";
    assert!(said.starts_with(line) && said.contains("late"), "{said}");
    let service = plane.ask("GET", "/api/v1/namespaces/kube-system/services/kube-dns", None).1;
    assert_eq!(service["spec"]["clusterIP"], "10.96.0.10");
    let config = plane.ask("GET", "/api/v1/namespaces/kube-system/configmaps/coredns", None).1;
    assert!(config["data"]["Corefile"].as_str().unwrap().contains("kubernetes cluster.local in-addr.arpa"));
    let deployment = plane.ask("GET", DEPLOYMENT, None).1;
    assert_eq!(deployment["metadata"]["managedFields"][0]["manager"], "kiln");

    // What was applied belongs to the administrators: it stays deleted, while the other is tried again.
    assert_eq!(plane.ask("DELETE", DEPLOYMENT, None).0, 200);
    let namespace = json!({ "metadata": { "name": "late" } });
    assert_eq!(plane.ask("POST", "/api/v1/namespaces", Some(&namespace)).0, 201);
    fs::remove_file(plane.0.root().join("etc/kiln/addons/zz-word.yaml")).unwrap();
    assert_eq!(plane.run(), (Some(0), String::new()));
    assert_eq!(plane.ask("GET", "/api/v1/namespaces/late/configmaps/a", None).1["data"]["a"], "1");
    assert_eq!(plane.ask("GET", DEPLOYMENT, None).0, 404);

    let record = plane.record();
    // A changed text is applied again; what others have set since stays, with a word about it.
    let path = "/api/v1/namespaces/late/configmaps/a";
    let mut theirs = plane.ask("GET", path, None).1;
    theirs["data"]["a"] = json!("2");
    assert_eq!(plane.ask("PUT", path, Some(&theirs)).0, 200);
    plane.write("etc/kiln/addons/aa-late.yaml", &LATE.replace("\"1\"", "\"3\""));
    plane.write("etc/kiln/addons/coredns.yaml", &COREDNS.replace("replicas: 2", "replicas: 1"));
    let (code, said) = plane.run();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("warning: ConfigMap late/a: left as it is, others have set .data.a"), "{said}");
    assert_eq!(plane.ask("GET", path, None).1["data"]["a"], "2");
    assert_eq!(plane.ask("GET", DEPLOYMENT, None).1["spec"]["replicas"], 1);
    assert_ne!(plane.record(), record);

    // A later boot changes nothing and asks nobody.
    let record = plane.record();
    plane.0.down("kube-apiserver");
    assert_eq!(plane.run(), (Some(0), String::new()));
    assert_eq!(plane.record(), record);
}

#[test]
fn a_worker_has_no_addons_phase_and_a_server_that_never_comes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let run = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kiln-firstboot"));
        let output =
            command.arg("--root").arg(folder.path()).args(["run", "--phase", "addons"]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let mut settings = serde_json::to_value(crate::bench::settings()).unwrap();
    drop_empty(&mut settings);
    settings["role"] = json!("worker");
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = ca.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    settings["api"]["ca"] = json!(ca.pem());
    write("etc/kiln/settings.d/10-image.yaml", &serde_yaml::to_string(&settings).unwrap());
    let (code, said) = run();
    assert!(code == Some(2) && said.contains("only a control plane's first boot has phases"), "{said}");
    settings["role"] = json!("control-plane");
    settings["api"].as_object_mut().unwrap().remove("ca");
    write("etc/kiln/settings.d/10-image.yaml", &serde_yaml::to_string(&settings).unwrap());
    write("etc/kiln/addons/coredns.yaml", COREDNS);
    let (code, said) = run();
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("super-admin.conf is not there; kiln-firstboot.service makes it"), "{said}");
}
