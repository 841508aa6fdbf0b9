// SPDX-License-Identifier: Apache-2.0
//! CertificateSigningRequests: made, looked at, and waited for.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::Client;
use super::error::{ApiError, ApiErrorKind};
use super::meta::{Meta, or_default};
use super::request::Request;
use super::retry::{Backoff, pause_after};
use super::watch::Event;

/// The signer of kubelets' client certificates (kubernetes.io "Certificates and CSRs": subject, usages, auto-approval).
pub const KUBELET_CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client-kubelet";

/// A balancer may drop a silent connection without a word (often after 60 s), and then only the end of a watch tells.
const WATCH_MAX: Duration = Duration::from_secs(30);

const PATH: [&str; 4] = ["apis", "certificates.k8s.io", "v1", "certificatesigningrequests"];

/// A request to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCsr {
    /// The object's name.
    pub name: String,
    /// PKCS#10 in PEM.
    pub request: String,
    /// [`KUBELET_CLIENT_SIGNER`] for a node.
    pub signer_name: String,
    /// "digital signature", "client auth".
    pub usages: Vec<String>,
    /// How long the certificate is to be valid, in seconds; the signer may give less. 600 at least.
    pub expiration_s: Option<u32>,
}

/// A request as the server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    /// Name, UID, version.
    pub meta: Meta,
    /// PKCS#10 in PEM.
    pub request: Vec<u8>,
    /// Who is to sign.
    pub signer_name: String,
    /// Who asked: "system:bootstrap:abcdef".
    pub username: String,
    /// For what.
    pub usages: Vec<String>,
    /// How far it is.
    pub state: CsrState,
}

/// How far a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CsrState {
    /// Nobody has decided yet, or the signer has not signed yet.
    Pending,
    /// The certificate and what leads to its CA, in PEM.
    Issued(String),
    /// An approver said no, and why.
    Denied(String),
    /// The signer could not sign, and why.
    Failed(String),
    /// The request is no longer there, or another one has its name; only [`Client::csr_await`] says so.
    Gone,
}

#[derive(Debug, Deserialize)]
struct Wire {
    metadata: Meta,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    request: String,
    signer_name: String,
    #[serde(default)]
    username: String,
    #[serde(default, deserialize_with = "or_default")]
    usages: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    certificate: Option<String>,
    #[serde(deserialize_with = "or_default")]
    conditions: Vec<Condition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    r#type: String,
    reason: String,
    message: String,
}

impl TryFrom<Wire> for Csr {
    type Error = String;

    fn try_from(Wire { metadata, spec, status }: Wire) -> Result<Self, String> {
        let Spec { request, signer_name, username, usages } = spec;
        let request = BASE64.decode(request).map_err(|error| format!("spec.request: {error}"))?;
        Ok(Self { meta: metadata, request, signer_name, username, usages, state: state(status)? })
    }
}

