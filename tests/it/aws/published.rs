// SPDX-License-Identifier: Apache-2.0
//! A publication on good days: what arrives, that it arrives once, and that it can be taken back.

use kiln::blocks::BLOCK;
use kiln::digest::Digest;
use kiln::publish::{Order, rehearse};

use super::double::{Double, KEY, Weather, content};
use super::stage::{
    EVERYTHING, REGIONS, cloud, left, limits, list, publish, publish_as, runtime, small, small_base, subject,
    target, unpublish, with_base,
};

#[test]
fn every_region_gets_the_image_and_a_second_run_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let subject = subject(folder.path(), small());
    let target = target(&subject, &REGIONS, EVERYTHING);
    let publication = publish(&double.url(), &subject, &target).unwrap();
    assert_eq!(publication.regions.len(), 3);
    let expected: std::collections::BTreeMap<u64, Digest> =
        subject.facts.blocks.blocks.iter().copied().collect();
    let mut state = double.state();
    for name in REGIONS {
        let id = publication.regions[name].image.clone();
        let region = state.region(name);
        let image = &region.images[&id];
        assert_eq!(content(region, &image.snapshots[0]), expected);
        assert_eq!(image.permissions, ["123456789012", "210987654321"]);
        assert_eq!(image.deprecated_at.as_deref(), Some("2027-06-30T00:00:00Z"));
        let asked = |key: &str| image.asked.get(key).map(String::as_str);
        assert_eq!(asked("BootMode"), Some("uefi-preferred"));
        assert_eq!((asked("EnaSupport"), asked("SriovNetSupport")), (Some("true"), Some("simple")));
        assert_eq!((asked("ImdsSupport"), asked("TpmSupport")), (Some("v2.0"), None));
        assert_eq!(asked("BlockDeviceMapping.1.Ebs.VolumeType"), Some("gp3"));
        assert_eq!(asked("BlockDeviceMapping.1.Ebs.DeleteOnTermination"), Some("true"));
        assert_eq!(image.tags["Team"], "platform");
        assert_eq!(image.tags["kiln:image"], subject.facts.digest.to_string());
        assert_eq!(region.snapshots[&image.snapshots[0]].tags["kiln:image"], image.tags["kiln:image"]);
        let parameter = &region.parameters["/kiln/node/one"];
        assert_eq!(parameter.value, id);
        assert_eq!(parameter.pointed_at, "available 123456789012,210987654321");
        assert!(!region.parameters.contains_key("/kiln/node/stable"), "nobody promoted it");
    }
    // Blocks that are zero were never sent, and every other one once for each region.
    assert_eq!(state.puts.len(), 15);
    assert!(state.puts.values().all(|times| *times == 1));
    drop(state);

    double.forget_calls();
    let again = publish(&double.url(), &subject, &target).unwrap();
    assert_eq!(again.image, publication.image);
    assert!(again.regions.values().all(|region| !region.is_new));
    let reads = ["ec2:Describe", "ec2:Get", "ssm:Get"];
    let writes: Vec<String> = double
        .actions()
        .into_iter()
        .filter(|action| !reads.iter().any(|read| action.starts_with(read)))
        .collect();
    assert_eq!(writes, [] as [&str; 0]);
}

#[test]
fn the_journal_is_not_needed_to_find_what_was_published() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather { page: Some(1), ..Weather::default() });
    let subject = subject(folder.path(), small());
    let target = target(&subject, &REGIONS[..1], "");
    publish(&double.url(), &subject, &target).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let same = super::stage::subject(elsewhere.path(), small());
    double.forget_calls();
    let again = publish(&double.url(), &same, &target).unwrap();
    assert!(again.regions.values().all(|region| !region.is_new));
    assert_eq!(double.count("ebs:PutSnapshotBlock"), 0);
    assert_eq!(
        std::fs::read_dir(elsewhere.path()).unwrap().count(),
        0,
        "nothing is written where nothing is done"
    );
}

