// SPDX-License-Identifier: Apache-2.0
//! A cluster in a VPC: nodes boot from the baked image, ask a metadata service at its own address who they are, share and
//! find what they need by parameters, and write their routes at a double of EC2, all inside the lab's network. It needs root.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use kiln::cluster::{Access, ApiError, Client, Credential, Node as ClusterNode};
use kiln::host::cache::Cache;
use kiln::host::go::{Builder, Order};
use kiln::lab::{Node, NodeOrder};
use kiln::manifest::{Arch, Go};
use kiln::progress::Silent;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use super::baked;
use super::bench::{BOOT_LIMIT, Bench, ask, left};
use super::person::{eventually, turn};
use crate::bench::within_network;
use crate::instance::double::Double;
use crate::instance::metadata::Instance;

/// Where every instance asks for its metadata.
const METADATA: &str = "169.254.169.254";
/// The first subnet has a route table of its own; the second has the main one (trap T13).
const SUBNETS: [&str; 2] = ["subnet-0000000a", "subnet-0000000b"];
const ENDPOINT: &str = "https://10.0.2.10:6443";
const PLANE: &str = "i-0000000a";
const WORKER: &str = "i-0000000b";
const REPLACEMENT: &str = "i-0000000c";
const SHARE: &str = "/kiln/clusters/demo";
const TOKEN: &str = "/kiln/clusters/demo/token";
const DISK_BYTES: u64 = 8 << 30;

/// A VPC, an operator, and machines that are begun one after another.
struct Cloud {
    bench: Bench,
    double: Double,
    request: String,
    key: String,
    runtime: tokio::runtime::Runtime,
    client: OnceLock<Client>,
}

impl Cloud {
    fn new() -> Self {
        let bench = Bench::new("cloud", &baked());
        let network = bench.lab.network();
        let ip = format!("ip address add {METADATA}/32 dev kiln0");
        let done =
            Command::new("nsenter").arg(format!("--net={}", network.display())).args(ip.split(' ')).status();
        assert!(done.unwrap().success());
        let double = within_network(&network, || {
            let double = Double::on(TcpListener::bind("10.0.2.1:0").unwrap());
            double.metadata_on(TcpListener::bind((METADATA, 80)).unwrap());
            double
        });
        double.table("rtb-own", false, &[SUBNETS[0]]);
        double.table("rtb-of-others", false, &["subnet-of-others"]);
        let (request, key) = operator();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { bench, double, request, key, runtime, client: OnceLock::new() }
    }

    /// What a machine is told by its user-data. A pool of two blocks: one for each of two nodes.
    fn settings(&self, role: &str, cloud: &Value) -> String {
        let mut settings = json!({
            "role": role,
            "api": { "endpoint": ENDPOINT },
            "cluster": { "pods": ["10.244.0.0/23"], "nodes_max": 2, "surge": 0 },
            "network": { "fabric": "none", "routes": "vpc" },
            "cloud": {
                "platform": "aws", "subnets": SUBNETS, "endpoint": self.double.endpoint,
                "parameters_endpoint": self.double.endpoint, "scaling_endpoint": self.double.endpoint,
                "ca": self.double.ca, "token_parameter": TOKEN,
            },
        });
        for (key, value) in cloud.as_object().unwrap() {
            settings["cloud"][key] = value.clone();
        }
        if let Some(ca) = self.parameter(&format!("{SHARE}/ca")) {
            settings["api"]["ca"] = ca.into();
        }
        settings.to_string()
    }

    /// Has two nodes, each with its block and its routes.
    fn of_two(own: &Value) -> (Self, [Node; 2], [String; 2]) {
        let cloud = Self::new();
        let mut told = json!({ "share": SHARE, "operator": cloud.request });
        told.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        let plane = cloud.launch(PLANE, 0, SUBNETS[0], &cloud.settings("control-plane", &told));
        it_shares_what_others_need(&cloud, &plane);
        let first = cloud.ready(PLANE);
        let worker = cloud.launch(WORKER, 1, SUBNETS[1], &cloud.settings("worker", &json!({})));
        let second = cloud.ready(WORKER);
        cloud.leads(&[(first.clone(), PLANE), (second.clone(), WORKER)].into());
        (cloud, [plane, worker], [first, second])
    }

