// SPDX-License-Identifier: Apache-2.0
//! What is rendered: both forms give the same files, nothing in it is secret but the token, and it fits an instance.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kiln::launch::{self, Cluster, Form, Given};
use kiln::settings::token::Token;
use kiln::settings::{Form as LayerForm, Layer, Role, merge};
use serde_json::Value;

pub const TOKEN: &str = "abcdef.0123456789abcdef";
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/image/cluster.yaml");

pub fn cluster() -> Cluster {
    launch::parse(Path::new(EXAMPLE), &std::fs::read_to_string(EXAMPLE).unwrap()).unwrap()
}

pub fn ca() -> String {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}

pub fn rendered(role: Role, ca: &str, form: Form) -> String {
    let token = (role == Role::Worker).then(|| Token::parse(TOKEN).unwrap());
    launch::render(&cluster(), role, &Given { ca: Some(ca), token: token.as_ref(), ..Given::default() }, form)
        .unwrap()
}

/// A file that a provisioner writes: mode and text.
pub type Files = BTreeMap<String, (u32, String)>;

pub fn of_ignition(text: &str) -> Files {
    let config: Value = serde_json::from_str(text).unwrap();
    let files = config["storage"]["files"].as_array().unwrap().iter().map(|file| {
        let source = file["contents"]["source"].as_str().unwrap();
        let text = BASE64.decode(source.strip_prefix("data:;base64,").unwrap()).unwrap();
        let mode = u32::try_from(file["mode"].as_u64().unwrap()).unwrap();
        (file["path"].as_str().unwrap().to_owned(), (mode, String::from_utf8(text).unwrap()))
    });
    files.collect()
}

fn of_cloud_config(text: &str) -> Files {
    assert!(text.starts_with("#cloud-config\n"), "{text}");
    let config: Value = serde_yaml::from_str(text).unwrap();
    let files = config["write_files"].as_array().unwrap().iter().map(|file| {
        assert_eq!(file["owner"], "root:root");
        let mode = u32::from_str_radix(file["permissions"].as_str().unwrap(), 8).unwrap();
        let word = |key: &str| file[key].as_str().unwrap().to_owned();
        (word("path"), (mode, word("content")))
    });
    files.collect()
}

#[test]
fn both_forms_write_the_same_settings_and_only_their_owner_reads_them() {
    let ca = ca();
    for role in [Role::Worker, Role::ControlPlane] {
        let ignition = of_ignition(&rendered(role, &ca, Form::Ignition));
        let cloud_config = of_cloud_config(&rendered(role, &ca, Form::CloudConfig));
        let settings = "/etc/kiln/settings.d/50-cluster.yaml";
        assert_eq!(ignition[settings], cloud_config[settings]);
        assert!(ignition.values().chain(cloud_config.values()).all(|(mode, _)| *mode == 0o600));
        let paths = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
        if role == Role::ControlPlane {
            assert_eq!(
                (paths(&ignition), paths(&cloud_config)),
                (vec![settings.to_owned()], vec![settings.to_owned()])
            );
            assert!(!ignition[settings].1.contains("CERTIFICATE"), "it makes its own CA");
            continue;
        }
        assert_eq!(paths(&ignition), [settings, "/etc/kiln/settings.d/60-token.yaml", "/etc/kiln/token"]);
        assert_eq!(paths(&cloud_config), [settings, "/run/kiln/settings.d/60-token.yaml", "/run/kiln/token"]);
        for files in [&ignition, &cloud_config] {
            let with_token: Vec<_> =
                files.iter().filter(|(_, (_, text))| text.contains("0123456789abcdef")).collect();
            assert_eq!(with_token.len(), 1, "the token is in its own file alone");
            assert!(with_token[0].0.ends_with("/kiln/token"));
            assert!(!files.values().any(|(_, text)| text.contains("PRIVATE KEY")));
        }
    }
}

#[test]
fn first_boot_understands_it_and_knows_where_to_go() {
    let files = of_cloud_config(&rendered(Role::Worker, &ca(), Form::CloudConfig));
    let baked = "{version: 1, image: x, cluster: {pods: [10.244.0.0/16], services: [10.96.0.0/16], nodes_max: 9, \
        surge: 0, pods_max: 110}}";
    let layer = |name: &str, text: &str| Layer {
        name: name.to_owned(),
        form: LayerForm::Yaml,
        text: Ok(text.to_owned()),
    };
    let mut layers = vec![layer("baked", baked)];
    layers.extend(
        files.iter().filter(|(path, _)| path.ends_with(".yaml")).map(|(path, (_, text))| layer(path, text)),
    );
    let merged = merge(&layers).unwrap();
    assert_eq!(merged.warnings, []);
    let settings = merged.settings;
    assert_eq!(settings.api.endpoint, "https://10.0.1.10:6443");
    assert_eq!(settings.cloud.subnets, cluster().subnets());
    assert_eq!(settings.network.routes, kiln::settings::Routes::Vpc);
    assert_eq!(settings.node.labels["example.org/pool"], "general");
    assert_eq!(settings.node.token_file.unwrap(), Path::new("/run/kiln/token"));
}

