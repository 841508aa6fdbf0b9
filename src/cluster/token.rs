// SPDX-License-Identifier: Apache-2.0
//! Bootstrap tokens: Secrets that let a machine ask for its certificate (Kubernetes, "Authenticating with Bootstrap Tokens").

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::json;

use super::Client;
use super::error::ApiError;
use super::meta::{Meta, or_default};
use super::object::Object;
use super::request::Request;

const PATH: [&str; 5] = ["api", "v1", "namespaces", "kube-system", "secrets"];
const TYPE: &str = "bootstrap.kubernetes.io/token";
const PREFIX: &str = "bootstrap-token-";

/// A token to create.
#[derive(Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Six of `a-z0-9`; no secret.
    pub id: String,
    /// Sixteen of `a-z0-9`.
    pub secret: String,
    /// When it ends, RFC 3339.
    pub expiration: String,
    /// Each starts with "system:bootstrappers:".
    pub groups: Vec<String>,
    /// For people.
    pub description: String,
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, secret: _, expiration, groups, description } = self;
        let mut shown = f.debug_struct("NewToken");
        shown.field("id", id).field("expiration", expiration).field("groups", groups);
        shown.field("description", description).finish_non_exhaustive()
    }
}

/// A token as the server has it, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Six of `a-z0-9`.
    pub id: String,
    /// Name, UID, creation.
    pub meta: Meta,
    /// When it ends, RFC 3339; none: never.
    pub expiration: Option<String>,
    /// Besides `system:bootstrappers`.
    pub groups: Vec<String>,
    /// Whether it may be used to authenticate.
    pub authenticates: bool,
    /// For people.
    pub description: String,
}

#[derive(Deserialize)]
struct Wire {
    metadata: Meta,
    #[serde(default, deserialize_with = "or_default")]
    data: BTreeMap<String, String>,
}

impl TryFrom<Wire> for Token {
    type Error = String;

    fn try_from(Wire { metadata, data }: Wire) -> Result<Self, String> {
        let read = |key: &str| match data.get(key) {
            None => Ok(None),
            Some(text) => {
                // The reason is not given on: it would quote what may be a secret.
                let bytes = BASE64.decode(text).map_err(|_| format!("data.{key} of a token is no base64"))?;
                String::from_utf8(bytes).map(Some).map_err(|_| format!("data.{key} of a token is no text"))
            }
        };
        let groups = read("auth-extra-groups")?.unwrap_or_default();
        let groups = groups.split(',').map(str::trim).filter(|group| !group.is_empty());
        Ok(Self {
            id: metadata.name.strip_prefix(PREFIX).unwrap_or(&metadata.name).to_owned(),
            expiration: read("expiration")?,
            groups: groups.map(str::to_owned).collect(),
            authenticates: read("usage-bootstrap-authentication")?.as_deref() == Some("true"),
            description: read("description")?.unwrap_or_default(),
            meta: metadata,
        })
    }
}

impl Client {
    /// Creates a token that may be used to authenticate, and for nothing else.
    ///
    /// # Errors
    /// [`super::ApiErrorKind::AlreadyExists`] where the id is taken.
    pub async fn token_create(&self, token: &NewToken) -> Result<Token, ApiError> {
        let NewToken { id, secret, expiration, groups, description } = token;
        let body = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": format!("{PREFIX}{id}"), "namespace": "kube-system" },
            "type": TYPE,
            "stringData": {
                "token-id": id,
                "token-secret": secret,
                "expiration": expiration,
                "usage-bootstrap-authentication": "true",
                "auth-extra-groups": groups.join(","),
                "description": description,
            },
        });
        self.read::<Wire, _>(Request::post(&PATH, &body)).await
    }

    /// Lists all tokens, also those of others.
    ///
    /// # Errors
    /// As any request.
    pub async fn tokens(&self) -> Result<Vec<Token>, ApiError> {
        let of_type = format!("type={TYPE}");
        self.list::<Wire, _>(|| Request::get(&PATH).query("fieldSelector", &of_type)).await
    }

    /// Deletes a token; machines that have their certificate don't need it any more.
    ///
    /// # Errors
    /// [`super::ApiErrorKind::NotFound`] where there is none.
    pub async fn token_delete(&self, id: &str) -> Result<(), ApiError> {
        let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions" });
        let name = format!("{PREFIX}{id}");
        self.read::<serde_json::Value, Object>(Request::delete(&PATH, &options).at(&name)).await.map(drop)
    }
}
