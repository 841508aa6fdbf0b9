// SPDX-License-Identifier: Apache-2.0
//! Keys: every key of the settings, what kind of value it takes, and its words.
//!
//! One table serves the check of layers, the reading of kernel command line words, and the schema of the manifest's
//! `settings`. It must name what [`super::Settings`] has; a test holds the two together.

use serde_json::{Map, Value, json};

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// This number and no other.
    Only(u32),
    /// A whole number in these bounds.
    Whole(u32, u32),
    /// A list of texts, at most so many.
    Texts(usize),
    /// A list of whole numbers.
    Wholes,
    /// A map of texts.
    Labels,
    /// A list of taints.
    Taints,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The section it stands in; empty for the top.
    pub section: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it says, in words for editors.
    pub about: &'static str,
    /// Whether there are no settings without it.
    pub is_required: bool,
    /// Where a manifest says it already, so that its `settings` may not.
    pub manifest: Option<&'static str>,
}

const fn key(section: &'static str, name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { section, name, kind, about, is_required: false, manifest: None }
}

const fn derived(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    (manifest, is_required): (&'static str, bool),
    about: &'static str,
) -> Key {
    Key { section, name, kind, about, is_required, manifest: Some(manifest) }
}

/// What each section is about.
const SECTIONS: [(&str, &str); 7] = [
    ("cluster", "The cluster that the image is for."),
    ("api", "Where the API servers are and whom to trust."),
    ("node", "What is particular to a node."),
    ("network", "How pods are connected."),
    ("control_plane", "Of the control-plane role only."),
    ("cloud", "The cloud that the machine is in."),
    ("", "Settings of a node, as kiln-firstboot reads them."),
];

/// Effects of taints (kubernetes.io, "Taints and Tolerations").
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Every key, in the order in which they are told.
pub const KEYS: [Key; 44] = [
    derived("", "version", Kind::Only(super::VERSION), ("kiln", true), "The version of this format: 1."),
    derived("", "image", Kind::Text, ("name", true), "The image's name."),
    key("", "role", Kind::Word(&["worker", "control-plane"]), "What a machine becomes. Default: worker."),
    key("", "runtime", Kind::Word(&["containerd", "docker"]), "What runs containers. Default: containerd."),
    key(
        "",
        "sandbox",
        Kind::Text,
        "The image that pods' sandboxes are containers of: 'registry.example/pause:3.10'. Default: the runtime's own choice.",
    ),
    derived(
        "cluster",
        "kubernetes",
        Kind::Text,
        ("cluster.kubernetes", false),
        "Version of the cluster's API servers: 'v1.36.3'.",
    ),
    derived(
        "cluster",
        "pods",
        Kind::Texts(2),
        ("cluster.pods", true),
        "Pod ranges, at most one of each family.",
    ),
    derived(
        "cluster",
        "services",
        Kind::Texts(2),
        ("cluster.services", true),
        "Service ranges, at most one of each family.",
    ),
    derived(
        "cluster",
        "hosts",
        Kind::Texts(usize::MAX),
        ("cluster.hosts", false),
        "Ranges of the hosts' own addresses.",
    ),
    derived(
        "cluster",
        "block_prefix",
        Kind::Whole(0, 128),
        ("cluster.block", false),
        "Prefix length of a node's block of the IPv4 pod range. Default: 24.",
    ),
    derived(
        "cluster",
        "block_prefix_v6",
        Kind::Whole(0, 128),
        ("cluster.block_v6", false),
        "Prefix length of a node's block of the IPv6 pod range. Default: 64.",
    ),
    derived(
        "cluster",
        "nodes_max",
        Kind::Whole(1, u32::MAX),
        ("cluster.nodes", true),
        "The most nodes there will be.",
    ),
    derived(
        "cluster",
        "surge",
        Kind::Whole(0, u32::MAX),
        ("cluster.surge", true),
        "How many nodes more there may be while nodes are replaced.",
    ),
    derived(
        "cluster",
        "pods_max",
        Kind::Whole(1, u32::MAX),
        ("cluster.max_pods", true),
        "The most pods on a node.",
    ),
    key("cluster", "domain", Kind::Text, "The DNS domain of services. Default: cluster.local."),
    key(
        "cluster",
        "addressing",
        Kind::Word(&["claim", "static", "derived", "kcm"]),
        "How nodes come by their blocks; the same for the whole cluster. Default: claim.",
    ),
    key("cluster", "reserved", Kind::Wholes, "Indices of blocks that no node gets."),
    key("api", "endpoint", Kind::Text, "Where nodes reach the API servers: 'https://HOST:PORT'."),
    key("api", "ca", Kind::Text, "The cluster's CA certificates in PEM; no private key."),
    key("node", "name", Kind::Text, "The Node object's name. Default: the host name."),
    key(
        "node",
        "addresses",
        Kind::Texts(2),
        "The node's own addresses, at most one of each family. Default: the source addresses towards the API servers.",
    ),
    key("node", "provider_id", Kind::Text, "The Node's spec.providerID."),
    key(
        "node",
        "instance_id",
        Kind::Text,
        "What tells this machine from its clones. Default: SMBIOS' UUID, else the machine id.",
    ),
    key("node", "labels", Kind::Labels, "Labels that the Node is registered with."),
    key("node", "taints", Kind::Taints, "Taints that the Node is registered with."),
    key("node", "index", Kind::Whole(0, u32::MAX), "The index of the node's block, with static addressing."),
    key(
        "node",
        "token_file",
        Kind::Text,
        "A provisioner's file with the bootstrap token; it is removed once the certificate is safe on disk.",
    ),
    key(
        "network",
        "mode",
        Kind::Word(&["cni", "docker"]),
        "Whose bridge pods hang on: that of the CNI plugins or Docker's own. Default: cni.",
    ),
    key(
        "network",
        "fabric",
        Kind::Word(&["vxlan", "host-gw", "none"]),
        "What carries packets between nodes; with none it is somebody else's business. Default: vxlan.",
    ),
    key(
        "network",
        "mtu",
        Kind::Whole(0, 65535),
        "Bytes of a pod's packets. Default: those of the uplink less what the fabric adds.",
    ),
    key(
        "network",
        "routes",
        Kind::Word(&["none", "vpc"]),
        "Who writes a route to the node's block: with vpc the node itself, into its VPC's route tables. Default: none.",
    ),
    key(
        "control_plane",
        "names",
        Kind::Texts(100),
        "More names and addresses that the API server's certificate is good for.",
    ),
    key(
        "control_plane",
        "data_volume",
        Kind::Text,
        "Volume that holds etcd's data and the cluster's keys, and outlives the machine: an EBS volume's id, 'vol-...', or '/dev/disk/by-id/...'.",
    ),
    key(
        "cloud",
        "platform",
        Kind::Word(&["none", "aws", "auto"]),
        "Whose metadata service is asked who the machine is; auto: EC2's, where SMBIOS says Amazon EC2. Default: none.",
    ),
    key(
        "cloud",
        "subnets",
        Kind::Texts(200),
        "Subnets whose route tables get a route to the node's block. Default: the machine's own subnet.",
    ),
    key(
        "cloud",
        "metadata",
        Kind::Text,
        "Address of the metadata service, for tests: 'http://127.0.0.1:8080'.",
    ),
    key("cloud", "endpoint", Kind::Text, "Endpoint of EC2, else the region's own: 'https://HOST:PORT'."),
    key("cloud", "ca", Kind::Text, "CA certificates in PEM that are trusted for these endpoints, too."),
    key(
        "cloud",
        "parameters_endpoint",
        Kind::Text,
        "Endpoint of Systems Manager, else the region's own: 'https://HOST:PORT'.",
    ),
    key(
        "cloud",
        "share",
        Kind::Text,
        "Path of parameters in Systems Manager to which a control plane publishes its CA: '/kiln/clusters/demo'.",
    ),
    key(
        "cloud",
        "operator",
        Kind::Text,
        "Certificate request (PEM) of an administrator, whose certificate is published below cloud.share.",
    ),
    key(
        "cloud",
        "group",
        Kind::Text,
        "Auto scaling group of workers; a control plane tells it which instances are no Ready nodes.",
    ),
    key(
        "cloud",
        "scaling_endpoint",
        Kind::Text,
        "Endpoint of EC2 Auto Scaling, else the region's own: 'https://HOST:PORT'.",
    ),
    key(
        "cloud",
        "token_parameter",
        Kind::Text,
        "SecureString in Systems Manager in which a control plane keeps a bootstrap token, and with which workers join.",
    ),
];

/// Returns the key at `section` (empty for the top) and `name`.
pub fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

/// Which keys a schema has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All, and those that must be there.
    Whole,
    /// All, and none must be there.
    Part,
    /// Those that a manifest does not say elsewhere, and none must be there.
    Manifest,
}

