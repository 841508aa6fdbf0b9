// SPDX-License-Identifier: Apache-2.0
//! The settings that a manifest bakes in: the first layer of what first boot reads, and the system's own drop-ins.
//!
//! Renders text; where the text goes is the business of [`super::content`].

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ipnet::IpNet;
use serde::Serialize;
use serde_yaml::Mapping;

use crate::containerd;
use crate::manifest::{Cluster, Manifest, flavour};
use crate::settings::VERSION;

/// What every image says of itself.
#[derive(Serialize)]
struct Baked<'a> {
    version: u32,
    image: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<&'a str>,
    cluster: BakedCluster,
    /// The manifest's own settings; its `cluster` goes into that above.
    #[serde(flatten)]
    settings: Mapping,
}

/// What the manifest says of the cluster; keys as in [`crate::settings::Cluster`].
#[derive(Serialize)]
struct BakedCluster {
    #[serde(skip_serializing_if = "Option::is_none")]
    kubernetes: Option<String>,
    pods: Vec<IpNet>,
    services: Vec<IpNet>,
    hosts: Vec<IpNet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_prefix: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_prefix_v6: Option<u8>,
    nodes_max: u32,
    surge: u32,
    pods_max: u32,
    /// Of the manifest's own settings; it has none of the keys above.
    #[serde(flatten)]
    settings: Mapping,
}

/// Renders the baked layer (YAML) of `manifest`.
pub fn baked_layer(manifest: &Manifest) -> String {
    let mut settings = manifest.settings.clone();
    platform(&manifest.base.flavour, &mut settings);
    let own =
        settings.remove("cluster").and_then(|cluster| cluster.as_mapping().cloned()).unwrap_or_default();
    let cluster = cluster(manifest.cluster.clone(), own);
    let sandbox = preloaded_sandbox(manifest);
    let settings = Baked { version: VERSION, image: &manifest.name, sandbox, cluster, settings };
    let yaml = serde_yaml::to_string(&settings).expect("settings hold nothing that YAML can't");
    format!("# The image's own layer, written by kiln bake; files with greater numbers override it.\n{yaml}")
}

/// Returns containerd's configuration, as first boot would write it from the manifest's settings alone; none where Docker runs
/// pods, which has a containerd of its own.
pub fn containerd(manifest: &Manifest) -> Option<String> {
    let word = |key: &str| manifest.settings.get(key).and_then(|word| word.as_str());
    // A manifest that names both is refused.
    let sandbox = preloaded_sandbox(manifest).or(word("sandbox"));
    (word("runtime") != Some("docker")).then(|| containerd::configuration(sandbox))
}

fn preloaded_sandbox(manifest: &Manifest) -> Option<&str> {
    manifest.images.iter().find(|image| image.is_sandbox)?.reference.as_deref()
}

/// An image for EC2 may ask its metadata service; whoever wrote otherwise meant it.
fn platform(flavour: &str, settings: &mut Mapping) {
    if flavour != flavour::AMI {
        return;
    }
    let cloud = settings.entry("cloud".into()).or_insert_with(|| Mapping::new().into());
    if let Some(cloud) = cloud.as_mapping_mut() {
        cloud.entry("platform".into()).or_insert_with(|| "aws".into());
    }
}

fn cluster(cluster: Cluster, settings: Mapping) -> BakedCluster {
    // Destructured, so that a new key of the manifest can't be forgotten here.
    let Cluster {
        kubernetes,
        pods,
        services,
        hosts,
        block_prefix,
        block_prefix_v6,
        nodes_max,
        surge,
        pods_max,
    } = cluster;
    BakedCluster {
        kubernetes,
        pods,
        services,
        hosts,
        block_prefix,
        block_prefix_v6,
        nodes_max,
        surge,
        pods_max,
        settings,
    }
}

/// Renders a file for sysctl.d(5).
pub fn sysctls(sysctls: &BTreeMap<String, String>) -> String {
    sysctls.iter().fold(String::new(), |mut text, (key, value)| {
        writeln!(text, "{key} = {value}").expect("a String takes everything");
        text
    })
}

/// Renders a file for modules-load.d(5).
pub fn modules(modules: &[String]) -> String {
    modules.iter().map(|module| format!("{module}\n")).collect()
}
