// SPDX-License-Identifier: Apache-2.0
//! Parameters of Systems Manager: a control plane shares there what is public, and keeps a bootstrap token for machines that
//! are to join; such a machine reads it. The protocol is JSON ("AWS JSON protocol 1.1").

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Metadata;
use super::caller::{Caller, Request};
use super::error::{AwsError, AwsErrorKind as Kind};
use super::http;

const JSON: &str = "application/x-amz-json-1.1";

/// Systems Manager in one region, as the instance's role.
#[derive(Debug)]
pub struct Ssm {
    caller: Caller,
}

/// A parameter's value. It may be a token, so it never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameter(pub String);

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parameter(..)")
    }
}

/// How a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// As it is.
    Plain,
    /// Encrypted, with the account's own key for parameters (`aws/ssm`).
    Secure,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    parameters: Vec<Wire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    name: String,
    value: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failed {
    #[serde(rename = "__type")]
    code: String,
    #[serde(alias = "Message")]
    message: String,
}

impl Ssm {
    /// Returns Systems Manager at `endpoint` (`https://HOST`); `ca` (PEM) is trusted beside the public roots.
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub fn new(endpoint: &str, region: &str, ca: Option<&str>, metadata: Metadata) -> Result<Self, AwsError> {
        Ok(Self { caller: Caller::new("ssm", (endpoint, region), ca, metadata)? })
    }

    /// Returns the values of those of `names` (ten at most) that are there, decrypted.
    ///
    /// # Errors
    /// As the service says.
    pub async fn parameters(&self, names: &[&str]) -> Result<BTreeMap<String, Parameter>, AwsError> {
        let body = json!({ "Names": names, "WithDecryption": true });
        let found: Found = self.call("GetParameters", &body).await?;
        Ok(found.parameters.into_iter().map(|Wire { name, value }| (name, Parameter(value))).collect())
    }

    /// Writes a parameter, over what is there.
    ///
    /// # Errors
    /// As the service says.
    pub async fn put(&self, name: &str, value: &str, storage: Storage) -> Result<(), AwsError> {
        let kind = match storage {
            Storage::Plain => "String",
            Storage::Secure => "SecureString",
        };
        let body = json!({ "Name": name, "Value": value, "Type": kind, "Overwrite": true });
        self.call::<Value>("PutParameter", &body).await.map(drop)
    }

    async fn call<T: serde::de::DeserializeOwned>(&self, action: &str, body: &Value) -> Result<T, AwsError> {
        let body = body.to_string();
        let target = Some(format!("AmazonSSM.{action}"));
        self.caller.call(action, &Request { content_type: JSON, target, body: &body }, read).await
    }
}

fn read<T: serde::de::DeserializeOwned>(status: u16, text: &str) -> Result<T, Kind> {
    if status == 200 {
        // The library's reason may quote the text, and that may be a token.
        return serde_json::from_str(text)
            .map_err(|_| Kind::Malformed("it is not what is documented".to_owned()));
    }
    let Failed { code, message } = serde_json::from_str(text).unwrap_or_default();
    // Some services put a namespace before it: com.amazonaws.ssm#ThrottlingException.
    let code = code.rsplit('#').next().unwrap_or_default();
    Err(Kind::of(status, code, &http::clean(&message)))
}
