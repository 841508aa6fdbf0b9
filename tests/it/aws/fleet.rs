// SPDX-License-Identifier: Apache-2.0
//! `kiln nodes` and `kiln routes` between a real API server and the double's VPC, both in one network.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use kiln::cloud::policy::{Who, rights};
use kiln::cluster::{Access, Client, NewConfigMap, NewNode, NodeOwner};
use kiln::fleet::{Wanted, look, prune};
use kiln::ipam::{NAMESPACE, claim_name, family, mirror};
use kiln::launch;
use kiln::settings::Addressing;
use serde_json::{Value, json};

use super::double::instances::Instance;
use super::double::vpc::{Attached, Table};
use super::double::{Double, Fault, KEY, Weather, ssm};
use super::stage::{cloud, limits};
use crate::birth::cluster::prepare;
use crate::ipam::{CLAIMS, Cluster, Ended, NODES};

/// Those of image/cluster.yaml.
const REGION: &str = "eu-central-1";
const SUBNETS: [&str; 2] = ["subnet-0a1b2c3d4e5f60718", "subnet-1b2c3d4e5f607182a"];
const AMI: &str = "ami-0a1b2c3d4e5f60718";

struct Site {
    cluster: Cluster,
    double: Double,
    /// What was called with whose rights.
    called: Mutex<Vec<(Who, String)>>,
}

impl Site {
    fn new() -> Self {
        let cluster = Cluster::new(Addressing::Claim);
        prepare(&cluster.bench);
        Self::over(cluster)
    }

    fn over(cluster: Cluster) -> Self {
        let listener = cluster.bench.within(|| TcpListener::bind("127.0.0.1:0").unwrap());
        let double = Double::on(listener, Weather::default());
        {
            let mut state = double.state();
            let region = state.region(REGION);
            region.parameters.insert("/kiln/images/kiln-node".to_owned(), ssm::Parameter::of(AMI));
            region.ground.subnets = SUBNETS.map(str::to_owned).into();
            let local = [("10.0.0.0/16".to_owned(), "local".to_owned())];
            let own = Table {
                subnets: vec![SUBNETS[0].to_owned()],
                routes: local.clone().into(),
                ..Table::default()
            };
            region.tables.insert("rtb-own".to_owned(), own);
            let main = Table { is_main: true, routes: local.into(), ..Table::default() };
            region.tables.insert("rtb-main".to_owned(), main);
        }
        Self { cluster, double, called: Mutex::default() }
    }

    /// Launches an instance whose Node holds the block of an index and is led there.
    fn node(&self, index: u32) -> String {
        let id = format!("i-{index:08x}");
        self.instance(&id, index);
        let blocks = self.cluster.ranges.blocks(index).unwrap();
        for block in &blocks {
            self.route("rtb-own", &block.to_string(), &format!("eni-{index}"));
            self.route("rtb-main", &block.to_string(), &format!("eni-{index}"));
        }
        let node = json!({
            "metadata": { "name": id, "labels": { "ipblock": mirror(&blocks) } },
            "spec": { "podCIDR": blocks[0], "podCIDRs": blocks, "providerID": format!("aws:///eu-central-1a/{id}") },
        });
        let mut node = self.cluster.post(NODES, &node);
        let uid = node["metadata"]["uid"].as_str().unwrap().to_owned();
        node["status"] = json!({
            "conditions": [{ "type": "Ready", "status": "True" }],
            "addresses": [{ "type": "InternalIP", "address": format!("10.0.1.{}", 10 + index) }],
        });
        self.ask("PUT", &format!("{NODES}/{id}/status"), Some(&node));
        self.cluster.claim(index, &id, &uid);
        id
    }

    fn instance(&self, id: &str, index: u32) {
        self.instance_of("demo", id, index);
    }

    fn instance_of(&self, cluster: &str, id: &str, index: u32) {
        let attached = Attached {
            interface: format!("eni-{index}"),
            address: format!("10.0.1.{}", 10 + index),
            is_checked: false,
            launched: "2026-11-30T07:00:00Z",
        };
        let instance = Instance::running(cluster, AMI, attached);
        self.double.state().region(REGION).instances.insert(id.to_owned(), instance);
    }

    fn route(&self, table: &str, to: &str, target: &str) {
        let mut state = self.double.state();
        let table = state.region(REGION).tables.get_mut(table).unwrap();
        table.routes.insert(to.to_owned(), target.to_owned());
    }

    fn routes(&self, table: &str) -> Vec<String> {
        let mut state = self.double.state();
        state.region(REGION).tables[table].routes.keys().cloned().collect()
    }