#[test]
fn a_lagging_and_slow_service_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather { lag: 2, slow: 3, ..Weather::default() });
    let subject = subject(folder.path(), small());
    let target = target(&subject, &REGIONS[..2], EVERYTHING);
    publish(&double.url(), &subject, &target).unwrap();
    let mut state = double.state();
    for name in &REGIONS[..2] {
        let region = state.region(name);
        assert_eq!((region.images.len(), region.snapshots.len()), (1, 1));
        assert_eq!(region.parameters["/kiln/node/one"].pointed_at, "available 123456789012,210987654321");
    }
}

#[test]
fn on_a_snapshot_of_the_base_only_what_differs_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let subject = with_base(subject(folder.path(), small()), small_base());
    let target = target(&subject, &REGIONS[..1], "base: make\n");
    publish(&double.url(), &subject, &target).unwrap();
    let mut state = double.state();
    // Five of the base, and 1 (another), 8 (became zero) and 11 (new) of the image.
    let mut sent: Vec<(String, u64)> = state.puts.keys().map(|(_, id, index)| (id.clone(), *index)).collect();
    sent.sort();
    assert_eq!(sent.iter().map(|(_, index)| *index).collect::<Vec<_>>(), [0, 1, 5, 6, 8, 1, 8, 11]);
    let region = state.region(REGIONS[0]);
    let image = region.images.values().next().unwrap();
    let snapshot = &region.snapshots[&image.snapshots[0]];
    assert!(snapshot.parent.is_some() && !snapshot.encrypted);
    let expected: std::collections::BTreeMap<u64, Digest> =
        subject.facts.blocks.blocks.iter().copied().collect();
    assert_eq!(content(region, &image.snapshots[0]), expected);
    drop(state);

    // The next image of the same base finds its snapshot.
    let next = super::stage::image(12, &[(0, 1), (1, 9), (5, 3), (6, 4), (8, 8), (9, 1)]);
    let subject = with_base(super::stage::subject(folder.path(), next), small_base());
    double.forget_calls();
    publish(&double.url(), &subject, &super::stage::target(&subject, &REGIONS[..1], "")).unwrap();
    assert_eq!(double.count("ebs:PutSnapshotBlock"), 1);
}

#[test]
fn encryption_and_a_parent_exclude_each_other_and_the_plan_says_which_way_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let subject = with_base(subject(folder.path(), small()), small_base());
    let plan = |more: &str| {
        let target = target(&subject, &REGIONS[..1], more);
        let order = Order { subject: &subject, target: &target, promote: &[] };
        runtime()
            .block_on(async { rehearse(&order, &cloud(&double.url(), KEY, limits()).await).await })
            .unwrap()
            .to_string()
    };
    assert_eq!(
        plan("base: make\n"),
        "eu-central-1:\n  send the base: 5 blocks, 2.50 MiB\n  \
         send the image: 3 blocks, 1.50 MiB; on a snapshot of the base, which is made first (5 blocks)\n  \
         register the image\n\
         calls that change something: 2 ebs:CompleteSnapshot, 8 ebs:PutSnapshotBlock, 2 ebs:StartSnapshot, \
         1 ec2:RegisterImage\n"
    );
    assert!(plan("").contains("5 blocks, 2.50 MiB; whole: the account has no snapshot of the base"));
    assert!(plan("base: ignore\n").contains("whole: the target ignores the base"));
    assert!(plan("encryption: {}\nbase: make\n").contains("whole: the target encrypts it"));
    double.state().region(REGIONS[0]).encrypts_by_default = true;
    assert!(
        plan("base: make\n").contains("whole: the account encrypts it, and what is encrypted has no parent")
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a rehearsal writes nothing");

    let target = target(&subject, &REGIONS[..1], "base: make\n");
    publish(&double.url(), &subject, &target).unwrap();
    let mut state = double.state();
    assert!(state.region(REGIONS[0]).snapshots.values().all(|it| it.encrypted && it.parent.is_none()));
}

#[test]
fn keys_are_named_by_region_and_their_images_can_be_shared() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let subject = subject(folder.path(), small());
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let more =
        format!("encryption: {{keys: {{eu-west-1: '{key}'}}}}\nshare: {{accounts: ['123456789012']}}\n");
    publish(&double.url(), &subject, &target(&subject, &["eu-west-1"], &more)).unwrap();
    let mut state = double.state();
    let snapshot = state.region("eu-west-1").snapshots.values().next().unwrap().clone();
    assert!(snapshot.encrypted && snapshot.kms_key.as_deref() == Some(key));
}

