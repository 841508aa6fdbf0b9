use std::net::IpAddr;

use ipnet::IpNet;

use super::prune::plan;
use super::*;
use crate::audit::tests::{NOW_S, YOUNG, both, ranges, sound};
use crate::cloud::{Attached, InstanceState, Tags};
use crate::route::Route;
use crate::settings::Addressing;

const TABLE: &str = "rtb-a";

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn wanted() -> Wanted {
    let network = Network { has_routes: true, subnets: vec!["subnet-a".to_owned(), "subnet-b".to_owned()] };
    Wanted { name: "demo".to_owned(), image: Image::Parameter("/kiln/node".to_owned()), network }
}

fn member(number: usize) -> Instance {
    Instance {
        id: format!("i-{number:08x}"),
        state: InstanceState::Running,
        reason: None,
        subnet: "subnet-a".to_owned(),
        image: "ami-new".to_owned(),
        tags: Tags::new(),
        attached: Attached {
            vpc: Some("vpc-1".to_owned()),
            interface: Some(format!("eni-{number}")),
            addresses: vec![address(number)],
            is_checked: false,
        },
        volumes: Vec::new(),
        started_s: NOW_S - 3600,
    }
}

fn address(number: usize) -> IpAddr {
    format!("10.0.0.{}", 10 + number).parse().unwrap()
}

fn route(destination: IpNet, target: &str) -> Route {
    let is_active = target != "eni-dead";
    Route { destination, target: target.to_owned(), is_active, is_propagated: false }
}

/// Two nodes on blocks 5 and 9, led to them in both families by the one table of both subnets.
fn seen() -> Seen {
    let mut listed = sound(&both(), &[5, 9]);
    let mut routes = vec![route(net("10.0.0.0/16"), "local"), route(net("0.0.0.0/0"), "igw-1")];
    for (number, node) in listed.nodes.iter_mut().enumerate() {
        node.provider_id = format!("aws:///eu-central-1a/i-{number:08x}");
        node.addresses = vec![address(number)];
        routes.extend(node.pod_cidrs.iter().map(|block| route(*block, &format!("eni-{number}"))));
    }
    let table = Table { id: TABLE.to_owned(), is_main: true, subnets: vec!["subnet-b".to_owned()], routes };
    Seen { members: vec![member(0), member(1)], tables: vec![table], listed }
}

/// What is said after one thing was changed.
fn said(change: impl Fn(&mut Seen)) -> Vec<String> {
    let mut seen = seen();
    change(&mut seen);
    fleet(&wanted(), &seen, Some("ami-new")).problems.iter().map(ToString::to_string).collect()
}

fn block(seen: &Seen, node: usize) -> IpNet {
    seen.listed.nodes[node].pod_cidrs[0]
}

fn led(seen: &mut Seen, to: IpNet) -> &mut Route {
    seen.tables[0].routes.iter_mut().find(|route| route.destination == to).unwrap()
}

#[test]
fn a_sound_fleet_has_a_row_for_each_and_nothing_disagrees() {
    let fleet = fleet(&wanted(), &seen(), Some("ami-new"));
    assert_eq!(
        fleet.to_string(),
        "\
instance    state    node  ready  block                             route  image
i-00000000  running  w0    yes    10.234.1.64/26,fd00:1:0:5::/64    led    ami-new
i-00000001  running  w1    yes    10.234.2.64/26,fd00:1:0:9::/64    led    ami-new

demo: 2 instances, 2 of its Nodes
nothing disagrees
"
        .replace("64    led", "64  led")
        .replace("block                             route", "block                           route")
    );
    assert!(routes(&wanted(), &seen()).is_sound());
}