    fn change(&self, id: &str, image: &str, is_checked: bool) {
        let mut state = self.double.state();
        let instance = state.region(REGION).instances.get_mut(id).unwrap();
        instance.asked.insert("ImageId".to_owned(), image.to_owned());
        instance.attached.as_mut().unwrap().is_checked = is_checked;
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) {
        let bench = &self.cluster.bench;
        let body = body.map(Value::to_string);
        let answer = bench.ask(Some(&bench.super_admin()), method, path, body.as_deref());
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.body);
    }

    fn kiln(&self, words: &[&str]) -> Ended {
        let bench = &self.cluster.bench;
        let mut command: Command = bench.in_network(Path::new(env!("CARGO_BIN_EXE_kiln")));
        command.args(words).args(["--cluster", "image/cluster.yaml", "--kubeconfig"]);
        command.arg(bench.root().join("etc/kubernetes/super-admin.conf"));
        command.env("AWS_ENDPOINT_URL", self.double.url());
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", "secret");
        let output = command.output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
        Ended { code: output.status.code(), out, err }
    }

    /// Every call is in the policy.
    fn is_allowed(&self, who: Who) {
        let allowed: Vec<&str> = rights(who).map(|right| right.action).collect();
        let called = self.double.actions();
        assert!(called.iter().all(|action| allowed.contains(&action.as_str())), "{called:?}");
        self.called.lock().unwrap().extend(called.into_iter().map(|action| (who, action)));
        self.double.forget_calls();
    }

    /// Every right that is given for what these verbs do is needed by a call that was made.
    fn no_right_is_given_in_vain(&self) {
        let called = self.called.lock().unwrap();
        for who in [Who::Auditor, Who::Janitor] {
            let own = |reason: &str| reason.starts_with("kiln nodes") || reason.starts_with("kiln routes");
            for right in rights(who).filter(|right| own(right.reason)) {
                assert!(
                    called.contains(&(who, right.call.to_owned())),
                    "{who:?}: nobody has called {}",
                    right.call
                );
            }
        }
    }

    fn wanted() -> Wanted {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("image/cluster.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        Wanted::from(&launch::parse(&path, &text).unwrap_or_else(|problems| panic!("{problems}")))
    }

    /// A client within the network.
    fn client(&self) -> Client {
        let path = self.cluster.bench.root().join("etc/kubernetes/super-admin.conf");
        let text = std::fs::read_to_string(path).unwrap();
        Client::new(&Access::from_kubeconfig(&text, &|_| Err("inline".to_owned())).unwrap()).unwrap()
    }

    /// Runs something within the network.
    fn within<T: Send>(&self, work: impl AsyncFnOnce() -> T + Send) -> T {
        self.cluster.bench.within(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work())
        })
    }
}

#[test]
fn instances_and_nodes_are_compared_and_stale_routes_removed() {
    let site = Site::new();
    no_instance_and_no_route(&site);
    let (first, second) = (site.node(5), site.node(9));
    let sound = site.kiln(&["nodes"]);
    let expected = format!(
        "\
instance    state    node        ready  block                           route  image
{first}  running  {first}  yes    10.234.1.64/26,fd00:1:0:5::/64  led    {AMI}
{second}  running  {second}  yes    10.234.2.64/26,fd00:1:0:9::/64  led    {AMI}

demo: 2 instances, 2 of its Nodes
nothing disagrees
"
    );
    assert_eq!((sound.code, sound.out.as_str(), sound.err.as_str()), (Some(0), expected.as_str(), ""));
    site.is_allowed(Who::Auditor);
    let sound = site.kiln(&["routes"]);
    assert_eq!((sound.code, sound.out.lines().count()), (Some(0), 9), "{}{}", sound.out, sound.err);
    site.is_allowed(Who::Auditor);
    what_disagrees_is_told(&site, &second);
    stale_routes_go_and_nothing_else(&site);
    site.no_right_is_given_in_vain();
    a_claim_that_is_back_keeps_its_route(&site);
    routes_of_another_cluster_stay(&site);
    calls_that_fail_are_told(&site);
}

