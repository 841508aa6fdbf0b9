// SPDX-License-Identifier: Apache-2.0
//! Parameters of Systems Manager ("Parameter Store", "Native parameter support for Amazon Machine Image IDs").

use serde_json::{Value, json};

use super::{Refusal, State, refuse, tick};
use crate::aws::http::{Reply, Request};

#[derive(Debug, Clone)]
pub struct Parameter {
    pub value: String,
    /// Whether it is a SecureString, which is shown as it is only to who asks for that.
    pub is_secure: bool,
    pub version: u64,
    /// The value is shown after so many reads: the image is checked in the background.
    pub lag: u32,
    before: Option<String>,
    /// What the image that it points to was when it was pointed to: nothing that is pending or private is ever to be.
    pub pointed_at: String,
}

impl Parameter {
    /// One that was there before.
    pub fn of(value: &str) -> Self {
        let (value, pointed_at) = (value.to_owned(), "available ".to_owned());
        Self { value, is_secure: false, version: 1, lag: 0, before: None, pointed_at }
    }

    /// A token that is there, told to nobody who does not ask for it in the clear.
    pub fn secret(value: &str) -> Self {
        Self { is_secure: true, ..Self::of(value) }
    }
}

pub fn action(request: &Request) -> (String, String) {
    let action = request.header("x-amz-target").trim_start_matches("AmazonSSM.").to_owned();
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    (format!("ssm:{action}"), body["Name"].as_str().unwrap_or_default().to_owned())
}

pub fn refused(refusal: &Refusal) -> Reply {
    let body = json!({ "__type": refusal.code, "message": refusal.message });
    Reply::new(refusal.status, "application/x-amz-json-1.1", body.to_string())
}

pub fn serve(state: &mut State, region: &str, request: &Request) -> Reply {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let name = body["Name"].as_str().unwrap_or_default().to_owned();
    let served = match action(request).0.as_str() {
        "ssm:GetParameters" => Ok(get(state, region, &body)),
        "ssm:PutParameter" => put(state, region, &name, &body),
        "ssm:DeleteParameter" => match state.region(region).parameters.remove(&name) {
            Some(_) => Ok(json!({})),
            None => Err(refuse("ParameterNotFound", "")),
        },
        other => Err(refuse("UnknownOperationException", other)),
    };
    match served {
        Ok(body) => Reply::new(200, "application/x-amz-json-1.1", body.to_string()),
        Err(refusal) => refused(&refusal),
    }
}

/// GetParameters: ten names at most; those that are not there are listed apart.
fn get(state: &mut State, region: &str, body: &Value) -> Value {
    let names: Vec<String> = serde_json::from_value(body["Names"].clone()).unwrap();
    assert!((1..=10).contains(&names.len()), "GetParameters takes 1 to 10 names");
    let is_decrypted = body["WithDecryption"] == true;
    let region = state.region(region);
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in names {
        let shown = region.parameters.get_mut(&name).and_then(|parameter| {
            let is_checked = !tick(&mut parameter.lag);
            let value = if is_checked { Some(parameter.value.clone()) } else { parameter.before.clone() };
            value.map(|value| (value, parameter.version, parameter.is_secure))
        });
        match shown {
            Some((_, version, true)) if !is_decrypted => {
                found.push(shown_as(&name, "AQICAHi...", version, true))
            }
            Some((value, version, is_secure)) => found.push(shown_as(&name, &value, version, is_secure)),
            None => missing.push(name),
        }
    }
    json!({ "Parameters": found, "InvalidParameters": missing })
}

fn shown_as(name: &str, value: &str, version: u64, is_secure: bool) -> Value {
    let kind = if is_secure { "SecureString" } else { "String" };
    let data = if value.starts_with("ami-") { "aws:ec2:image" } else { "text" };
    json!({ "Name": name, "Type": kind, "Value": value, "Version": version, "DataType": data })
}

/// "Parameter tiers": a standard parameter has 4 KB.
fn is_storable(body: &Value) -> bool {
    let (kind, value) = (&body["Type"], body["Value"].as_str().unwrap_or_default());
    (kind == "String" || kind == "SecureString") && (1..=4096).contains(&value.len())
}

fn put(state: &mut State, region: &str, name: &str, body: &Value) -> Result<Value, Refusal> {
    let lag = state.weather.lag;
    let region = state.region(region);
    let value = body["Value"].as_str().unwrap_or_default().to_owned();
    let before = region.parameters.get(name).cloned();
    if before.is_some() && body["Overwrite"] != true {
        return Err(refuse("ParameterAlreadyExists", "The parameter already exists."));
    }
    if !is_storable(body) {
        return Err(refuse("ValidationException", "the type, or a value of 1 to 4,096 bytes"));
    }
    let version = before.as_ref().map_or(0, |it| it.version) + 1;
    let names_an_image = body["DataType"] == "aws:ec2:image";
    if value.starts_with("ami-") && !names_an_image {
        return Err(refuse("ValidationException", "kiln lets the service check what names an image"));
    }
    if !names_an_image {
        let is_secure = body["Type"] == "SecureString";
        let parameter = Parameter { is_secure, version, ..Parameter::of(&value) };
        region.parameters.insert(name.to_owned(), parameter);
        return Ok(json!({ "Version": version, "Tier": "Standard" }));
    }
    // The image must be there in this region; otherwise the value is dropped without a word to the caller.
    if let Some(image) = region.images.get(&value) {
        let pointed_at = format!("{} {}", image.state_now(), image.permissions.join(","));
        let before = before.map(|it| it.value);
        let parameter = Parameter { value, is_secure: false, version, lag, before, pointed_at };
        region.parameters.insert(name.to_owned(), parameter);
    }
    Ok(json!({ "Version": version, "Tier": "Standard" }))
}
