// SPDX-License-Identifier: Apache-2.0
//! One machine's own state: its disk, what this run has learnt, which program runs, and whether pods run.
//!
//! A change is one step here: `host::files` syncs a file before it is renamed, so that a power cut shows the old file or
//! the new one. Which of them is open until the folder is synced, and a run syncs folders for many changes at once
//! (`run::settle_for`): until then a power cut may undo the last of them, as many as it likes, whatever servers have been
//! told meanwhile. (It may also undo one and leave a later one in another folder: a journalling filesystem does not, and
//! no two changes that are settled together lean on each other.)

use super::super::claim::{Record, State};
use super::super::identity::Identity;
use super::super::machine::Machine;
use super::super::next::KEY;
use super::super::observed::{Certificate, Disk, Found, Node, Observed, Server};
use super::super::outcome::Outcome;
use super::super::reason::Reason;
use super::super::step::Step;
use super::server::number;
use crate::ipam::Ranges;

/// Which program runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// `kiln-firstboot run`, at boot.
    Run,
    /// `kiln-firstboot verify`, before kubelet starts or by the timer.
    Verify,
    /// The repair, which judges first.
    Judge,
    /// The repair's run, after the teardown.
    Repair,
    /// None: kubelet runs.
    Up,
    /// None: the last run ended for this reason.
    Stopped(Reason),
}

/// One machine's own state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Local {
    pub(super) phase: Phase,
    pub(super) seen: Observed,
    /// The block that pods run on.
    pub(super) pods: Option<u8>,
    /// The blocks that the files, and the last file, are rendered for.
    rendered: [Option<u8>; 2],
    /// What a power cut may show instead: the disk before each change whose name is not yet durable, the oldest first.
    undone: Vec<Undone>,
    /// Whether one of those changes gave a name.
    gave: bool,
}

/// A disk as it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Undone {
    disk: Disk,
    rendered: [Option<u8>; 2],
}

/// Where the model's network files are.
const FILES: [&str; 2] = ["kubelet.yaml", "conflist"];

impl Local {
    /// Returns a machine that was never booted.
    pub(super) fn fresh() -> Self {
        let machine = Machine {
            hostname: "w".to_owned(),
            instance_id: Some("i-1".to_owned()),
            hardware_ids: vec!["hw".to_owned()],
            sources: vec!["10.0.0.1".parse().expect("an address")],
            has_uplink: true,
            has_token: true,
            chance: 7,
            ..Machine::default()
        };
        let disk = Disk {
            credential: vec!["ca.crt".to_owned(), "kubelet.conf".to_owned()],
            token_file: Some("token".to_owned()),
            ..Disk::default()
        };
        let seen = Observed { machine, disk, ..Observed::default() };
        Self { phase: Phase::Run, seen, pods: None, rendered: [None; 2], undone: Vec::new(), gave: false }
    }

    /// Returns a machine that has its certificate: what comes before meets no other machine.
    pub(super) fn certified() -> Self {
        let mut local = Self::fresh();
        let identity = Identity {
            name: "w".to_owned(),
            addresses: local.seen.machine.sources.clone(),
            provider_id: None,
            instance_id: "i-1".to_owned(),
        };
        local.seen.machine.has_token = false;
        local.seen.disk =
            Disk { identity: Found::Is(identity), certificate: Certificate::Current, ..Disk::default() };
        local
    }

    /// Returns the record of the claim.
    pub(super) fn record(&self) -> Option<&Record> {
        if let Found::Is(record) = &self.seen.disk.claim { Some(record) } else { None }
    }

    /// Returns the recorded block.
    pub(super) fn block(&self, pool: &Ranges) -> Option<u8> {
        let index = pool.pools()[0].index_of(*self.record()?.blocks.first()?)?;
        u8::try_from(index).ok()
    }

    /// Returns the UID of the Node that the machine holds its block by.
    pub(super) fn held_by(&self) -> Option<u8> {
        self.record().filter(|record| record.state == State::Held).map(|record| number(&record.node_uid))
    }