/// Denied comes first: a request that is denied after it was approved must not be used.
fn state(Status { certificate, conditions }: Status) -> Result<CsrState, String> {
    let why = |wanted: &str| {
        let found = conditions.iter().find(|condition| condition.r#type == wanted)?;
        Some(super::status::clean(&format!("{}: {}", found.reason, found.message)))
    };
    if let Some(why) = why("Denied") {
        return Ok(CsrState::Denied(why));
    }
    if let Some(why) = why("Failed") {
        return Ok(CsrState::Failed(why));
    }
    match certificate.filter(|text| !text.is_empty()) {
        None => Ok(CsrState::Pending),
        Some(text) => {
            let pem = BASE64.decode(text).map_err(|error| format!("status.certificate: {error}"))?;
            let pem = String::from_utf8(pem).map_err(|error| format!("status.certificate: {error}"))?;
            Ok(CsrState::Issued(pem))
        }
    }
}

impl Client {
    /// Creates a request; the answer is pending as a rule.
    ///
    /// # Errors
    /// [`ApiErrorKind::AlreadyExists`] where one of this name is there: look whether it is ours, and go on with it.
    pub async fn csr_create(&self, csr: &NewCsr) -> Result<Csr, ApiError> {
        let NewCsr { name, request, signer_name, usages, expiration_s } = csr;
        let mut spec =
            json!({ "request": BASE64.encode(request), "signerName": signer_name, "usages": usages });
        if let Some(seconds) = expiration_s {
            spec["expirationSeconds"] = (*seconds).into();
        }
        let body = json!({
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": { "name": name },
            "spec": spec,
        });
        self.read::<Wire, _>(Request::post(&PATH, &body)).await
    }

    /// Looks a request up.
    ///
    /// # Errors
    /// [`ApiErrorKind::NotFound`] where it is not there (the server collects old ones).
    pub async fn csr_get(&self, name: &str) -> Result<Csr, ApiError> {
        self.read::<Wire, _>(Request::get(&PATH).at(name)).await
    }

    /// Lists all requests; the server forgets them some time after they were decided.
    ///
    /// # Errors
    /// As any request.
    pub async fn csrs(&self) -> Result<Vec<Csr>, ApiError> {
        self.list::<Wire, _>(|| Request::get(&PATH)).await
    }

    /// Waits for the end of a request that was created or looked up, for `limit` at most; then it is still pending.
    ///
    /// It watches, and where a watch ends without an answer, for whatever reason, it looks and watches on from there.
    /// Failures that may pass are passed over within the limit, with pauses of `backoff`.
    ///
    /// # Errors
    /// One that does not pass, or the last one.
    pub async fn csr_await(
        &self,
        csr: &Csr,
        limit: Duration,
        mut backoff: Backoff,
    ) -> Result<CsrState, ApiError> {
        let start = Instant::now();
        let mut state = csr.state.clone();
        let mut version = csr.meta.resource_version.clone();
        while state == CsrState::Pending {
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                break;
            }
            let asked = match self.csr_watch(csr, &version, left).await {
                Ok(Some(state)) => return Ok(state),
                Ok(None) => None,
                // What is behind it, the look tells.
                Err(error) => error.retry_after(),
            };
            let pause = backoff.pause(asked);
            let left = limit.saturating_sub(start.elapsed());
            sleep(pause.min(left)).await;
            match self.csr_look(csr).await {
                Ok((looked, at)) => (state, version) = (looked, at),
                Err(error) => {
                    let left = limit.saturating_sub(start.elapsed());
                    sleep(pause_after(&error, &mut backoff, left).ok_or(error)?).await;
                    self.count_retry();
                }
            }
        }
        Ok(state)
    }

    async fn csr_look(&self, csr: &Csr) -> Result<(CsrState, String), ApiError> {
        match self.csr_get(&csr.meta.name).await {
            Ok(now) if now.meta.uid == csr.meta.uid => Ok((now.state, now.meta.resource_version)),
            Ok(now) => Ok((CsrState::Gone, now.meta.resource_version)),
            Err(ApiError { kind: ApiErrorKind::NotFound { .. }, .. }) => Ok((CsrState::Gone, String::new())),
            Err(error) => Err(error),
        }
    }

    /// Returns nothing where the watch ended before the request did.
    async fn csr_watch(
        &self,
        csr: &Csr,
        version: &str,
        left: Duration,
    ) -> Result<Option<CsrState>, ApiError> {
        let name = &csr.meta.name;
        let request = Request::get(&PATH).query("fieldSelector", &format!("metadata.name={name}"));
        self.watch(request, version, left.min(WATCH_MAX), |event| match event {
            Event::Deleted => Ok(Some(CsrState::Gone)),
            Event::Now(object) => {
                let wire: Wire = serde_json::from_value(object).map_err(|error| error.to_string())?;
                let now = Csr::try_from(wire)?;
                if now.meta.uid != csr.meta.uid {
                    return Ok(Some(CsrState::Gone));
                }
                Ok(Some(now.state).filter(|state| *state != CsrState::Pending))
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state_of(status: serde_json::Value) -> Result<CsrState, String> {
        state(serde_json::from_value(status).unwrap())
    }

    #[test]
    fn a_request_is_what_its_conditions_say() {
        let issued = BASE64.encode("PEM");
        let condition = |kind: &str| json!([{ "type": kind, "reason": "R", "message": "why\n" }]);
        assert_eq!(state_of(json!({})), Ok(CsrState::Pending));
        assert_eq!(state_of(json!({ "conditions": condition("Approved") })), Ok(CsrState::Pending));
        assert_eq!(
            state_of(json!({ "conditions": null, "certificate": issued })),
            Ok(CsrState::Issued("PEM".to_owned()))
        );
        let why = || "R: why".to_owned();
        assert_eq!(
            state_of(json!({ "conditions": condition("Denied"), "certificate": issued })),
            Ok(CsrState::Denied(why()))
        );
        assert_eq!(state_of(json!({ "conditions": condition("Failed") })), Ok(CsrState::Failed(why())));
        assert!(state_of(json!({ "certificate": "%" })).is_err());
    }
}
