// SPDX-License-Identifier: Apache-2.0
//! Rights: every call that a publication makes is in `kiln policy`'s table, and every right in the table that is no call
//! names one.

use kiln::cloud::policy::{Who, rights};

use super::double::{Double, KEY, Weather};
use super::stage::{
    EVERYTHING, REGIONS, limits, publish_as, small, small_base, subject, target, unpublish, with_base,
};

#[test]
fn every_call_of_a_publication_is_allowed_by_the_publishers_policy() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(Weather::default());
    let one = with_base(subject(folder.path(), small()), small_base());
    let more = format!("{EVERYTHING}base: make\n");
    let stable = ["stable".to_owned()];
    publish_as(&double.url(), KEY, limits(), &one, &target(&one, &REGIONS, &more), &stable).unwrap();
    let public = "share: {public: true}\n";
    let other = subject(folder.path(), super::stage::image(12, &[(3, 3)]));
    let other_target =
        target(&other, &REGIONS[..1], &format!("{public}channels: {{stable: /kiln/node/stable}}\n"));
    publish_as(&double.url(), KEY, limits(), &other, &other_target, &stable).unwrap();
    let plain = target(&one, &REGIONS[..1], EVERYTHING);
    unpublish(&double.url(), &one, &plain).unwrap();
    let called = double.actions();
    let allowed: Vec<&str> = rights(Who::Publisher).map(|right| right.action).collect();
    for action in &called {
        assert!(allowed.contains(&action.as_str()), "{action} is not in the policy");
    }
    // And nothing is allowed that is neither called here nor needed by a call that is.
    for right in rights(Who::Publisher) {
        let needed = called.contains(right.call);
        assert!(needed, "{} is allowed for {}, which nobody calls", right.action, right.call);
    }
}

#[test]
fn a_right_that_is_no_call_names_the_call_that_needs_it() {
    for (_, who) in Who::ALL {
        for right in rights(who).filter(|right| right.action != right.call) {
            let is_a_call = rights(who).any(|other| other.call == right.call && other.action == right.call);
            assert!(is_a_call, "{right:?}");
        }
    }
}