    /// Returns whether disk or memory names a UID.
    pub(super) fn names(&self, uid: u8) -> bool {
        let is_recorded = self.record().is_some_and(|record| number(&record.node_uid) == uid);
        is_recorded || matches!(&self.seen.server.node, Node::Seen(node) if number(&node.uid) == uid)
    }

    /// Begins a program: it knows nothing of the server, and looks at the machine. The one before it has settled.
    pub(super) fn begin(&mut self, phase: Phase, pool: &Ranges) {
        self.settle();
        self.seen.server = Server::default();
        self.seen.trouble = None;
        self.seen.is_patience_over = false;
        // A provisioner's file is where the token is; once it is removed there is none.
        self.seen.machine.has_token = self.seen.disk.token_file.is_some();
        self.seen.machine.may_run_pods = matches!(phase, Phase::Verify | Phase::Judge);
        self.phase = phase;
        self.look(pool);
    }

    /// Returns how many changes a power cut may undo.
    pub(super) fn unsettled(&self) -> usize {
        self.undone.len()
    }

    /// Makes all names durable.
    pub(super) fn settle(&mut self) {
        self.undone.clear();
        self.gave = false;
    }

    /// A power cut that undoes the last `changes`, and the next boot.
    pub(super) fn crash(&mut self, changes: usize, pool: &Ranges) {
        if let Some(at) = self.undone.len().checked_sub(changes)
            && let Some(Undone { disk, rendered }) = self.undone.get(at).cloned()
        {
            (self.seen.disk, self.rendered) = (disk, rendered);
        }
        self.pods = None;
        self.begin(Phase::Run, pool);
    }

    /// What `repair::teardown` does to pods, their bridge, and the file that turns the node ready.
    pub(super) fn teardown(&mut self, pool: &Ranges) {
        self.pods = None;
        self.rendered[1] = None;
        self.begin(Phase::Repair, pool);
    }

    /// Looks at the disk and the links, as `look` does: files are judged by the recorded block.
    pub(super) fn look(&mut self, pool: &Ranges) {
        let block = self.block(pool);
        let missing =
            |at: usize| (block.is_some() && self.rendered[at] != block).then(|| FILES[at].to_owned());
        self.seen.disk.files = missing(0).into_iter().collect();
        self.seen.disk.last = missing(1);
        self.seen.machine.may_run_pods |= self.pods.is_some();
    }

    /// Does a change, and looks again.
    pub(super) fn change(&mut self, step: &Step, pool: &Ranges) {
        // `Root::remove` does so where names were given.
        if step.rests_on_disk() || (matches!(step, Step::Remove(_)) && self.gave) {
            self.settle();
        }
        self.gave |= !matches!(step, Step::Remove(_));
        self.undone.push(Undone { disk: self.seen.disk.clone(), rendered: self.rendered });
        let block = self.block(pool);
        let disk = &mut self.seen.disk;
        match step {
            Step::RecordIdentity(identity) => disk.identity = Found::Is(identity.clone()),
            Step::MakeKey => disk.key = Found::Is("csr".to_owned()),
            Step::StoreCertificate => {
                disk.certificate = Certificate::Stored("dated".to_owned());
                disk.store = vec!["dated".to_owned()];
            }
            Step::LinkCertificate(_) => {
                disk.certificate = Certificate::Current;
                disk.store.insert(0, "current".to_owned());
            }
            Step::Remove(path) if path == KEY => disk.key = Found::Missing,
            Step::Remove(path) if path == "token" => disk.token_file = None,
            Step::Record(record) => disk.claim = Found::Is(record.clone()),
            Step::Write(path) => match FILES.iter().position(|file| file == path) {
                Some(at) => self.rendered[at] = block,
                None => disk.credential.retain(|missing| missing != path),
            },
            step => panic!("no change that is foreseen: {step}"),
        }
        self.seen.learn(step, Outcome::Changed);
        self.look(pool);
    }

    /// Returns the machine after a program has ended: nothing is kept but the disk.
    pub(super) fn ended(&mut self, phase: Phase, pool: &Ranges) {
        self.begin(phase, pool);
        self.seen.machine.may_run_pods = false;
    }
}
