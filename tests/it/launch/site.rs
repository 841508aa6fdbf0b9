// SPDX-License-Identifier: Apache-2.0
//! A place to launch into: a real API server with kiln's bootstrap, a double of EC2 in its network, and first boot itself in
//! the place of each instance that the double has been asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use kiln::cloud::policy::{Who, rights};
use kiln::ipam::Ranges;
use kiln::settings::{Api, Role};
use serde_json::json;

use super::user_data::of_ignition;
use crate::aws::double::{Double, KEY, Weather, autoscaling, ec2, ssm};
use crate::bench::{Bench, Credential, Machine, Options, layer};
use crate::instance::double::Double as Vpc;
use crate::instance::parameters;
use crate::policies::cluster::in_new_cluster_of;

pub const REGION: &str = "eu-central-1";
pub const AMI: &str = "ami-0a1b2c3d4e5f60718";
pub const SUBNETS: [&str; 2] = ["subnet-0000000a", "subnet-0000000b"];
/// The id of the first instance.
pub const PLANE: &str = "i-00000000000000001";
/// Where an instance asks who it is, each in a network of its own.
const METADATA: &str = "127.0.0.1:8098";

/// A description of the site's cluster.
pub const CLUSTER: &str = "kiln: 1
name: demo
region: eu-central-1
image: /kiln/images/kiln-node
control_plane:
  instance_type: m7i.large
  address: 10.99.0.1
  subnets: [subnet-0000000a]
  security_groups: [sg-0000000a]
  instance_profile: kiln-control-plane
workers:
  instance_type: m7i.large
  subnets: [subnet-0000000a, subnet-0000000b]
  security_groups: [sg-0000000b]
  instance_profile: kiln-worker
tags: {team: platform}
settings:
  cloud: {platform: aws, metadata: 'http://127.0.0.1:8098'}
";

/// What an instance does once it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// First boot runs, and its kubelet says that it is Ready.
    Join,
    /// Nothing.
    Silent,
    /// Its console says this.
    Says(&'static str),
    /// It is taken away.
    Taken,
}

pub struct Site {
    pub bench: Bench,
    pub double: Double,
    /// The control plane's side of the account, where it is launched.
    pub vpc: Option<Vpc>,
    /// What is in the parameter of the group's token.
    pub group_token: Mutex<Option<String>>,
    /// What machines beside the control plane's have called.
    by_role: Mutex<BTreeSet<String>>,
    folder: tempfile::TempDir,
    next_address: AtomicU8,
}

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub said: String,
    pub printed: String,
}

impl Ended {
    pub fn of(output: Output) -> Self {
        let [said, printed] = [output.stderr, output.stdout].map(|text| String::from_utf8(text).unwrap());
        Self { code: output.status.code(), said, printed }
    }

    #[track_caller]
    pub fn is(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.said, self.printed);
        self
    }
}

impl Site {
    /// Everything that the description names is there.
    pub fn new() -> Self {
        let bench = Bench::start(Options::default());
        in_new_cluster_of(&bench, |cluster| {
            let birth = cluster.bootstrap(&cluster.settings);
            assert_eq!((birth.end, birth.warnings), (Ok(()), Vec::new()));
        });
        let site = Self::on(bench);
        site.write("cluster.yaml", CLUSTER);
        site
    }

    /// A machine with etcd and an API server that know nothing yet. It is the double's first instance. Nodes write routes into
    /// their VPC, and find some that the dead have left.
    pub fn of_plane() -> Self {
        let mut options = Options::default();
        options.identity.name = PLANE.to_owned();
        options.identity.instance_id = PLANE.to_owned();
        let mut site = Self::on(Bench::start(options));
        let vpc = site.bench.within(Vpc::start);
        vpc.instance_on(site.bench.within(|| TcpListener::bind(METADATA).unwrap()), PLANE, SUBNETS[0]);
        vpc.is_plane(PLANE);
        site.routed(&vpc);
        let cloud = json!({
            "platform": "aws", "metadata": format!("http://{METADATA}"), "parameters_endpoint": vpc.endpoint,
            "scaling_endpoint": vpc.endpoint, "endpoint": vpc.endpoint, "ca": vpc.ca,
        });
        let before = "{platform: aws, metadata: 'http://127.0.0.1:8098'}";
        assert!(CLUSTER.contains(before));
        let routed = CLUSTER.replace(before, &cloud.to_string()) + "  network: {fabric: none, routes: vpc}\n";
        site.write("cluster.yaml", &routed);
        site.vpc = Some(vpc);
        site
    }

