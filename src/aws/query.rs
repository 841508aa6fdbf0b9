// SPDX-License-Identifier: Apache-2.0
//! The query protocol of EC2 and its neighbours: a form in a POST, an answer in XML.

use url::form_urlencoded;

use super::caller::Request;
use super::error::AwsErrorKind as Kind;
use super::http;
use super::xml::{self, Element};

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// Returns a call as a form; `version` is the API's.
pub(super) fn form(action: &str, version: &str, parameters: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action).append_pair("Version", version).extend_pairs(parameters);
    form.finish()
}

/// Returns a form as a request.
pub(super) fn request(form: &str) -> Request<'_> {
    Request { content_type: FORM, target: None, body: form }
}

/// Returns the root of an answer.
pub(super) fn read(status: u16, text: &str) -> Result<Element, Kind> {
    if status == 200 {
        return xml::parse(text).map_err(Kind::Malformed);
    }
    // A gateway in between may fail without EC2's words.
    let said = xml::parse(text).ok();
    let error = said.as_ref().and_then(|said| said.find("Errors").unwrap_or(said).find("Error"));
    let word = |name| error.and_then(|error| error.text_of(name)).unwrap_or_default();
    Err(Kind::of(status, word("Code"), &http::clean(word("Message"))))
}
