// SPDX-License-Identifier: Apache-2.0
//! Which tables, and what is done to them, by examples; then the whole order, driven against a small EC2.

use super::*;
use crate::firstboot::claim::State;
use crate::firstboot::identity::Identity;
use crate::firstboot::next::{self, Next};
use crate::firstboot::observed::{Certificate, Version, Vpc};
use crate::firstboot::outcome::Outcome;
use crate::firstboot::vpc::{Attachment, tables_of};

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn route(destination: &str, target: &str) -> Route {
    let (destination, target) = (net(destination), target.to_owned());
    Route { destination, target, is_active: true, is_propagated: false }
}

fn table(id: &str, is_main: bool, subnets: &[&str], routes: &[Route]) -> Table {
    let subnets = subnets.iter().map(|subnet| (*subnet).to_owned()).collect();
    Table { id: id.to_owned(), is_main, subnets, routes: routes.to_vec() }
}

fn names(subnets: &[&str]) -> Vec<String> {
    subnets.iter().map(|subnet| (*subnet).to_owned()).collect()
}

#[test]
fn a_subnet_without_a_table_of_its_own_has_the_main_one() {
    let tables = [
        table("rtb-main", true, &["subnet-x"], &[]),
        table("rtb-a", false, &["subnet-a", "subnet-b"], &[]),
        table("rtb-other", false, &["subnet-o"], &[]),
    ];
    let chosen = |subnets: &[&str]| -> Vec<String> {
        let found = tables_of(&tables, &names(subnets), "vpc-1").unwrap();
        found.iter().map(|table| table.id.clone()).collect()
    };
    assert_eq!(chosen(&["subnet-a", "subnet-b"]), ["rtb-a"]);
    assert_eq!(chosen(&["subnet-a", "subnet-m"]), ["rtb-a", "rtb-main"]);
    assert_eq!(chosen(&["subnet-x", "subnet-m"]), ["rtb-main"]);
    let error = tables_of(&tables[1..], &names(&["subnet-m"]), "vpc-1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "subnet subnet-m has no route table in vpc-1, and vpc-1 shows no main table; are cloud.subnets of this VPC?"
    );
}