#[test]
fn whatever_disagrees_is_told_in_these_words() {
    let one = |change: &dyn Fn(&mut Seen)| {
        let all = said(change);
        assert_eq!(all.len(), 1, "{all:#?}");
        all[0].clone()
    };
    assert_eq!(
        one(&|seen| {
            seen.listed.nodes.remove(1);
            seen.listed.maps.retain(|map| map.meta.name != "b-9");
        }),
        "instance i-00000001 has run for ten minutes and is no Node: see its console, or kiln-firstboot explain on it"
    );
    assert_eq!(
        one(&|seen| drop(seen.members.remove(1))),
        "Node w1: the cluster has no instance i-00000001; delete the Node, and its block is free"
    );
    assert_eq!(
        one(&|seen| {
            seen.members.remove(1);
            seen.listed.nodes[1].provider_id = "kind://x\n".to_owned();
        }),
        "Node w1 is no instance of the cluster: its providerID is \"kind://x\""
    );
    for (state, word) in [
        (InstanceState::Stopped, "stopped"),
        (InstanceState::Terminated, "terminated"),
        (InstanceState::Ending, "ending"),
    ] {
        assert_eq!(
            one(&|seen| seen.members[1].state = state),
            format!(
                "Node w1: its instance i-00000001 is {word}; if it does not come back, delete the Node, and its block is free"
            )
        );
    }
    assert_eq!(
        one(&|seen| {
            let mut twin = seen.listed.nodes[1].clone();
            (twin.meta.name, twin.meta.uid, twin.pod_cidrs) =
                ("w7".to_owned(), "uid-w7".to_owned(), Vec::new());
            seen.listed.nodes.push(twin);
        }),
        "instance i-00000001 is more than one Node: w1, w7; delete those that are not Ready"
    );
    assert_eq!(
        one(&|seen| seen.members[1].attached.addresses = vec!["10.0.0.99".parse().unwrap()]),
        "Node w1 says that its address is 10.0.0.11; its instance has 10.0.0.99"
    );
    assert_eq!(
        one(&|seen| seen.listed.maps.retain(|map| map.meta.name != "b-9")),
        "Node w1 holds no block, long after it was made: see kiln-firstboot explain on it"
    );
    assert_eq!(
        one(&|seen| {
            let block = block(seen, 1);
            seen.tables[0].routes.retain(|route| route.destination != block);
        }),
        "rtb-a has no route to 10.234.2.64/26 of Node w1: kiln-firstboot run on it makes one"
    );
    assert_eq!(
        one(&|seen| {
            let block = block(seen, 1);
            led(seen, block).target = "eni-0".to_owned();
        }),
        "rtb-a leads 10.234.2.64/26 of Node w1 to eni-0 instead of eni-1: kiln-firstboot run on it leads it there"
    );
    assert_eq!(
        one(&|seen| {
            let block = block(seen, 1);
            led(seen, block).is_active = false;
        }),
        "rtb-a leads 10.234.2.64/26 of Node w1 into a black hole: eni-1 is not there"
    );
    assert_eq!(
        one(&|seen| seen.tables[0].routes.push(route(net("10.234.2.96/27"), "vgw-1"))),
        "rtb-a leads 10.234.2.96/27 to vgw-1, out of the block 10.234.2.64/26 of Node w1: remove that route"
    );
    assert_eq!(
        one(&|seen| seen.tables[0].is_main = false),
        "subnet subnet-a has no route table, and its VPC shows no main one: is it of this VPC?"
    );
    assert_eq!(
        one(&|seen| seen.members[1].attached.is_checked = true),
        "instance i-00000001 drops its pods' packets: its source/destination check is on; kiln-firstboot run on it switches \
         it off"
    );
    assert_eq!(
        one(&|seen| seen.members[1].image = "ami-old".to_owned()),
        "instance i-00000001 is of ami-old instead of ami-new: replace it"
    );
    let without = fleet(&wanted(), &seen(), None).problems;
    assert_eq!(
        without.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["the parameter /kiln/node is not there, so nobody knows of which image instances should be"]
    );
}

#[test]
fn what_is_being_born_or_has_gone_properly_is_no_disagreement() {
    let born = said(|seen| {
        seen.listed.nodes.remove(1);
        seen.listed.maps.retain(|map| map.meta.name != "b-9");
        seen.members[1].started_s = NOW_S - 60;
    });
    assert_eq!(born, [""; 0]);
    let young = said(|seen| {
        let node = &mut seen.listed.nodes[1];
        (node.meta.creation_timestamp, node.is_ready) = (YOUNG.to_owned(), false);
        seen.tables[0].routes.retain(|route| route.target != "eni-1");
        seen.members[1].attached.is_checked = true;
    });
    assert_eq!(young, [""; 0]);
    let gone = said(|seen| {
        seen.listed.nodes.remove(1);
        seen.members[1].state = InstanceState::Terminated;
    });
    assert_eq!(gone, [""; 0]);
    let mut overlay = wanted();
    overlay.network.has_routes = false;
    let mut seen = seen();
    seen.tables.clear();
    seen.members[0].attached.is_checked = true;
    assert_eq!(fleet(&overlay, &seen, Some("ami-new")).problems, []);
}

/// The verdict on the one route into the pod range that a change makes or alters.
fn verdict(change: impl Fn(&mut Seen) -> IpNet) -> Verdict {
    let mut seen = seen();
    let to = change(&mut seen);
    let routes = routes(&wanted(), &seen);
    let row = routes.routes.iter().find(|row| row.destination == to);
    assert!(routes.routes.iter().all(|other| other.destination == to || other.verdict.is_sound()));
    row.unwrap().verdict
}

