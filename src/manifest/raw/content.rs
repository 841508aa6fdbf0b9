// SPDX-License-Identifier: Apache-2.0
//! Units, files and objects for a new cluster, as typed.

use schemars::JsonSchema;
use serde::Deserialize;

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