    /// Launches an instance, the `place`th of the segment, in one of the subnets.
    fn launch(&self, id: &str, place: u8, subnet: &str, settings: &str) -> Node {
        let address = format!("10.0.2.{}", 10 + place);
        let mut instance = Instance::new(id, subnet);
        instance.address = Some(address.parse().unwrap());
        self.double.state.lock().unwrap().instances.insert(id.to_owned(), instance);
        if place == 0 {
            self.double.is_plane(id);
        }
        let credentials = [("kiln.settings".to_owned(), settings.as_bytes().to_vec())];
        self.bench.begin(&NodeOrder {
            name: id.parse().unwrap(),
            address: format!("{address}/24").parse().unwrap(),
            gateway: Some("10.0.2.1".parse().unwrap()),
            disk_bytes: DISK_BYTES,
            credentials: credentials.into(),
        })
    }

    fn parameter(&self, name: &str) -> Option<String> {
        self.double.state.lock().unwrap().parameters.get(name).map(|parameter| parameter.value.clone())
    }

    /// Asks the API server as the operator, by the certificate that the control plane has shared.
    fn ask<T: Send>(
        &self,
        work: impl AsyncFnOnce(&Client) -> Result<T, ApiError> + Send,
    ) -> Result<T, ApiError> {
        within_network(&self.bench.lab.network(), || {
            let client = self.client.get_or_init(|| {
                let of = |name: &str| self.parameter(&format!("{SHARE}/{name}")).unwrap();
                let credential = Credential::Certificate { chain: of("operator"), key: self.key.clone() };
                Client::new(&Access::of_node(ENDPOINT, &of("ca"), credential)).unwrap()
            });
            self.runtime.block_on(work(client))
        })
    }

    /// Waits until an instance is a Ready node; returns its block.
    fn ready(&self, id: &str) -> String {
        let node = eventually(&format!("{id} is Ready"), BOOT_LIMIT, || {
            let node = self.ask(async |client| client.node_get(id).await).ok()?;
            (node.is_ready && !node.pod_cidrs.is_empty()).then_some(node)
        });
        node.pod_cidrs[0].to_string()
    }

    fn nodes(&self) -> Vec<ClusterNode> {
        self.ask(async |client| client.nodes().await).unwrap()
    }

    /// Where blocks are led, table by table.
    fn leads(&self, blocks: &BTreeMap<String, &str>) {
        let expected = ["rtb-main", "rtb-own"].into_iter().flat_map(|table| {
            let target = |id: &str| id.replace("i-", "eni-");
            blocks.iter().map(move |(block, id)| format!("{table} {block} {}", target(id)))
        });
        assert_eq!(self.double.routes(), expected.collect::<Vec<_>>());
    }
}

/// A key, and the request for its certificate.
fn operator() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "operator");
    (params.serialize_request(&key).unwrap().pem().unwrap(), key.serialize_pem())
}

#[test]
fn a_cluster_in_a_vpc_routes_for_itself() {
    let _turn = turn();
    let (cloud, nodes, _) = Cloud::of_two(&json!({}));
    let told = &cloud.nodes()[1];
    assert_eq!((&*told.meta.name, &*told.provider_id), (WORKER, "aws:///eu-central-1a/i-0000000b"));
    for node in &nodes {
        assert_eq!(ask(node, "systemctl --failed --no-legend --plain"), "", "{}", node.record.name);
    }
    cloud.double.is_content();
    let lab = cloud.bench.lab.clone();
    drop(cloud);
    assert_eq!(left(&lab), Vec::<String>::new());
}

/// The pool is full, a machine dies for good, AWS' own controller deletes its Node, and one that has waited takes over its
/// block and its routes. It came after the first token's end.
#[test]
#[ignore = "compiles cloud-provider-aws, minutes of Go; README says how"]
fn what_dies_in_a_vpc_is_replaced() {
    let _turn = turn();
    let (cloud, [plane, worker], [first, second]) = Cloud::of_two(&json!({}));
    the_lifecycle_controller_runs(&cloud, &plane);
    the_token_is_another_one(&cloud, &plane);
    let late = cloud.launch(REPLACEMENT, 2, SUBNETS[0], &cloud.settings("worker", &json!({})));
    eventually("the pool is full", BOOT_LIMIT, || {
        late.console().unwrap_or_default().contains("the pool is exhausted").then_some(())
    });
    worker.kill().unwrap();
    cloud.double.state.lock().unwrap().instances.get_mut(WORKER).unwrap().state = "terminated";
    let is_gone = || !cloud.nodes().iter().any(|node| node.meta.name == WORKER);
    eventually("the Node of the dead machine is deleted", BOOT_LIMIT, || is_gone().then_some(()));
    assert_eq!(cloud.ready(REPLACEMENT), second);
    cloud.leads(&[(first, PLANE), (second, REPLACEMENT)].into());
    cloud.double.is_content();
    let called = cloud.double.state.lock().unwrap().by_role.clone();
    assert!(called.contains("control-plane ec2:DescribeInstances"), "{called:?}");
    assert!(called.contains("worker ec2:ReplaceRoute"), "{called:?}");
}

