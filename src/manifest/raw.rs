// SPDX-License-Identifier: Apache-2.0
//! Raw: exactly what a person types into a manifest, and nothing of what it means.
//!
//! The JSON schema that `kiln schema` prints is made from these types, and the check of shapes walks that schema, so a
//! key exists in one place. Descriptions here are what editors show. Values are texts wherever a wrong one deserves a
//! better message than a type could give; `validate` reads them.
//!
//! Sections that must be there are optional in Rust but required in the schema: when one is missing, the others are
//! still validated and all problems come at once.

mod image;

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{Arch, Format};
use crate::lock::TrustLevel;
use crate::settings::keys;

pub use image::{Image, ImageWords};

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
    /// Fingerprints (40 hex digits) of signing keys to trust besides the vendor's.
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

/// The vendor's image.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["flatcar"] }, { "required": ["file"] }, { "required": ["url"] }, { "required": ["recipe"] },
]))]
pub struct Base {
    /// A release of Flatcar Container Linux, from its release server.
    pub flatcar: Option<Flatcar>,
    /// A disk image on this machine (raw or qcow2, also as .bz2, .gz, .zst); relative to the manifest's folder.
    pub file: Option<String>,
    /// A disk image at an https address.
    pub url: Option<String>,
    /// A folder with an executable 'build' that makes the image; kiln runs it and pins the result.
    pub recipe: Option<String>,
    /// The sha256 of the file, if it is known beforehand; otherwise it is pinned on first use.
    #[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
    pub sha256: Option<String>,
    /// Address of a detached OpenPGP signature of the url.
    pub signature: Option<String>,
    /// The platform the image was built for. Default: generic, which has no platform id and never reads a cloud's
    /// user-data.
    pub flavour: Option<String>,
    /// The least trust that will do; anything weaker is an error.
    pub require: Option<TrustLevel>,
}

/// A release of Flatcar Container Linux.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flatcar {
    /// alpha, beta, stable or lts.
    pub channel: String,
    /// The version ('4593.2.5'), or 'current', which the lock pins.
    pub version: String,
    /// The board: amd64-usr or arm64-usr. Default: that of 'arch'.
    pub board: Option<String>,
    /// Address to use instead of the channel's own server, up to and without the board.
    pub mirror: Option<String>,
}

/// Something that is pinned, fetched or built, and installed. Without 'release', 'go', 'url', 'file' or 'self' it is
/// its own project's release.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["release"] }, { "required": ["go"] }, { "required": ["url"] }, { "required": ["file"] },
    { "required": ["self"] },
    { "not": { "anyOf": [
        { "required": ["release"] }, { "required": ["go"] }, { "required": ["url"] }, { "required": ["file"] },
        { "required": ["self"] },
    ] } },
]))]
pub struct Component {
    /// Upstream's version, with its 'v'. Parts of Kubernetes take it from 'cluster.kubernetes' if it is left out.
    pub version: Option<String>,
    /// Settings of the project's own release server.
    pub release: Option<Release>,
    /// Build it here from pinned Go modules.
    pub go: Option<Go>,
    /// One file or archive at an https address.
    pub url: Option<String>,
    /// One file or archive on this machine; relative to the manifest's folder.
    pub file: Option<String>,
    /// true: the program that belongs to the running kiln (kiln-firstboot only).
    #[serde(rename = "self")]
    #[schemars(extend("const" = true))]
    pub itself: Option<bool>,
    /// The sha256 of the url or file, if it is known beforehand; otherwise it is pinned on first use.
    #[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
    pub sha256: Option<String>,
    /// Address of a detached OpenPGP signature of the url.
    pub signature: Option<String>,
    /// The least trust that will do; anything weaker is an error.
    pub require: Option<TrustLevel>,
    /// Which member goes where: path inside the archive (or name of the built program, or '*' for every file) to
    /// absolute path in the image, which ends with '/' to keep the member's name. Only for names that kiln does not know,
    /// or to place them elsewhere.
    #[serde(default)]
    pub install: BTreeMap<String, String>,
}

/// A project's own release server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Address to use instead of the project's own, up to where the layouts agree.
    pub mirror: Option<String>,
}

