// SPDX-License-Identifier: Apache-2.0
//! Instances that are terminated: pods leave, the machine goes, and only then its Node, which frees its block.

use std::process::Command;

use kiln::cloud::policy::{Who, rights};
use serde_json::json;

use super::site::{CLUSTER, Ended, Part, REGION, Site};
use crate::aws::double::ssm::Parameter;
use crate::birth::cluster::{claims, node};

const TERMINATE: [&str; 1] = ["--terminate"];

/// One control plane for all of it, since it is the slow part.
#[test]
fn what_was_launched_is_terminated_and_its_nodes_go_after_it() {
    let site = Site::new();
    let launched = site.played(&[Part::Join; 2], || site.run(&["--role", "worker", "--count", "2"])).is(0);
    assert!(launched.printed.starts_with("NODE "), "{}", launched.printed);
    let ids: Vec<String> = site.double.state().region(REGION).instances.keys().cloned().collect();
    a_pod(&site, &ids[0]);
    it_is_planned_and_asked(&site, &ids);
    a_budget_holds_it_up(&site, &ids[0]);
    one_goes(&site, &ids);
    a_protected_one_stays(&site, &ids[1]);
    without_a_cluster_nothing_goes_but_the_whole(&site, &ids[1]);
    a_group_is_made_is_rolled_and_ends(&site);
    a_spot_instance_is_asked_for(&site);
    a_control_planes_volume_is_attached(&site);
    let called = site.every_call_is_allowed();
    for right in rights(Who::Launcher) {
        assert!(
            called.contains(right.call),
            "{} is allowed for {}, which nobody calls",
            right.action,
            right.call
        );
    }
}

fn a_group_is_made_is_rolled_and_ends(site: &Site) {
    let words = ["--role", "worker", "--group", "--count", "2"];
    let none = site.run(&[&words[..], &["--dry-run"]].concat()).is(78);
    assert_eq!(none.said, site.run(&words).is(78).said, "a rehearsal finds it out");
    assert_eq!(
        none.said.replace(site.path("cluster.yaml").to_str().unwrap(), "cluster.yaml"),
        "kiln: cluster.yaml: workers: there is no parameter /kiln/clusters/demo/token in eu-central-1 with a token to join \
         with; launch the control plane with --group, or let its settings have cloud.token_parameter\n"
    );
    let mut kiln = site.kiln(&["token", "create", "--kubeconfig"]);
    let token =
        Ended::of(kiln.arg(site.bench.root().join("etc/kubernetes/admin.conf")).output().unwrap()).is(0);
    *site.group_token.lock().unwrap() = Some(token.printed.trim().to_owned());
    let parameter = Parameter::of("AQICAHi...");
    site.double.state().region(REGION).parameters.insert("/kiln/clusters/demo/token".to_owned(), parameter);

    let rehearsed = |verb: &str, calls: &str| {
        let plan = site.run(&[&words[..], &["--max", "5", "--dry-run"]].concat()).is(0).printed;
        let first =
            format!("{verb} group kiln-demo-worker of cluster demo in eu-central-1: 2 workers, 5 at most\n");
        assert!(plan.starts_with(&first) && plan.ends_with(&format!("  calls       {calls}\n")), "{plan}");
    };
    rehearsed("make", "ec2:CreateLaunchTemplate, autoscaling:CreateAutoScalingGroup");
    assert!(site.double.state().region(REGION).groups.is_empty(), "nothing is made");
    let made = site.played(&[Part::Join; 2], || site.run(&words)).is(0);
    assert!(made.printed.ends_with("group kiln-demo-worker\n"), "{}", made.printed);
    rehearsed(
        "change",
        "ec2:CreateLaunchTemplateVersion, autoscaling:UpdateAutoScalingGroup, autoscaling:StartInstanceRefresh",
    );
    let instances = || site.double.state().region(REGION).groups["kiln-demo-worker"].instances.clone();
    let ids = instances();
    {
        let mut state = site.double.state();
        let region = state.region(REGION);
        let template = &region.templates["kiln-demo-worker"][0];
        assert_eq!(template["MetadataOptions.HttpTokens"], "required");
        assert_eq!(template["MetadataOptions.HttpPutResponseHopLimit"], "1");
        let user_data = &region.instances[&ids[0]].user_data;
        assert!(
            !user_data.contains(&token.printed[7..23]) && !user_data.contains("/etc/kiln/token"),
            "it is static"
        );
        assert_eq!(region.instances[&ids[0]].tags["kiln:cluster"], "demo");
    }
    // A later run finds it, and what kiln launched singly is not of it.
    let rolled = site.run(&["--role", "worker", "--group", "--count", "2", "--max", "5"]).is(0);
    assert_eq!(
        rolled.printed,
        "group kiln-demo-worker has its size, and replaces what has changed a few at a time\n"
    );
    {
        let mut state = site.double.state();
        let group = &state.region(REGION).groups["kiln-demo-worker"];
        assert_eq!((group.refreshes, group.max, group.desired), (1, 5, 2));
        assert_eq!(state.region(REGION).templates["kiln-demo-worker"].len(), 2);
    }
    let plan = format!(
        "terminate 2 instances of cluster demo in eu-central-1:\n  kiln-demo-worker     group, and its launch template\n  \
         {:<20} worker         Node Ready, 0 pods leave before\n  {:<20} worker         Node Ready, 0 pods leave before\n",
        ids[0], ids[1]
    );
    assert_eq!(terminate(site, &["--group", "--yes"]).is(0).printed, plan);
    assert!(site.double.state().region(REGION).groups.is_empty());
    for id in &ids {
        let path = format!("/api/v1/nodes/{id}");
        assert_eq!(site.bench.ask(Some(&site.bench.super_admin()), "GET", &path, None).status, 404);
    }
    let nothing = terminate(site, &["--group", "--yes"]).is(0);
    assert_eq!(nothing.printed, "nothing of cluster demo is there in eu-central-1\n");
}

