// SPDX-License-Identifier: Apache-2.0
//! The order of a birth, driven through a world of plain values: each step does what it says, or fails as told.

use std::collections::BTreeMap;

use super::*;
use crate::firstboot::claim::{self, Claim, Listing, State};
use crate::firstboot::observed::{Certificate, Disk, Node, NodeSeen, Request, Server};
use crate::firstboot::outcome::Outcome;
use crate::firstboot::reason::Fault;
use crate::ipam::{self, Ranges};
use crate::settings::Addressing;

fn settings() -> Settings {
    let text = r#"
version: 1
image: lab
cluster:
  pods: [10.2.1.0/24]
  services: [10.3.0.0/16]
  hosts: [10.0.0.0/24]
  block-prefix: 26
"#;
    let text = text.replace("block-prefix", "block_prefix");
    let more = "  nodes_max: 4\n  surge: 0\n  pods_max: 61\n";
    serde_yaml::from_str(&format!("{text}{more}")).unwrap()
}

/// A claim in the world: owner's UID and data.
type Stored = (String, BTreeMap<String, String>);

/// A server and one machine, as values.
#[derive(Clone)]
struct World {
    want: Settings,
    seen: Observed,
    node: Option<NodeSeen>,
    claims: BTreeMap<u32, Stored>,
    version: Version,
    done: Vec<&'static str>,
    births: u32,
}

impl World {
    fn new() -> Self {
        let mut seen = Observed::default();
        seen.machine.hostname = "w".to_owned();
        seen.machine.instance_id = Some("i-1".to_owned());
        seen.machine.sources = vec!["10.0.0.4".parse().unwrap()];
        (seen.machine.has_token, seen.machine.has_uplink) = (true, true);
        seen.machine.chance = 7;
        seen.disk = Disk {
            credential: vec!["ca.crt".to_owned(), "kubelet.conf".to_owned()],
            token_file: Some("token".to_owned()),
            files: vec!["kubelet.yaml".to_owned()],
            last: Some("conflist".to_owned()),
            ..Disk::default()
        };
        let (claims, version) = (BTreeMap::new(), Version::Fits);
        Self { want: settings(), seen, node: None, claims, version, done: Vec::new(), births: 0 }
    }

    fn pool(&self) -> Ranges {
        Ranges::of(&self.want.cluster).unwrap()
    }

