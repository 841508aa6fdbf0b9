// SPDX-License-Identifier: Apache-2.0
//! What regions lack, as a table of what was seen.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::blocks::BLOCK;
use crate::cloud::{Snapshot, SnapshotState};
use crate::digest::Digest;
use crate::manifest::Arch;
use crate::publish::journal::Record;
use crate::publish::seen::tag;
use crate::publish::target;

const REGION: &str = "eu-central-1";

fn list(blocks: &[(u64, u8)]) -> BlockList {
    let blocks = blocks.iter().map(|(index, byte)| (*index, Digest::of(&[*byte]))).collect();
    BlockList { size: 100 * BLOCK, blocks }
}

fn facts() -> Facts {
    let blocks = list(&[(0, 1), (1, 2), (5, 3)]);
    Facts {
        name: "node".to_owned(),
        arch: Arch::Amd64,
        kiln: "0".to_owned(),
        plan: Digest::of(b"plan"),
        versions: BTreeMap::new(),
        base: Some(Digest::of(b"base")),
        digest: blocks.digest(),
        blocks,
    }
}

/// A day of 1998, three years before what the targets here name.
const NOW_S: u64 = 900_000_000;

fn target(more: &str) -> Target {
    let text = format!("kiln: 1\nname: node-one\nregions: [{REGION}]\n{more}");
    target::parse(Path::new("aws.yaml"), &text, &facts(), NOW_S).unwrap_or_else(|words| panic!("{words}"))
}

fn seen() -> Seen {
    Seen {
        region: REGION.to_owned(),
        encrypts_by_default: false,
        public_access: None,
        image: None,
        permissions: Vec::new(),
        snapshots: Vec::new(),
        bases: Vec::new(),
        parameters: BTreeMap::new(),
    }
}

fn snapshot(id: &str, state: SnapshotState) -> Snapshot {
    Snapshot { id: id.to_owned(), state, is_encrypted: false, volume_gib: 1, tags: BTreeMap::new() }
}

fn upload() -> Upload {
    Upload { region: REGION.to_owned(), piece: Piece::Image }
}

/// A journal in which a snapshot was begun and has one block.
fn begun() -> Journal {
    let (mut journal, _) = Journal::begin(facts().digest, "n".to_owned());
    journal.take(Record::Start { upload: upload(), attempt: 0, parent: None, is_encrypted: false });
    journal.take(Record::Started { upload: upload(), snapshot: "snap-1".to_owned() });
    journal.take(Record::Sent { upload: upload(), blocks: vec![(0, 1)] });
    journal
}

fn decide(more: &str, journal: &Journal, base: Option<&BlockList>, seen: &Seen) -> Plan {
    let (target, facts) = (target(more), facts());
    let given = Given { target: &target, facts: &facts, base, journal, promote: &[] };
    plan(&given, std::slice::from_ref(seen)).unwrap_or_else(|words| panic!("{words}"))
}

fn sent(plan: &Plan) -> &Sending {
    let Wanted::Send(sending) = &plan.regions[0].snapshot else { panic!("{plan:?}") };
    sending
}

fn none() -> Journal {
    Journal::begin(facts().digest, "n".to_owned()).0
}

#[test]
fn an_empty_account_lacks_everything() {
    let plan = decide("parameters: [/kiln/a]\n", &none(), None, &seen());
    assert_eq!((sent(&plan).left, sent(&plan).attempt, &sent(&plan).begun), (3, 0, &None));
    assert_eq!(plan.regions[0].point, [("/kiln/a".to_owned(), None)]);
    assert!(!plan.is_done());
}

#[test]
fn what_was_begun_goes_on_and_its_blocks_are_not_sent_again() {
    let there = Seen { snapshots: vec![snapshot("snap-1", SnapshotState::Pending)], ..seen() };
    let plan = decide("", &begun(), None, &there);
    assert_eq!((sent(&plan).left, sent(&plan).begun.as_deref()), (1, Some("snap-1")));
    assert!(plan.lost.is_empty());
}

#[test]
fn what_was_begun_and_has_gone_is_lost_and_begun_anew() {
    for there in [vec![], vec![snapshot("snap-1", SnapshotState::Failed)]] {
        let plan = decide("", &begun(), None, &Seen { snapshots: there, ..seen() });
        assert_eq!((sent(&plan).left, sent(&plan).attempt, &sent(&plan).begun), (3, 1, &None));
        assert_eq!(plan.lost, [upload()]);
    }
}

