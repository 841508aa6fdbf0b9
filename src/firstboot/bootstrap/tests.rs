// SPDX-License-Identifier: Apache-2.0
//! What can be said of bootstrap without a server.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::exit::Exit;
use crate::names;

fn settings(pods: &str, addressing: &str) -> Settings {
    let text = format!(
        "{{version: 1, image: lab, cluster: {{pods: [{pods}], services: [10.96.0.0/16], block_prefix: 26, \
         block_prefix_v6: 64, nodes_max: 8, surge: 1, pods_max: 50, reserved: [1, 3], addressing: {addressing}}}}}"
    );
    serde_yaml::from_str(&text).unwrap()
}

fn plan(addressing: &str) -> Plan {
    Plan::of(&settings("10.234.0.0/20", addressing)).unwrap()
}

fn named(objects: &[Object]) -> Vec<String> {
    objects.iter().map(Object::to_string).collect()
}

#[test]
fn the_order_is_the_one_in_which_nothing_is_open_in_between() {
    let objects = objects(&settings("10.234.0.0/20", "claim")).unwrap();
    assert_eq!(
        named(&objects),
        [
            "ClusterRoleBinding kubeadm:cluster-admins",
            "Namespace kiln-ipam",
            "ConfigMap kiln-ipam/pool",
            "ValidatingAdmissionPolicy kiln-claims",
            "ValidatingAdmissionPolicyBinding kiln-claims",
            "ValidatingAdmissionPolicy kiln-claims-stay",
            "ValidatingAdmissionPolicyBinding kiln-claims-stay",
            "ValidatingAdmissionPolicy kiln-podcidrs",
            "ValidatingAdmissionPolicyBinding kiln-podcidrs",
            "ValidatingAdmissionPolicy kiln-node-deletion",
            "ValidatingAdmissionPolicyBinding kiln-node-deletion",
            "ValidatingAdmissionPolicy kiln-pool-deletion",
            "ValidatingAdmissionPolicyBinding kiln-pool-deletion",
            "ClusterRoleBinding kiln:node-renewal",
            "Role kiln-ipam/kiln:claims",
            "RoleBinding kiln-ipam/kiln:claims",
            "ClusterRoleBinding kiln:node-proxier",
            "ClusterRole kiln:node-network",
            "ClusterRoleBinding kiln:node-network",
            "ClusterRoleBinding kiln:worker-requests",
            "ClusterRoleBinding kiln:worker-approval",
        ]
    );
    let by_break_glass: Vec<&Object> =
        objects.iter().filter(|object| object.by() == By::BreakGlass).collect();
    assert_eq!(by_break_glass, [&objects[0]]);
    assert_eq!(named(&objects).into_iter().collect::<BTreeSet<_>>().len(), objects.len());
}

#[test]
fn an_object_is_met_by_what_says_the_same_and_more() {
    let plan = plan("claim");
    for step in plan.steps() {
        let Step::Apply(object) = step else { continue };
        let mut found = object.value.clone();
        found["metadata"]["resourceVersion"] = json!("7");
        assert!(object.is_met_by(&found), "{object}");
        found["metadata"]["name"] = json!("another");
        assert!(!object.is_met_by(&found), "{object}");
    }
    let binding = &objects(&settings("10.234.0.0/20", "claim")).unwrap()[0];
    let mut found = binding.value.clone();
    found["subjects"].as_array_mut().unwrap().push(json!({"kind": "Group", "name": "strangers"}));
    assert!(!binding.is_met_by(&found));
    assert_eq!(plan.digest(), super::Plan::of(&settings("10.234.0.0/20", "claim")).unwrap().digest());
    assert_ne!(plan.digest(), super::Plan::of(&settings("10.235.0.0/20", "claim")).unwrap().digest());
}

/// A refusal of a policy that is not Forbidden comes as 422 and looks like a malformed object.
#[test]
fn every_policy_denies_with_403_and_fails_closed() {
    for policy in policies() {
        assert_eq!(policy.value["spec"]["failurePolicy"], "Fail", "{policy}");
        for rule in policy.value["spec"]["validations"].as_array().unwrap() {
            assert_eq!(rule["reason"], "Forbidden", "{policy}: {rule}");
            assert!(!rule["message"].as_str().unwrap().contains('\n'), "{policy}: {rule}");
        }
    }
}

