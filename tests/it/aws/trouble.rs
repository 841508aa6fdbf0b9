// SPDX-License-Identifier: Apache-2.0
//! Bad days: throttling, silence, cuts, rights and credentials that are lost, snapshots that expire, a full disk.

use std::time::{Duration, Instant};

use kiln::cloud::{CloudErrorKind, Throttle};
use kiln::exit::Exit;
use kiln::publish::PublishError;

use super::double::{Call, Double, Fault, KEY, Weather};
use super::stage::{EVERYTHING, REGIONS, limits, publish, publish_as, small, subject, target};

/// Meets every `nth` call with a fault.
fn every(nth: usize, fault: Fault) -> impl FnMut(&Call) -> Fault + Send {
    move |call| if call.number.is_multiple_of(nth) { fault.clone() } else { Fault::None }
}

fn is_whole(double: &Double, regions: &[&str]) {
    let mut state = double.state();
    for name in regions {
        let region = state.region(name);
        assert_eq!((region.images.len(), region.snapshots.len()), (1, 1), "{name}");
    }
}

#[test]
fn every_third_call_may_fail_in_any_passing_way() {
    for fault in [
        Fault::Refuse(400, "RequestThrottledException", "slow down", Some("ACCOUNT_THROTTLED")),
        Fault::Refuse(503, "RequestLimitExceeded", "Request limit exceeded.", None),
        Fault::Refuse(500, "InternalError", "An internal error has occurred", None),
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Late(Duration::from_millis(50)),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let double = Double::start(Weather::default());
        let subject = subject(folder.path(), small());
        double.set_faults(every(3, fault.clone()));
        publish(&double.url(), &subject, &target(&subject, &REGIONS, EVERYTHING))
            .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        is_whole(&double, &REGIONS);
    }
}

#[test]
fn silence_is_not_waited_for_longer_than_an_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let subject = subject(folder.path(), small());
    let mut times = 0;
    double.set_faults(move |call| {
        let is_one = call.action == "ebs:PutSnapshotBlock" && call.about.ends_with(" 5") && times == 0;
        times += u32::from(is_one);
        if is_one { Fault::Silence } else { Fault::None }
    });
    let started = Instant::now();
    publish(&double.url(), &subject, &target(&subject, &REGIONS[..1], "")).unwrap();
    assert!(started.elapsed() >= Duration::from_secs(2), "an attempt is given its time");
    is_whole(&double, &REGIONS[..1]);
}

#[test]
fn throttling_that_does_not_end_names_its_reason_and_keeps_what_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let subject = subject(folder.path(), small());
    let target = target(&subject, &REGIONS[..1], "");
    let reason = Some("RESOURCE_LEVEL_THROTTLE");
    double.set_faults(move |call| match call.about.rsplit(' ').next() {
        Some("11") => Fault::Refuse(400, "RequestThrottledException", "slow down", reason),
        _ => Fault::None,
    });
    let mut short = limits();
    short.operation = Duration::from_millis(500);
    let error = publish_as(&double.url(), KEY, short, &subject, &target, &[]).unwrap_err();
    let PublishError::Cloud(errors) = &error else { panic!("{error}") };
    assert!(matches!(errors[0].kind, CloudErrorKind::Throttled { reason: Throttle::Snapshot, .. }));
    assert_eq!(
        error.to_string(),
        "ebs:PutSnapshotBlock in eu-central-1: throttled by the snapshot's own limit: slow down"
    );
    assert_eq!(error.exit(), Exit::TryAgain);
    double.no_faults();
    double.forget_calls();
    publish(&double.url(), &subject, &target).unwrap();
    assert_eq!(double.count("ebs:PutSnapshotBlock"), 1, "only the block that was refused");
    is_whole(&double, &REGIONS[..1]);
}

#[test]
fn one_region_that_fails_keeps_parameters_from_moving_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let subject = subject(folder.path(), small());
    let target = target(&subject, &REGIONS, EVERYTHING);
    let denied = "You are not authorized to perform this operation: ec2:RegisterImage";
    double.set_faults(move |call| match (call.action.as_str(), call.region.as_str()) {
        ("ec2:RegisterImage", "us-east-1") => Fault::Refuse(403, "UnauthorizedOperation", denied, None),
        _ => Fault::None,
    });
    let error = publish(&double.url(), &subject, &target).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "ec2:RegisterImage in us-east-1: not allowed (UnauthorizedOperation): {denied}; \
             `kiln policy` prints the rights that are needed"
        )
    );
    assert_eq!(error.exit(), Exit::Failed);
    assert_eq!(double.count("ssm:PutParameter") + double.count("ec2:ModifyImageAttribute"), 0);
    double.no_faults();
    double.forget_calls();
    publish(&double.url(), &subject, &target).unwrap();
    assert_eq!((double.count("ebs:PutSnapshotBlock"), double.count("ec2:RegisterImage")), (0, 1));
    is_whole(&double, &REGIONS);
}

#[test]
fn credentials_that_are_lost_on_the_way_are_named_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let subject = subject(folder.path(), small());
    let target = target(&subject, &REGIONS[..1], EVERYTHING);
    let words = publish_as(&double.url(), "AKIASTRANGER", limits(), &subject, &target, &[]).unwrap_err();
    assert!(words.to_string().contains("no good credentials: AuthFailure"), "{words}");
    let mut puts = 0;
    double.set_faults(move |call| {
        puts += u32::from(call.action == "ebs:PutSnapshotBlock");
        match puts > 2 {
            true => Fault::Refuse(403, "ExpiredTokenException", "The security token has expired", None),
            false => Fault::None,
        }
    });
    let error = publish(&double.url(), &subject, &target).unwrap_err();
    assert_eq!(
        error.to_string(),
        "ebs:PutSnapshotBlock in eu-central-1: no good credentials: ExpiredTokenException: The security token has \
         expired; renew them (aws sso login, AWS_PROFILE, ...) and run again"
    );
    let arrived = double.state().region(REGIONS[0]).snapshots.values().next().unwrap().blocks.len();
    assert_eq!(arrived, 2);
    double.no_faults();
    double.forget_calls();
    publish(&double.url(), &subject, &target).unwrap();
    assert_eq!(double.count("ebs:PutSnapshotBlock"), 3, "the two that had arrived are not sent again");
    is_whole(&double, &REGIONS[..1]);
}

