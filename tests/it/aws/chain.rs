// SPDX-License-Identifier: Apache-2.0
//! Credentials by the SDK's own chain, through the program: a profile's keys, a process, single sign-on, an instance's role; and
//! what is said when a link is broken. `kiln verify` of an image that does not exist asks one question that needs them.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::double::{Double, KEY, Weather};
use super::http::{Reply, Request, Server};

const NONE: &str = "ami-0123456789abcdef0";

/// A person's home, whose `.aws/config` is `config`.
fn home(config: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".aws/sso/cache");
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    home
}

/// Asks about the image with nothing set but the home and these variables; returns the exit code and what is said.
fn ask(home: &Path, double: &Double, variables: &[(&str, &str)]) -> (i32, String) {
    let mut kiln = Command::new(env!("CARGO_BIN_EXE_kiln"));
    kiln.args(["verify", NONE]).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home);
    // Each service by its own variable: the one for all would lead single sign-on to the double, too.
    kiln.env("AWS_ENDPOINT_URL_EC2", double.url()).env("AWS_ENDPOINT_URL_EBS", double.url());
    kiln.envs(variables.iter().copied());
    let output = kiln.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn is_let_in(home: &Path, variables: &[(&str, &str)]) {
    let double = Double::start(Weather::default());
    let (code, words) = ask(home, &double, variables);
    assert!(words.contains(&format!("there is no image {NONE} in eu-west-1")), "{code} {words}");
    assert_eq!(double.count("ec2:DescribeImages"), 1);
}

#[test]
fn a_profiles_keys_and_region_are_used() {
    let home = home("[profile ops]\nregion = eu-west-1\n");
    let keys = format!("[ops]\naws_access_key_id = {KEY}\naws_secret_access_key = secret\n");
    std::fs::write(home.path().join(".aws/credentials"), keys).unwrap();
    is_let_in(home.path(), &[("AWS_PROFILE", "ops")]);
}

#[test]
fn a_profiles_process_is_asked() {
    let home = home("");
    let helper = home.path().join("helper");
    let keys = format!(r#"{{"Version": 1, "AccessKeyId": "{KEY}", "SecretAccessKey": "secret"}}"#);
    std::fs::write(&helper, format!("#!/bin/sh\necho '{keys}'\n")).unwrap();
    std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).unwrap();
    let config = format!("[default]\nregion = eu-west-1\ncredential_process = {}\n", helper.display());
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    is_let_in(home.path(), &[]);
}

fn serve(answer: impl Fn(Request) -> Reply + Send + Sync + 'static) -> Server {
    Server::on(TcpListener::bind("127.0.0.1:0").unwrap(), None, answer)
}

const SSO: &str = "[default]\nregion = eu-west-1\nsso_session = ops\nsso_account_id = 123456789012\nsso_role_name = publisher\n\
    [sso-session ops]\nsso_region = eu-west-1\nsso_start_url = https://ops.example/start\nsso_registration_scopes = sso:account:access\n";
/// The SDKs' guide, "IAM Identity Center credential provider": the session's name in SHA-1.
const SSO_TOKEN: &str = ".aws/sso/cache/c62973cc56845b0e473e9e3c40b6e1f0a84662ef.json";

fn sign_on(home: &Path, until: &str) {
    let token = format!(r#"{{"accessToken": "signed-on", "expiresAt": "{until}", "region": "eu-west-1"}}"#);
    std::fs::write(home.join(SSO_TOKEN), token).unwrap();
}

#[test]
fn who_has_signed_on_is_let_in() {
    let home = home(SSO);
    sign_on(home.path(), "2099-01-01T00:00:00Z");
    // GetRoleCredentials of the IAM Identity Center portal.
    let portal = serve(|request| {
        let asks = ["account_id", "role_name"].map(|name| request.query[name].clone());
        if asks != ["123456789012", "publisher"] || request.header("x-amz-sso_bearer_token") != "signed-on" {
            return Reply::plain(401, "");
        }
        let body = format!(
            r#"{{"roleCredentials": {{"accessKeyId": "{KEY}", "secretAccessKey": "secret", "sessionToken": "t", "expiration": 4070908800000}}}}"#
        );
        Reply::new(200, "application/json", body)
    });
    is_let_in(home.path(), &[("AWS_ENDPOINT_URL_SSO", &portal.url())]);
}

#[test]
fn an_instances_role_is_asked_by_imds_v2() {
    let home = home("");
    let imds = serve(|request| match (request.method.as_str(), request.path.as_str()) {
        ("PUT", "/latest/api/token") => {
            Reply::ok("token").with("x-aws-ec2-metadata-token-ttl-seconds", 21600)
        }
        _ if request.header("x-aws-ec2-metadata-token") != "token" => Reply::plain(401, ""),
        ("GET", "/latest/meta-data/placement/region") => Reply::ok("eu-west-1"),
        ("GET", "/latest/meta-data/iam/security-credentials/") => Reply::ok("publisher"),
        ("GET", "/latest/meta-data/iam/security-credentials/publisher") => {
            let times = r#""LastUpdated": "2026-01-01T00:00:00Z", "Expiration": "2099-01-01T00:00:00Z""#;
            let keys = format!(r#""AccessKeyId": "{KEY}", "SecretAccessKey": "secret", "Token": "t""#);
            Reply::ok(format!(r#"{{"Code": "Success", "Type": "AWS-HMAC", {keys}, {times}}}"#))
        }
        _ => Reply::plain(404, ""),
    });
    is_let_in(home.path(), &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.url())]);
}

#[test]
fn a_broken_link_of_the_chain_is_named() {
    let double = Double::start(Weather::default());
    let told = |home: &Path, variables: &[(&str, &str)], why: &str| {
        let (code, words) = ask(home, &double, variables);
        assert_eq!((code, double.count("ec2:DescribeImages")), (1, 0), "{words}");
        assert!(words.starts_with("kiln: ec2:DescribeImages in eu-west-1: no good credentials: "), "{words}");
        assert!(words.contains(why), "{words}");
        let fix = "; renew them (aws sso login, AWS_PROFILE, ...) and run again\n";
        assert!(words.ends_with(fix) && words.lines().count() == 1, "{words}");
    };
    let region = ("AWS_REGION", "eu-west-1");
    let no_imds = ("AWS_EC2_METADATA_DISABLED", "true");
    told(home("").path(), &[region, no_imds], "no providers in chain provided credentials");
    let failing = home("[default]\ncredential_process = /bin/false\n");
    told(failing.path(), &[region, no_imds], "external process exited with code exit status: 1");
    let signed_off = home(SSO);
    sign_on(signed_off.path(), "2020-01-01T00:00:00Z");
    told(signed_off.path(), &[no_imds], "expired");
}
