// SPDX-License-Identifier: Apache-2.0
//! A real control plane for tests: etcd, kube-apiserver, kube-controller-manager and kube-scheduler out of the baked lab
//! image, started from kiln's own files by the command lines of `units/`, in a network of its own.
//!
//! Needs root (namespaces). Everything ends with the [`Bench`], also when the test process is killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kiln::firstboot::apply_control;
use kiln::firstboot::identity::Identity;
use kiln::host::clock;
use kiln::host::root::Root;
use kiln::settings::{Api, Cloud, Cluster, ControlPlane, Network, Node, Role, Runtime, Settings};

mod ask;
mod machine;
mod programs;
mod room;
mod service;
mod unit;

pub use ask::{Answer, Credential};
pub use machine::Machine;
pub use programs::programs;
use room::Room;
pub use room::{Process, processes_of, within_network};
use service::Service;
pub use unit::Unit;

/// An API server begins to answer three seconds after its start; this machine may be ten times slower and shared.
const READY_LIMIT: Duration = Duration::from_secs(180);

/// What kind of control plane a test wants.
pub struct Options {
    pub settings: Settings,
    pub identity: Identity,
    pub controller_manager: bool,
    pub scheduler: bool,
    /// Whether etcd syncs what it writes; only tests of durability need it.
    pub is_durable: bool,
    /// Whether the image's own program makes files and objects, as the units have it run, and not the library.
    pub by_first_boot: bool,
    /// More arguments by unit.
    pub arguments: BTreeMap<&'static str, Vec<String>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            settings: settings(),
            identity: identity(),
            controller_manager: true,
            scheduler: false,
            is_durable: false,
            by_first_boot: false,
            arguments: BTreeMap::new(),
        }
    }
}

impl Options {
    /// Adds an argument to a unit's command line. `--cluster-signing-duration=10m` of kube-controller-manager makes the
    /// nodes' certificates short-lived.
    #[must_use]
    pub fn with_argument(mut self, unit: &'static str, argument: &str) -> Self {
        self.arguments.entry(unit).or_default().push(argument.to_owned());
        self
    }
}

/// The settings of a control plane at 10.99.0.1: 256 blocks of /24.
pub fn settings() -> Settings {
    let range = |text: &str| text.parse().unwrap();
    Settings {
        version: kiln::settings::VERSION,
        image: "bench".to_owned(),
        role: Role::ControlPlane,
        cluster: Cluster {
            kubernetes: "v1.36.3".to_owned(),
            pods: vec![range("10.244.0.0/16")],
            services: vec![range("10.96.0.0/16")],
            hosts: vec![range("10.99.0.0/24")],
            block_prefix: Some(24),
            block_prefix_v6: None,
            nodes_max: 250,
            surge: 6,
            pods_max: 110,
            domain: "cluster.local".to_owned(),
            addressing: kiln::settings::Addressing::Claim,
            reserved: Vec::new(),
        },
        api: Api { endpoint: "https://10.99.0.1:6443".to_owned(), ca: String::new() },
        node: Node::default(),
        network: Network::default(),
        runtime: Runtime::default(),
        sandbox: None,
        control_plane: ControlPlane::default(),
        cloud: Cloud::default(),
    }
}

/// Settings as a layer's text.
pub fn layer(settings: &Settings) -> String {
    let mut layer = serde_json::to_value(settings).unwrap();
    drop_empty(&mut layer);
    serde_yaml::to_string(&layer).unwrap()
}

/// A layer says nothing where there is nothing to say; a key without a value is refused.
fn drop_empty(value: &mut serde_json::Value) {
    if let serde_json::Value::Object(map) = value {
        map.retain(|_, value| !value.is_null() && *value != "");
        map.values_mut().for_each(drop_empty);
    }
}

/// Who the machine of [`settings`] is.
pub fn identity() -> Identity {
    Identity {
        name: "control-1".to_owned(),
        addresses: vec!["10.99.0.1".parse().unwrap()],
        provider_id: None,
        instance_id: "bench-control-1".to_owned(),
    }
}

/// A running control plane.
pub struct Bench {
    pub settings: Settings,
    pub identity: Identity,
    services: BTreeMap<&'static str, Service>,
    arguments: BTreeMap<&'static str, Vec<String>>,
    room: Room,
    folder: tempfile::TempDir,
}

impl Bench {
    /// Starts a control plane from an empty root and waits until it is ready.
    pub fn start(options: Options) -> Self {
        let mut arguments = options.arguments;
        if !options.is_durable {
            arguments.entry("etcd").or_default().push("--unsafe-no-fsync".to_owned());
        }
        let folder = tempfile::Builder::new().prefix("kiln-bench-").tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let room = Room::new(&root, programs(), &options.identity.addresses);
        let Options { settings, identity, by_first_boot, .. } = options;
        let mut bench = Self { settings, identity, services: BTreeMap::new(), arguments, room, folder };
        if by_first_boot {
            bench.tell();
            bench.first_boot(&["run", "--phase", "volume"]);
            bench.first_boot(&["run"]);
        } else {
            let made =
                apply_control::settle(&Root::new(&root), &bench.settings, &bench.identity, clock::now_s());
            made.unwrap_or_else(|error| panic!("the control plane's files: {error}"));
        }
        bench.up("etcd");
        bench.up("kube-apiserver");
        if options.controller_manager {
            bench.up("kube-controller-manager");
        }
        if options.scheduler {
            bench.up("kube-scheduler");
        }
        if by_first_boot {
            bench.first_boot(&["run", "--phase", "api"]);
        }
        bench
    }

