use ipnet::IpNet;
use proptest::prelude::*;

use super::*;
use crate::cluster::{Meta, Owner};
use crate::ipam::{claim_name, family, mirror};
use crate::names::MIRROR;
use crate::settings::{Addressing, Cluster};

pub(crate) const NOW_S: u64 = 1_763_697_600;
const OLD: &str = "2025-11-20T04:00:00Z";
pub(crate) const YOUNG: &str = "2025-11-21T03:59:00Z";

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(crate) fn ranges(pods: &[&str], addressing: Addressing, reserved: &[u32]) -> Ranges {
    let cluster = Cluster {
        kubernetes: "v1.36.3".to_owned(),
        pods: pods.iter().map(|text| net(text)).collect(),
        services: Vec::new(),
        hosts: Vec::new(),
        block_prefix: Some(26),
        block_prefix_v6: Some(64),
        nodes_max: 1,
        surge: 0,
        pods_max: 10,
        domain: String::new(),
        addressing,
        reserved: reserved.to_vec(),
    };
    Ranges::of(&cluster).unwrap()
}

pub(crate) fn both() -> Ranges {
    ranges(&["10.234.0.0/20", "fd00:1::/56"], Addressing::Claim, &[1, 3])
}

fn node(name: &str, blocks: &[IpNet]) -> Node {
    let labels = mirror(blocks).map(|label| (MIRROR.to_owned(), label)).into_iter().collect();
    Node {
        meta: Meta {
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            creation_timestamp: OLD.to_owned(),
            labels,
            ..Meta::default()
        },
        pod_cidrs: blocks.to_vec(),
        provider_id: String::new(),
        taints: Vec::new(),
        hardware_ids: Vec::new(),
        addresses: vec!["192.0.2.7".parse().unwrap()],
        is_ready: true,
    }
}

fn claim(ranges: &Ranges, index: u32, node: &str) -> ConfigMap {
    let mut data: BTreeMap<String, String> = [("pool".to_owned(), ranges.hash())].into();
    for block in ranges.blocks(index).unwrap_or_default() {
        data.insert(family(&block).to_owned(), block.to_string());
    }
    let owner = Owner {
        kind: "Node".to_owned(),
        name: node.to_owned(),
        uid: format!("uid-{node}"),
        ..Owner::default()
    };
    let meta = Meta { name: claim_name(index), owner_references: vec![owner], ..Meta::default() };
    ConfigMap { meta, data, immutable: true }
}

/// A sound cluster: the holders of these indices are w0, w1 and so on.
pub(crate) fn sound(ranges: &Ranges, indices: &[u32]) -> Listed {
    let of = |(number, index): (usize, &u32)| (format!("w{number}"), *index);
    let all: Vec<(String, u32)> = indices.iter().enumerate().map(of).collect();
    let other = |name: &str| {
        let meta = Meta { name: name.to_owned(), ..Meta::default() };
        ConfigMap { meta, data: BTreeMap::new(), immutable: true }
    };
    let mut maps = vec![other("pool"), other("kube-root-ca.crt")];
    if ranges.addressing != Addressing::Kcm {
        maps.extend(all.iter().map(|(name, index)| claim(ranges, *index, name)));
    }
    let nodes = all.iter().map(|(name, index)| node(name, &ranges.blocks(*index).unwrap())).collect();
    Listed { ranges: ranges.clone(), maps, nodes, services: vec![net("10.96.0.0/16")], now_s: NOW_S }
}