#[test]
fn policies_carry_the_pool_that_nodes_read() {
    let pool = &objects(&settings("10.234.0.0/20", "claim")).unwrap()[2];
    let mut carried = 0;
    for policy in policies() {
        for variable in policy.value["spec"]["variables"].as_array().unwrap_or(&Vec::new()) {
            if variable["name"] == "pool" {
                let expression = variable["expression"].as_str().unwrap();
                assert_eq!(serde_json::from_str::<Value>(expression).unwrap(), pool.value["data"]);
                carried += 1;
            }
        }
    }
    assert_eq!(carried, 2);
}

fn policies() -> Vec<Object> {
    let all = objects(&settings("10.234.0.0/20", "claim")).unwrap();
    all.into_iter().filter(|object| object.kind() == "ValidatingAdmissionPolicy").collect()
}

/// What no dry run of a new cluster can show: the rules for people and for the controllers of others, which need a Node
/// that is Ready or a right that nobody has yet.
const UNPROVEN: [&str; 4] = [
    "claims and the pool are changed only by who may change everything",
    "in this cluster podCIDRs are set by the node itself, from its claim",
    "the Node is Ready, so its machine runs and uses its block; power it off first, or annotate the Node with \
     kiln.dev/allow-delete=true",
    "the blocks of running machines hang on it; annotate it with kiln.dev/allow-delete=true if no node is left",
];

#[test]
fn every_rule_on_nodes_is_proven() {
    let rules: BTreeSet<String> = policies()
        .iter()
        .flat_map(|policy| policy.value["spec"]["validations"].as_array().unwrap().clone())
        .map(|rule| rule["message"].as_str().unwrap().to_owned())
        .collect();
    let probes = [plan("claim"), plan("kcm")];
    let mut proven: BTreeSet<String> = probes
        .iter()
        .flat_map(Plan::steps)
        .filter_map(|step| match step {
            Step::Probe(Probe { expected: Expected::Refused(words), .. }) => Some((*words).to_owned()),
            _ => None,
        })
        .collect();
    proven.extend(UNPROVEN.map(str::to_owned));
    assert_eq!(rules, proven);
    assert!(UNPROVEN.iter().filter(|words| words.contains(names::ALLOW_DELETE)).count() == 2);
}

#[test]
fn a_claim_of_every_family_is_proven_and_refused_once_for_each_rule() {
    for (pods, blocks) in [
        ("10.234.0.0/20", vec!["10.234.0.0/26"]),
        ("'fd00:1::/56'", vec!["fd00:1::/64"]),
        ("'fd00:1::/56', 10.234.0.0/20", vec!["fd00:1::/64", "10.234.0.0/26"]),
    ] {
        let steps = Plan::of(&settings(pods, "claim")).unwrap().steps().to_vec();
        let bodies: Vec<&Value> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Probe(probe) => Some(&probe.object.value),
                _ => None,
            })
            .collect();
        assert_eq!(bodies.len(), 18, "{pods}");
        let good = bodies.iter().find(|body| body["kind"] == "Node").unwrap();
        assert_eq!(good["spec"]["podCIDRs"], json!(blocks));
        let outside = bodies.iter().filter(|body| body["kind"] == "Node").nth(2).unwrap();
        assert!(
            ["10.234.16.0/26", "fd00:1:0:100::/64"].contains(&outside["spec"]["podCIDR"].as_str().unwrap())
        );
    }
}

/// The answer that a server with the policies at work gives.
fn good_answer(step: &Step) -> Answer {
    match step {
        Step::Probe(Probe { expected: Expected::Refused(words), .. }) => {
            Answer::Forbidden(format!("denied request: {words}"))
        }
        _ => Answer::Done,
    }
}

#[test]
fn nodes_get_their_rights_only_after_the_proof() {
    let plan = plan("claim");
    let mut seen = Seen::default();
    let mut steps = Vec::new();
    while let Next::Do(step) = next(&plan, &seen) {
        seen.fold(&step, &good_answer(&step));
        steps.push(step);
    }
    assert_eq!(next(&plan, &seen), Next::Done);
    assert_eq!((steps.as_slice(), seen.warnings), (plan.steps(), Vec::<String>::new()));
    let last_probe = steps.iter().rposition(|step| matches!(step, Step::Probe(_))).unwrap();
    let first_right = steps.iter().position(|step| step.to_string().contains(" kiln:")).unwrap();
    assert!(last_probe < first_right);
    for step in &steps {
        let Step::Probe(probe) = step else { continue };
        assert_eq!(
            (probe.user.as_str(), probe.groups.as_slice()),
            ("system:node:kiln-proof", [names::NODES, names::ADMINS].as_slice())
        );
    }
}

