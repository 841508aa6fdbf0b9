// SPDX-License-Identifier: Apache-2.0
//! Instances become nodes of a real cluster and write their routes into the double's VPC: one with all that can be in the
//! way, then forty at once under throttling.

use std::net::TcpListener;
use std::process::Command;

use super::double::{Double, Fault};
use super::metadata::Instance;
use super::tree::{Ended, PROGRAM, Tree};
use crate::bench::{Bench, Machine, Options};
use crate::birth::cluster::{self, TOKEN};

const SUBNETS: [&str; 2] = ["subnet-0000000a", "subnet-0000000b"];

/// A tree that may join the bench's cluster.
fn joining(bench: &Bench, double: &Double, metadata: &str) -> Tree {
    let tree = Tree::routed(double, metadata, &SUBNETS);
    let api = serde_json::json!({
        "api": { "endpoint": bench.endpoint(), "ca": bench.ca_pem() },
        "node": { "token_file": "/run/provision/token" },
    });
    tree.put("etc/kiln/settings.d/30-api.yaml", &api.to_string());
    tree.put("run/provision/token", TOKEN);
    tree
}

fn run(machine: &Machine, tree: &Tree, words: &[&str]) -> Ended {
    Ended::of(&mut tree.on(machine.run(PROGRAM), words))
}

fn local(machine: &Machine, address: &str) -> TcpListener {
    machine.within(|| TcpListener::bind(address).unwrap())
}

fn ip(machine: &Machine, words: &[&str]) {
    assert!(machine.run("/bin/ip").args(words).status().unwrap().success(), "ip {words:?}");
}

fn block(bench: &Bench, name: &str) -> String {
    cluster::node(bench, name)["spec"]["podCIDR"].as_str().unwrap().to_owned()
}

#[test]
fn instances_become_nodes_that_the_vpc_leads_to() {
    let mut options = Options::default();
    options.settings.cluster.nodes_max = 250;
    let bench = Bench::start(options);
    cluster::prepare(&bench);
    let machine = bench.machine("10.99.0.11");
    let double = Double::on(local(&machine, "127.0.0.1:0"));
    // subnet-0000000a has a table of its own; subnet-0000000b has none, so that the main one is its own (trap T13).
    double.table("rtb-a", false, &[SUBNETS[0]]);
    double.table("rtb-other", false, &["subnet-of-others"]);
    one(&bench, &machine, &double);
    refused(&bench, &machine, &double);
    forty(&bench, &machine, &double);
    double.is_content();
}

/// By the service's own IPv6 address, since the IPv4 one has no route here.
fn one(bench: &Bench, machine: &Machine, double: &Double) {
    ip(machine, &["address", "add", "fd00:ec2::254/128", "dev", "lo", "nodad"]);
    ip(machine, &["route", "add", "unreachable", "169.254.169.254/32"]);
    double.instance_on(local(machine, "[fd00:ec2::254]:80"), "i-00000001", SUBNETS[0]);
    let tree = joining(bench, double, "");
    let layer = tree.text("etc/kiln/settings.d/20-cloud.yaml").replace("\"metadata\":\"\",", "");
    tree.put("etc/kiln/settings.d/20-cloud.yaml", &layer);
    double.fail("CreateRoute", Fault::CutAfter);
    double.fail("DescribeRouteTables", Fault::Code(503, "RequestLimitExceeded", "Request limit exceeded."));
    run(machine, &tree, &["run"]).is(0);
    let born = cluster::node(bench, "i-00000001");
    assert_eq!(born["spec"]["providerID"], "aws:///eu-central-1a/i-00000001");
    let labels = &born["metadata"]["labels"];
    assert_eq!(labels["topology.kubernetes.io/zone"], "eu-central-1a");
    assert_eq!(labels["topology.kubernetes.io/region"], "eu-central-1");
    assert_eq!(labels["node.kubernetes.io/instance-type"], "m7i.large");
    let block = block(bench, "i-00000001");
    let expected = [format!("rtb-a {block} eni-00000001"), format!("rtb-main {block} eni-00000001")];
    assert_eq!(double.routes(), expected);
    assert_eq!(double.state.lock().unwrap().unchecked, ["eni-00000001"]);
    double.calls();
    run(machine, &tree, &["run"]).is(0);
    // Three tables are two pages.
    assert_eq!(double.calls(), ["DescribeRouteTables", "DescribeRouteTables"], "a later boot describes once");

    // Former holders' routes are led here, by claim; others' blocks are left alone.
    let elsewhere = "10.244.255.0/24".to_owned();
    for table in ["rtb-a", "rtb-main", "rtb-other"] {
        let mut state = double.state.lock().unwrap();
        let routes = &mut state.tables.get_mut(table).unwrap().routes;
        routes.insert(block.clone(), "eni-dead1".to_owned());
        routes.insert(elsewhere.clone(), "eni-dead2".to_owned());
    }
    run(machine, &tree, &["run"]).is(0);
    let routes = double.routes();
    for line in [
        format!("rtb-a {block} eni-00000001"),
        format!("rtb-main {block} eni-00000001"),
        format!("rtb-other {block} eni-dead1"),
        format!("rtb-a {elsewhere} eni-dead2"),
    ] {
        assert!(routes.contains(&line), "{line} is not in {routes:?}");
    }
    // Without EC2 a node that has its routes boots all the same.
    let gone = Fault::Code(503, "Unavailable", "down");
    double.state.lock().unwrap().always.insert("DescribeRouteTables".to_owned(), gone);
    run(machine, &tree, &["run"]).is(0);
    let mut state = double.state.lock().unwrap();
    state.always.clear();
    state.instances.retain(|_, instance: &mut Instance| instance.id == "i-00000001");
    state.tables.values_mut().for_each(|table| table.routes.retain(|_, target| target == "local"));
}