#[test]
fn an_account_that_encrypts_meanwhile_needs_another_snapshot() {
    let there = vec![snapshot("snap-1", SnapshotState::Pending)];
    let seen = Seen { snapshots: there, encrypts_by_default: true, ..seen() };
    let plan = decide("", &begun(), None, &seen);
    assert!(sent(&plan).is_encrypted && !sent(&plan).asks_encryption && sent(&plan).begun.is_none());
}

#[test]
fn a_whole_snapshot_is_taken_and_one_of_another_encryption_is_not() {
    let there = Seen { snapshots: vec![snapshot("snap-9", SnapshotState::Completed)], ..seen() };
    let plan = decide("", &none(), None, &there);
    assert_eq!(plan.regions[0].snapshot, Wanted::Have("snap-9".to_owned()));
    let plan = decide("encryption: {}\n", &none(), None, &there);
    assert!(sent(&plan).asks_encryption);
}

#[test]
fn a_base_is_built_upon_where_it_is_whole_plain_and_not_larger() {
    let base = list(&[(0, 1), (2, 2)]);
    let way = |base_of: Snapshot, more: &str| {
        let plan = decide(more, &none(), Some(&base), &Seen { bases: vec![base_of], ..seen() });
        (sent(&plan).parent.clone(), sent(&plan).left)
    };
    let whole = snapshot("snap-b", SnapshotState::Completed);
    // Blocks 1 and 5 are new, and 2 has become zero.
    assert_eq!(way(whole.clone(), ""), (Parent::Known("snap-b".to_owned()), 3));
    assert_eq!(way(whole.clone(), "base: ignore\n"), (Parent::Zeros, 3));
    assert_eq!(way(whole.clone(), "encryption: {}\n"), (Parent::Zeros, 3));
    assert_eq!(way(Snapshot { is_encrypted: true, ..whole.clone() }, "").0, Parent::Zeros);
    assert_eq!(way(Snapshot { volume_gib: 2, ..whole.clone() }, "").0, Parent::Zeros);
    assert_eq!(way(snapshot("snap-b", SnapshotState::Pending), "base: make\n").0, Parent::Made);
    assert_eq!(way(whole, "base: make\n").0, Parent::Known("snap-b".to_owned()));
}

#[test]
fn an_image_that_is_there_lacks_what_the_target_says_beside_it() {
    let (mut image, facts) = (image(), facts());
    let there = Seen {
        parameters: [("/kiln/a".to_owned(), "ami-1".to_owned())].into(),
        permissions: vec![Permission::Account("210987654321".to_owned())],
        image: Some(image.clone()),
        ..seen()
    };
    let plan = decide("parameters: [/kiln/a]\n", &none(), None, &there);
    assert!(plan.is_done());
    assert!(plan.warnings[0].contains("account 210987654321 may launch the image"), "{:?}", plan.warnings);
    let more = "parameters: [/kiln/b]\nshare: {accounts: ['123456789012']}\ndeprecate: '2001-01-01'\n";
    let plan = decide(more, &none(), None, &there);
    let region = &plan.regions[0];
    assert_eq!(region.permit, [Permission::Account("123456789012".to_owned())]);
    assert_eq!((region.deprecate_at_s, region.point.len()), (Some(978_307_200), 1));
    image.deprecated_at = Some("2001-01-01T00:00:00.000Z".to_owned());
    let plan = decide(more, &none(), None, &Seen { image: Some(image.clone()), ..there.clone() });
    assert_eq!(plan.regions[0].deprecate_at_s, None);

    image.tags.clear();
    let target = target("");
    let given = Given { target: &target, facts: &facts, base: None, journal: &none(), promote: &[] };
    let words = super::plan(&given, &[Seen { image: Some(image), ..there }]).unwrap_err().to_string();
    assert_eq!(
        words,
        "the target: name: 'node-one' is the name of ami-1 in eu-central-1, another image; let {{ image }} be part of \
         the name"
    );
}

fn image() -> Image {
    Image {
        architecture: "x86_64".to_owned(),
        id: "ami-1".to_owned(),
        name: "node-one".to_owned(),
        state: ImageState::Available,
        snapshots: vec!["snap-1".to_owned()],
        root_snapshot: Some("snap-1".to_owned()),
        is_public: false,
        deprecated_at: None,
        tags: [(tag::IMAGE.to_owned(), facts().digest.to_string())].into(),
    }
}