#[test]
fn an_expired_snapshot_is_said_and_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let subject = subject(folder.path(), small());
    let target = target(&subject, &REGIONS[..1], "");
    double.set_faults(|call| match call.about.rsplit(' ').next() {
        Some("11") => Fault::Refuse(403, "ExpiredTokenException", "expired", None),
        _ => Fault::None,
    });
    publish(&double.url(), &subject, &target).unwrap_err();
    double.no_faults();
    // While it is written.
    let id = {
        let mut state = double.state();
        let (id, snapshot) = state.region(REGIONS[0]).snapshots.iter_mut().next().unwrap();
        snapshot.state = "error";
        id.clone()
    };
    let publication = publish(&double.url(), &subject, &target).unwrap();
    let words = format!("eu-central-1: {id} has expired or gone; its blocks are sent again");
    assert!(publication.warnings.contains(&words), "{:?}", publication.warnings);
    let used = double.state().region(REGIONS[0]).images.values().next().unwrap().snapshots[0].clone();
    assert_ne!(used, id);
    // What expired is taken back with the rest.
    super::stage::unpublish(&double.url(), &subject, &target).unwrap();
    assert!(double.state().region(REGIONS[0]).snapshots.is_empty());
}

#[test]
fn a_snapshot_that_expires_while_it_is_written_ends_the_run_with_these_words() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let subject = subject(folder.path(), small());
    let target = target(&subject, &REGIONS[..1], "");
    double.set_faults(|call| match call.about.rsplit(' ').next() {
        Some("11") => {
            let message = "the snapshot is not pending";
            Fault::Refuse(400, "ValidationException", message, Some("INVALID_SNAPSHOT_ID"))
        }
        _ => Fault::None,
    });
    let error = publish(&double.url(), &subject, &target).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "in eu-central-1 has expired or was deleted while it was written; run again, and its blocks are sent anew"
        ),
        "{error}"
    );
    assert_eq!(error.exit(), Exit::TryAgain);
}

#[test]
fn what_stands_in_the_way_is_said_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let subject = subject(folder.path(), small());
    let words = |more: &str| {
        publish(&double.url(), &subject, &target(&subject, &REGIONS[..2], more)).unwrap_err().to_string()
    };
    double.state().region(REGIONS[0]).blocks_public = true;
    double.state().region(REGIONS[1]).encrypts_by_default = true;
    assert_eq!(
        words("share: {public: true}\n"),
        "the target: share.public: the account blocks public images in eu-central-1; lift it \
         (ec2:DisableImageBlockPublicAccess), or leave the region out\n\
         the target: share.public: the account encrypts new snapshots in eu-west-1, so the image can't be public; \
         switch encryption by default off there, or leave the region out"
    );
    assert_eq!(
        words("share: {accounts: ['123456789012']}\n"),
        "the target: share: the account encrypts new snapshots in eu-west-1 with a key that can't be shared; name a \
         key of your own for it under encryption.keys"
    );
    assert_eq!(double.count("ebs:StartSnapshot"), 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_name_that_is_another_images_is_refused_also_when_somebody_is_faster() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let first = subject(folder.path(), small());
    let mut one = target(&first, &REGIONS[..1], "");
    one.name = "node".to_owned();
    publish(&double.url(), &first, &one).unwrap();
    let second = subject(folder.path(), super::stage::image(12, &[(3, 3)]));
    let error = publish(&double.url(), &second, &one).unwrap_err();
    assert!(error.to_string().contains("'node' is the name of ami-"), "{error}");
    assert_eq!(error.exit(), Exit::Config);
}

#[test]
fn an_image_that_is_not_what_was_hashed_is_not_registered() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let mut subject = subject(folder.path(), small());
    let target = target(&subject, &REGIONS[..1], "");
    subject.image = super::stage::image(12, &[(0, 1), (1, 2), (5, 3), (6, 7), (11, 5)]);
    let error = publish(&double.url(), &subject, &target).unwrap_err();
    assert_eq!(
        error.to_string(),
        "block 6 of the image is not what was hashed before; bake the image again, or remove the description beside it"
    );
    assert_eq!(double.count("ebs:CompleteSnapshot"), 0);
}

#[test]
fn a_journal_that_is_none_or_held_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let subject = subject(folder.path(), small());
    let target = target(&subject, &REGIONS[..1], "");
    let digest = subject.facts.digest.to_string();
    let journal = folder.path().join(format!("node.{}.aws-journal", &digest[..12]));
    std::fs::write(&journal, "what is this\n").unwrap();
    let words = publish(&double.url(), &subject, &target).unwrap_err().to_string();
    assert!(words.starts_with(&format!("can't go on from {}", journal.display())), "{words}");
    std::fs::remove_file(&journal).unwrap();
    let held = std::fs::File::create(&journal).unwrap();
    held.lock().unwrap();
    let error = publish(&double.url(), &subject, &target).unwrap_err();
    let expected = format!("another kiln publishes this image: it holds {}", journal.display());
    assert_eq!((error.to_string(), error.exit()), (expected, Exit::TryAgain));
    assert_eq!(double.count("ebs:StartSnapshot"), 0);
}