/// What the cluster's token cleaner does with a token that has ended, and the timer half an hour before.
fn the_token_is_another_one(cloud: &Cloud, plane: &Node) {
    let before = cloud.parameter(TOKEN).unwrap();
    cloud.ask(async |client| client.token_delete(&before[..6]).await).unwrap();
    ask(plane, "systemctl start kiln-share.service");
    assert_ne!(cloud.parameter(TOKEN).unwrap(), before);
}

/// The program, built as an image's component is, and the unit of `units/`; told where EC2 is, which no image would be.
fn the_lifecycle_controller_runs(cloud: &Cloud, plane: &Node) {
    const UNIT: &str = "cloud-controller-manager.service";
    let root = PathBuf::from(format!("/proc/{}/root", plane.boot().unwrap().unwrap()));
    let place = root.join("opt/bin/aws-cloud-controller-manager");
    fs::copy(lifecycle_controller(), &place).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |path: &str| fs::read_to_string(repository.join(path)).unwrap();
    write(&format!("etc/systemd/system/{UNIT}"), &text(&format!("units/{UNIT}")));
    let config = "cloud-controller-manager.conf";
    write(&format!("etc/kiln/{config}"), &text(&format!("image/aws/{config}")));
    write("etc/double.pem", &cloud.double.ca);
    let endpoint = format!(
        "[Service]\nEnvironment=AWS_ENDPOINT_URL_EC2={} AWS_CA_BUNDLE=/etc/double.pem\n",
        cloud.double.endpoint
    );
    write(&format!("etc/systemd/system/{UNIT}.d/double.conf"), &endpoint);
    ask(plane, &format!("systemctl daemon-reload; systemctl start {UNIT}"));
    eventually("the controller has begun", BOOT_LIMIT, || {
        let said = plane.journal(Some(UNIT)).unwrap_or_default();
        said.contains("Started \"cloud-node-lifecycle-controller\"").then_some(())
    });
}

fn lifecycle_controller() -> PathBuf {
    let cache = PathBuf::from(std::env::var("HOME").unwrap()).join(".cache/kiln");
    let cache = Cache::open(&cache, Duration::from_secs(10)).unwrap();
    let go = Go {
        folder: "components/cloud-provider-aws".into(),
        packages: vec!["k8s.io/cloud-provider-aws/cmd/aws-cloud-controller-manager".to_owned()],
        cgo: false,
        tags: Vec::new(),
        ldflags: "-s -w".to_owned(),
    };
    let environment: Vec<_> = std::env::vars_os().collect();
    let builder = Builder { cache: &cache, environment: &environment, is_offline: false, progress: &Silent };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("image");
    let order = Order { component: "cloud-provider-aws", root: &root, go: &go, arch: Arch::Amd64 };
    let built = builder.build(&order).unwrap();
    cache.get(&built.files["aws-cloud-controller-manager"].sha256).unwrap().path
}

/// By kiln-share.timer under systemd, and by nobody's hand.
fn it_shares_what_others_need(cloud: &Cloud, plane: &Node) {
    for name in ["ca", "operator", "token"] {
        let name = format!("{SHARE}/{name}");
        eventually(&format!("{name} is shared"), BOOT_LIMIT, || cloud.parameter(&name));
    }
    assert_eq!(plane.property(Some("kiln-share.timer"), "ActiveState").unwrap(), "active");
    eventually("kiln-share.service has ended well", Duration::from_secs(30), || {
        let unit = Some("kiln-share.service");
        let is = |name, word: &str| plane.property(unit, name).is_ok_and(|found| found == word);
        (is("ActiveState", "inactive") && is("Result", "success")).then_some(())
    });
    assert_eq!(ask(plane, "systemctl --failed --no-legend --plain"), "");
    let token = cloud.parameter(TOKEN).unwrap();
    let tokens = cloud.ask(async |client| client.tokens().await).unwrap();
    assert_eq!(tokens.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), [&token[..6]]);
}
