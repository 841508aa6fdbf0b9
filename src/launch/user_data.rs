// SPDX-License-Identifier: Apache-2.0
//! User-data: the files that a provisioner writes at an instance's first boot, in the provisioner's own form.
//!
//! The templates lie in `cloud-config/`. The only secret in it is a bootstrap token; its file is unlinked once the node has
//! its certificate. Whoever can read an instance's user-data can read the token: that is why it lives for an hour at most.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tera::{Context, Tera};

use super::cluster::Cluster;
use super::layer;
use crate::problem::Problems;
use crate::settings::Role;
use crate::settings::token::Token;

const IGNITION: &str = include_str!("../../cloud-config/ignition.json.tera");
const CLOUD_CONFIG: &str = include_str!("../../cloud-config/cloud-config.yaml.tera");

/// EC2's limit, before it is encoded ("Instance user data", EC2 User Guide).
const MAX_BYTES: usize = 16 << 10;
/// Nobody but root reads these.
const MODE: u32 = 0o600;
const SETTINGS: &str = "/etc/kiln/settings.d/50-cluster.yaml";

/// Whose form it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Ignition's, version 3.3 (Flatcar since 3185).
    Ignition,
    /// `#cloud-config`, as cloud-init and coreos-cloudinit read it.
    CloudConfig,
}

/// Why there is no user-data.
#[derive(Debug, thiserror::Error)]
pub enum UserDataError {
    /// More than an instance may be given.
    #[error(
        "the user-data has {0} bytes, and EC2 takes {MAX_BYTES}; move settings into the image, or give fewer CA certificates"
    )]
    TooLong(usize),
    /// What a node would refuse, or nobody may see.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The template.
    #[error("the template in cloud-config/ can't be rendered")]
    Template(#[from] tera::Error),
}

/// What instances are given beside what the cluster's description says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// The CA certificates (PEM) that workers trust.
    pub ca: Option<&'a str>,
    /// What workers join with.
    pub token: Option<&'a Token>,
    /// The request (PEM) of who is to be an administrator of the cluster that a control plane makes.
    pub operator: Option<&'a str>,
    /// Whether a token is shared by a parameter: a control plane keeps it live, workers join with it.
    pub shares_token: bool,
}

/// Renders the user-data of a role.
///
/// # Errors
/// When a node would refuse it, it holds a secret that is none of its own, or it would be too long for an instance.
pub fn render(cluster: &Cluster, role: Role, given: &Given<'_>, form: Form) -> Result<String, UserDataError> {
    let mut files = vec![file(SETTINGS, &layer::judged(cluster, role, given)?)];
    if let Some(token) = given.token {
        files.extend(token_files(token, form));
    }
    let template = match form {
        Form::Ignition => IGNITION,
        Form::CloudConfig => CLOUD_CONFIG,
    };
    let values = json!({ "cluster": cluster.name, "role": layer::word(role), "files": files });
    let mut tera = Tera::new();
    // Neither form is HTML.
    tera.autoescape_on(Vec::<&str>::new());
    tera.add_raw_template("user-data", template)?;
    let text = tera.render("user-data", &Context::from_serialize(&values)?)?;
    if text.len() > MAX_BYTES { Err(UserDataError::TooLong(text.len())) } else { Ok(text) }
}

/// The token's file, and the layer that names it. Ignition writes before `/run` is the running system's, so its token has to
/// be on the disk until it has served; cloud-config is read later, and there it never is.
fn token_files(token: &Token, form: Form) -> [Value; 2] {
    let folder = match form {
        Form::Ignition => "/etc/kiln",
        Form::CloudConfig => "/run/kiln",
    };
    let path = format!("{folder}/token");
    [
        file(&format!("{folder}/settings.d/60-token.yaml"), &format!("node: {{token_file: {path}}}\n")),
        file(&path, token.reveal()),
    ]
}

fn file(path: &str, text: &str) -> Value {
    // Strings of JSON are YAML's, too.
    let quoted = |text: &str| serde_json::to_string(text).expect("a text");
    json!({
        "path_json": quoted(path), "mode": MODE, "octal": format!("{MODE:04o}"),
        "text_json": quoted(text), "base64": BASE64.encode(text),
    })
}