/// By a launch and by a group's template alike; nothing is said of price, time or number of tries.
fn a_spot_instance_is_asked_for(site: &Site) {
    assert!(markets(site).is_empty());
    site.write("cluster.yaml", &CLUSTER.replace("workers:\n", "workers:\n  spot: true\n"));
    let spot = [("InstanceMarketOptions.MarketType".to_owned(), "spot".to_owned())];
    site.played(&[Part::Silent], || site.run(&["--role", "worker", "--timeout", "3s"])).is(75);
    assert_eq!(markets(site), spot);
    site.played(&[], || site.run(&["--role", "worker", "--group", "--count", "1", "--timeout", "3s"])).is(75);
    assert_eq!(markets(site), spot);
    terminate(site, &["--group", "--yes"]).is(0);
}

/// Once, as soon as its instance runs. Nobody plays first boot, so that each run ends with its time.
fn a_control_planes_volume_is_attached(site: &Site) {
    const VOLUME: &str = "vol-0a1b2c3d4e5f60718";
    let profile = "  instance_profile: kiln-control-plane\n";
    let settings = format!("{profile}  settings: {{control_plane: {{data_volume: {VOLUME}}}}}\n");
    site.write("cluster.yaml", &CLUSTER.replace(profile, &settings));
    let run = || {
        let mut kiln = site.launch_as("volume.conf", &["--role", "control-plane", "--timeout", "8s"]);
        site.played(&[], || Ended::of(kiln.output().unwrap()))
    };
    let missing = run();
    assert!(missing.said.contains(&format!("The volume '{VOLUME}' does not exist.")), "{}", missing.said);
    site.double.state().region(REGION).ground.volumes.insert(VOLUME.to_owned());
    let attached = run().is(75);
    assert!(attached.said.contains(&format!("{VOLUME} is attached to i-")), "{}", attached.said);
    let again = run().is(75);
    assert!(!again.said.contains("is attached"), "{}", again.said);
    assert_eq!(site.double.count("ec2:AttachVolume"), 2);
    let plane = site.double.state().region(REGION).instances.values().next_back().unwrap().clone();
    assert_eq!(plane.volumes, [VOLUME]);
}

/// What the last instance was asked with of its market.
fn markets(site: &Site) -> Vec<(String, String)> {
    let mut state = site.double.state();
    let last = state.region(REGION).instances.values().next_back().unwrap();
    let own = last.asked.iter().filter(|(key, _)| key.starts_with("InstanceMarketOptions"));
    own.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn terminate(site: &Site, words: &[&str]) -> Ended {
    site.run(&[&TERMINATE[..], words].concat())
}

fn ask(site: &Site, method: &str, path: &str, body: &serde_json::Value) {
    let answer = site.bench.ask(Some(&site.bench.super_admin()), method, path, Some(&body.to_string()));
    assert!((200..300).contains(&answer.status), "{path}: {}", answer.body);
}

/// It has no kubelet to end it, so it ends at once.
fn a_pod(site: &Site, node: &str) {
    let account = "/api/v1/namespaces/default/serviceaccounts/default";
    crate::birth::cluster::within(|| {
        site.bench.ask(Some(&site.bench.super_admin()), "GET", account, None).status == 200
    });
    let spec = json!({
        "nodeName": node, "terminationGracePeriodSeconds": 0,
        "containers": [{ "name": "web", "image": "registry.example/web:1" }],
    });
    let pod = json!({ "metadata": { "name": "web", "labels": { "app": "web" } }, "spec": spec });
    ask(site, "POST", "/api/v1/namespaces/default/pods", &pod);
    // A budget protects what is healthy.
    let status = json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] });
    ask(site, "PATCH", "/api/v1/namespaces/default/pods/web/status", &json!({ "status": status }));
}

fn it_is_planned_and_asked(site: &Site, ids: &[String]) {
    let plan = format!(
        "terminate 2 instances of cluster demo in eu-central-1:\n  {:<20} worker         Node Ready, 1 pods leave \
         before\n  {:<20} worker         Node Ready, 0 pods leave before\n",
        ids[0], ids[1]
    );
    assert_eq!(terminate(site, &["--dry-run"]).is(0).printed, plan);
    let unasked = terminate(site, &[]).is(2);
    assert_eq!(unasked.printed, plan);
    assert_eq!(unasked.said, "kiln: nobody can be asked here; add --yes if it is meant\n");
    assert_eq!(site.double.count("ec2:TerminateInstances"), 0);
}