/// Programs built from pinned Go modules, without network and with -trimpath and -mod=readonly.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Go {
    /// A folder with go.mod and go.sum; relative to the manifest's folder.
    pub folder: String,
    /// Import paths of the programs.
    #[schemars(extend("minItems" = 1))]
    pub packages: Vec<String>,
    /// Whether the C compiler takes part. Default: false.
    #[serde(default)]
    pub cgo: bool,
    /// Build tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Linker flags, as one string to -ldflags.
    #[serde(default)]
    pub ldflags: String,
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

/// Objects for a new cluster: YAML documents, from one of 'file', 'text', 'template'. In them ${KILN_CLUSTER_DNS},
/// ${KILN_CLUSTER_DOMAIN} and ${KILN_API_ENDPOINT} stand for what the control plane's settings say.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["file"] }, { "required": ["text"] }, { "required": ["template"] }]))]
pub struct Addon {
    /// Its name: 'coredns'.
    #[schemars(extend("pattern" = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub name: String,
    /// A YAML file on this machine; relative to the manifest's folder.
    pub file: Option<String>,
    /// The documents.
    pub text: Option<String>,
    /// A template file on this machine; relative to the manifest's folder.
    pub template: Option<String>,
}

/// A systemd unit, with its text from one of 'file', 'text', 'template'.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["file"] }, { "required": ["text"] }, { "required": ["template"] }]))]
pub struct Unit {
    /// Its name with the suffix: 'kubelet.service'.
    pub name: String,
    /// Whether it is started at boot, by the links that its [Install] section asks for. Default: true.
    pub enabled: Option<bool>,
    /// The unit file on this machine; relative to the manifest's folder.
    pub file: Option<String>,
    /// The unit's text.
    pub text: Option<String>,
    /// A template file on this machine; relative to the manifest's folder.
    pub template: Option<String>,
}

/// A further file, link or folder.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["file"] }, { "required": ["text"] }, { "required": ["template"] }, { "required": ["link"] },
    { "required": ["folder"] },
]))]
pub struct File {
    /// Absolute path in the image.
    #[schemars(extend("pattern" = "^/"))]
    pub path: String,
    /// A file on this machine; relative to the manifest's folder.
    pub file: Option<String>,
    /// The text it holds.
    pub text: Option<String>,
    /// A template file on this machine; relative to the manifest's folder.
    pub template: Option<String>,
    /// What the symbolic link points to.
    pub link: Option<String>,
    /// true: an empty folder.
    #[schemars(extend("const" = true))]
    pub folder: Option<bool>,
    /// Permission bits in octal and in quotes. Default: "0644", for a folder "0755".
    #[schemars(extend("pattern" = "^0?[0-7]{3,4}$"))]
    pub mode: Option<String>,
    /// Owner and group as numbers, in quotes. Default: "0:0".
    #[schemars(extend("pattern" = "^[0-9]+:[0-9]+$"))]
    pub owner: Option<String>,
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

/// A text, number or truth value, kept as the text a person typed.
#[derive(Debug, Deserialize)]
#[serde(from = "Scalar")]
pub struct Plain(pub String);

/// A layer of settings, in the words that first boot reads.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Settings(pub serde_yaml::Mapping);

/// A value for templates: a text, whole number, truth value, or a list of those.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Variable(pub serde_json::Value);

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Whole(i64),
    Truth(bool),
    Text(String),
}

impl From<Scalar> for Plain {
    fn from(scalar: Scalar) -> Self {
        Self(match scalar {
            Scalar::Whole(number) => number.to_string(),
            Scalar::Truth(is_true) => u8::from(is_true).to_string(),
            Scalar::Text(text) => text,
        })
    }
}

impl JsonSchema for Plain {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Plain".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer", "boolean"] })
    }
}

impl JsonSchema for Settings {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Settings".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::try_from(keys::schema(keys::Scope::Manifest)).expect("a schema is an object")
    }
}

impl JsonSchema for Variable {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Variable".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer", "boolean", "array"],
            "items": { "type": ["string", "integer", "boolean"] },
        })
    }
}
