// SPDX-License-Identifier: Apache-2.0
//! Parameters of Systems Manager as a node sees them (API reference of GetParameters and PutParameter; "Parameter Store").

use serde_json::{Value, json};

use super::double::{Fault, State};
use crate::aws::http::{Reply, Request};

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub is_secure: bool,
    pub value: String,
}

fn refused(status: u16, code: &str, message: &str) -> Reply {
    Reply::plain(
        status,
        json!({ "__type": format!("com.amazonaws.ssm#{code}"), "message": message }).to_string(),
    )
}

pub fn answer(state: &mut State, request: &Request) -> Reply {
    let action = request.header("x-amz-target").trim_start_matches("AmazonSSM.").to_owned();
    let fault = state.faults.get_mut(&action).and_then(std::collections::VecDeque::pop_front);
    if let Some(Fault::Code(status, code, message)) = fault.or_else(|| state.always.get(&action).cloned()) {
        return refused(status, code, message);
    }
    if request.header("content-type") != "application/x-amz-json-1.1" {
        state.wrong.push(format!("{action} comes as {}", request.header("content-type")));
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    match action.as_str() {
        "GetParameters" => get(state, &body),
        "PutParameter" => put(state, &body),
        other => refused(400, "UnknownOperationException", other),
    }
}

/// Ten names at most; what is not there is listed apart, and what is secure is not told unless that is asked for.
fn get(state: &State, body: &Value) -> Reply {
    let names: Vec<String> = serde_json::from_value(body["Names"].clone()).unwrap();
    if !(1..=10).contains(&names.len()) {
        return refused(400, "ValidationException", "1 to 10 names");
    }
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in names {
        match state.parameters.get(&name) {
            None => missing.push(name),
            Some(Parameter { is_secure: true, .. }) if body["WithDecryption"] != true => {
                found.push(json!({ "Name": name, "Type": "SecureString", "Value": "AQICAHi..." }));
            }
            Some(Parameter { value, is_secure }) => {
                let kind = if *is_secure { "SecureString" } else { "String" };
                found.push(json!({ "Name": name, "Type": kind, "Value": value, "Version": 1 }));
            }
        }
    }
    Reply::ok(json!({ "Parameters": found, "InvalidParameters": missing }).to_string())
}

/// A standard parameter has 4 KB.
fn put(state: &mut State, body: &Value) -> Reply {
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let (name, value, kind) = (text("Name"), text("Value"), text("Type"));
    if value.is_empty() || value.len() > 4096 || !["String", "SecureString"].contains(&kind.as_str()) {
        return refused(400, "ValidationException", "value or type");
    }
    if state.parameters.contains_key(&name) && body["Overwrite"] != true {
        return refused(400, "ParameterAlreadyExists", "The parameter already exists.");
    }
    state.parameters.insert(name, Parameter { is_secure: kind == "SecureString", value });
    Reply::ok(json!({ "Version": 1, "Tier": "Standard" }).to_string())
}