fn a_budget_holds_it_up(site: &Site, id: &str) {
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let spec = json!({ "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } });
    ask(site, "POST", budgets, &json!({ "metadata": { "name": "web" }, "spec": spec }));
    crate::birth::cluster::within(|| {
        let path = format!("{budgets}/web");
        let budget = site.bench.ask(Some(&site.bench.super_admin()), "GET", &path, None).json();
        budget["status"]["observedGeneration"] == 1 && budget["status"]["currentHealthy"] == 1
    });
    let held = terminate(site, &["--instance", id, "--yes", "--timeout", "3s"]).is(75);
    let words: Vec<&str> = held.said.lines().filter(|line| line.starts_with("kiln: ")).collect();
    assert_eq!(words[0], "kiln: 1 pods are still there after 3 s:");
    assert!(words[1].starts_with(&format!("kiln: {id}: default/web (")), "{words:?}");
    assert!(words[1].contains("would violate the pod's disruption budget"), "{words:?}");
    assert_eq!(
        words[2],
        "kiln: nothing is terminated, and no new pods come to these nodes; run again to go on, or add --no-drain"
    );
    assert_eq!(site.double.count("ec2:TerminateInstances"), 0);
    assert_eq!(node(&site.bench, id)["spec"]["unschedulable"], true);
    ask(site, "DELETE", &format!("{budgets}/web"), &json!({}));
}

fn one_goes(site: &Site, ids: &[String]) {
    let before = claims(&site.bench).len();
    let gone = terminate(site, &["--instance", &ids[0], "--yes", "--format", "json"]).is(0);
    assert!(gone.said.contains(&format!("{} is off, and its Node is deleted", ids[0])), "{}", gone.said);
    let state = site.double.state().region(REGION).instances[&ids[0]].state;
    assert_eq!(state, "terminated");
    let path = format!("/api/v1/nodes/{}", ids[0]);
    assert_eq!(site.bench.ask(Some(&site.bench.super_admin()), "GET", &path, None).status, 404);
    crate::birth::cluster::within(|| claims(&site.bench).len() == before - 1);
    assert_eq!(node(&site.bench, &ids[1])["spec"]["unschedulable"], json!(null));
    let again = terminate(site, &["--instance", &ids[0], "--yes"]).is(0);
    assert_eq!(again.printed, "nothing of cluster demo is there in eu-central-1\n");
}

fn a_protected_one_stays(site: &Site, id: &str) {
    site.change(id, |instance| instance.is_protected = true);
    let refused = terminate(site, &["--yes"]).is(1);
    assert_eq!(
        refused.said,
        format!(
            "kiln: ec2:TerminateInstances in eu-central-1: OperationNotPermitted: The instance '{id}' may not be \
             terminated. Modify its 'disableApiTermination'.\n"
        )
    );
    site.change(id, |instance| instance.is_protected = false);
    assert_eq!(node(&site.bench, id)["metadata"]["name"], *id);
}

fn without_a_cluster_nothing_goes_but_the_whole(site: &Site, id: &str) {
    let run = |words: &[&str]| {
        let mut kiln: Command = site.kiln(&["launch", "--terminate", "--yes", "--cluster"]);
        Ended::of(kiln.arg(site.path("cluster.yaml")).args(words).output().unwrap())
    };
    assert_eq!(
        run(&[]).is(2).said,
        "kiln: --kubeconfig FILE is needed: pods leave before a machine goes, and its Node after it\n"
    );
    site.change(id, |instance| {
        instance.tags.insert("kiln:role".to_owned(), "control-plane".to_owned());
    });
    let names = ["ca", "operator", "token"].map(|name| format!("/kiln/clusters/demo/{name}"));
    for name in names.iter().cloned().chain(["/kiln/clusters/other/ca".to_owned()]) {
        site.double.state().region(REGION).parameters.insert(name, Parameter::of("shared"));
    }
    let whole = run(&[]).is(0);
    assert_eq!(
        whole.printed,
        format!(
            "terminate 1 instance of cluster demo in eu-central-1:\n  {id:<20} control-plane  as it is\n  {} (parameter)\n  \
             {} (parameter)\n  {} (parameter)\nthe control plane is among them: the cluster goes with it, and no pod has \
             anywhere to go\n",
            names[0], names[1], names[2]
        )
    );
    let left: Vec<String> = site.double.state().region(REGION).parameters.keys().cloned().collect();
    assert!(left.contains(&"/kiln/clusters/other/ca".to_owned()), "{left:?}");
    assert!(!left.iter().any(|name| names.contains(name)), "{left:?}");
    site.double.state().region(REGION).parameters.remove("/kiln/clusters/other/ca");
    assert_eq!(site.double.state().region(REGION).instances[id].state, "terminated");
}
