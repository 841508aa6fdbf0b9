// SPDX-License-Identifier: Apache-2.0
//! The credentials of the instance's role, as the metadata service gives them. They are kept in memory alone, and for no
//! longer than they are good for.

use aws_credential_types::Credentials;
use serde::Deserialize;

use super::Metadata;
use super::error::{AwsError, AwsErrorKind as Kind};

const PATH: &str = "meta-data/iam/security-credentials/";

/// As the service has them ("IAM roles for Amazon EC2", EC2 User Guide).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    code: String,
    #[serde(default)]
    access_key_id: String,
    #[serde(default)]
    secret_access_key: String,
    #[serde(default)]
    token: String,
}

impl Metadata {
    /// Reads the credentials of the instance's role.
    ///
    /// # Errors
    /// When there is no role, or the service does not answer.
    pub(super) async fn credentials(&self) -> Result<Credentials, AwsError> {
        let failed = |kind| AwsError { call: PATH.to_owned(), kind };
        let roles = self.read(PATH).await?.ok_or_else(|| failed(Kind::NoRole))?;
        let role = String::from_utf8_lossy(&roles).lines().next().unwrap_or_default().trim().to_owned();
        if role.is_empty() {
            return Err(failed(Kind::NoRole));
        }
        let text = self.read(&format!("{PATH}{role}")).await?.unwrap_or_default();
        // The library's reason may quote the text.
        let wire: Wire = serde_json::from_slice(&text)
            .map_err(|_| failed(Kind::Malformed("these are no credentials".to_owned())))?;
        if wire.code != "Success" || wire.access_key_id.is_empty() {
            return Err(failed(Kind::Credentials(super::http::clean(&wire.code))));
        }
        let token = Some(wire.token).filter(|token| !token.is_empty());
        Ok(Credentials::new(wire.access_key_id, wire.secret_access_key, token, None, "imds"))
    }
}