    fn on(bench: Bench) -> Self {
        let double = bench.within(|| Double::start(Weather { lag: 1, slow: 1, ..Weather::default() }));
        {
            let mut state = double.state();
            let region = state.region(REGION);
            region.images.insert(AMI.to_owned(), ec2::Image::of("kiln-node"));
            region.parameters.insert("/kiln/images/kiln-node".to_owned(), ssm::Parameter::of(AMI));
            region.ground.subnets = SUBNETS.map(str::to_owned).into();
            region.ground.groups = ["sg-0000000a", "sg-0000000b"].map(str::to_owned).into();
            region.ground.profiles = ["kiln-control-plane", "kiln-worker"].map(str::to_owned).into();
        }
        let folder = tempfile::Builder::new().prefix("kiln-site-").tempdir().unwrap();
        Self {
            bench,
            double,
            vpc: None,
            group_token: Mutex::default(),
            by_role: Mutex::default(),
            folder,
            next_address: AtomicU8::new(20),
        }
    }

    /// The first subnet has a table of its own. In the main one, which is the second's, every block has a stale route.
    fn routed(&self, vpc: &Vpc) {
        let ranges = Ranges::of(&self.bench.settings.cluster).unwrap();
        let blocks: Vec<_> = (0..256).filter_map(|index| ranges.blocks(index)).flatten().collect();
        vpc.table("rtb-own", false, &[SUBNETS[0]]);
        vpc.led_nowhere("rtb-main", &blocks);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Returns the program with its account, in the cluster's network.
    pub fn kiln(&self, words: &[&str]) -> Command {
        let mut kiln = self.bench.in_network(Path::new(env!("CARGO_BIN_EXE_kiln")));
        kiln.args(words).env("AWS_ENDPOINT_URL", self.double.url()).env("HOME", self.folder.path());
        kiln.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", "secret");
        kiln.stdin(Stdio::null());
        kiln
    }

    /// Returns `kiln launch` of the site's cluster as its administrator.
    pub fn launch(&self, words: &[&str]) -> Command {
        let mut kiln = self.kiln(&["launch", "--cluster"]);
        kiln.arg(self.path("cluster.yaml")).arg("--kubeconfig");
        kiln.arg(self.bench.root().join("etc/kubernetes/admin.conf")).args(words);
        kiln
    }

    /// Returns `kiln launch` of the site's cluster with this kubeconfig of the site.
    pub fn launch_as(&self, kubeconfig: &str, words: &[&str]) -> Command {
        let mut kiln = self.kiln(&["launch", "--cluster"]);
        kiln.arg(self.path("cluster.yaml")).arg("--kubeconfig").arg(self.path(kubeconfig)).args(words);
        kiln
    }

    pub fn run(&self, words: &[&str]) -> Ended {
        Ended::of(self.launch(words).output().unwrap())
    }

    /// Has every instance that runs play its part while `work` is done; parts are given in the order of ids.
    pub fn played<T>(&self, parts: &[Part], work: impl FnOnce() -> T) -> T {
        let (over, machines) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        let mut known: Vec<String> = self.double.state().region(REGION).instances.keys().cloned().collect();
        std::thread::scope(|scope| {
            let (over, machines) = (&over, &machines);
            scope.spawn(move || {
                let mut parts = parts.iter().copied();
                while !over.load(Ordering::Relaxed) {
                    for (id, user_data) in self.running() {
                        if !known.contains(&id) {
                            known.push(id.clone());
                            let part = parts.next().unwrap_or(Part::Silent);
                            scope.spawn(move || self.play(part, &id, &user_data, machines));
                        }
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            let _end = End(over);
            work()
        })
    }

    /// Has the control plane's machine become one as soon as its instance runs, while `work` is done.
    pub fn played_by_plane<T>(&self, work: impl FnOnce() -> T) -> T {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    if let Some(user_data) = self.running().get(PLANE) {
                        return self.become_plane(user_data);
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            let _end = End(over);
            work()
        })
    }

    /// Ignition's part, the units' command lines, kubelet's word.
    fn become_plane(&self, user_data: &str) {
        let root = self.bench.root();
        let put = |path: &str, text: &str| put(&root, path, text);
        let mut image = self.bench.settings.clone();
        (image.role, image.api) = (Role::Worker, Api { endpoint: String::new(), ca: String::new() });
        put("/etc/kiln/settings.d/10-image.yaml", &layer(&image));
        of_ignition(user_data).iter().for_each(|(path, (_, text))| put(path, text));
        for words in [&["run"][..], &["run", "--phase", "api"], &["share"]] {
            self.first_boot(words).is(0);
        }
        self.says_ready(PLANE, &root.join("var/lib/kubelet/pki/kubelet-client-current.pem"));
        self.carry_parameters();
    }

    /// Runs first boot on the control plane's machine.
    pub fn first_boot(&self, words: &[&str]) -> Ended {
        let place = self.bench.root().join("run/kiln-firstboot");
        if !place.exists() {
            fs::copy(env!("CARGO_BIN_EXE_kiln-firstboot"), &place).unwrap();
        }
        Ended::of(self.bench.in_root("/run/kiln-firstboot").args(words).output().unwrap())
    }

    /// The control plane's kubelet says again that it is Ready.
    pub fn plane_is_ready(&self) {
        self.says_ready(PLANE, &self.bench.root().join("var/lib/kubelet/pki/kubelet-client-current.pem"));
    }

    /// Both doubles are one account.
    fn carry_parameters(&self) {
        let shared = self.vpc.as_ref().unwrap().state.lock().unwrap().parameters.clone();
        let mut state = self.double.state();
        let plain = shared.into_iter().filter(|(_, parameter)| !parameter.is_secure);
        state.region(REGION).parameters.extend(plain.map(|(name, it)| (name, ssm::Parameter::of(&it.value))));
    }

    /// Who has called what on the machines: `worker ec2:CreateRoute`.
    pub fn by_role(&self) -> BTreeSet<String> {
        let of_plane = self.vpc.as_ref().unwrap().state.lock().unwrap().by_role.clone();
        self.by_role.lock().unwrap().union(&of_plane).cloned().collect()
    }

    /// Both doubles are one account: what the control plane has called unhealthy, the group replaces.
    pub fn carry_health(&self, group: &str) {
        let members = self.vpc.as_ref().unwrap().state.lock().unwrap().group.members.clone();
        let mut state = self.double.state();
        let unhealthy = members.into_iter().filter(|(_, is_healthy)| !is_healthy).map(|(id, _)| id);
        state.region(REGION).groups.get_mut(group).unwrap().unhealthy.extend(unhealthy);
        autoscaling::tend(&mut state, REGION, group);
    }

    /// Instances that run, and their user-data.
    fn running(&self) -> BTreeMap<String, String> {
        let mut state = self.double.state();
        let running =
            state.region(REGION).instances.iter().filter(|(_, instance)| instance.state == "running");
        running.map(|(id, instance)| (id.clone(), instance.user_data.clone())).collect()
    }

    fn play(&self, part: Part, id: &str, user_data: &str, machines: &Mutex<Vec<Machine>>) {
        match part {
            Part::Silent => {}
            Part::Join => self.join(id, user_data, machines),
            Part::Says(words) => self.change(id, |instance| instance.console = words.to_owned()),
            Part::Taken => self.change(id, |instance| {
                instance.state = "terminated";
                instance.reason = "Server.SpotInstanceTermination: Spot instance termination".to_owned();
            }),
        }
    }

    pub fn change(&self, id: &str, change: impl FnOnce(&mut crate::aws::double::instances::Instance)) {
        change(self.double.state().region(REGION).instances.get_mut(id).unwrap());
    }

    /// Ignition's part, first boot's own, and kubelet's.
    fn join(&self, id: &str, user_data: &str, machines: &Mutex<Vec<Machine>>) {
        let token = self.group_token.lock().unwrap().clone();
        let (ended, tree, machine) = self.boot(id, user_data, token.as_deref());
        ended.is(0);
        assert!(!tree.path().join("etc/kiln/token").exists(), "the token is gone");
        self.says_ready(id, &tree.path().join("var/lib/kubelet/pki/kubelet-client-current.pem"));
        machines.lock().unwrap().push(machine);
    }

    /// Has a machine boot with this user-data, where the parameter of the group's token has this value.
    pub fn boot(
        &self,
        id: &str,
        user_data: &str,
        value: Option<&str>,
    ) -> (Ended, tempfile::TempDir, Machine) {
        let number = self.next_address.fetch_add(1, Ordering::Relaxed);
        let machine = self.bench.machine(&format!("10.99.0.{number}"));
        let vpc = machine.within(Vpc::start);
        vpc.instance_on(machine.within(|| TcpListener::bind(METADATA).unwrap()), id, SUBNETS[0]);
        if let Some(value) = value {
            let parameter = parameters::Parameter { is_secure: true, value: value.to_owned() };
            vpc.state.lock().unwrap().parameters.insert("/kiln/clusters/demo/token".to_owned(), parameter);
        }
        let tree = tempfile::Builder::new().prefix("kiln-launched-").tempdir().unwrap();
        let mut image = self.bench.settings.clone();
        (image.role, image.api) = (Role::Worker, Api { endpoint: String::new(), ca: String::new() });
        self.routed(&vpc);
        let cloud = json!({ "parameters_endpoint": vpc.endpoint, "endpoint": vpc.endpoint, "ca": vpc.ca });
        let own = json!({ "cloud": cloud }).to_string();
        put(tree.path(), "/etc/kiln/settings.d/10-image.yaml", &layer(&image));
        of_ignition(user_data).iter().for_each(|(path, (_, text))| put(tree.path(), path, text));
        put(tree.path(), "/etc/kiln/settings.d/90-endpoint.yaml", &own);
        let mut first_boot = machine.run(env!("CARGO_BIN_EXE_kiln-firstboot"));
        let ended = Ended::of(first_boot.arg("--root").arg(tree.path()).arg("run").output().unwrap());
        vpc.is_content();
        self.by_role.lock().unwrap().append(&mut vpc.state.lock().unwrap().by_role);
        (ended, tree, machine)
    }

    /// As kubelet does, with the node's own certificate.
    fn says_ready(&self, id: &str, current: &Path) {
        // On a machine of its own its link is as that machine has it.
        let target = fs::read_link(current).unwrap();
        let pem = fs::read_to_string(current.with_file_name(target.file_name().unwrap())).unwrap();
        let node = Credential { certificate_pem: pem.clone(), key_pem: pem };
        let status = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}).to_string();
        let path = format!("/api/v1/nodes/{id}/status");
        let answer = self.bench.ask(Some(&node), "PATCH", &path, Some(&status));
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Every call so far is in the launcher's policy; returns them.
    pub fn every_call_is_allowed(&self) -> BTreeSet<String> {
        let called = self.double.actions();
        let allowed: Vec<&str> = rights(Who::Launcher).map(|right| right.action).collect();
        for action in &called {
            assert!(allowed.contains(&action.as_str()), "{action} is not in the policy");
        }
        called
    }

    /// Ids of the bootstrap tokens that are there.
    pub fn tokens(&self) -> Vec<String> {
        let path = "/api/v1/namespaces/kube-system/secrets?fieldSelector=type=bootstrap.kubernetes.io/token";
        let list = self.bench.ask(Some(&self.bench.super_admin()), "GET", path, None).json();
        let names = list["items"].as_array().unwrap().iter();
        names.map(|secret| secret["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// Writes a file of a tree.
fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Ends the play also when the work panics.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
