// SPDX-License-Identifier: Apache-2.0
//! A control plane that is launched: its operator gets in, and no secret was on the way. First boot itself plays the instance,
//! with the user-data that the double was given.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kiln::cloud::policy::{Who, rights};
use kiln::launch::{self, Form, Given};
use kiln::settings::Role;
use serde_json::{Value, json};

use super::site::{Ended, PLANE, Part, REGION, Site};
use crate::aws::double::ssm::Parameter;
use crate::birth::cluster::{node, within};
use crate::instance::double::Fault;
use crate::instance::scaling::Group;

#[test]
fn a_control_plane_is_launched_and_its_operator_gets_in() {
    let site = Site::of_plane();
    let conf = site.path("demo.conf");
    an_earlier_cluster_has_left_what_it_shared(&site);
    let words = ["--role", "control-plane", "--group", "--timeout", "5m", "--format", "json"];
    let launched =
        site.played_by_plane(|| Ended::of(site.launch_as("demo.conf", &words).output().unwrap())).is(0);
    let json: Value = serde_json::from_str(&launched.printed).unwrap();
    let id = json["nodes"][0]["instance"].as_str().unwrap();
    assert_eq!((&json["role"], json["nodes"].as_array().unwrap().len()), (&"control-plane".into(), 1));
    assert!(
        launched.said.contains("/kiln/clusters/demo/operator was an earlier cluster's"),
        "{}",
        launched.said
    );
    what_was_on_the_way(&site, id);

    a_live_token_is_kept(&site);
    a_machine_joins_with_it(&site);
    a_machine_that_is_no_node_is_told_to_its_group(&site);
    and_its_group_replaces_it(&site);
    no_right_is_given_in_vain(&site);

    // The operator is an administrator, by a key that never left this folder.
    let config = std::fs::read_to_string(&conf).unwrap();
    assert!(config.contains("client-key: demo.conf.key") && !config.contains("PRIVATE"), "{config}");
    for file in ["demo.conf", "demo.conf.key"] {
        assert_eq!(site.path(file).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    let made = Ended::of(site.kiln(&["token", "create", "--kubeconfig"]).arg(&conf).output().unwrap()).is(0);
    assert_eq!(made.printed.trim().len(), 23);

    // Again: it is there.
    let again = Ended::of(site.launch_as("demo.conf", &["--role", "control-plane"]).output().unwrap()).is(78);
    assert_eq!(
        again.said,
        format!("kiln: {} is there already; name another file, or remove it\n", conf.display())
    );
    let other =
        Ended::of(site.launch_as("other.conf", &["--role", "control-plane"]).output().unwrap()).is(78);
    assert_eq!(
        other.said,
        format!(
            "kiln: cluster demo has a control plane already: {id}, whose operator has another key than {}.key; kiln \
             launch --terminate ends it\n",
            site.path("other.conf").display()
        )
    );
    // With the key, a run that was broken off goes on.
    std::fs::remove_file(&conf).unwrap();
    let resumed =
        site.played_by_plane(|| Ended::of(site.launch_as("demo.conf", &words).output().unwrap())).is(0);
    assert!(resumed.said.contains(&format!("{id} is there already; going on with it")), "{}", resumed.said);
    assert_eq!(site.double.count("ec2:RunInstances"), 1);
}

/// Of the same name, and for the very key that the operator has kept.
fn an_earlier_cluster_has_left_what_it_shared(site: &Site) {
    let key = rcgen::KeyPair::generate().unwrap();
    let file = site.path("demo.conf.key");
    std::fs::write(&file, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
    let mut state = site.double.state();
    let parameters = &mut state.region(REGION).parameters;
    parameters.insert("/kiln/clusters/demo/ca".to_owned(), Parameter::of(&super::user_data::ca()));
    parameters.insert("/kiln/clusters/demo/operator".to_owned(), Parameter::of(&certificate));
}

const TOKEN: &str = "/kiln/clusters/demo/token";

fn kept(site: &Site) -> String {
    let state = site.vpc.as_ref().unwrap().state.lock().unwrap();
    let parameter = &state.parameters[TOKEN];
    assert!(parameter.is_secure);
    parameter.value.clone()
}

fn secret(token: &str) -> String {
    format!("bootstrap-token-{}", &token[..6])
}

fn a_live_token_is_kept(site: &Site) {
    let vpc = site.vpc.as_ref().unwrap();
    let first = kept(site);
    assert_eq!(site.tokens(), [secret(&first)]);
    vpc.calls();
    site.first_boot(&["share"]).is(0);
    assert_eq!(vpc.calls(), ["GetParameters", "DescribeAutoScalingGroups"], "nothing is lacking");

    let path = format!("/api/v1/namespaces/kube-system/secrets/{}", secret(&first));
    assert_eq!(site.bench.ask(Some(&site.bench.super_admin()), "DELETE", &path, None).status, 200);
    let message = "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ssm:PutParameter";
    vpc.fail("PutParameter", Fault::Code(400, "AccessDeniedException", message));
    let denied = site.first_boot(&["share"]).is(75);
    assert_eq!(
        denied.said,
        format!(
            "kiln-firstboot: can't share: PutParameter: not allowed: {message}; see 'kiln policy control-plane' for the \
             rights of the instance's role\n"
        )
    );
    assert!(site.tokens().is_empty(), "no token is left that nobody was told");
    site.first_boot(&["share"]).is(0);
    assert_eq!(site.tokens(), [secret(&kept(site))]);
    assert_ne!(kept(site), first);
    vpc.is_content();
}

fn a_machine_joins_with_it(site: &Site) {
    let text = std::fs::read_to_string(site.path("cluster.yaml")).unwrap();
    let cluster = launch::parse(Path::new("cluster.yaml"), &text).unwrap();
    let ca = site.bench.ca_pem();
    let given = Given { ca: Some(&ca), shares_token: true, ..Given::default() };
    let user_data = launch::render(&cluster, Role::Worker, &given, Form::Ignition).unwrap();
    let (missing, ..) = site.boot("i-0000000a", &user_data, None);
    assert_eq!(
        missing.is(75).said,
        "kiln-firstboot: no token in the parameter /kiln/clusters/demo/token: it is not there; does the control plane keep \
         one there (kiln-share.timer), and may the instance's role read it (kiln policy worker)?\n"
    );
    let token = kept(site);
    let (joined, tree, _machine) = site.boot("i-0000000b", &user_data, Some(&token));
    joined.is(0);
    assert_eq!(node(&site.bench, "i-0000000b")["metadata"]["annotations"]["kiln.dev/instance"], "i-0000000b");
    let found = Command::new("grep").args(["-r", "-l", &token[7..]]).arg(tree.path()).output().unwrap();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
}

/// The health signal of a group: its Node is not Ready, whatever EC2 says of the machine.
fn a_machine_that_is_no_node_is_told_to_its_group(site: &Site) {
    let vpc = site.vpc.as_ref().unwrap();
    let group = |members: &[&str]| {
        let members = members.iter().map(|id| ((*id).to_owned(), true)).collect();
        vpc.state.lock().unwrap().group = Group { name: "kiln-demo-worker".to_owned(), members };
        vpc.calls();
    };
    let said = |minutes: u64| is_not_ready(site, "i-0000000b", minutes);
    site.plane_is_ready();
    let looks = ["GetParameters", "DescribeAutoScalingGroups"];
    group(&["i-0000000b", PLANE]);
    said(2);
    site.first_boot(&["share"]).is(0);
    assert_eq!(vpc.calls(), looks, "two minutes are no reason");
    said(10);
    site.first_boot(&["share"]).is(0);
    assert_eq!(vpc.calls(), [&looks[..], &["SetInstanceHealth"]].concat());
    let health = vpc.state.lock().unwrap().group.members.clone();
    assert_eq!(
        health.into_iter().collect::<Vec<_>>(),
        [(PLANE.to_owned(), true), ("i-0000000b".to_owned(), false)]
    );
    group(&["i-00000001", "i-00000002", PLANE]);
    let odd = site.first_boot(&["share"]).is(0);
    assert_eq!(
        odd.said,
        "kiln-firstboot: warning: 2 of 3 instances of kiln-demo-worker are no Ready nodes at once; none is replaced for it\n"
    );
    assert_eq!(vpc.calls(), looks);
    vpc.is_content();
}

/// Its Node has not been Ready for so long.
fn is_not_ready(site: &Site, id: &str, minutes: u64) {
    let moment = SystemTime::now() - Duration::from_secs(60 * minutes);
    let at = written(moment);
    let conditions = json!([{ "type": "Ready", "status": "False", "lastTransitionTime": at }]);
    let status = json!({ "status": { "conditions": conditions } }).to_string();
    let path = format!("/api/v1/nodes/{id}/status");
    let answer = site.bench.ask(Some(&site.bench.super_admin()), "PATCH", &path, Some(&status));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The whole way: a group of one is made, its node fails, the control plane says so, and another machine becomes a node.
fn and_its_group_replaces_it(site: &Site) {
    const GROUP: &str = "kiln-demo-worker";
    *site.group_token.lock().unwrap() = Some(kept(site));
    let parameter = Parameter::secret(&kept(site));
    site.double.state().region(REGION).parameters.insert(TOKEN.to_owned(), parameter);
    let words = ["--role", "worker", "--group", "--count", "1"];
    let made =
        site.played(&[Part::Join], || Ended::of(site.launch_as("demo.conf", &words).output().unwrap()));
    made.is(0);
    let member = || site.double.state().region(REGION).groups[GROUP].instances[0].clone();
    let first = member();
    let vpc = site.vpc.as_ref().unwrap();
    let group = Group { name: GROUP.to_owned(), members: [(first.clone(), true)].into() };
    vpc.state.lock().unwrap().group = group;
    vpc.calls();
    // Of the only one, ten minutes may be everybody's trouble.
    is_not_ready(site, &first, 10);
    site.first_boot(&["share"]).is(0);
    assert!(!vpc.calls().contains(&"SetInstanceHealth".to_owned()));
    is_not_ready(site, &first, 40);
    site.first_boot(&["share"]).is(0);
    site.played(&[Part::Join], || {
        site.carry_health(GROUP);
        let second = member();
        assert_ne!(second, first);
        // Otherwise the double lets an instance run when somebody looks at it.
        site.change(&second, |instance| instance.state = "running");
        within(|| is_ready(site, &second));
    });
    let state = site.double.state().region(REGION).instances[&first].state;
    assert!(["shutting-down", "terminated"].contains(&state), "{state}");
}

fn is_ready(site: &Site, id: &str) -> bool {
    let path = format!("/api/v1/nodes/{id}");
    let answer = site.bench.ask(Some(&site.bench.super_admin()), "GET", &path, None);
    let ready = json!({ "type": "Ready", "status": "True" });
    let is_so = |it: &Value| it["type"] == ready["type"] && it["status"] == ready["status"];
    answer.status == 200
        && answer.json()["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(is_so))
}

/// Made by AWS' node lifecycle controller, in the test that has one (`lab::cloud`).
const ELSEWHERE: &str = "control-plane ec2:DescribeInstances";

/// Every right of a machine's role is needed by a call that was made here; that no other call is made, the double sees to.
fn no_right_is_given_in_vain(site: &Site) {
    let called = site.by_role();
    for (name, who) in [("control-plane", Who::ControlPlane), ("worker", Who::Worker)] {
        for right in rights(who) {
            let call = format!("{name} {}", right.call);
            assert!(called.contains(&call) || call == ELSEWHERE, "nobody has called {call}: {called:?}");
        }
    }
}

fn written(moment: SystemTime) -> String {
    let seconds = moment.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let output = Command::new("date")
        .args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn what_was_on_the_way(site: &Site, id: &str) {
    let mut state = site.double.state();
    let instance = &state.region(REGION).instances[id];
    let files = super::user_data::of_ignition(&instance.user_data);
    assert!(files.values().all(|(_, text)| !text.contains("PRIVATE KEY")));
    assert!(files["/etc/kiln/settings.d/50-cluster.yaml"].1.contains("BEGIN CERTIFICATE REQUEST"));
    assert_eq!(instance.asked["PrivateIpAddress"], "10.99.0.1");
    let parameters = &state.region(REGION).parameters;
    assert!(parameters["/kiln/clusters/demo/ca"].value.contains("BEGIN CERTIFICATE"));
    assert!(parameters.values().all(|parameter| !parameter.value.contains("PRIVATE KEY")));
}