fn no_instance_and_no_route(site: &Site) {
    let none = site.kiln(&["routes"]);
    assert_eq!(
        (none.code, none.out.as_str()),
        (Some(0), "no route leads into the pod range\n"),
        "{}",
        none.err
    );
    assert_eq!(site.double.count("ec2:DescribeSubnets"), 1, "no instance tells the VPC");
    site.is_allowed(Who::Auditor);
    let pruned = site.kiln(&["routes", "--prune"]);
    assert_eq!((pruned.code, pruned.out.as_str()), (Some(0), "nothing is to be removed\n"), "{}", pruned.err);
    site.is_allowed(Who::Janitor);
    let named = site.double.state().region(REGION).parameters.remove("/kiln/images/kiln-node").unwrap();
    let nameless = site.kiln(&["nodes"]);
    assert_eq!(nameless.code, Some(1));
    let words = "- the parameter /kiln/images/kiln-node is not there, so nobody knows of which image instances should be\n";
    assert!(nameless.out.ends_with(words), "{}", nameless.out);
    site.double.state().region(REGION).parameters.insert("/kiln/images/kiln-node".to_owned(), named);
}

fn what_disagrees_is_told(site: &Site, second: &str) {
    site.instance("i-00000011", 17);
    site.change(second, "ami-old", true);
    site.route("rtb-main", "10.234.2.64/26", "eni-dead9");
    let told = site.kiln(&["nodes", "--format", "json"]);
    assert_eq!(told.code, Some(1), "{}", told.err);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    let words: Vec<&str> =
        told["problems"].as_array().unwrap().iter().map(|it| it["text"].as_str().unwrap()).collect();
    assert_eq!(
        words,
        [
            "instance i-00000009 is of ami-old instead of ami-0a1b2c3d4e5f60718: replace it",
            "instance i-00000009 drops its pods' packets: its source/destination check is on; kiln-firstboot run on it switches it off",
            "rtb-main leads 10.234.2.64/26 of Node i-00000009 into a black hole: eni-dead9 is not there",
            "instance i-00000011 has run for ten minutes and is no Node: see its console, or kiln-firstboot explain on it",
        ]
    );
    assert_eq!(told["nodes"][1]["route"], "black-hole");
    assert_eq!(
        (&told["nodes"][2]["instance"], &told["nodes"][2]["node"]),
        (&"i-00000011".into(), &Value::Null)
    );
    site.change(second, AMI, false);
    site.route("rtb-main", "10.234.2.64/26", "eni-9");
    site.double.state().region(REGION).instances.remove("i-00000011");
    // A Node whose instance ended an hour ago.
    let gone = site.node(12);
    site.double.state().region(REGION).instances.remove(&gone);
    let told = site.kiln(&["nodes"]);
    assert_eq!(told.code, Some(1));
    assert!(
        told.out.ends_with("1 disagreements:\n- Node i-0000000c: the cluster has no instance i-0000000c; delete the Node, and its block is free\n"),
        "{}",
        told.out
    );
    let routes = site.kiln(&["routes"]);
    assert_eq!(routes.code, Some(1));
    let line =
        "rtb-own 10.234.3.0/26 eni-12 - i-0000000c its holder is no running instance: delete that Node";
    assert!(plain(&routes.out).lines().any(|it| it == line), "{}", routes.out);
}