/// Each failure by its own words; none of these nodes turns ready.
fn refused(bench: &Bench, machine: &Machine, double: &Double) {
    let metadata = double.instance_on(local(machine, "127.0.0.1:0"), "i-00000002", SUBNETS[0]);
    let tree = joining(bench, double, &metadata);
    let always = |action: &str, fault: Fault| {
        let mut state = double.state.lock().unwrap();
        state.always.clear();
        state.always.insert(action.to_owned(), fault);
    };
    let message =
        "You are not authorized to perform this operation. Encoded authorization failure message: abc";
    always("CreateRoute", Fault::Code(403, "UnauthorizedOperation", message));
    run(machine, &tree, &["run"]).is(75).says(
        "kiln-firstboot: CreateRoute is not allowed: the instance's role lacks ec2:CreateRoute (You are not authorized to perform \
         this operation.); allow it in the role's policy\n",
    );
    assert!(!tree.at("etc/cni/net.d/10-kiln.conflist").exists(), "the node is not ready");
    double.state.lock().unwrap().always.clear();
    double.state.lock().unwrap().quota = 1;
    run(machine, &tree, &["run"]).is(75).says(
        "kiln-firstboot: CreateRoute on rtb-a: the route table is full (RouteLimitExceeded: The maximum number of routes (1) has \
         been reached.); have the VPC quota 'Routes per route table' raised, delete routes to blocks that nobody \
         claims, or let network.fabric be vxlan\n",
    );
    double.state.lock().unwrap().quota = 50;
    let block = block(bench, "i-00000002");
    let half = block.replace("/24", "/25");
    let set = |target: Option<&str>| {
        let mut state = double.state.lock().unwrap();
        let routes = &mut state.tables.get_mut("rtb-main").unwrap().routes;
        match target {
            Some(target) => routes.insert(half.clone(), target.to_owned()),
            None => routes.remove(&half),
        };
    };
    set(Some("eni-vpn"));
    run(machine, &tree, &["run"]).is(78).says(&format!(
        "kiln-firstboot: route table rtb-main leads {half} to eni-vpn, which takes it out of this node's block {block}; remove that \
         route, or reserve the block (cluster.reserved)\n"
    ));
    set(None);
    run(machine, &tree, &["run"]).is(0);
}

/// The bucket gives as many writes as it is asked for in vain: each node has to come back.
fn forty(bench: &Bench, machine: &Machine, double: &Double) {
    let trees: Vec<(String, Tree)> = (100..140)
        .map(|number| {
            let id = format!("i-00000{number}");
            let metadata = double.instance_on(local(machine, "127.0.0.1:0"), &id, SUBNETS[0]);
            (id, joining(bench, double, &metadata))
        })
        .collect();
    {
        let mut state = double.state.lock().unwrap();
        (state.bucket, state.quota) = (Some(20), 50);
    }
    double.calls();
    let commands: Vec<Command> =
        trees.iter().map(|(_, tree)| tree.on(machine.run(PROGRAM), &["run"])).collect();
    std::thread::scope(|scope| {
        for mut command in commands {
            scope.spawn(move || Ended::of(&mut command).is(0));
        }
    });
    let routes = double.routes();
    let mut blocks: Vec<String> = Vec::new();
    for (id, tree) in &trees {
        let block = block(bench, id);
        let interface = id.replace("i-", "eni-");
        for table in ["rtb-a", "rtb-main"] {
            assert!(routes.contains(&format!("{table} {block} {interface}")), "{id} in {table}: {routes:?}");
        }
        assert!(tree.report()["calls"].as_u64().unwrap() >= 5, "{}", tree.report());
        blocks.push(block);
    }
    blocks.sort();
    blocks.dedup();
    assert_eq!(blocks.len(), 40);
    let calls = double.calls();
    let count = |action: &str| calls.iter().filter(|call| *call == action).count();
    let writes = count("CreateRoute") + count("ReplaceRoute") + count("ModifyNetworkInterfaceAttribute");
    println!(
        "40 nodes: {writes} writes asked for 120, {} pages of descriptions",
        count("DescribeRouteTables")
    );
    assert!(writes > 120, "nobody was throttled");
}
