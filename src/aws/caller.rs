// SPDX-License-Identifier: Apache-2.0
//! Who calls a service of AWS: the instance's role, whose credentials are fetched once and kept in memory alone; and a
//! request as it is signed and sent (Signature Version 4).

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;

use super::Metadata;
use super::error::{AwsError, AwsErrorKind as Kind};
use super::http::{self, Limits};
use crate::host::clock;

const LIMITS: Limits = Limits { connect: Duration::from_secs(5), request: Duration::from_secs(20) };
/// A page of route tables may have a hundred tables of a thousand routes.
const ANSWER_MAX_BYTES: usize = 32 << 20;

/// One service in one region, as the instance's role.
#[derive(Debug)]
pub(super) struct Caller {
    http: reqwest::Client,
    service: &'static str,
    endpoint: String,
    region: String,
    metadata: Metadata,
    credentials: Mutex<Option<Credentials>>,
    calls: AtomicU64,
}

/// What is sent.
pub(super) struct Request<'a> {
    pub(super) content_type: &'static str,
    /// A further header that is signed.
    pub(super) target: Option<String>,
    pub(super) body: &'a str,
}

impl Caller {
    pub(super) fn new(
        service: &'static str,
        (endpoint, region): (&str, &str),
        ca: Option<&str>,
        metadata: Metadata,
    ) -> Result<Self, AwsError> {
        let http = http::client(LIMITS, ca).map_err(|kind| AwsError { call: service.to_owned(), kind })?;
        Ok(Self {
            http,
            service,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            region: region.to_owned(),
            metadata,
            credentials: Mutex::new(None),
            calls: AtomicU64::new(0),
        })
    }

    /// Returns how many calls were made so far.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// Makes one call, whose answer `read` understands by its status and text.
    pub(super) async fn call<T>(
        &self,
        call: &str,
        request: &Request<'_>,
        read: impl FnOnce(u16, &str) -> Result<T, Kind>,
    ) -> Result<T, AwsError> {
        let held = self.credentials.lock().expect("no panic holds it").clone();
        let credentials = match held {
            Some(credentials) => credentials,
            None => self.metadata.credentials().await?,
        };
        *self.credentials.lock().expect("no panic holds it") = Some(credentials.clone());
        self.calls.fetch_add(1, Relaxed);
        let answer = self.send(&credentials, request).await;
        let answer = answer.and_then(|(status, text)| read(status, &text));
        if matches!(answer, Err(Kind::Credentials(_))) {
            // They may be over; the next call asks for others.
            *self.credentials.lock().expect("no panic holds it") = None;
        }
        answer.map_err(|kind| AwsError { call: call.to_owned(), kind })
    }

    async fn send(&self, credentials: &Credentials, asked: &Request<'_>) -> Result<(u16, String), Kind> {
        let url = format!("{}/", self.endpoint);
        let mut request = self.http.post(&url).header("content-type", asked.content_type);
        if let Some(target) = &asked.target {
            request = request.header("x-amz-target", target);
        }
        for (name, value) in self.signature(credentials, &url, asked)? {
            request = request.header(name, value);
        }
        let answer = request.body(asked.body.to_owned()).send().await;
        let answer = answer.map_err(|error| http::kind(&error, &self.endpoint))?;
        let status = answer.status().as_u16();
        let body = http::body(answer, ANSWER_MAX_BYTES, &self.endpoint).await?;
        let text = String::from_utf8(body).map_err(|_| Kind::Malformed("it is no text".to_owned()))?;
        Ok((status, text))
    }

    /// Returns the headers that say who asks.
    fn signature(
        &self,
        credentials: &Credentials,
        url: &str,
        asked: &Request<'_>,
    ) -> Result<Vec<(String, String)>, Kind> {
        let failed = |why: String| Kind::Refused(format!("it can't be signed: {why}"));
        let identity = credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(UNIX_EPOCH + Duration::from_secs(clock::now_s()))
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let target = asked.target.as_deref().map(|target| ("x-amz-target", target));
        let headers = std::iter::once(("content-type", asked.content_type)).chain(target);
        let request = SignableRequest::new("POST", url, headers, SignableBody::Bytes(asked.body.as_bytes()))
            .map_err(|error| failed(error.to_string()))?;
        let signed = sign(request, &parameters.into()).map_err(|error| failed(error.to_string()))?;
        let (instructions, _) = signed.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}
