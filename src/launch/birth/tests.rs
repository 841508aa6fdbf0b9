use super::*;
use crate::cloud::{Attached, Tags};

fn joins() -> Goal {
    Goal::Joins { endpoint: "https://10.0.1.10:6443".to_owned() }
}

fn instance(state: InstanceState, reason: Option<&str>) -> Instance {
    Instance {
        id: "i-1".to_owned(),
        state,
        reason: reason.map(str::to_owned),
        subnet: "subnet-1".to_owned(),
        image: "ami-1".to_owned(),
        tags: Tags::new(),
        attached: Attached::default(),
        volumes: Vec::new(),
        started_s: 0,
    }
}

fn birth() -> Birth {
    Birth::new(&instance(InstanceState::Pending, None))
}

fn ready() -> Stage {
    Stage::Ready { blocks: vec!["10.244.7.0/24".parse().unwrap()] }
}

#[test]
fn all_are_waited_for_also_when_one_has_failed() {
    let (mut one, mut two) = (birth(), birth());
    assert_eq!(verdict(&[one.clone(), two.clone()]), Verdict::Wait);
    assert!(one.reach(ready(), 1) && !one.reach(ready(), 2));
    assert!(two.look(&instance(InstanceState::Terminated, None)), "news");
    assert!(!two.look(&instance(InstanceState::Terminated, None)), "no news");
    assert_eq!(verdict(&[one.clone(), two.clone(), birth()]), Verdict::Wait);
    assert_eq!(verdict(&[one.clone(), two]), Verdict::Failed);
    assert_eq!(verdict(&[one]), Verdict::Done);
}

#[test]
fn the_console_counts_until_there_is_a_node() {
    let mut one = birth();
    let line = "[    9.1] kiln-firstboot[610]: kiln-firstboot: the API server does not answer\r\n";
    assert!(one.hear(line) && !one.hear(line) && !one.hear("[   9.9] systemd[1]: something"));
    let said = one.failure(&joins());
    assert_eq!(
        said.to_string(),
        "i-1 boots: its console says: the API server does not answer; its last words say what helps"
    );
    one.reach(Stage::Registered, 5);
    assert!(!one.is_heard());
    assert_eq!(
        one.failure(&joins()).to_string(),
        "i-1 is registered: it claims no block; see kiln ipam: are all blocks taken?"
    );
}

#[test]
fn every_step_has_a_reason_and_a_fix() {
    let block = || vec!["10.244.7.0/24".parse().unwrap()];
    let steps = [
        (
            Stage::Boots,
            "i-1 boots: nothing is heard of it; see that its subnet leads to https://10.0.1.10:6443, ",
        ),
        (Stage::Asked, "i-1 has asked for a certificate: nobody signs its certificate; see that kube-"),
        (Stage::Certified, "i-1 has its certificate: it has not registered its Node; see what the API"),
        (
            Stage::Claimed { claim: "b-7".to_owned() },
            "i-1 holds claim b-7: it publishes no podCIDRs; see that",
        ),
        (
            Stage::Published { blocks: block() },
            "i-1 has 10.244.7.0/24: its kubelet does not say that it is Ready",
        ),
    ];
    for (step, words) in steps {
        let mut one = birth();
        one.reach(step, 1);
        assert!(one.failure(&joins()).to_string().starts_with(words), "{}", one.failure(&joins()));
    }
    let mut one = birth();
    one.look(&instance(InstanceState::Ending, Some("Server.SpotInstanceTermination: taken")));
    assert_eq!(
        one.failure(&joins()).to_string(),
        "i-1 boots: the instance is being ended (Server.SpotInstanceTermination: taken); launch another one"
    );
}

#[test]
fn a_control_plane_is_waited_for_by_what_it_shares() {
    let failure = birth().failure(&Goal::Shared { path: "/kiln/clusters/demo".to_owned() });
    assert_eq!(
        failure.to_string(),
        "i-1 boots: it has shared nothing; see that its subnet leads to Systems Manager, that its role may write \
         /kiln/clusters/demo/* (kiln policy control-plane), and that the image is kiln's, of flavour ami"
    );
}