#[test]
fn only_the_blocks_own_routes_are_touched() {
    let blocks = [net("10.244.3.0/24"), net("fd00:244:0:3::/64")];
    let done = |routes: &[Route]| {
        let table = table("rtb-a", true, &[], routes);
        change(&[&table], &blocks, "eni-me").map(|step| step.map(|step| step.to_string()))
    };
    let ours = [route("10.244.3.0/24", "eni-me"), route("fd00:244:0:3::/64", "eni-me")];
    assert_eq!(done(&ours), Ok(None));
    let local = route("10.0.0.0/16", "local");
    assert_eq!(
        done(std::slice::from_ref(&local)),
        Ok(Some("lead 10.244.3.0/24 to eni-me in rtb-a".to_owned()))
    );
    // Both families.
    assert_eq!(
        done(&[local, ours[0].clone(), route("10.244.4.0/24", "eni-other")]),
        Ok(Some("lead fd00:244:0:3::/64 to eni-me in rtb-a".to_owned()))
    );
    let stale = |route| Ok(Some(format!("lead 10.244.3.0/24 to eni-me in rtb-a, where it led to {route}")));
    assert_eq!(done(&[route("10.244.3.0/24", "eni-dead")]), stale("eni-dead"));
    assert_eq!(done(&[Route { is_active: false, ..ours[0].clone() }]), stale("eni-me"));
    let announced = Route { is_propagated: true, ..route("10.244.3.0/24", "vgw-1") };
    assert_eq!(done(&[announced]), Ok(Some("lead 10.244.3.0/24 to eni-me in rtb-a".to_owned())));
    // A shorter prefix is somebody's default for all blocks; a longer one takes packets away.
    assert!(matches!(done(&[route("10.244.0.0/16", "tgw-1")]), Ok(Some(_))));
    let error = done(&[ours[0].clone(), route("10.244.3.128/25", "vgw-1")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "route table rtb-a leads 10.244.3.128/25 to vgw-1, which takes it out of this node's block 10.244.3.0/24; \
         remove that route, or reserve the block (cluster.reserved)"
    );
}

/// A VPC that answers late, or not at all, and a node that has its claim.
struct World {
    want: Settings,
    seen: Observed,
    tables: Vec<Table>,
    calls: Vec<String>,
}

impl World {
    fn new(tables: Vec<Table>) -> Self {
        let want: Settings = serde_yaml::from_str(
            "{version: 1, image: x, cluster: {pods: [10.244.0.0/16], services: [10.96.0.0/16], block_prefix: 24, \
             nodes_max: 9, surge: 0, pods_max: 110}, network: {fabric: none, routes: vpc}, \
             cloud: {platform: aws, subnets: [subnet-a, subnet-m]}}",
        )
        .unwrap();
        let mut seen = Observed::default();
        seen.machine.instance_id = Some("i-1".to_owned());
        seen.machine.has_uplink = true;
        let [interface, vpc, subnet] = ["eni-me", "vpc-1", "subnet-a"].map(str::to_owned);
        seen.machine.attachment = Some(Attachment { interface, vpc, subnet });
        seen.disk.identity = Found::Is(Identity {
            name: "i-1".to_owned(),
            addresses: Vec::new(),
            provider_id: None,
            instance_id: "i-1".to_owned(),
        });
        seen.disk.certificate = Certificate::Current;
        seen.disk.claim = Found::Is(Record {
            state: State::Held,
            pool: String::new(),
            index: Some(3),
            blocks: vec![net("10.244.3.0/24")],
            node_uid: "u".to_owned(),
            nonce: "n".to_owned(),
        });
        seen.disk.last = Some("conflist".to_owned());
        seen.server.claim = Some((3, Claim::Mine));
        seen.server.version = Version::Fits;
        Self { want, seen, tables, calls: Vec::new() }
    }

    /// Goes on until it is no step, and returns how it ended; `answer` may take a call's answer over.
    fn run(&mut self, mut answer: impl FnMut(&Step, &mut Vec<Table>) -> Option<Outcome>) -> Next {
        for _ in 0..50 {
            let step = match next::next(&self.want, &self.seen) {
                Next::Do(step) => step,
                end => return end,
            };
            self.calls.push(step.word().to_owned());
            let outcome = answer(&step, &mut self.tables).unwrap_or_else(|| self.apply(&step));
            self.seen.learn(&step, outcome);
        }
        panic!("no end: {:?}", self.calls);
    }

    fn apply(&mut self, step: &Step) -> Outcome {
        match step {
            Step::ReadRoutes(_) => return Outcome::Tables(self.tables.clone()),
            Step::SourceCheckOff(_) => return Outcome::Called,
            Step::CreateRoute { table, block, interface }
            | Step::ReplaceRoute { table, block, interface, .. } => {
                let found = self.tables.iter_mut().find(|found| found.id == *table).unwrap();
                found.routes.retain(|route| route.destination != *block);
                found.routes.push(route(&block.to_string(), interface));
                return Outcome::Called;
            }
            Step::RecordRoutes(routed) => self.seen.disk.routes = Found::Is(routed.clone()),
            Step::Write(_) => self.seen.disk.last = None,
            step => panic!("{step}"),
        }
        Outcome::Changed
    }
}

fn vpc() -> Vec<Table> {
    vec![table("rtb-main", true, &[], &[]), table("rtb-a", false, &["subnet-a"], &[])]
}

#[test]
fn tables_are_described_once_before_and_once_after_and_the_node_turns_ready_last() {
    let mut world = World::new(vpc());
    assert_eq!(world.run(|_, _| None), Next::Done);
    let expected = [
        "source-check",
        "routes-read",
        "route-create",
        "route-create",
        "routes-read",
        "routes-record",
        "file",
    ];
    assert_eq!(world.calls, expected);
    world.calls.clear();
    world.seen.vpc = Vpc::default();
    assert_eq!(world.run(|_, _| None), Next::Done);
    assert_eq!(world.calls, ["routes-read"], "a later boot looks once");
}

#[test]
fn another_describing_is_not_needed_where_nothing_was_written() {
    let ours = [route("10.244.3.0/24", "eni-me")];
    let mut world =
        World::new(vec![table("rtb-main", true, &[], &ours), table("rtb-a", false, &["subnet-a"], &ours)]);
    assert_eq!(world.run(|_, _| None), Next::Done);
    assert_eq!(world.calls, ["source-check", "routes-read", "routes-record", "file"]);
}

#[test]
fn what_exists_although_it_was_not_read_is_led_here() {
    let mut world = World::new(vpc());
    let mut is_first = true;
    let end = world.run(|step, _| match step {
        Step::CreateRoute { .. } if std::mem::take(&mut is_first) => Some(Outcome::RouteExists),
        _ => None,
    });
    assert_eq!(end, Next::Done);
    assert!(world.calls.contains(&"route-replace".to_owned()), "{:?}", world.calls);
}

#[test]
fn a_route_of_somebody_elses_is_not_taken_before_the_server_says_whose_the_block_is() {
    let stale = [route("10.244.3.0/24", "eni-dead")];
    let mut world = World::new(vec![table("rtb-main", true, &["subnet-a"], &stale)]);
    let trouble = Reason::Fault(crate::firstboot::reason::Fault::Unanswered("x".to_owned()));
    (world.seen.server.claim, world.seen.trouble, world.seen.is_patience_over) = (None, Some(trouble), true);
    let Next::Wait(reason) = world.run(|_, _| None) else { panic!() };
    assert_eq!(
        reason.to_string(),
        "route table rtb-main leads 10.244.3.0/24 to eni-dead, and no API server says now that the block is still this node's"
    );
}

#[test]
fn what_was_written_and_does_not_show_is_waited_for_and_not_written_again() {
    let mut world = World::new(vpc());
    let Next::Wait(reason) =
        world.run(|step, _| matches!(step, Step::ReadRoutes(_)).then(|| Outcome::Tables(vpc())))
    else {
        panic!()
    };
    assert_eq!(
        reason.to_string(),
        "route table rtb-a does not show the route to 10.244.3.0/24 yet, which was written"
    );
    world.seen.vpc.rest();
    world.calls.clear();
    assert_eq!(world.run(|_, _| None), Next::Done);
    assert_eq!(world.calls, ["routes-read", "routes-record", "file"]);
}

#[test]
fn a_birth_waits_for_ec2_and_a_later_boot_goes_on_without_it() {
    let throttled =
        || Fault::Throttled { call: "CreateRoute".to_owned(), code: "RequestLimitExceeded".to_owned() };
    let mut world = World::new(vpc());
    world.seen.is_patience_over = true;
    let end = world.run(|step, _| {
        matches!(step, Step::CreateRoute { .. }).then(|| Outcome::Trouble(throttled().into()))
    });
    assert_eq!(end, Next::Wait(throttled().into()));
    world.seen.vpc.rest();
    assert_eq!(world.run(|_, _| None), Next::Done);
    world.seen.vpc = Vpc { trouble: Some(throttled().into()), ..Vpc::default() };
    assert_eq!(world.run(|_, _| None), Next::Done, "its patience is over");
    world.seen.is_patience_over = false;
    assert_eq!(world.run(|_, _| None), Next::Wait(throttled().into()));
}

#[test]
fn each_fault_has_its_end() {
    use crate::exit::Exit;
    let [call, table, said] = ["CreateRoute", "rtb-1", "RouteLimitExceeded: 50"].map(str::to_owned);
    let quota = Reason::from(Fault::Quota { call: call.clone(), table, said });
    assert_eq!((quota.is_final(), quota.exit()), (true, Exit::TryAgain));
    let denied = Reason::from(Fault::Denied { call, said: "not you".to_owned() });
    assert_eq!((denied.is_final(), denied.exit(), denied.waits_max()), (false, Exit::TryAgain, 5));
    assert_eq!(
        denied.to_string(),
        "CreateRoute is not allowed: the instance's role lacks ec2:CreateRoute (not you); allow it in the role's policy"
    );
    assert_eq!(Reason::from(Fault::NoInstance).exit(), Exit::Config);
}
