// SPDX-License-Identifier: Apache-2.0
//! Machines without hardware: a name, a tree in memory, a certificate; what runs on them is production's loop.

use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use kiln::cluster::Credential;
use kiln::exit::Exit;
use kiln::firstboot::claim::Record;
use kiln::firstboot::next::{self, Next};
use kiln::firstboot::observed::{Found, Observed};
use kiln::firstboot::pki::{self, Key, Leaf};
use kiln::firstboot::run::{DEADLINE, Diary, Ending, Run};
use kiln::host::root::Root;
use kiln::host::{clock, entropy};
use kiln::report::{REPORT, Report};
use kiln::settings::{Role, Settings};
use tokio::task::LocalSet;

use crate::policies::cluster::Cluster;

/// kubelet's store, as on a node that has its certificate.
pub const CURRENT: &str = "var/lib/kubelet/pki/kubelet-client-current.pem";
/// Where trees lie: in memory, since durability is not what is raced for.
const MEMORY: &str = "/dev/shm";
/// What the unit waits before it tries again is 5 s; here nobody sleeps that long.
const RESTART: Duration = Duration::from_millis(300);

type Decide = fn(&Settings, &Observed) -> Next;

/// As production decides, until the claim is recorded as held: podCIDRs are set then, and only files are missing.
pub fn until_held(want: &Settings, seen: &Observed) -> Next {
    if seen.is_held() { Next::Done } else { next::next(want, seen) }
}

/// Machines of one cluster.
pub struct Crowd<'a> {
    cluster: &'a Cluster,
    settings: Settings,
    authority: (String, Key),
    folder: tempfile::TempDir,
}

/// A machine.
pub struct Machine {
    pub name: String,
    settings: Settings,
    root: Root,
}

impl<'a> Crowd<'a> {
    /// Machines that reach the cluster at `endpoint`.
    pub fn new(cluster: &'a Cluster, settings: &Settings, endpoint: &str) -> Self {
        let mut settings = settings.clone();
        settings.role = Role::Worker;
        settings.api.endpoint = endpoint.to_owned();
        settings.api.ca = cluster.ca.clone();
        let key = fs::read_to_string(cluster.pki.join("ca.key")).unwrap();
        let folder = tempfile::Builder::new().prefix("kiln-crowd-").tempdir_in(MEMORY).unwrap();
        Self { cluster, settings, authority: (cluster.ca.clone(), Key::parse(&key).unwrap()), folder }
    }

    /// Makes machines named `prefix`0, `prefix`1 and so on, whose certificates were issued before.
    pub fn machines(&self, prefix: &str, count: u32) -> Vec<Rc<Machine>> {
        (0..count).map(|number| self.machine(&format!("{prefix}{number}"))).collect()
    }

    fn machine(&self, name: &str) -> Rc<Machine> {
        let mut settings = self.settings.clone();
        settings.node.name = Some(name.to_owned());
        settings.node.instance_id = Some(format!("i-{name}"));
        let tree = self.folder.path().join(name);
        put(&tree.join(CURRENT), &self.credential(name));
        Rc::new(Machine { name: name.to_owned(), settings, root: Root::new(tree) })
    }

    fn credential(&self, name: &str) -> String {
        let key = entropy::key_pem().unwrap();
        let (authority, authority_key) = &self.authority;
        let leaf = Leaf::kubelet(name);
        let certificate =
            pki::leaf(&leaf, &Key::parse(&key).unwrap(), authority, authority_key, clock::now_s()).unwrap();
        format!("{certificate}{key}")
    }

    /// Boots machines at once, and again where they end with 75, as their unit would.
    pub fn boot(&self, machines: &[Rc<Machine>]) -> Vec<Ending> {
        self.boot_with(machines, next::next)
    }

    /// The same with another decision.
    pub fn boot_with(&self, machines: &[Rc<Machine>], decide: Decide) -> Vec<Ending> {
        self.all(machines, |machine| machine.run(decide, false))
    }

    /// Asks each whether its claim still stands.
    pub fn verify(&self, machines: &[Rc<Machine>]) -> Vec<Ending> {
        self.all(machines, |machine| machine.run(next::verify, true))
    }

    /// Deletes the Nodes of `old`, whose machines have lost their power, while `new` boot.
    pub fn replace(&self, old: &[Rc<Machine>], new: &[Rc<Machine>]) -> Vec<Ending> {
        let admin = &self.cluster.clients.admin;
        let names: Vec<String> = old.iter().map(|machine| machine.name.clone()).collect();
        let deleting = async {
            for name in &names {
                let place = kiln::cluster::ObjectRef {
                    api_version: "v1".to_owned(),
                    kind: "Node".to_owned(),
                    namespace: None,
                    name: name.clone(),
                };
                admin.delete(&place, None).await.unwrap();
            }
        };
        let local = LocalSet::new();
        let booting: Vec<_> =
            new.iter().cloned().map(|machine| local.spawn_local(machine.boot_until_done())).collect();
        let (endings, ()) =
            local.block_on(&self.cluster.runtime, async { tokio::join!(ended(booting), deleting) });
        endings
    }

    fn all<F>(&self, machines: &[Rc<Machine>], work: impl Fn(Rc<Machine>) -> F) -> Vec<Ending>
    where
        F: Future<Output = Ending> + 'static,
    {
        let local = LocalSet::new();
        let running: Vec<_> =
            machines.iter().map(|machine| local.spawn_local(work(machine.clone()))).collect();
        local.block_on(&self.cluster.runtime, ended(running))
    }
}

async fn ended(running: Vec<tokio::task::JoinHandle<Ending>>) -> Vec<Ending> {
    let mut endings = Vec::new();
    for machine in running {
        endings.push(machine.await.unwrap());
    }
    endings
}

/// What a machine's last run has cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub requests: u64,
    pub claim_creates: u64,
}

impl Machine {
    /// Returns a file of its tree.
    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.at(path)).unwrap()
    }

    pub fn cost(&self) -> Cost {
        let report: Report = serde_json::from_str(&self.text(REPORT)).unwrap();
        let creates = report.steps.iter().filter(|step| step.step == "claim-create");
        let claim_creates = creates.map(|step| u64::from(step.tries)).sum();
        Cost { requests: report.requests, claim_creates }
    }

    async fn run(self: Rc<Self>, decide: Decide, may_run_pods: bool) -> Ending {
        let Self { root, settings, .. } = &*self;
        let run = Run {
            root,
            settings,
            token: Credential::None,
            bad_token: None,
            decide,
            may_run_pods,
            limit: DEADLINE,
            attachment: None,
            ec2: None,
        };
        let mut diary = Diary::begin(true).unwrap();
        run.run(&mut diary).await.unwrap()
    }

    async fn boot_until_done(self: Rc<Self>) -> Ending {
        loop {
            let ending = self.clone().run(next::next, false).await;
            if ending.exit != Exit::TryAgain {
                return ending;
            }
            tokio::time::sleep(RESTART).await;
        }
    }
}

/// The claim that a machine has recorded.
pub fn record(ending: &Ending) -> &Record {
    match &ending.seen.disk.claim {
        Found::Is(record) => record,
        other => panic!("no claim is recorded: {other:?}"),
    }
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
