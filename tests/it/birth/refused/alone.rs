// SPDX-License-Identifier: Apache-2.0
//! A machine that nobody answers: production's loop in a network without anything, which may wait for two seconds.

use std::time::{Duration, Instant};

use kiln::cluster::Credential;
use kiln::exit::Exit;
use kiln::firstboot::next;
use kiln::firstboot::observed::Found;
use kiln::firstboot::run::{Diary, Ending, Run};
use kiln::host::root::Root;
use nix::sched::{CloneFlags, unshare};

use super::NEW;

/// How a run of the library ends that may wait two seconds, in a network without anything.
fn alone(endpoint: &str, links: &[&str]) -> Ending {
    let mut settings = crate::bench::settings();
    settings.role = kiln::settings::Role::Worker;
    settings.api.endpoint = endpoint.to_owned();
    settings.api.ca = rcgen::generate_simple_self_signed(vec!["ca".to_owned()]).unwrap().cert.pem();
    (settings.node.name, settings.node.instance_id) = (Some(NEW.to_owned()), Some("i-w1".to_owned()));
    let tree = tempfile::tempdir().unwrap();
    let root = Root::new(tree.path());
    let run = Run {
        root: &root,
        settings: &settings,
        token: Credential::Token("abcdef.0123456789abcdef".to_owned()),
        bad_token: None,
        decide: next::next,
        may_run_pods: false,
        limit: Duration::from_secs(2),
        attachment: None,
        ec2: None,
    };
    let work = || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        for words in links {
            let done = std::process::Command::new("ip").args(words.split(' ')).status().unwrap();
            assert!(done.success(), "{words}");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run.run(&mut Diary::begin(true).unwrap())).unwrap()
    };
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

#[test]
fn a_server_that_never_comes_and_a_network_without_a_way_are_waited_for_and_named() {
    let lan = [
        "link set lo up",
        "link add lan0 type veth peer name lan1",
        "link set lan1 up",
        "address add 10.0.0.2/24 dev lan0",
        "link set lan0 up",
    ];
    for (endpoint, links, line) in [
        (
            "https://10.99.0.1:6443",
            &[][..],
            "no route to the API server's address, so this node has no address of its own; check the network, or set \
            node.addresses",
        ),
        (
            "https://nowhere.invalid:6443",
            &lan[..],
            "nowhere.invalid, the API server's name in api.endpoint, can't be resolved, so this node does not know its own \
            address; check the resolver (/etc/resolv.conf), or set node.addresses",
        ),
        (
            "https://10.0.0.2:6443",
            &lan[..],
            "can't reach the API server: Connection refused (os error 111); check api.endpoint and the network",
        ),
        ("https://10.0.0.9:6443", &lan[..], "can't reach the API server: No route to host (os error 113)"),
    ] {
        let start = Instant::now();
        let ending = alone(endpoint, links);
        assert_eq!(ending.exit, Exit::TryAgain);
        let reason = ending.reason.unwrap().to_string();
        assert!(reason.contains(line), "{endpoint}: {reason}");
        assert!(start.elapsed() < Duration::from_secs(60), "{endpoint}: the limit holds");
    }
}

/// A balancer on each machine is a common layout: others reach no machine at the address that leads there.
#[test]
fn the_way_to_a_server_on_the_machine_itself_tells_no_address_of_the_machine() {
    let mut links = vec![
        "link set lo up",
        "link add lan0 type veth peer name lan1",
        "link set lan1 up",
        "address add 10.0.0.2/24 dev lan0",
        "link set lan0 up",
    ];
    let ending = alone("https://127.0.0.1:6443", &links);
    let reason = ending.reason.unwrap().to_string();
    assert!(
        reason.starts_with("no route to the API server's address, so this node has no address"),
        "{reason}"
    );
    links.push("route add default via 10.0.0.1");
    for endpoint in ["https://127.0.0.1:6443", "https://localhost:6443"] {
        let ending = alone(endpoint, &links);
        let Found::Is(identity) = ending.seen.disk.identity else { panic!("{:?}", ending.reason) };
        assert_eq!(identity.addresses, ["10.0.0.2".parse::<std::net::IpAddr>().unwrap()], "{endpoint}");
    }
}
