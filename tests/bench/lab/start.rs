// SPDX-License-Identifier: Apache-2.0
//! One more worker in a lab that is up, from its init to Ready, by kiln or by hand; and where the time went.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use kiln::cluster::Client;
use kiln::lab::{self, Api, Made, Node, NodeOrder, Worker};

use crate::bootstrap;
use crate::it::KILN;
use crate::it::bench::{BOOT_LIMIT, ask};
use crate::it::hand::{Told, create, order, token};
use crate::it::person::{Up, eventually};
use crate::rounds::{Taken, median};

/// What a worker starts.
const PHASES: [&str; 6] = [
    "network-online.target",
    "kiln-firstboot.service",
    "containerd.service",
    "flanneld.service",
    "kiln-images.service",
    "kubelet.service",
];

/// The kinds of workers.
const KINDS: [&str; 3] = ["kiln", "images first", "by hand"];
/// The last of them.
const READY: &str = "Ready";

/// Seconds after init at which each phase was over, by kind of worker.
type Phases = BTreeMap<(&'static str, &'static str), Vec<f64>>;

/// The lab with all that workers need.
pub struct Field<'a> {
    up: &'a Up,
    made: Made,
    api: Api,
    ca: String,
    next: Cell<u8>,
    phases: RefCell<Phases>,
    /// What a worker of kiln's was configured with: the other gets it by hand.
    model: RefCell<Option<bootstrap::Model>>,
}

impl<'a> Field<'a> {
    pub fn new(up: &'a Up) -> Self {
        let made = lab::open(&up.lab, Path::new(KILN)).unwrap();
        let (api, ca) = (up.api(), up.api().ca);
        let (phases, model) = (RefCell::default(), RefCell::default());
        Self { up, made, api, ca, next: Cell::new(1), phases, model }
    }

    /// A place of its own for each: no name was there before.
    fn place(&self) -> u8 {
        self.next.replace(self.next.get() + 1)
    }

    /// A worker as kiln makes it, with a drop-in for one of its units or none.
    pub fn worker(&self, kind: &'static str, drop_in: Option<(&str, &str)>) -> Taken {
        let place = self.place();
        let token = token(place);
        create(self.up, &token);
        let mut order = order(self.up, &Told { place, ca: &self.ca, token: &token, endpoint: None });
        let credential = |(unit, text): (&str, &str)| {
            (format!("systemd.unit-dropin.{unit}~bench"), text.as_bytes().to_vec())
        };
        order.credentials.extend(drop_in.map(credential));
        let node = self.made.start(&order).unwrap();
        let taken = self.until_ready(kind, &node);
        self.model.borrow_mut().get_or_insert_with(|| bootstrap::Model::of(&node));
        self.end(&node);
        taken
    }

    /// A worker that kubelet joins by itself, everything else being there. The first one of kiln's is its model.
    pub fn by_hand(&self) -> Taken {
        if self.model.borrow().is_none() {
            self.worker("kiln", None);
        }
        let place = self.place();
        let (worker, token) = (Worker(place), token(place));
        create(self.up, &token);
        let model = self.model.borrow();
        let credentials = model.as_ref().unwrap().credentials(worker, &token, &self.ca);
        let (name, gateway) = (worker.name().unwrap(), Some(lab::bridge().addr()));
        let order = NodeOrder { name, address: worker.address(), gateway, disk_bytes: 8 << 30, credentials };
        let node = self.made.start(&order).unwrap();
        let taken = self.until_ready("by hand", &node);
        self.end(&node);
        taken
    }

    /// A machine that is told nothing, from its init until it has settled.
    pub fn empty(&self) -> f64 {
        let worker = Worker(self.place());
        let (name, gateway) = (worker.name().unwrap(), Some(lab::bridge().addr()));
        let credentials = BTreeMap::new();
        let order = NodeOrder { name, address: worker.address(), gateway, disk_bytes: 8 << 30, credentials };
        let node = self.made.start(&order).unwrap();
        let begun = init(&node);
        node.wait_settled(BOOT_LIMIT).unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        self.end(&node);
        seconds
    }

    fn until_ready(&self, kind: &'static str, node: &Node) -> Taken {
        let begun = init(node);
        let name = node.record.name.to_string();
        eventually("it is Ready", BOOT_LIMIT, || {
            let found = self.api.ask(async |client: &Client| client.node_get(&name).await);
            found.is_ok_and(|node| node.is_ready).then_some(())
        });
        let seconds = begun.elapsed().as_secs_f64();
        let mut phases = self.phases.borrow_mut();
        for phase in PHASES {
            phases.entry((kind, phase)).or_default().push(active_after(node, phase));
        }
        phases.entry((kind, READY)).or_default().push(seconds);
        Taken { seconds, cpu_s: 0.0, peak_kb: 0 }
    }

    /// Ends a machine for good; its disk and its Node must not slow the next one down.
    fn end(&self, node: &Node) {
        let name = node.record.name.to_string();
        node.kill().unwrap();
        fs::remove_file(&node.record.disk).unwrap();
        if self.api.ask(async |client: &Client| client.node_get(&name).await).is_ok() {
            self.up.delete_node(&name);
        }
    }

    /// Prints when each phase was over.
    pub fn print_phases(&self) {
        println!("{:<24} {:>8} {:>12} {:>8}  median s after init", "over", KINDS[0], KINDS[1], KINDS[2]);
        for phase in PHASES.into_iter().chain([READY]) {
            let [one, two, three] = KINDS.map(|kind| self.over(kind, phase));
            println!("{phase:<24} {one:>8.2} {two:>12.2} {three:>8.2}");
        }
    }

    /// From containerd to Ready, where nothing is between; the median.
    pub fn kubelet_s(&self) -> f64 {
        median(self.phases.borrow()[&("by hand", READY)].clone()) - self.over("by hand", "containerd.service")
    }

    /// When a phase was over, in seconds after init; the median.
    fn over(&self, kind: &'static str, phase: &'static str) -> f64 {
        median(self.phases.borrow()[&(kind, phase)].clone())
    }
}

/// Waits for the machine's init. The disk has been copied by then.
fn init(node: &Node) -> Instant {
    let until = Instant::now() + BOOT_LIMIT;
    while node.boot().unwrap().is_none() {
        assert!(Instant::now() < until, "no init");
        std::thread::sleep(Duration::from_millis(5));
    }
    Instant::now()
}

/// In seconds after init; 0: it was never reached.
pub fn active_after(node: &Node, unit: &str) -> f64 {
    let microseconds = |unit, name| node.property(unit, name).unwrap().parse::<u64>().unwrap_or(0);
    let begun = microseconds(None, "UserspaceTimestampMonotonic");
    microseconds(Some(unit), "ActiveEnterTimestampMonotonic").saturating_sub(begun) as f64 / 1e6
}
