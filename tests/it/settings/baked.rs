// SPDX-License-Identifier: Apache-2.0
//! The image's own layer: what a manifest bakes, first boot reads.

use std::path::Path;

use kiln::bake::settings::baked_layer;
use kiln::manifest;
use kiln::settings::{Addressing, Form, Runtime, Settings, merge};
use serde_json::Value;

use super::{layer, layers};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/image/lab.yaml");

fn bake(settings: &str) -> String {
    let text = std::fs::read_to_string(MANIFEST).unwrap() + settings;
    let read = |file: &Path| Ok(crate::manifest::stub(file).into_bytes());
    let parsed = manifest::parse(Path::new("lab.yaml"), &text, &read);
    baked_layer(&parsed.unwrap_or_else(|problems| panic!("{problems}")).manifest)
}

#[test]
fn what_a_manifest_bakes_is_what_first_boot_reads() {
    let baked = bake(
        "settings:\n  runtime: docker\n  cluster:\n    addressing: derived\n    domain: example.local\n  \
         network: {mode: docker}\n  node:\n    labels: {example.org/rack: '7'}\n",
    );
    let mut all = layers(&[]);
    all[0] = layer("/etc/kiln/settings.d/10-image.yaml", Form::Yaml, &baked);
    let settings = merge(&all).unwrap().settings;
    assert_eq!((settings.image.as_str(), settings.runtime), ("kiln-lab", Runtime::Docker));
    assert_eq!(
        (settings.cluster.kubernetes.as_str(), settings.cluster.domain.as_str()),
        ("v1.36.3", "example.local")
    );
    assert_eq!((settings.cluster.addressing, settings.cluster.nodes_max), (Addressing::Derived, 250));
    assert_eq!(settings.node.labels["example.org/rack"], "7");
    assert_eq!(settings.sandbox.as_deref(), Some("kiln.local/pause:1"), "of images.pause.sandbox");
}

/// The table of keys and the type say the same: a tree with every key of the one is the other.
#[test]
fn every_key_is_in_the_type_and_every_field_is_in_the_table() {
    let settings = merge(&layers(&[layer("all", Form::Yaml, EVERYTHING)])).unwrap().settings;
    let written: Value = serde_json::to_value(&settings).unwrap();
    let schema = kiln::settings::keys::schema(kiln::settings::keys::Scope::Part);
    let mut fields = Vec::new();
    for (name, value) in written.as_object().unwrap() {
        match value.as_object() {
            Some(inner) => fields.extend(inner.keys().map(|key| format!("{name}.{key}"))),
            None => fields.push(name.clone()),
        }
    }
    let mut keys = Vec::new();
    for (name, value) in schema["properties"].as_object().unwrap() {
        match value["properties"].as_object() {
            Some(inner) => keys.extend(inner.keys().map(|key| format!("{name}.{key}"))),
            None => keys.push(name.clone()),
        }
    }
    keys.sort();
    fields.sort();
    assert_eq!(keys, fields);
    let again: Settings = serde_json::from_value(written).unwrap();
    assert_eq!(again, settings);
}

/// A value for every key, none of which is its default.
const EVERYTHING: &str = "\
role: control-plane
runtime: docker
sandbox: registry.example/pause:3.10
cluster:
  pods: [10.234.0.0/20, 'fd00:1::/56']
  services: [10.96.0.0/16, 'fd00:2::/112']
  block_prefix_v6: 63
  block_prefix: 26
  domain: example.local
  addressing: static
  reserved: [3]
  nodes_max: 10
node:
  name: n1
  addresses: [10.1.0.5]
  provider_id: aws:///eu-central-1a/i-0123456789abcdef0
  instance_id: i-0123456789abcdef0
  labels: {topology.kubernetes.io/zone: a}
  taints: [{key: dedicated, value: gpu, effect: NoSchedule}]
  index: 7
  token_file: /etc/kiln/token
network: {mode: docker, fabric: host-gw, mtu: 1400}
control_plane: {names: [api.example.org, 192.0.2.7], data_volume: vol-0a1b2c3d4e5f60718}
";