#[test]
fn routes_are_told_apart_by_their_claims() {
    let more = |destination: &'static str, target: &'static str| {
        verdict(move |seen| {
            seen.tables[0].routes.push(route(net(destination), target));
            net(destination)
        })
    };
    assert_eq!(more("10.234.2.128/26", "eni-dead"), Verdict::Unclaimed);
    assert_eq!(more("fd00:1:0:a::/64", "eni-dead"), Verdict::Unclaimed);
    assert_eq!(more("10.234.2.128/26", "eni-of-another-cluster"), Verdict::Others);
    assert_eq!(more("10.234.2.128/26", "eni-1"), Verdict::Unclaimed, "of a node of ours");
    assert_eq!(more("10.234.2.128/26", "vgw-1"), Verdict::Foreign);
    assert_eq!(more("10.234.2.128/27", "eni-dead"), Verdict::NoBlock);
    assert_eq!(more("10.234.0.0/20", "eni-dead"), Verdict::NoBlock);
    // Both families have 64 blocks in IPv4 alone: this one has no twin, and no claim can be on it.
    assert_eq!(more("fd00:1:0:40::/64", "eni-dead"), Verdict::NoBlock);
    assert_eq!(more("10.234.0.64/26", "eni-dead"), Verdict::Reserved);
    let propagated = verdict(|seen| {
        seen.tables[0].routes.push(Route { is_propagated: true, ..route(net("10.234.2.128/26"), "vgw-1") });
        net("10.234.2.128/26")
    });
    assert_eq!(propagated, Verdict::Announced);
    let changed = |change: &dyn Fn(&mut Route)| {
        verdict(|seen| {
            let block = block(seen, 1);
            change(led(seen, block));
            block
        })
    };
    assert_eq!(changed(&|route| route.is_active = false), Verdict::BlackHole);
    assert_eq!(changed(&|route| route.target = "eni-0".to_owned()), Verdict::Elsewhere);
    let mut seen = seen();
    seen.members[1].state = InstanceState::Terminated;
    let of_one = |seen: &Seen| routes(&wanted(), seen).routes.last().unwrap().verdict;
    assert_eq!(of_one(&seen), Verdict::Dead);
    seen.listed.nodes.remove(1);
    assert_eq!(of_one(&seen), Verdict::HolderGone);
    seen.listed.maps.retain(|map| map.meta.name != "b-9");
    assert_eq!(of_one(&seen), Verdict::Unclaimed);
}

#[test]
fn only_unclaimed_blocks_are_doomed_and_only_where_claims_say_so() {
    let mut found = seen();
    for (to, target) in [
        ("10.234.2.128/26", "eni-dead"),
        ("10.234.2.192/27", "eni-dead"),
        ("10.234.3.0/26", "vgw-1"),
        ("10.234.0.64/26", "eni-dead"),
        ("192.0.2.0/24", "eni-dead"),
    ] {
        found.tables[0].routes.push(route(net(to), target));
    }
    let doomed = |seen: &Seen| plan(&wanted(), seen, &routes(&wanted(), seen));
    let words: Vec<String> = doomed(&found).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(words, ["10.234.2.128/26 from rtb-a (leads to eni-dead, nobody claims b-10)"]);

    // Nothing says whose the claims are.
    for state in [InstanceState::Stopped, InstanceState::Terminated] {
        let mut none = found.clone();
        none.members.iter_mut().for_each(|member| member.state = state);
        assert!(doomed(&none).unwrap_err().to_string().starts_with("no instance of demo runs, so "));
    }
    // Another cluster's kubeconfig, whose pool is the same.
    let mut strange = found.clone();
    strange.listed.nodes.iter_mut().for_each(|node| node.provider_id.clear());
    assert_eq!(
        doomed(&strange).unwrap_err().to_string(),
        "none of the 2 running instances of demo is a Node of this kubeconfig's cluster: is it the one that was meant?"
    );
    let kcm = ranges(&["10.234.0.0/20", "fd00:1::/56"], Addressing::Kcm, &[1, 3]);
    let mut unclaimed = found.clone();
    let nodes = std::mem::take(&mut unclaimed.listed.nodes);
    unclaimed.listed = sound(&kcm, &[5, 9]);
    unclaimed.listed.nodes = nodes;
    assert_eq!(
        doomed(&unclaimed).unwrap_err().to_string(),
        "addressing is kcm: the cluster's own allocator sets blocks and nobody claims them, so nothing says whether a route \
         is still needed; remove it yourself"
    );
}