#[test]
fn promotion_moves_one_pointer_and_an_image_that_is_pointed_to_stays() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let first = subject(folder.path(), small());
    let target_of = |subject| target(subject, &REGIONS, EVERYTHING);
    publish(&double.url(), &first, &target_of(&first)).unwrap();
    double.forget_calls();
    let stable = ["stable".to_owned()];
    let promoted = publish_as(&double.url(), KEY, limits(), &first, &target_of(&first), &stable).unwrap();
    assert_eq!(double.count("ssm:PutParameter"), 3);
    assert_eq!(double.count("ebs:StartSnapshot") + double.count("ec2:RegisterImage"), 0);
    for name in REGIONS {
        let now = double.state().region(name).parameters["/kiln/node/stable"].value.clone();
        assert_eq!(now, promoted.regions[name].image);
    }
    let words = unpublish(&double.url(), &first, &target_of(&first)).unwrap_err().to_string();
    assert!(
        words.starts_with(
            "the target: channels.stable: /kiln/node/stable in eu-central-1 points to the image; \
             promote another image to 'stable' first"
        ),
        "{words}"
    );

    // Another image takes the pointer over; then the first can go, and the second stays whole.
    let second = subject(folder.path(), super::stage::image(12, &[(3, 3)]));
    let target = target(&second, &REGIONS, "channels: {stable: /kiln/node/stable}\n");
    publish_as(&double.url(), KEY, limits(), &second, &target, &stable).unwrap();
    unpublish(&double.url(), &first, &target_of(&first)).unwrap();
    assert!(left(&mut double.state()).values().all(|left| *left == (1, 0, 1)));
    let words = publish_as(&double.url(), KEY, limits(), &second, &target, &["beta".to_owned()]);
    assert_eq!(
        words.unwrap_err().to_string(),
        "the target: --promote: the target has no channel 'beta'; known: stable"
    );
}

#[test]
fn what_is_taken_back_is_gone_everywhere_with_its_snapshots_and_journal() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let subject = subject(folder.path(), small());
    let target = target(&subject, &REGIONS, EVERYTHING);
    publish(&double.url(), &subject, &target).unwrap();
    unpublish(&double.url(), &subject, &target).unwrap();
    assert!(left(&mut double.state()).values().all(|left| *left == (0, 0, 0)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the journal goes as well");
    unpublish(&double.url(), &subject, &target).unwrap();
}

#[test]
fn the_tpm_twin_shares_its_snapshot_and_leaves_it_to_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let subject = subject(folder.path(), small());
    let one = target(&subject, &REGIONS[..1], "");
    publish(&double.url(), &subject, &one).unwrap();
    let mut twin = target(&subject, &REGIONS[..1], "tpm: true\n");
    twin.name.push_str("-tpm");
    double.forget_calls();
    publish(&double.url(), &subject, &twin).unwrap();
    assert_eq!(double.count("ebs:StartSnapshot"), 0);
    let boots = |state: &mut super::double::State| {
        let images = state.region(REGIONS[0]).images.values();
        let mut found: Vec<(String, bool)> =
            images.map(|it| (it.asked["BootMode"].clone(), it.asked.contains_key("TpmSupport"))).collect();
        found.sort();
        found
    };
    let expected = [("uefi".to_owned(), true), ("uefi-preferred".to_owned(), false)];
    assert_eq!(boots(&mut double.state()), expected);
    unpublish(&double.url(), &subject, &one).unwrap();
    assert_eq!(left(&mut double.state())[REGIONS[0]], (1, 0, 0));
    unpublish(&double.url(), &subject, &twin).unwrap();
    assert_eq!(left(&mut double.state())[REGIONS[0]], (0, 0, 0));
}

#[test]
fn blocks_of_the_image_are_what_its_list_says() {
    let image = small();
    let list = list(&*image);
    assert_eq!(list.blocks.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 5, 6, 11]);
    assert_eq!(list.size, 12 * BLOCK - 512);
}