    /// Writes the settings where the image has them.
    fn tell(&self) {
        let mut settings = self.settings.clone();
        settings.node.name = Some(self.identity.name.clone());
        settings.node.instance_id = Some(self.identity.instance_id.clone());
        let path = self.root().join("etc/kiln/settings.d/10-image.yaml");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, layer(&settings)).unwrap();
    }

    /// Has the image's own program run on the control plane; it must succeed. What it prints is kept.
    pub fn first_boot(&self, words: &[&str]) {
        let output = self.in_root("/opt/bin/kiln-firstboot").args(words).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let log = self.folder.path().join("kiln-firstboot.log");
        let before = fs::read(&log).unwrap_or_default();
        fs::write(log, [before, said].concat()).unwrap();
        assert!(output.status.success(), "{words:?}: {}", self.log("kiln-firstboot"));
    }

    /// Starts a unit and waits until it is healthy.
    pub fn up(&mut self, unit: &'static str) {
        let service = self.service(unit);
        self.services.insert(unit, service);
        let (url, credential) = match unit {
            "etcd" => ("http://127.0.0.1:2381/readyz".to_owned(), None),
            "kube-apiserver" => (format!("{}/readyz", self.endpoint()), Some(self.super_admin())),
            "kube-controller-manager" => ("https://127.0.0.1:10257/healthz".to_owned(), None),
            "kube-scheduler" => ("https://127.0.0.1:10259/healthz".to_owned(), None),
            other => panic!("nobody knows when {other} is healthy"),
        };
        self.within(|| {
            ask::wait_for(&url, credential.as_ref(), READY_LIMIT, || self.services[unit].check());
        });
    }

    /// Starts a unit's program without waiting for it.
    fn service(&self, unit: &'static str) -> Service {
        let unit_file = unit::Unit::read(unit, &self.root());
        let extra = self.arguments.get(unit).map(Vec::as_slice).unwrap_or_default();
        Service::start(&self.room, &unit_file, extra, &self.folder.path().join(format!("{unit}.log")))
    }

    /// Ends a unit's program, as a crash would.
    pub fn down(&mut self, unit: &str) {
        self.services.remove(unit);
    }

    /// Returns what a unit has printed.
    pub fn log(&self, unit: &str) -> String {
        let path = self.folder.path().join(format!("{unit}.log"));
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    /// Returns the control plane's own tree, as this process sees it.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Returns `https://HOST:PORT`, as inside the bench's network.
    pub fn endpoint(&self) -> String {
        self.settings.api.endpoint.clone()
    }

    /// Returns the cluster's CA certificate.
    pub fn ca_pem(&self) -> String {
        fs::read_to_string(self.root().join("etc/kubernetes/pki/ca.crt")).unwrap()
    }

    /// Returns the credential of super-admin.conf, which RBAC does not ask.
    pub fn super_admin(&self) -> Credential {
        Credential::of_kubeconfig(&self.root().join("etc/kubernetes/super-admin.conf"))
    }

    /// Returns the credential of admin.conf, which may nothing until its group is bound.
    pub fn admin(&self) -> Credential {
        Credential::of_kubeconfig(&self.root().join("etc/kubernetes/admin.conf"))
    }

    /// Runs `work` on a thread inside the bench's network: its connections, and those of a runtime made in it, start there.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.room.within(work)
    }

    /// Asks the API server; `body` is JSON.
    pub fn ask(
        &self,
        credential: Option<&Credential>,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Answer {
        let url = format!("{}{path}", self.endpoint());
        let ca = self.ca_pem();
        self.within(|| ask::ask(&url, Some(&ca), credential, method, body).unwrap())
    }

    /// Returns a program to run in the control plane's network and tree, where `/opt/bin` has the image's programs.
    pub fn in_root(&self, program: &str) -> Command {
        self.room.in_root(program)
    }

    /// Returns a program to run in the control plane's network and this machine's own tree.
    pub fn in_network(&self, program: impl AsRef<Path>) -> Command {
        self.room.in_network(program.as_ref())
    }

    /// Gives the network of the process `pid` an interface eth0 that leads to the control plane.
    pub fn join(&self, pid: &str) {
        self.room.join(pid);
    }

    /// What the control plane's processes were told.
    pub fn processes(&self) -> Vec<Process> {
        self.room.processes()
    }

    /// Makes a further machine on the bench's network, with an address in 10.99.0.0/24.
    pub fn machine(&self, address: &str) -> Machine {
        Machine::new(&self.room, address)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for unit in self.services.keys() {
                let log = self.log(unit);
                let from = log.len().saturating_sub(3000);
                let end = log.get(from..).unwrap_or(&log);
                eprintln!("--- the end of what {unit} printed ---\n{end}");
            }
        }
    }
}
