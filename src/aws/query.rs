// SPDX-License-Identifier: Apache-2.0
//! EC2's query protocol: a form in a POST, signed with Signature Version 4; an answer in XML.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use url::form_urlencoded;

use super::error::AwsErrorKind as Kind;
use super::http;
use super::xml::{self, Element};
use crate::host::clock;

/// The version of EC2's API that has all that is asked for here.
const VERSION: &str = "2016-11-15";
/// What is signed beside the body.
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// A page of route tables may have a hundred tables of a thousand routes.
const ANSWER_MAX_BYTES: usize = 32 << 20;

/// Where a call goes, and as whom.
pub(super) struct Target<'a> {
    pub(super) http: &'a reqwest::Client,
    /// `https://ec2.eu-central-1.amazonaws.com`.
    pub(super) endpoint: &'a str,
    pub(super) region: &'a str,
    pub(super) credentials: &'a Credentials,
}

/// Makes one call and returns the root of its answer.
pub(super) async fn call(
    target: &Target<'_>,
    action: &str,
    parameters: &[(&str, &str)],
) -> Result<Element, Kind> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action).append_pair("Version", VERSION).extend_pairs(parameters);
    let form = form.finish();
    let url = format!("{}/", target.endpoint);
    let mut request = target.http.post(&url).header("content-type", FORM);
    for (name, value) in signature(target, &url, &form)? {
        request = request.header(name, value);
    }
    let answer = request.body(form).send().await.map_err(|error| http::kind(&error, target.endpoint))?;
    let status = answer.status().as_u16();
    let body = http::body(answer, ANSWER_MAX_BYTES, target.endpoint).await?;
    let body = String::from_utf8(body).map_err(|_| Kind::Malformed("it is no text".to_owned()))?;
    if status == 200 {
        return xml::parse(&body).map_err(Kind::Malformed);
    }
    // A gateway in between may fail without EC2's words.
    let said = xml::parse(&body).ok();
    let error = said.as_ref().and_then(|said| said.find("Errors")?.find("Error"));
    let word = |name| error.and_then(|error| error.text_of(name)).unwrap_or_default();
    Err(Kind::of(status, word("Code"), &http::clean(word("Message"))))
}

/// Returns the headers that say who asks.
fn signature(target: &Target<'_>, url: &str, form: &str) -> Result<Vec<(String, String)>, Kind> {
    let failed = |why: String| Kind::Refused(format!("it can't be signed: {why}"));
    let identity = target.credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(target.region)
        .name("ec2")
        .time(UNIX_EPOCH + Duration::from_secs(clock::now_s()))
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let headers = std::iter::once(("content-type", FORM));
    let request = SignableRequest::new("POST", url, headers, SignableBody::Bytes(form.as_bytes()))
        .map_err(|error| failed(error.to_string()))?;
    let signed = sign(request, &parameters.into()).map_err(|error| failed(error.to_string()))?;
    let (instructions, _) = signed.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