/// What is said of a sound cluster of w0 on 5 and w1 on 9 after one thing was changed.
fn said(change: impl FnOnce(&mut Listed)) -> Vec<String> {
    let mut listed = sound(&both(), &[5, 9]);
    change(&mut listed);
    audit(&listed).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_sound_cluster_has_holders_and_nothing_wrong() {
    for addressing in [Addressing::Claim, Addressing::Static, Addressing::Derived, Addressing::Kcm] {
        for pods in [&["10.234.0.0/20"][..], &["fd00:1::/56"], &["10.234.0.0/20", "fd00:1::/56"]] {
            let ranges = ranges(pods, addressing, &[1, 3]);
            let found = audit(&sound(&ranges, &[5, 9]));
            assert_eq!(found.problems, [], "{addressing:?} {pods:?}");
            let holders: Vec<_> =
                found.holders.iter().map(|(index, holder)| (*index, &*holder.node)).collect();
            assert_eq!(holders, [(5, "w0"), (9, "w1")]);
            assert_eq!((found.held(), found.free()), (2, ranges.count() - 4));
        }
    }
}

#[test]
fn what_is_wrong_with_a_claim_is_said() {
    type Change = fn(&mut ConfigMap);
    let cases: [(Change, &[&str]); 9] = [
        (|claim| claim.immutable = false, &["claim b-5 is not immutable"]),
        (
            |claim| claim.meta.finalizers = vec!["a/b\u{1b}[2J".to_owned()],
            &["claim b-5 does not go with its Node: it waits for a/b [2J"],
        ),
        (
            |claim| drop(claim.data.insert("pool".to_owned(), "00".to_owned())),
            &["claim b-5 was made for another pool (\"00\")"],
        ),
        (|claim| drop(claim.data.remove("v6")), &["claim b-5: v6 is \"\" and should be \"fd00:1:0:5::/64\""]),
        (
            |claim| claim.meta.owner_references.clear(),
            &[
                "claim b-5 has no owner, so nothing ever frees the block: delete it if no node uses it",
                "Node w0 has podCIDRs 10.234.1.64/26, fd00:1:0:5::/64 and no claim: another node may be given that block",
            ],
        ),
        (
            |claim| {
                claim.meta.owner_references.push(Owner {
                    kind: "Pod".to_owned(),
                    name: "p".to_owned(),
                    ..Owner::default()
                })
            },
            &["claim b-5 must be owned by one Node and is owned by Node w0, Pod p"],
        ),
        (
            |claim| claim.meta.owner_references[0].name = "w7".to_owned(),
            &["claim b-5 names Node w7 as its owner, but by the UID that is w0"],
        ),
        (
            |claim| claim.meta.owner_references[0].uid = "uid-before".to_owned(),
            &[
                "claim b-5: its Node w0 is gone, another Node has that name now; the garbage collector of \
                 kube-controller-manager frees it, does that run?",
                "Node w0 has podCIDRs 10.234.1.64/26, fd00:1:0:5::/64 and no claim: another node may be given that block",
            ],
        ),
        (
            |claim| claim.meta.name = "b-05".to_owned(),
            &[
                "ConfigMap kiln-ipam/b-05 is no claim: those are named b-INDEX in plain decimal",
                "Node w0 has podCIDRs 10.234.1.64/26, fd00:1:0:5::/64 and no claim: another node may be given that block",
            ],
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(said(|listed| change(&mut listed.maps[2])), expected);
    }
    assert_eq!(
        said(|listed| listed.maps.push(claim(&both(), 3, "w1")))[..],
        [
            "claim b-3 of Node w1: this block is reserved",
            "Node w1 owns b-3 and b-9: delete those that its podCIDRs don't name",
        ]
    );
    assert_eq!(
        said(|listed| listed.maps.push(claim(&both(), 64, "w1")))[..],
        [
            "claim b-64: the pool has only 64 blocks, the last is b-63",
            "Node w1 owns b-9 and b-64: delete those that its podCIDRs don't name",
        ]
    );
}

#[test]
fn what_is_wrong_with_a_node_is_said() {
    type Change = fn(&mut Node);
    let cases: [(Change, &[&str]); 7] = [
        (
            |node| node.pod_cidrs.clear(),
            &[
                "Node w0 holds b-5 and has not set its podCIDRs: see kiln-firstboot explain on it",
                "Node w0: label ipblock is \"10.234.1.64_26\" and should be absent",
            ],
        ),
        (|node| node.pod_cidrs.truncate(1), &["Node w0 holds b-5 but its podCIDRs are 10.234.1.64/26"]),
        (
            |node| node.meta.labels.clear(),
            &["Node w0: label ipblock is absent and should be \"10.234.1.64_26\""],
        ),
        (
            |node| drop(node.meta.labels.insert(MIRROR.to_owned(), "10.234.0.0_26".to_owned())),
            &["Node w0: label ipblock is \"10.234.0.0_26\" and should be \"10.234.1.64_26\""],
        ),
        (
            |node| node.addresses.push("10.234.9.9".parse().unwrap()),
            &["Node w0: its own address 10.234.9.9 lies in the pod range"],
        ),
        (
            |node| node.pod_cidrs[0] = net("10.234.1.64/25"),
            &[
                "Node w0 holds b-5 but its podCIDRs are 10.234.1.64/25, fd00:1:0:5::/64",
                "Node w0: podCIDR 10.234.1.64/25 is none of the pool's blocks",
                "Node w0: label ipblock is \"10.234.1.64_26\" and should be \"10.234.1.64_25\"",
            ],
        ),
        (
            |node| node.pod_cidrs[1] = net("fd00:1:0:9::/64"),
            &[
                "Node w0 holds b-5 but its podCIDRs are 10.234.1.64/26, fd00:1:0:9::/64",
                "Nodes w0 and w1 have the same podCIDR fd00:1:0:9::/64",
            ],
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(said(|listed| change(&mut listed.nodes[0])), expected);
    }
}

#[test]
fn a_node_that_was_made_just_now_is_joining() {
    let mut listed = sound(&both(), &[5]);
    let mut young = |name: &str| {
        let mut node = node(name, &[]);
        node.meta.creation_timestamp = YOUNG.to_owned();
        listed.nodes.push(node);
    };
    young("asks");
    young("claimed");
    listed.nodes.push(node("late", &[]));
    listed.maps.push(claim(&both(), 7, "claimed"));
    let found = audit(&listed);
    assert_eq!(found.joining.iter().collect::<Vec<_>>(), ["asks", "claimed"]);
    let said: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["Node late has no block, long after it was made: see kiln-firstboot explain on it"]);
}

#[test]
fn overlaps_are_found_also_inside_each_other() {
    let said = said(|listed| {
        listed.nodes[0].pod_cidrs = vec![net("10.234.0.0/21")];
        listed.services =
            vec![net("10.234.15.0/24"), net("10.96.0.0/16"), net("10.234.14.9/32"), net("fd00:1::/64")];
        listed.nodes.push(node("w2", &both().blocks(9).unwrap()));
    });
    for words in [
        "podCIDRs overlap: 10.234.0.0/21 of Node w0 and 10.234.2.64/26 of Node w1",
        "podCIDRs overlap: 10.234.0.0/21 of Node w0 and 10.234.2.64/26 of Node w2",
        "Nodes w1 and w2 have the same podCIDR fd00:1:0:9::/64",
        "services 10.234.15.0/24 and 1 more lie in the pod range 10.234.0.0/20",
        "services fd00:1::/64 lie in the pod range fd00:1::/56",
        "Node w2 has podCIDRs 10.234.2.64/26, fd00:1:0:9::/64 and no claim: another node may be given that block",
    ] {
        assert!(said.iter().any(|line| line == words), "{words}: {said:#?}");
    }
}

#[test]
fn the_clusters_own_allocator_makes_claims_needless() {
    let kcm = ranges(&["10.234.0.0/20"], Addressing::Kcm, &[]);
    let mut listed = sound(&kcm, &[0, 1]);
    listed.nodes.iter_mut().for_each(|node| node.meta.labels.clear());
    assert_eq!(audit(&listed).problems, [], "nobody writes the label");
    listed.maps.push(claim(&kcm, 0, "w0"));
    let said: Vec<String> = audit(&listed).problems.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["claim b-0: here the cluster's own allocator sets blocks, nothing is claimed"]);
}

#[test]
fn only_what_stands_in_both_looks_is_wrong() {
    let mut listed = sound(&both(), &[5, 9]);
    listed.maps[2].immutable = false;
    let first = audit(&listed);
    listed.nodes.pop();
    let second = audit(&listed).standing(&first);
    assert_eq!(second.problems, [Problem::MutableClaim { index: 5 }]);
}

#[test]
fn the_text_shows_pool_map_holders_and_what_is_wrong() {
    let mut listed = sound(&both(), &[0, 2, 5, 9, 63]);
    listed.nodes.remove(2);
    let found = audit(&listed);
    let expected = "\
pool    10.234.0.0/20 in /26, fd00:1::/56 in /64; addressing claim
blocks  64: 5 held, 57 free, 2 reserved
nodes   4

10.234.0.0/21  fd00:1::/59       █-█-·!···█······················
10.234.8.0/21  fd00:1:0:20::/59  ·······························█
█ held  · free  - reserved  ! wrong, see below

       0  10.234.0.0/26  fd00:1::/64          w0
       2  10.234.0.128/26  fd00:1:0:2::/64    w1
       5  10.234.1.64/26  fd00:1:0:5::/64     w2 (gone)
       9  10.234.2.64/26  fd00:1:0:9::/64     w3
      63  10.234.15.192/26  fd00:1:0:3f::/64  w4

1 wrong:
- claim b-5: its Node w2 is gone; the garbage collector of kube-controller-manager frees it, does that run?
";
    assert_eq!(text(&found, Screen { columns: 80, is_unicode: true }), expected);
    let narrow = text(&found, Screen { columns: 40, is_unicode: false });
    assert!(narrow.contains("\n10.234.0.0/22   #-#-.!...#......\n"), "{narrow}");
    let tiny = text(&found, Screen { columns: 10, is_unicode: false });
    assert!(tiny.contains("\n#-#-.!..\n.#......\n"), "{tiny}");
}

#[test]
fn programs_get_the_same() {
    let mut listed = sound(&both(), &[5]);
    listed.nodes.clear();
    let value = audit(&listed).described();
    assert_eq!(value["pool"]["addressing"], "claim");
    assert_eq!(value["pool"]["free"], 61);
    assert_eq!(value["holders"][0]["index"], 5);
    assert_eq!(value["holders"][0]["holder"]["live"], false);
    assert_eq!(value["problems"][0]["kind"], "claim-without-node");
    assert_eq!(value["problems"][0]["index"], 5);
    assert!(value["problems"][0]["text"].as_str().unwrap().starts_with("claim b-5: its Node w0 is gone"));
}

proptest! {
    /// Any pool on any screen: no line is longer than the screen, and every block is on the map.
    #[test]
    fn a_map_fits(bits in 0_u8..=14, columns in 8_usize..300, held: Vec<u32>, is_unicode: bool) {
        let range = format!("10.0.0.0/{}", 26 - bits);
        let ranges = ranges(&[&range], Addressing::Claim, &[]);
        let indices: BTreeSet<u32> = held.iter().map(|index| index % ranges.count()).collect();
        let indices: Vec<u32> = indices.into_iter().collect();
        let found = audit(&sound(&ranges, &indices));
        prop_assert_eq!(found.held() as usize, indices.len());
        let shown = map::map(&found, Screen { columns, is_unicode });
        let rows: Vec<&str> = shown.lines().collect();
        let (_, rows) = rows.split_last().unwrap();
        prop_assert!(rows.len() <= 1024);
        for row in rows {
            prop_assert!(row.chars().count() <= columns, "{row}");
        }
    }
}