/// Returns the JSON schema of settings.
pub fn schema(scope: Scope) -> Value {
    let mut top = section("", scope);
    for (name, _) in SECTIONS.iter().filter(|(name, _)| !name.is_empty()) {
        top["properties"][name] = section(name, scope);
    }
    if scope == Scope::Whole {
        top["required"].as_array_mut().into_iter().for_each(|required| required.push(json!("cluster")));
    }
    top
}

fn section(section: &str, scope: Scope) -> Value {
    let keys = KEYS
        .iter()
        .filter(|key| key.section == section && (scope != Scope::Manifest || key.manifest.is_none()));
    let properties: Map<String, Value> = keys.clone().map(|key| (key.name.to_owned(), value(key))).collect();
    let about = SECTIONS.iter().find(|(name, _)| *name == section).map_or("", |(_, about)| about);
    let mut schema = json!({
        "description": about, "type": "object", "properties": properties, "additionalProperties": false,
    });
    let required: Vec<&str> = keys.filter(|key| key.is_required).map(|key| key.name).collect();
    if scope == Scope::Whole && !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn value(key: &Key) -> Value {
    let mut schema = match key.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
        Kind::Only(number) => json!({ "type": "integer", "const": number }),
        Kind::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Texts(usize::MAX) => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Texts(most) => json!({ "type": "array", "items": { "type": "string" }, "maxItems": most }),
        Kind::Wholes => {
            json!({ "type": "array", "items": { "type": "integer", "minimum": 0, "maximum": u32::MAX } })
        }
        Kind::Labels => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::Taints => json!({ "type": "array", "items": taint() }),
    };
    schema["description"] = json!(key.about);
    schema
}

fn taint() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["key", "effect"],
        "properties": {
            "key": { "type": "string", "description": "Like a label's: 'example.org/gpu'." },
            "value": { "type": "string", "description": "Like a label's. Default: empty." },
            "effect": { "type": "string", "enum": EFFECTS, "description": "What happens to pods that don't tolerate it." },
        },
    })
}
