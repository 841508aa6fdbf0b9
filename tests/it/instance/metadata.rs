// SPDX-License-Identifier: Apache-2.0
//! One instance's metadata service, version 2 only: a GET without a token that it gave is 401 ("Use IMDS", EC2 User Guide).

use kiln::settings::Role;

use super::double::{REGION, State, VPC, keys, word};
use crate::aws::http::{Reply, Request};

/// An instance.
#[derive(Debug, Clone)]
pub struct Instance {
    pub id: String,
    pub interface: String,
    pub subnet: String,
    /// As EC2 says it: running, terminated.
    pub state: &'static str,
    /// By which its metadata service knows it, where one serves all.
    pub address: Option<std::net::IpAddr>,
    pub user_data: Option<String>,
    /// None: tags are not in the metadata.
    pub tags: Option<Vec<(String, String)>>,
    pub has_role: bool,
    /// Whose rights its role has.
    pub role: Role,
    /// Whether the service is switched off.
    pub is_off: bool,
    /// Answers that fail before others come: the status, or 0 for none.
    pub failures: Vec<u16>,
    /// Tokens that were given and are still good.
    tokens: Vec<String>,
    given: u32,
    /// Paths that were read.
    pub read: Vec<String>,
}

impl Instance {
    pub fn new(id: &str, subnet: &str) -> Self {
        Self {
            id: id.to_owned(),
            interface: id.replace("i-", "eni-"),
            subnet: subnet.to_owned(),
            state: "running",
            address: None,
            user_data: None,
            tags: None,
            has_role: true,
            role: Role::Worker,
            is_off: false,
            failures: Vec::new(),
            tokens: Vec::new(),
            given: 0,
            read: Vec::new(),
        }
    }
}

fn not_found() -> Reply {
    Reply::plain(404, "<html>404 - Not Found</html>".to_owned())
}

pub fn answer(state: &mut State, id: &str, request: &Request) -> Reply {
    let mut wrong = Vec::new();
    let instance = state.instances.get_mut(id).unwrap();
    let reply = respond(instance, request, &mut wrong);
    state.wrong.extend(wrong);
    reply
}

fn respond(instance: &mut Instance, request: &Request, wrong: &mut Vec<String>) -> Reply {
    if instance.is_off {
        return Reply::plain(403, String::new());
    }
    if let Some(status) = instance.failures.pop() {
        return if status == 0 { Reply::cut() } else { Reply::plain(status, String::new()) };
    }
    // A forged request by way of a proxy names whom it was forwarded for; the service refuses it, and kiln never does.
    if request.headers.contains_key("x-forwarded-for") {
        wrong.push("x-forwarded-for".to_owned());
        return Reply::plain(403, String::new());
    }
    if request.path == "/latest/api/token" {
        let seconds: u32 = request.header("x-aws-ec2-metadata-token-ttl-seconds").parse().unwrap_or(0);
        if request.method != "PUT" || !(1..=21600).contains(&seconds) {
            wrong.push(format!("{} api/token for {seconds} s", request.method));
            return Reply::plain(400, String::new());
        }
        instance.given += 1;
        instance.tokens.push(format!("token-{}-{}==", instance.id, instance.given));
        let token = instance.tokens.last().unwrap().clone();
        return Reply::ok(token).with("x-aws-ec2-metadata-token-ttl-seconds", seconds);
    }
    let token = request.header("x-aws-ec2-metadata-token");
    if token.is_empty() {
        wrong.push(format!("{} {} without a token: version 1", request.method, request.path));
    }
    if !instance.tokens.iter().any(|good| good == token) {
        return Reply::plain(401, String::new());
    }
    let Some(path) = request.path.strip_prefix("/latest/") else { return not_found() };
    instance.read.push(path.to_owned());
    read(instance, path).map_or_else(not_found, Reply::ok)
}

fn read(instance: &Instance, path: &str) -> Option<String> {
    const MAC: &str = "0e:49:61:0f:c3:11";
    let interface = format!("meta-data/network/interfaces/macs/{MAC}/");
    if let Some(name) = path.strip_prefix(&interface) {
        return match name {
            "interface-id" => Some(instance.interface.clone()),
            "subnet-id" => Some(instance.subnet.clone()),
            "vpc-id" => Some(VPC.to_owned()),
            _ => None,
        };
    }
    if let Some(name) = path.strip_prefix("meta-data/tags/instance") {
        let tags = instance.tags.as_ref()?;
        return match name.strip_prefix('/') {
            None => Some(tags.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>().join("\n")),
            Some(name) => tags.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()),
        };
    }
    match path {
        "dynamic/instance-identity/document" => Some(document(instance)),
        "meta-data/instance-id" => Some(instance.id.clone()),
        "meta-data/mac" => Some(MAC.to_owned()),
        "meta-data/services/domain" => Some("amazonaws.com".to_owned()),
        "user-data" => instance.user_data.clone(),
        "meta-data/iam/security-credentials/" => instance.has_role.then(|| word(instance.role).to_owned()),
        _ => {
            let name = path.strip_prefix("meta-data/iam/security-credentials/")?;
            (instance.has_role && name == word(instance.role)).then(|| credentials(instance.role))
        }
    }
}

/// As the User Guide shows it.
fn document(instance: &Instance) -> String {
    serde_json::json!({
        "accountId": "123456789012", "architecture": "x86_64", "availabilityZone": format!("{REGION}a"),
        "billingProducts": null, "devpayProductCodes": null, "marketplaceProductCodes": null,
        "imageId": "ami-0a1b2c3d4e5f60718", "instanceId": instance.id, "instanceType": "m7i.large",
        "kernelId": null, "pendingTime": "2026-11-30T07:00:00Z", "privateIp": "10.0.0.5", "ramdiskId": null,
        "region": REGION, "version": "2017-09-30",
    })
    .to_string()
}

fn credentials(role: Role) -> String {
    let keys = keys(role);
    serde_json::json!({
        "Code": "Success", "LastUpdated": "2026-11-30T07:00:00Z", "Type": "AWS-HMAC",
        "AccessKeyId": keys.id, "SecretAccessKey": keys.secret, "Token": keys.token,
        "Expiration": "2026-11-30T13:00:00Z",
    })
    .to_string()
}
