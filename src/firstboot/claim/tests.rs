// SPDX-License-Identifier: Apache-2.0
//! The order of asking, exhaustion, and whose a claim is.

use super::*;

fn ranges(range: &str, prefix: u8, reserved: &str) -> Ranges {
    let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let blocks = 1_u32 << (prefix - range.split('/').nth(1).unwrap().parse::<u8>().unwrap());
    let mut data: BTreeMap<String, String> = [
        text("format", "1"),
        text("addressing", "claim"),
        text("families", "v4"),
        text("v4", range),
        text("v4-prefix", &prefix.to_string()),
        text("blocks", &blocks.to_string()),
        text("reserved", reserved),
    ]
    .into();
    // The same as Ranges::hash, which is written from the rest.
    let lines: String = data.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    let hash = Sha256::digest(lines).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    data.insert("hash".to_owned(), hash);
    Ranges::parse(&data).unwrap()
}

/// Asks until `free` is hit or all is used; returns creates and lists.
fn claim_all(ranges: &Ranges, instance: &str, used: &BTreeSet<u32>) -> (Option<u32>, u32, u32) {
    let (mut missed, mut listing) = (BTreeSet::new(), None);
    let (mut creates, mut lists) = (0, 0);
    for _ in 0..1000 {
        match candidate(ranges, instance, &missed, listing.as_ref()) {
            Candidate::Exhausted { .. } => return (None, creates, lists),
            Candidate::List => {
                lists += 1;
                missed.clear();
                listing = Some(Listing { used: used.clone(), ours: BTreeSet::new() });
            }
            Candidate::Index(index) => {
                creates += 1;
                if !used.contains(&index) {
                    return (Some(index), creates, lists);
                }
                missed.insert(index);
            }
        }
    }
    panic!("never ends");
}

#[test]
fn every_free_block_is_found_with_three_misses_and_one_list_at_most() {
    let pool = ranges("10.234.0.0/20", 26, "0,5");
    for free in (0..64).filter(|index| ![0, 5].contains(index)) {
        let used = (0..64).filter(|index| *index != free && *index != 0).collect();
        let (found, creates, lists) = claim_all(&pool, "i-1", &used);
        assert_eq!(found, Some(free));
        assert!(creates <= 4 && lists <= 1, "{creates} creates, {lists} lists");
    }
}

#[test]
fn only_a_list_that_shows_all_used_says_exhausted() {
    let pool = ranges("10.2.1.0/24", 26, "3");
    let (found, creates, lists) = claim_all(&pool, "i-1", &(0..3).collect());
    assert_eq!((found, lists), (None, 1));
    assert!(creates <= 3);
    // Three of three missed, but the list is older than that: look again.
    let empty = Listing::default();
    assert_eq!(candidate(&pool, "i-1", &(0..3).collect(), Some(&empty)), Candidate::List);
    let full = Listing { used: (0..4).collect(), ours: BTreeSet::new() };
    let exhausted = candidate(&pool, "i-1", &BTreeSet::new(), Some(&full));
    assert_eq!(exhausted, Candidate::Exhausted { used: 3, total: 3 });
}

#[test]
fn after_a_list_free_blocks_alone_are_asked_for_each_once() {
    let pool = ranges("10.2.0.0/20", 26, "0,7,63");
    let listing = Listing { used: (8..40).collect(), ours: BTreeSet::new() };
    for node in 0..50 {
        let mut missed = BTreeSet::new();
        while let Candidate::Index(index) = candidate(&pool, &format!("i-{node}"), &missed, Some(&listing)) {
            assert!(!listing.used.contains(&index) && !pool.is_reserved(index), "{index}");
            assert!(missed.insert(index), "{index} twice");
        }
        assert_eq!(missed.len(), 64 - 3 - 32, "all that the list showed free were tried");
    }
}

#[test]
fn nodes_that_read_one_list_spread_over_what_is_free() {
    // 10.0.0.0/8 at 27: half a million blocks, a thousand of them taken.
    let pool = ranges("10.0.0.0/8", 27, "");
    let listing = Listing { used: (0..1000).collect(), ours: BTreeSet::new() };
    let of = |node: u32| match candidate(&pool, &format!("i-{node}"), &BTreeSet::new(), Some(&listing)) {
        Candidate::Index(index) => index,
        other => panic!("{other:?}"),
    };
    let distinct: BTreeSet<u32> = (0..1000).map(of).collect();
    assert!(distinct.len() > 990 && distinct.iter().all(|index| (1000..1 << 19).contains(index)));
}

#[test]
fn a_pool_of_one_block_has_one_holder() {
    let pool = ranges("10.2.1.0/24", 24, "");
    assert_eq!(candidate(&pool, "i-1", &BTreeSet::new(), None), Candidate::Index(0));
    assert_eq!(candidate(&pool, "i-2", &[0].into(), None), Candidate::List);
    let full = Listing { used: [0].into(), ours: BTreeSet::new() };
    let exhausted = Candidate::Exhausted { used: 1, total: 1 };
    assert_eq!(candidate(&pool, "i-2", &[0].into(), Some(&full)), exhausted);
}

#[test]
fn nodes_ask_for_different_blocks_and_always_for_the_same() {
    let pool = ranges("10.0.0.0/12", 24, "");
    let first = |node: u32| match candidate(&pool, &format!("i-{node}"), &BTreeSet::new(), None) {
        Candidate::Index(index) => index,
        other => panic!("{other:?}"),
    };
    assert_eq!(first(1), first(1));
    let distinct: BTreeSet<u32> = (0..1000).map(first).collect();
    // 1,000 of 4,096 at random: 887 distinct are expected.
    assert!((850..930).contains(&distinct.len()), "{}", distinct.len());
}

#[test]
fn other_objects_of_the_namespace_are_no_claims() {
    let objects = [("pool", vec![]), ("kube-root-ca.crt", vec![]), ("b-07", vec!["u"]), ("b-7", vec!["u"])];
    let listing = Listing::of(objects, "u");
    assert_eq!((listing.used, listing.ours), ([7].into(), [7].into()));
}

#[test]
fn a_claim_is_mine_by_owner_and_nonce_and_by_nothing_else() {
    let identity = Identity {
        name: "w".to_owned(),
        addresses: Vec::new(),
        provider_id: None,
        instance_id: "i-1".to_owned(),
    };
    let record = Record {
        state: State::Intended,
        pool: "p".to_owned(),
        index: Some(7),
        blocks: vec!["10.0.7.0/24".parse().unwrap(), "fd00:0:0:7::/64".parse().unwrap()],
        node_uid: "u".to_owned(),
        nonce: "n".to_owned(),
    };
    let written = data(&record, &identity);
    assert_eq!((written["v4"].as_str(), written["v6"].as_str()), ("10.0.7.0/24", "fd00:0:0:7::/64"));
    assert_eq!(judge(&record, &identity, &["u"], &written), Claim::Mine);
    let other = Claim::Other("w".to_owned());
    for owners in [&["v"][..], &[], &["u", "v"]] {
        assert_eq!(judge(&record, &identity, owners, &written), other, "{owners:?}");
    }
    for key in ["instance", "nonce"] {
        let mut twin = written.clone();
        twin.insert(key.to_owned(), "another".to_owned());
        assert_eq!(judge(&record, &identity, &["u"], &twin), Claim::Twin, "{key}");
    }
    // What is said of blocks is not believed, and so not judged.
    let mut lying = written;
    lying.insert("v4".to_owned(), "0.0.0.0/0".to_owned());
    assert_eq!(judge(&record, &identity, &["u"], &lying), Claim::Mine);
}