/// With one blank between columns.
fn plain(table: &str) -> String {
    table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

/// The Node of the last instance goes, and its claim with it, as the garbage collector does it.
fn stale_routes_go_and_nothing_else(site: &Site) {
    site.ask("DELETE", &format!("{CLAIMS}/{}", claim_name(12)), None);
    site.ask("DELETE", &format!("{NODES}/i-0000000c"), None);
    for (to, target) in [
        ("10.234.4.0/26", "eni-dead16"),
        ("10.234.4.64/27", "eni-dead17"),
        ("10.234.4.128/26", "vgw-1"),
        ("10.234.0.64/26", "eni-others"),
        ("192.168.7.0/24", "eni-dead"),
    ] {
        site.route("rtb-main", to, target);
    }
    let before = site.routes("rtb-main");
    let shown = site.kiln(&["routes"]);
    assert_eq!(shown.code, Some(1));
    let line = |start: &str, end: &str| {
        let found = plain(&shown.out).lines().any(|line| line.starts_with(start) && line.ends_with(end));
        assert!(found, "{start} ... {end}:\n{}", shown.out);
    };
    line("rtb-main 10.234.3.0/26 eni-12", "nobody claims it: --prune removes it");
    line("rtb-main 10.234.4.0/26 eni-dead16", "nobody claims it: --prune removes it");
    line("rtb-main 10.234.4.64/27 eni-dead17", "no block of the pool: remove it yourself");
    line(
        "rtb-main 10.234.4.128/26 vgw-1",
        "no node made it: remove it, or reserve the block (cluster.reserved)",
    );
    line("rtb-main 10.234.0.64/26 eni-others", "reserved, so it is others'");
    assert!(!shown.out.contains("192.168.7.0/24"));
    let unasked = site.kiln(&["routes", "--prune"]);
    assert_eq!(
        (unasked.code, unasked.err.as_str()),
        (Some(2), "kiln: nobody can be asked here; add --yes if it is meant\n")
    );
    assert_eq!(site.routes("rtb-main"), before);
    assert_eq!(
        unasked.out,
        "\
delete 10.234.3.0/26 from rtb-own (leads to eni-12, nobody claims b-12)
delete fd00:1:0:c::/64 from rtb-own (leads to eni-12, nobody claims b-12)
delete 10.234.3.0/26 from rtb-main (leads to eni-12, nobody claims b-12)
delete 10.234.4.0/26 from rtb-main (leads to eni-dead16, nobody claims b-16)
delete fd00:1:0:c::/64 from rtb-main (leads to eni-12, nobody claims b-12)
"
    );
    let alone = site.kiln(&["routes", "--yes"]);
    assert_eq!(alone.code, Some(2), "--yes is for --prune");
    site.double.forget_calls();
    let pruned = site.kiln(&["routes", "--prune", "--yes"]);
    assert_eq!(pruned.code, Some(0), "{}{}", pruned.out, pruned.err);
    assert!(pruned.out.contains("deleted 10.234.4.0/26 from rtb-main\n"), "{}", pruned.out);
    assert_eq!(site.double.count("ec2:DeleteRoute"), 5);
    site.is_allowed(Who::Janitor);
    let gone = ["10.234.3.0/26", "10.234.4.0/26", "fd00:1:0:c::/64"];
    let kept: Vec<String> = before.into_iter().filter(|to| !gone.contains(&to.as_str())).collect();
    assert_eq!(site.routes("rtb-main"), kept);
}

/// Between the plan and the deed a node claims one block and leads another one's route elsewhere.
fn a_claim_that_is_back_keeps_its_route(site: &Site) {
    for (index, to) in [(20, "10.234.5.0/26"), (21, "10.234.5.64/26"), (22, "10.234.5.128/26")] {
        site.route("rtb-main", to, &format!("eni-dead{index}"));
    }
    let wanted = Site::wanted();
    let url = site.double.url();
    let region = async || cloud(&url, KEY, limits()).await.region(REGION);
    let (plan, seen) = site.within(async || {
        let (routes, seen) = look::vpc_routes(&wanted, &region().await, &site.client()).await.unwrap();
        (prune::plan(&wanted, &seen, &routes).unwrap(), seen)
    });
    assert_eq!(plan.len(), 3, "{plan:?}");
    site.node(20);
    site.route("rtb-main", "10.234.5.0/26", "eni-dead20");
    site.route("rtb-main", "10.234.5.64/26", "eni-21");
    let pruned = site
        .within(async || prune::prune(&plan, &wanted, &seen, &region().await, &site.client()).await.unwrap());
    let to = |doomed: &[kiln::fleet::Doomed]| {
        doomed.iter().map(|it| it.destination.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(to(&pruned.kept), ["10.234.5.0/26", "10.234.5.64/26"]);
    assert_eq!(to(&pruned.removed), ["10.234.5.128/26"]);
    let left = site.routes("rtb-main");
    assert!(
        left.contains(&"10.234.5.0/26".to_owned()) && left.contains(&"10.234.5.64/26".to_owned()),
        "{left:?}"
    );
}

/// Another cluster's node in the same VPC and pod range; then a description whose cluster has no running instance.
fn routes_of_another_cluster_stay(site: &Site) {
    site.instance_of("prod", "i-0000001e", 30);
    site.route("rtb-main", "10.234.7.128/26", "eni-30");
    site.route("rtb-main", "10.234.7.192/26", "eni-dead31");
    let before = site.routes("rtb-main");
    let shown = site.kiln(&["routes"]);
    let line = "rtb-main 10.234.7.128/26 eni-30 - - leads to a running machine that is not of this cluster: not --prune's to \
                remove";
    assert!(plain(&shown.out).lines().any(|it| it == line), "{}", shown.out);
    let set = |from: &str, to: &'static str| {
        let mut state = site.double.state();
        let all = state.region(REGION).instances.values_mut();
        all.filter(|it| it.tags["kiln:cluster"] == "demo" && it.state == from).for_each(|it| it.state = to);
    };
    set("running", "stopped");
    let refused = site.kiln(&["routes", "--prune", "--yes"]);
    let words = "kiln: no instance of demo runs, so nothing says that this kubeconfig's cluster is the one that its description \
                 means: what leads into the pod range may be others'; remove it yourself\n";
    assert_eq!((refused.code, refused.err.as_str()), (Some(1), words), "{}", refused.out);
    assert_eq!(site.routes("rtb-main"), before);
    set("stopped", "running");
    let pruned = site.kiln(&["routes", "--prune", "--yes"]);
    assert_eq!(pruned.code, Some(0), "{}{}", pruned.out, pruned.err);
    assert!(pruned.out.contains("deleted 10.234.7.192/26 from rtb-main\n"), "{}", pruned.out);
    assert!(site.routes("rtb-main").contains(&"10.234.7.128/26".to_owned()), "{}", pruned.out);
    site.route("rtb-main", "10.234.7.192/26", "eni-dead31");
}

fn calls_that_fail_are_told(site: &Site) {
    let deny = |action: &'static str| {
        site.double.set_faults(move |call| match call.action == action {
            true => Fault::Refuse(403, "UnauthorizedOperation", "You are not authorized", None),
            false => Fault::None,
        });
    };
    for (action, words) in [
        ("ec2:DescribeInstances", &["nodes"][..]),
        ("ec2:DescribeRouteTables", &["nodes"]),
        ("ssm:GetParameters", &["nodes"]),
        ("ec2:DeleteRoute", &["routes", "--prune", "--yes"]),
    ] {
        deny(action);
        let refused = site.kiln(words);
        let expected = format!(
            "kiln: {action} in {REGION}: not allowed (UnauthorizedOperation): You are not authorized; `kiln policy` prints the \
             rights that are needed\n"
        );
        assert_eq!((refused.code, refused.err), (Some(1), expected));
    }
    site.double.no_faults();
    let mut state = site.double.state();
    state.region(REGION).instances.clear();
    state.region(REGION).ground.subnets.clear();
    drop(state);
    let refused = site.kiln(&["routes"]);
    let expected = format!(
        "kiln: ec2:DescribeSubnets in {REGION}: InvalidSubnetID.NotFound: The subnet ID '{}' does not exist\n",
        SUBNETS[0]
    );
    assert_eq!((refused.code, refused.err), (Some(1), expected));
}

/// Pages of both services: EC2 gives at most 1,000 instances or 100 tables on one, the API server 500 objects.
#[test]
fn a_thousand_instances_are_ten_pages() {
    const COUNT: u32 = 1000;
    let mut options = crate::bench::Options { controller_manager: false, ..Default::default() };
    let settings = &mut options.settings.cluster;
    (settings.pods, settings.block_prefix) = (vec!["10.240.0.0/12".parse().unwrap()], Some(24));
    (settings.nodes_max, settings.surge) = (2000, 8);
    let cluster = Cluster::of(options);
    prepare(&cluster.bench);
    let site = Site::over(cluster);
    for index in 0..COUNT {
        site.instance(&format!("i-{index:08x}"), index);
        let block = site.cluster.ranges.blocks(index).unwrap()[0].to_string();
        site.route("rtb-own", &block, &format!("eni-{index}"));
        site.route("rtb-main", &block, &format!("eni-{index}"));
    }
    let wanted = Site::wanted();
    let url = site.double.url();
    let (fleet, requests) = site.within(async || {
        let maker = site.client();
        for index in 0..COUNT {
            let blocks = site.cluster.ranges.blocks(index).unwrap();
            let name = format!("i-{index:08x}");
            let node = NewNode {
                name: name.clone(),
                provider_id: Some(format!("aws:///eu-central-1a/{name}")),
                ..NewNode::default()
            };
            let node = maker.node_create(&node).await.unwrap();
            let mut data: std::collections::BTreeMap<String, String> =
                [("pool".to_owned(), site.cluster.ranges.hash())].into();
            data.insert(family(&blocks[0]).to_owned(), blocks[0].to_string());
            let owner = Some(NodeOwner { name, uid: node.meta.uid });
            let claim = NewConfigMap {
                namespace: NAMESPACE.to_owned(),
                name: claim_name(index),
                data,
                immutable: true,
                owner,
            };
            maker.config_map_create(&claim).await.unwrap();
        }
        let client = site.client();
        let region = cloud(&url, KEY, limits()).await.region(REGION);
        let fleet = look::nodes(&wanted, &region, &client).await.unwrap();
        (fleet, client.counts().requests)
    });
    assert_eq!(fleet.problems, []);
    assert_eq!(fleet.nodes.len(), COUNT as usize);
    assert!(fleet.nodes.iter().all(|row| row.instance == row.node && row.blocks.len() == 1));
    let calls = site.double.state().calls.len() as u64;
    println!("{COUNT} instances: {calls} calls of AWS, {requests} of the API server");
    assert!(calls + requests <= 10, "{calls} + {requests}");
}