#[test]
fn more_than_an_instance_may_be_given_is_refused() {
    let many = ca().repeat(30);
    let error = launch::render(
        &cluster(),
        Role::Worker,
        &Given { ca: Some(&many), ..Given::default() },
        Form::Ignition,
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("bytes, and EC2 takes 16384; move settings into the image"),
        "{error}"
    );
}

#[test]
fn the_verb_prints_it_and_says_what_is_not_in_it() {
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        command.args(["user-data", "--cluster", EXAMPLE]).args(words).output().unwrap()
    };
    let output = run(&["--role", "worker"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        said,
        "kiln: without --token-file there is no token in it\n\
         kiln: without ca_file there are no CA certificates in it, and a worker trusts nobody\n"
    );
    let files = of_ignition(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(files.len(), 1);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let token = token.to_str().unwrap();
    let output = run(&["--role", "worker", "--as", "cloud-config", "--token-file", token]);
    assert_eq!(of_cloud_config(&String::from_utf8_lossy(&output.stdout)).len(), 3);
    let output = run(&["--role", "control-plane", "--token-file", token]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "kiln: a control plane joins nobody; leave out --token-file\n"
    );
}

/// Runs `kiln user-data --role worker` where ca_file holds `ca`, and the description this beside the example.
fn with_ca(ca: &str, from: &str, to: &str) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let example = std::fs::read_to_string(EXAMPLE).unwrap();
    assert!(example.contains(from), "{from}");
    let text = format!("ca_file: ca.pem\n{}", example.replace(from, to));
    std::fs::write(folder.path().join("cluster.yaml"), text).unwrap();
    std::fs::write(folder.path().join("ca.pem"), ca).unwrap();
    let mut kiln = Command::new(env!("CARGO_BIN_EXE_kiln"));
    kiln.args(["user-data", "--role", "worker", "--cluster", "cluster.yaml"]).current_dir(&folder);
    let output = kiln.output().unwrap();
    let [said, printed] = [output.stderr, output.stdout].map(|it| String::from_utf8(it).unwrap());
    (output.status.code(), said, printed)
}

#[test]
fn of_ca_file_nothing_but_certificates_of_cas_goes_into_user_data() {
    let (ca, key) = (ca(), rcgen::KeyPair::generate().unwrap().serialize_pem());
    let fix = "give the cluster's CA certificates in PEM (/etc/kubernetes/pki/ca.crt of a control plane) and nothing else";
    for (text, what) in [
        (format!("{key}{ca}"), "PEM block 1 is no CERTIFICATE"),
        (key, "PEM block 1 is no CERTIFICATE"),
        ("garbage".to_owned(), "holds no certificate"),
        (TOKEN.to_owned(), "holds no certificate"),
    ] {
        let (code, said, printed) = with_ca(&text, "name: demo", "name: demo");
        assert_eq!((code, printed.as_str()), (Some(78), ""));
        assert_eq!(said.lines().last(), Some(format!("kiln: ca.pem: {what}; {fix}").as_str()));
    }
    let (code, said, printed) = with_ca(&format!("{TOKEN}\n{ca}"), "name: demo", "name: demo");
    assert_eq!(code, Some(0), "{said}");
    let settings = &of_ignition(&printed)["/etc/kiln/settings.d/50-cluster.yaml"].1;
    assert!(settings.contains("BEGIN CERTIFICATE") && !settings.contains(TOKEN), "{settings}");
}

#[test]
fn what_a_node_would_refuse_is_refused_here() {
    let many: Vec<String> = (0..201).map(|number| format!("subnet-{number:08x}")).collect();
    let example = std::fs::read_to_string(EXAMPLE).unwrap();
    let line = example.lines().find(|line| line.trim_start().starts_with("subnets: ")).unwrap();
    let (code, said, printed) = with_ca(&ca(), line, &format!("  subnets: [{}]", many.join(", ")));
    assert_eq!((code, printed.as_str()), (Some(78), ""));
    assert!(said.contains("all settings of this role together: cloud.subnets: has 20"), "{said}");
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for given in
        [Given { ca: Some(&key), ..Given::default() }, Given { ca: Some("none"), ..Given::default() }]
    {
        let error = launch::render(&cluster(), Role::Worker, &given, Form::Ignition).unwrap_err();
        assert!(error.to_string().starts_with("settings in user-data: api.ca: holds "), "{error}");
    }
}
