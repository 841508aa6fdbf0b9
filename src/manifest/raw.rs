// SPDX-License-Identifier: Apache-2.0
//! Raw: exactly what a person types into a manifest, and nothing of what it means.
//!
//! The JSON schema that `kiln schema` prints is made from these types, and the check of shapes walks that schema, so a
//! key exists in one place. Descriptions here are what editors show. Values are texts wherever a wrong one deserves a
//! better message than a type could give; `validate` reads them.
//!
//! Sections that must be there are optional in Rust but required in the schema: when one is missing, the others are
//! still validated and all problems come at once.

mod content;
mod image;
mod plain;
mod source;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::input::Arch;
use super::output::Format;

pub use content::{Addon, File, Unit};
pub use image::{Image, ImageWords};
pub use plain::{Plain, Settings, Variable};
pub use source::{Base, Component, Flatcar, Go, Release};

/// A kiln manifest: what goes into a node image.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "kiln manifest")]
pub struct Manifest {
    /// Version of this format: 1.
    #[schemars(required, extend("const" = 1))]
    #[expect(dead_code, reason = "the check against the schema's constant is all the reading it gets")]
    pub kiln: Option<u32>,
    /// Names the outputs (NAME.raw, NAME.qcow2): letters, digits, '.', '_' and '-'.
    #[schemars(required, extend("pattern" = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"))]
    pub name: Option<String>,
    /// The processor architecture of the nodes.
    #[schemars(required)]
    pub arch: Option<Arch>,
    /// The vendor's image, which everything is written into: one of 'flatcar', 'file', 'url', 'recipe'.
    #[schemars(required)]
    pub base: Option<Base>,
    /// What goes in, by name. Names that kiln knows (kubelet, kube-proxy, cni-plugins, ...) need no 'install'.
    #[schemars(required)]
    pub components: Option<BTreeMap<String, Component>>,
    /// Container images that nodes have from the start, by name. Their archives lie in /opt/kiln/images and are imported at
    /// boot, before kubelet starts.
    #[serde(default)]
    pub images: BTreeMap<String, Image>,
    /// The cluster that the nodes will join: its versions and its address ranges.
    #[schemars(required)]
    pub cluster: Option<Cluster>,
    /// Objects that the control plane applies to a new cluster, in the order of their names.
    #[serde(default)]
    pub addons: Vec<Addon>,
    /// systemd units to add.
    #[serde(default)]
    pub units: Vec<Unit>,
    /// Further files, links and folders.
    #[serde(default)]
    pub files: Vec<File>,
    /// Kernel modules to load at boot.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Kernel settings, 'net.ipv4.ip_forward: 1' style.
    #[serde(default)]
    pub sysctls: BTreeMap<String, Plain>,
    /// Fingerprints of signing keys to trust besides the vendor's (OpenPGP, 40 hex digits), and of root certificates
    /// besides Sigstore's (SHA-256, 64 hex digits).
    #[serde(default)]
    pub keys: Vec<String>,
    /// Pack the components as one squashfs system extension instead of plain files. Default: false.
    #[serde(default)]
    pub sysext: bool,
    /// Values for templates, as 'vars.NAME'.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    /// Settings that every node of this image starts with; those of the machine come later and win.
    #[serde(default)]
    pub settings: Settings,
    /// What to write.
    #[serde(default)]
    pub outputs: Outputs,
}

/// The cluster that the nodes will join.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Version of the cluster's API servers ('v1.36.3'); also the default version of Kubernetes' components.
    pub kubernetes: Option<String>,
    /// The pod range ('10.244.0.0/16'), which is cut into one block per node; at most one of each address family.
    #[schemars(extend("minItems" = 1, "maxItems" = 2))]
    #[expect(dead_code, reason = "settings::ranges reads them with their places")]
    pub pods: Vec<String>,
    /// The service range; the same families as 'pods'.
    #[schemars(extend("minItems" = 1, "maxItems" = 2))]
    #[expect(dead_code, reason = "settings::ranges reads them with their places")]
    pub services: Vec<String>,
    /// Ranges of the hosts' own addresses; checked against the others.
    #[schemars(extend("minItems" = 1))]
    #[expect(dead_code, reason = "settings::ranges reads them with their places")]
    pub hosts: Vec<String>,
    /// Prefix length of a node's block of the IPv4 pod range, 29 at most. A block serves 2^(32-p) - 3 pods. Default: 24.
    pub block: Option<u8>,
    /// Prefix length of a node's block of the IPv6 pod range, 125 at most. Default: 64.
    pub block_v6: Option<u8>,
    /// The most nodes there will be.
    #[schemars(extend("minimum" = 1))]
    pub nodes: u32,
    /// How many nodes more there may be while nodes are replaced. Default: 1.
    pub surge: Option<u32>,
    /// The most pods on a node. Default: 110, or what a block serves if that is less.
    #[schemars(extend("minimum" = 1))]
    pub max_pods: Option<u32>,
}

/// What `kiln bake` writes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outputs {
    /// Formats of disk image files. Default: raw and qcow2.
    #[schemars(extend("minItems" = 1))]
    pub formats: Option<Vec<Format>>,
    /// Size of the disk ('10GiB', '12600MiB'). Default: the base's.
    #[schemars(extend("pattern" = "^[0-9]+ ?(B|KiB|MiB|GiB|TiB)$"))]
    pub size: Option<String>,
}