    fn identity(&self) -> Identity {
        match &self.seen.disk.identity {
            Found::Is(identity) => identity.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// Does one step and returns what it came to.
    fn apply(&mut self, step: &Step) -> Outcome {
        let disk = &mut self.seen.disk;
        match step {
            Step::RecordIdentity(identity) => disk.identity = Found::Is(identity.clone()),
            Step::MakeKey => disk.key = Found::Is("csr".to_owned()),
            Step::SendRequest => return Outcome::Request(Request::Pending),
            Step::ReadRequest => return Outcome::Request(Request::Pending),
            Step::AwaitRequest => return Outcome::Request(Request::Issued("pem".to_owned())),
            Step::StoreCertificate => {
                disk.certificate = Certificate::Stored("dated".to_owned());
                disk.store.push("dated".to_owned());
            }
            Step::LinkCertificate(_) => {
                disk.certificate = Certificate::Current;
                disk.store.insert(0, "current".to_owned());
            }
            Step::Remove(path) => match path.as_str() {
                KEY => disk.key = Found::Missing,
                "token" => disk.token_file = None,
                other => disk.store.retain(|stored| stored != other),
            },
            Step::Write(path) => {
                disk.credential.retain(|missing| missing != path);
                disk.files.retain(|missing| missing != path);
                disk.last = disk.last.take().filter(|missing| missing != path);
            }
            Step::Record(record) => disk.claim = Found::Is(record.clone()),
            Step::Repair(what) => self.seen.machine.stale.retain(|stale| stale != what),
            step => return self.answer(step),
        }
        Outcome::Changed
    }

    fn answer(&mut self, step: &Step) -> Outcome {
        match step {
            Step::CreateNode if self.node.is_some() => Outcome::Node(Node::Exists),
            Step::CreateNode => {
                self.births += 1;
                let node = NodeSeen {
                    uid: format!("uid-{}", self.births),
                    instance: Some(self.identity().instance_id),
                    ..NodeSeen::default()
                };
                self.node = Some(node.clone());
                Outcome::Node(Node::Seen(NodeSeen { is_new: true, ..node }))
            }
            Step::ReadNode => Outcome::Node(self.node.clone().map_or(Node::Absent, Node::Seen)),
            Step::ReadPool => Outcome::Pool(self.pool()),
            Step::CreateClaim(record) => {
                let index = record.index.unwrap();
                if self.claims.contains_key(&index) {
                    return Outcome::Claim(Claim::Exists);
                }
                let data = claim::data(record, &self.identity());
                self.claims.insert(index, (record.node_uid.clone(), data));
                Outcome::Claim(Claim::Mine)
            }
            Step::ReadClaim(record) => match self.claims.get(&record.index.unwrap()) {
                None => Outcome::Claim(Claim::Absent),
                Some((owner, data)) => {
                    Outcome::Claim(claim::judge(record, &self.identity(), &[owner.as_str()], data))
                }
            },
            Step::ListClaims { node_uid } => {
                let names: Vec<(String, &str)> = self
                    .claims
                    .iter()
                    .map(|(index, (owner, _))| (ipam::claim_name(*index), owner.as_str()))
                    .collect();
                let objects = names.iter().map(|(name, owner)| (name.as_str(), vec![*owner]));
                Outcome::Listing(Listing::of(objects, node_uid))
            }
            Step::Publish { node_uid, blocks } => match &mut self.node {
                Some(node) if node.uid == *node_uid && node.pod_cidrs.is_empty() => {
                    node.pod_cidrs = blocks.iter().map(ToString::to_string).collect();
                    Outcome::Published
                }
                _ => Outcome::Refused("may not change".to_owned()),
            },
            Step::AskVersion => Outcome::Version(self.version.clone()),
            Step::Report => Outcome::Reported,
            other => panic!("{other:?}"),
        }
    }

    /// Turns until nothing is to be done, for at most 60 turns.
    fn run(&mut self) -> Next {
        for _ in 0..60 {
            match next(&self.want, &self.seen) {
                Next::Do(step) => {
                    self.done.push(step.word());
                    let outcome = self.apply(&step);
                    self.seen.learn(&step, outcome);
                }
                end => return end,
            }
        }
        panic!("does not end: {:?}", self.done);
    }

    /// A power cut: what the server said is forgotten, and the report with it.
    fn restart(&mut self) {
        self.seen.server = Server::default();
        self.seen.trouble = None;
        self.done.clear();
        self.seen.machine.chance += 1;
    }

    fn held(&self) -> u32 {
        match &self.seen.disk.claim {
            Found::Is(record) if record.state == State::Held => record.index.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn take(&mut self, indices: impl IntoIterator<Item = u32>) {
        for index in indices {
            self.claims.insert(index, ("another".to_owned(), [("node".to_owned(), "x".to_owned())].into()));
        }
    }
}

#[test]
fn a_birth_has_this_order() {
    let mut world = World::new();
    world.seen.machine.stale = vec!["cni0".to_owned()];
    assert_eq!(world.run(), Next::Done);
    let expected = [
        "identity",
        "key",
        "csr-create",
        "file",
        "file",
        "csr-await",
        "certificate",
        "certificate-link",
        "remove",
        "remove",
        "node-create",
        "pool-read",
        "claim-intend",
        "claim-create",
        "podcidrs",
        "claim-record",
        "file",
        "repair",
        "version",
        "file",
        "report",
    ];
    assert_eq!(world.done, expected);
    // From the request to podCIDRs: create, watch, Node, pool, claim, podCIDRs.
    world.restart();
    assert_eq!(world.run(), Next::Done);
    assert_eq!(world.done, ["claim-read"], "a warm boot asks once and writes nothing");
}

#[test]
fn a_server_that_lacks_what_kiln_relies_on_gets_no_ready_node() {
    let mut world = World::new();
    world.version = Version::TooOld("v1.29.1: too old".to_owned());
    let stuck = Next::Stuck(Reason::TooOld("v1.29.1: too old".to_owned()));
    assert_eq!(world.run(), stuck);
    assert_eq!(world.seen.disk.last.as_deref(), Some("conflist"), "the node does not turn ready");
    world.restart();
    assert_eq!(world.run(), stuck, "neither at the next try");
    for version in [Version::Untold, Version::Untried("v1.99.0".to_owned())] {
        world.version = version;
        world.restart();
        assert_eq!(world.run(), Next::Done, "{:?}", world.version);
        world.seen.disk.last = Some("conflist".to_owned());
    }
    world.want.role = Role::ControlPlane;
    world.restart();
    assert_eq!(world.run(), Next::Done);
    assert!(!world.done.contains(&"version"), "it has asked itself: {:?}", world.done);
}

#[test]
fn what_is_asked_ahead_is_what_is_asked_when_all_changes_are_done() {
    let mut world = World::new();
    let mut ahead = Vec::new();
    let mut last: Option<Step> = None;
    while let Next::Do(step) = next(&world.want, &world.seen) {
        let asked = super::ahead(&world.want, &world.seen).filter(|_| step.is_change());
        if step.is_change() {
            assert!(last.is_none() || asked == last, "{step}: {asked:?} and not {last:?}");
            last = asked;
        } else if let Some(asked) = last.take() {
            assert_eq!(asked, step);
            ahead.push(step.word());
        }
        let outcome = world.apply(&step);
        world.seen.learn(&step, outcome);
    }
    // Nothing that names a claim goes ahead of the disk.
    assert_eq!(ahead, ["csr-await", "node-create", "version"]);
    // A warm boot knows from its records alone what to ask.
    world.restart();
    world.seen.disk.certificate = Certificate::Missing;
    let Found::Is(record) = world.seen.disk.claim.clone() else { panic!() };
    assert_eq!(super::ahead(&world.want, &world.seen), Some(Step::ReadClaim(record)));
    world.seen.machine.instance_id = Some("i-2".to_owned());
    assert_eq!(super::ahead(&world.want, &world.seen), None, "a cloned disk asks nothing");
}

#[test]
fn a_birth_that_is_cut_anywhere_ends_with_one_claim() {
    let mut whole = World::new();
    whole.run();
    for cut in 0..whole.done.len() {
        for has_happened in [false, true] {
            let mut world = World::new();
            for _ in 0..cut {
                let Next::Do(step) = next(&world.want, &world.seen) else { panic!() };
                let outcome = world.apply(&step);
                world.seen.learn(&step, outcome);
            }
            let Next::Do(step) = next(&world.want, &world.seen) else { panic!() };
            if has_happened {
                world.apply(&step);
            }
            world.restart();
            assert_eq!(world.run(), Next::Done, "cut at {cut}, {has_happened}");
            assert_eq!((world.claims.len(), world.births), (1, 1), "cut at {cut}, {has_happened}");
            world.restart();
            world.run();
            assert_eq!(world.done, ["claim-read"], "cut at {cut}, {has_happened}");
        }
    }
}

#[test]
fn an_unanswered_create_is_repeated_under_its_name() {
    let mut world = World::new();
    loop {
        let Next::Do(step) = next(&world.want, &world.seen) else { panic!() };
        let outcome = world.apply(&step);
        if matches!(step, Step::CreateClaim(_)) {
            let trouble = Reason::from(Fault::Unanswered("cut".to_owned()));
            world.seen.learn(&step, Outcome::Trouble(trouble.clone()));
            assert_eq!(next(&world.want, &world.seen), Next::Wait(trouble));
            world.seen.rest();
            assert_eq!(next(&world.want, &world.seen), Next::Do(step));
            break;
        }
        world.seen.learn(&step, outcome);
    }
    assert_eq!(world.run(), Next::Done);
    assert_eq!(world.claims.len(), 1);
}

#[test]
fn the_last_free_block_is_found_and_a_full_pool_is_told() {
    for free in 0..4 {
        let mut world = World::new();
        world.take((0..4).filter(|index| *index != free));
        assert_eq!(world.run(), Next::Done);
        assert_eq!(world.held(), free);
    }
    let mut world = World::new();
    world.take(0..4);
    assert_eq!(world.run(), Next::Stuck(Reason::Exhausted { used: 4, total: 4 }));
}

#[test]
fn a_reserved_block_is_not_asked_for() {
    let mut world = World::new();
    world.want.cluster.reserved = vec![0, 1, 3];
    assert_eq!(world.run(), Next::Done);
    assert_eq!(world.held(), 2);
}

#[test]
fn a_second_allocator_stops_the_boot() {
    let mut world = World::new();
    while world.node.is_none() {
        let Next::Do(step) = next(&world.want, &world.seen) else { panic!() };
        let outcome = world.apply(&step);
        world.seen.learn(&step, outcome);
    }
    world.node.as_mut().unwrap().pod_cidrs = vec!["10.2.9.0/24".to_owned()];
    let Next::Stuck(reason) = world.run() else { panic!() };
    assert!(
        matches!(&reason, Reason::SecondAllocator { found, ours: Some(_), .. } if found == "10.2.9.0/24")
    );
    assert_eq!(reason.exit(), crate::exit::Exit::Config);
}

#[test]
fn a_name_that_is_held_leaves_no_credential() {
    let mut world = World::new();
    let other = NodeSeen { uid: "u".to_owned(), instance: Some("i-2".to_owned()), ..NodeSeen::default() };
    world.node = Some(other);
    let Next::Stuck(reason) = world.run() else { panic!() };
    assert!(matches!(&reason, Reason::NameHeld { by, .. } if by == "instance i-2"), "{reason}");
    assert!(world.seen.disk.store.is_empty() && world.seen.disk.key == Found::Missing);
    assert!(world.claims.is_empty());
}

#[test]
fn a_cloned_disk_is_stopped_before_anything_else() {
    let mut world = World::new();
    world.run();
    world.restart();
    world.seen.machine.instance_id = Some("i-2".to_owned());
    assert!(matches!(world.run(), Next::Stuck(Reason::Cloned { .. })));
    assert!(world.done.is_empty());
}

#[test]
fn a_held_claim_survives_an_unreachable_server_and_nothing_else_does() {
    let down = Reason::from(Fault::Unreachable("refused".to_owned()));
    let mut world = World::new();
    world.run();
    world.restart();
    let Next::Do(step @ Step::ReadClaim(_)) = next(&world.want, &world.seen) else { panic!() };
    world.seen.learn(&step, Outcome::Trouble(down.clone()));
    assert_eq!(next(&world.want, &world.seen), Next::Wait(down.clone()));
    world.seen.is_patience_over = true;
    assert_eq!(next(&world.want, &world.seen), Next::Done);
    let mut unborn = World::new();
    unborn.seen.trouble = Some(down.clone());
    unborn.seen.is_patience_over = true;
    unborn.seen.disk.identity = Found::Is(world.identity());
    assert_eq!(next(&unborn.want, &unborn.seen), Next::Wait(down));
}

#[test]
fn a_lost_claim_is_made_anew_only_while_no_bridge_is_up() {
    let mut world = World::new();
    world.run();
    let first = world.held();
    // The Node is deleted, and its claim collected.
    world.node = None;
    world.claims.clear();
    world.restart();
    world.seen.machine.may_run_pods = true;
    assert!(matches!(world.run(), Next::Stuck(Reason::Lost { .. })));
    world.restart();
    world.seen.machine.may_run_pods = false;
    assert_eq!(world.run(), Next::Done);
    assert_eq!((world.held(), world.births), (first, 2), "the freed index is asked for first");
    // The claim alone is gone, the Node stands with its podCIDRs, and another has taken the block.
    world.claims.clear();
    world.take([first]);
    world.restart();
    assert!(matches!(world.run(), Next::Stuck(Reason::Taken { .. })));
}

#[test]
fn a_claim_of_another_installation_is_never_added_to() {
    let mut world = World::new();
    world.run();
    let mut fresh = World::new();
    (fresh.node, fresh.claims) = (world.node.clone(), world.claims.clone());
    fresh.node.as_mut().unwrap().pod_cidrs.clear();
    fresh.seen.machine.chance = 99;
    assert!(matches!(fresh.run(), Next::Stuck(Reason::Twin { .. })));
    assert_eq!(fresh.claims.len(), 1);
}

#[test]
fn static_and_derived_indices_are_claimed_too() {
    for (addressing, node_index, expected) in
        [(Addressing::Static, Some(3), 3), (Addressing::Derived, None, 4)]
    {
        let mut world = World::new();
        world.want.cluster.addressing = addressing;
        world.want.node.index = node_index;
        if addressing == Addressing::Derived {
            world.want.cluster.pods = vec!["10.2.0.0/23".parse().unwrap()];
        }
        assert_eq!(world.run(), Next::Done);
        assert_eq!(world.held(), expected);
        let mut late = World::new();
        late.want = world.want.clone();
        late.take([expected]);
        assert!(matches!(late.run(), Next::Stuck(Reason::Taken { .. })));
    }
    let mut world = World::new();
    world.want.cluster.addressing = Addressing::Static;
    assert!(matches!(world.run(), Next::Stuck(Reason::NoIndex { .. })));
}

#[test]
fn in_kcm_mode_the_block_is_adopted_and_nothing_claimed() {
    let mut world = World::new();
    world.want.cluster.addressing = Addressing::Kcm;
    assert_eq!(world.run(), Next::Wait(Reason::NoBlock("w".to_owned())));
    world.node.as_mut().unwrap().pod_cidrs = vec!["10.2.1.64/26".to_owned()];
    world.seen.rest();
    assert_eq!(world.run(), Next::Done);
    assert!(world.claims.is_empty());
    world.restart();
    assert_eq!(world.run(), Next::Done);
    assert_eq!(world.done, ["node-read"]);
}

#[test]
fn a_pool_of_another_cluster_is_refused() {
    let mut world = World::new();
    world.seen.server.pool = Some(world.pool());
    world.want.cluster.block_prefix = Some(27);
    let Next::Stuck(reason) = world.run() else { panic!() };
    let text = reason.to_string();
    assert!(
        text.starts_with("the cluster's pool is 10.2.1.0/24 in /26, the settings say 10.2.1.0/24 in /27"),
        "{text}"
    );
}

#[test]
fn without_a_token_nothing_is_begun_and_an_expired_certificate_needs_one() {
    let mut world = World::new();
    world.seen.machine.has_token = false;
    assert_eq!(world.run(), Next::Stuck(Reason::NoToken));
    assert_eq!(world.done, ["identity"]);
    let mut world = World::new();
    world.run();
    world.restart();
    world.seen.disk.certificate = Certificate::Expired { since_s: 60 };
    world.seen.machine.has_token = false;
    world.seen.server.skew_s = Some(0);
    assert_eq!(world.run(), Next::Stuck(Reason::Expired));
}

#[test]
fn a_token_that_is_none_matters_only_where_one_is_needed() {
    let mut world = World::new();
    (world.seen.machine.has_token, world.seen.machine.bad_token) = (false, Some("x".to_owned()));
    assert_eq!(world.run(), Next::Stuck(Reason::BadToken("x".to_owned())));
    world.seen.machine.has_token = true;
    assert_eq!(world.run(), Next::Done);
    world.restart();
    world.seen.machine.has_token = false;
    assert_eq!(world.run(), Next::Done, "a node that has its certificate needs none");
    assert_eq!(verify(&world.want, &world.seen), Next::Done);
}

#[test]
fn a_clock_that_is_wrong_costs_no_credential() {
    let born = || {
        let mut world = World::new();
        world.run();
        world.restart();
        world.seen.disk.store = vec!["current".to_owned()];
        world
    };
    let mut world = born();
    world.seen.disk.certificate = Certificate::Expired { since_s: 3600 };
    let Next::Do(step @ Step::ReadClock) = next(&world.want, &world.seen) else { panic!() };
    // The server says that the hour has not passed: this machine is ahead.
    for (skew_s, is_believed) in [(-7200, false), (-3600, false), (-3599, true), (0, true), (86_400, true)] {
        let mut seen = world.seen.clone();
        seen.learn(&step, Outcome::Clock(skew_s));
        match next(&world.want, &seen) {
            Next::Do(Step::Remove(path)) => assert!(is_believed && path == "current", "{skew_s}"),
            Next::Stuck(reason @ Reason::Fault(Fault::Clock(_))) => {
                assert!(!is_believed, "{skew_s}: {reason}");
                assert_eq!(reason.exit(), crate::exit::Exit::TryAgain);
            }
            other => panic!("{other:?}"),
        }
    }
    // Nobody tells the time: neither is anything removed.
    world.seen.learn(&step, Outcome::Trouble(Fault::Unreachable(String::new()).into()));
    assert!(matches!(next(&world.want, &world.seen), Next::Wait(_)));
    world.seen.is_patience_over = true;
    assert!(
        matches!(next(&world.want, &world.seen), Next::Stuck(reason) if reason.exit() == crate::exit::Exit::TryAgain)
    );
    let mut world = born();
    world.seen.disk.certificate = Certificate::Early("is not valid yet".to_owned());
    assert!(
        matches!(next(&world.want, &world.seen), Next::Stuck(reason) if reason.exit() == crate::exit::Exit::TryAgain)
    );
}

#[test]
fn verify_judges_and_never_repairs() {
    let mut world = World::new();
    assert_eq!(verify(&world.want, &world.seen), Next::Stuck(Reason::NoClaim), "not even who it is");
    world.seen.disk.identity = Found::Is(identity::decide(&world.want.node, &world.seen.machine).unwrap());
    assert_eq!(verify(&world.want, &world.seen), Next::Stuck(Reason::NoClaim));
    world.run();
    world.restart();
    world.seen.machine.may_run_pods = true;
    // Whatever else is missing is not its business.
    world.seen.disk.files = vec!["kubelet.yaml".to_owned()];
    let Next::Do(step @ Step::ReadClaim(_)) = verify(&world.want, &world.seen) else { panic!() };
    for (answer, is_lost) in
        [(Claim::Mine, false), (Claim::Absent, true), (Claim::Other("x".to_owned()), true)]
    {
        let mut seen = world.seen.clone();
        seen.learn(&step, Outcome::Claim(answer));
        match verify(&world.want, &seen) {
            Next::Done => assert!(!is_lost),
            Next::Stuck(Reason::Lost { .. }) => assert!(is_lost),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_claim_counts_only_for_the_node_that_it_was_made_for() {
    let mut world = World::new();
    while world.done.last() != Some(&"claim-create") {
        let Next::Do(step) = next(&world.want, &world.seen) else { panic!() };
        world.done.push(step.word());
        let outcome = world.apply(&step);
        world.seen.learn(&step, outcome);
    }
    // Deleted before its podCIDRs are set; the claim is not collected yet.
    world.node = None;
    assert_eq!(world.run(), Next::Done);
    assert_eq!(world.claims[&world.held()].0, world.node.as_ref().unwrap().uid);
}

#[test]
fn the_only_block_is_waited_for_while_an_earlier_node_of_this_name_has_it() {
    let mut world = World::new();
    world.want.cluster.addressing = Addressing::Static;
    world.want.node.index = Some(2);
    world.claims.insert(2, ("earlier".to_owned(), [("node".to_owned(), "w".to_owned())].into()));
    assert_eq!(world.run(), Next::Wait(Reason::Former { index: 2 }));
    world.claims.clear();
    world.seen.rest();
    assert_eq!(world.run(), Next::Done);
}