/// Goes on until `next` gives a step with these words, and returns that step.
fn until(plan: &Plan, seen: &mut Seen, words: &str) -> Step {
    loop {
        match next(plan, seen) {
            Next::Do(step) if step.to_string() == words => return step,
            Next::Do(step) => seen.fold(&step, &good_answer(&step)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_policy_that_does_not_bite_yet_is_waited_for_but_not_for_ever() {
    let plan = plan("claim");
    let mut seen = Seen::default();
    let step = until(&plan, &mut seen, "try whether a claim with a finalizer is refused");
    seen.fold(&step, &Answer::Done);
    let wait = "try whether a claim with a finalizer is refused: it is accepted";
    assert_eq!(next(&plan, &seen), Next::Wait(wait.to_owned()));
    seen.waited(Duration::from_secs(1));
    assert_eq!(next(&plan, &seen), Next::Do(step.clone()));
    seen.fold(&step, &Answer::Forbidden("User cannot impersonate".to_owned()));
    seen.waited(WAIT_LIMIT);
    let reason =
        "try whether a claim with a finalizer is refused: waited 30 s in vain: User cannot impersonate";
    let stuck = Stuck { exit: Exit::TryAgain, reason: reason.to_owned() };
    assert_eq!(next(&plan, &seen), Next::Stuck(stuck));
}

#[test]
fn another_pool_is_never_changed_and_the_difference_is_named() {
    let plan = plan("claim");
    let mut seen = Seen::default();
    let step = until(&plan, &mut seen, "apply ConfigMap kiln-ipam/pool");
    seen.fold(&step, &Answer::Invalid("field is immutable".to_owned()));
    let read = until(&plan, &mut seen, "read ConfigMap kiln-ipam/pool");
    let pool = |pods| {
        let data = Ranges::of(&settings(pods, "claim").cluster).unwrap().data();
        Answer::Pool { data, is_immutable: true }
    };
    let mut elsewhere = seen.clone();
    elsewhere.fold(&read, &pool("10.234.0.0/21"));
    let reason = "the cluster's pool (ConfigMap kiln-ipam/pool) is another than the settings' and can't be changed: \
                  blocks is \"32\" there and \"64\" here";
    let stuck = Stuck { exit: Exit::Config, reason: reason.to_owned() };
    assert_eq!(next(&plan, &elsewhere), Next::Stuck(stuck));
    let mut gone = seen.clone();
    gone.fold(&read, &Answer::NoPool);
    gone.waited(Duration::from_secs(1));
    assert_eq!(next(&plan, &gone), Next::Do(step), "it is applied again");
    seen.fold(&read, &pool("10.234.0.0/20"));
    assert_eq!(seen.warnings, ["ConfigMap kiln-ipam/pool: left as it is: field is immutable"]);
    until(&plan, &mut seen, "apply ValidatingAdmissionPolicy kiln-claims");
}

#[test]
fn what_others_have_changed_is_left_and_told() {
    let plan = plan("claim");
    let mut seen = Seen::default();
    let step = until(&plan, &mut seen, "apply ValidatingAdmissionPolicy kiln-podcidrs");
    let field = ".spec.failurePolicy (conflict with \"kubectl-edit\")";
    seen.fold(&step, &Answer::Conflict(vec![field.to_owned()]));
    let warning = format!("ValidatingAdmissionPolicy kiln-podcidrs: left as it is, others have set {field}");
    assert_eq!(seen.warnings, [warning]);
    until(&plan, &mut seen, "apply ValidatingAdmissionPolicyBinding kiln-podcidrs");
}

#[test]
fn a_right_that_is_not_believed_yet_is_waited_for_and_a_server_without_policies_is_not() {
    let plan = plan("claim");
    let mut seen = Seen::default();
    let step = until(&plan, &mut seen, "apply Namespace kiln-ipam");
    seen.fold(&step, &Answer::Forbidden("User \"kubernetes-admin\" cannot patch".to_owned()));
    assert!(matches!(next(&plan, &seen), Next::Wait(_)));
    seen.waited(Duration::from_secs(1));
    let step = until(&plan, &mut seen, "apply ValidatingAdmissionPolicy kiln-claims");
    seen.fold(&step, &Answer::Wrong("no such kind".to_owned()));
    let reason = "ValidatingAdmissionPolicy kiln-claims: no such kind".to_owned();
    assert_eq!(next(&plan, &seen), Next::Stuck(Stuck { exit: Exit::Config, reason }));
}
