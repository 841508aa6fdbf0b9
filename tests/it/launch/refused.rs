// SPDX-License-Identifier: Apache-2.0
//! Launches that fail, in these words, with these exit codes; whatever happens, the token is revoked.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::site::{AMI, CLUSTER, Ended, Part, REGION, Site};
use crate::aws::double::{Call, Fault};

const ONE: [&str; 2] = ["--role", "worker"];

#[test]
fn launches_that_fail_say_why_and_revoke_their_token() {
    let site = Site::new();
    what_the_description_names_is_not_there(&site);
    what_ec2_refuses(&site);
    instances_that_are_no_nodes(&site);
    an_interrupted_launch_says_what_it_leaves(&site);
    site.every_call_is_allowed();
}

/// Runs with a description in which `from` is `to`.
fn with(site: &Site, from: &str, to: &str) -> Ended {
    assert!(CLUSTER.contains(from));
    site.write("cluster.yaml", &CLUSTER.replace(from, to));
    let ended = site.run(&ONE);
    site.write("cluster.yaml", CLUSTER);
    ended
}

#[track_caller]
fn is(site: &Site, ended: Ended, code: i32, words: &str) {
    let file = site.path("cluster.yaml");
    let said = ended.is(code).said.replace(file.to_str().unwrap(), "cluster.yaml");
    assert_eq!(said, words);
    assert!(site.tokens().is_empty(), "the token is revoked");
}

fn what_the_description_names_is_not_there(site: &Site) {
    is(
        site,
        with(site, "/kiln/images/kiln-node", "/kiln/images/none"),
        78,
        "kiln: cluster.yaml: image: there is no parameter /kiln/images/none in eu-central-1; publish the image with \
         this parameter (kiln publish), or name another one\n",
    );
    is(
        site,
        with(site, "/kiln/images/kiln-node", "ami-00000000000000000"),
        78,
        "kiln: cluster.yaml: image: ami-00000000000000000 is not in eu-central-1, or not shared with this account; \
         publish the image there (kiln publish), or name another one\n",
    );
    let set = |slow: u32| site.double.state().region(REGION).images.get_mut(AMI).unwrap().slow = slow;
    set(9);
    is(
        site,
        site.run(&ONE),
        78,
        "kiln: cluster.yaml: image: ami-0a1b2c3d4e5f60718 is not available yet; publish the image there (kiln \
         publish), or name another one\n",
    );
    set(0);
    let name = format!("{0}.{0}.{0}", "n".repeat(60));
    let most = format!("control_plane: {{names: [{}]}}", vec![name; 90].join(", "));
    let long = with(site, "settings:\n", &format!("settings:\n  {most}\n")).is(78).said;
    let words = " bytes, and EC2 takes 16384; move settings into the image, or give fewer CA certificates\n";
    assert!(long.starts_with("kiln: the user-data has 2") && long.ends_with(words), "{long}");
}

fn what_ec2_refuses(site: &Site) {
    is(
        site,
        with(site, "subnet-0000000a, subnet-0000000b", "subnet-00000bad, subnet-0000000a, subnet-00000abc"),
        78,
        "kiln: cluster.yaml: workers.subnets: there is no subnet-00000bad in eu-central-1; name one that is there\n\
         kiln: cluster.yaml: workers.subnets: there is no subnet-00000abc in eu-central-1; name one that is there\n",
    );
    let worker_of = |kind: &str| format!("workers:\n  instance_type: {kind}");
    is(
        site,
        with(site, &worker_of("m7i.large"), &worker_of("m7g.large")),
        78,
        "kiln: cluster.yaml: workers.instance_type: m7g.large is of arm64, and ami-0a1b2c3d4e5f60718 of x86_64; name \
         another type\n",
    );
    is(
        site,
        with(site, &worker_of("m7i.large"), &worker_of("q1.large")),
        78,
        "kiln: cluster.yaml: workers.instance_type: there is no q1.large in eu-central-1; name another type\n",
    );
    a_rehearsal_hears_what_ec2_says(site);
    is(
        site,
        with(site, "instance_profile: kiln-worker", "instance_profile: none"),
        1,
        "kiln: ec2:RunInstances in eu-central-1: InvalidParameterValue: Value (none) for parameter \
         iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name\n",
    );
    is(
        site,
        with(site, "[sg-0000000b]", "[sg-00000bad]"),
        1,
        "kiln: ec2:RunInstances in eu-central-1: InvalidGroup.NotFound: The security group 'sg-00000bad' does not \
         exist\n",
    );
    let deny = |call: &Call| match call.action.as_str() {
        "ec2:RunInstances" => Fault::Refuse(403, "UnauthorizedOperation", "You are not authorized", None),
        _ => Fault::None,
    };
    site.double.set_faults(deny);
    is(
        site,
        site.run(&ONE),
        1,
        "kiln: ec2:RunInstances in eu-central-1: not allowed (UnauthorizedOperation): You are not authorized; \
         `kiln policy` prints the rights that are needed\n",
    );
    let mut runs = 0;
    site.double.set_faults(move |call| {
        runs += usize::from(call.action == "ec2:RunInstances");
        match (call.action.as_str(), runs) {
            ("ec2:RunInstances", 2) => {
                Fault::Refuse(400, "InstanceLimitExceeded", "Your quota allows for 1", None)
            }
            _ => Fault::None,
        }
    });
    let before = site.double.state().region(REGION).instances.len();
    let partly = site.run(&["--role", "worker", "--count", "2"]).is(1);
    site.double.no_faults();
    let made: Vec<String> =
        site.double.state().region(REGION).instances.keys().skip(before).cloned().collect();
    assert_eq!(
        partly.said,
        format!(
            "{0} boots ...\nkiln: ec2:RunInstances in eu-central-1: InstanceLimitExceeded: Your quota allows for 1\n\
             kiln: launched before that: {0}; kiln launch --terminate ends them\n",
            made[0]
        )
    );
    assert!(site.tokens().is_empty(), "the token is revoked");
}

/// Nothing is launched, and no token made.
fn a_rehearsal_hears_what_ec2_says(site: &Site) {
    let before = site.double.state().region(REGION).instances.len();
    let rehearse = || site.run(&["--role", "worker", "--count", "2", "--dry-run"]);
    assert!(rehearse().is(0).printed.ends_with("  calls       2 ec2:RunInstances\n"));
    site.write("cluster.yaml", &CLUSTER.replace("[sg-0000000b]", "[sg-00000bad]"));
    is(
        site,
        rehearse(),
        1,
        "kiln: ec2:RunInstances in eu-central-1: InvalidGroup.NotFound: The security group 'sg-00000bad' does not \
         exist\n",
    );
    site.write("cluster.yaml", &CLUSTER.replace("address: 10.99.0.1", "address: 192.168.7.1"));
    let plane =
        Ended::of(site.launch_as("new.conf", &["--role", "control-plane", "--dry-run"]).output().unwrap());
    is(
        site,
        plane,
        78,
        "kiln: cluster.yaml: control_plane.address: 192.168.7.1 is not in subnet-0000000a (10.0.0.0/8); write a free \
         address of that subnet\n",
    );
    site.write("cluster.yaml", CLUSTER);
    let words = ["--role", "control-plane", "--dry-run"];
    let plane = Ended::of(site.launch_as("new.conf", &words).output().unwrap()).is(0);
    assert!(plane.printed.starts_with("launch 1 control-plane of cluster demo"), "{}", plane.printed);
    assert!(!site.path("new.conf.key").exists(), "a rehearsal makes no key");
    assert_eq!(site.double.state().region(REGION).instances.len(), before);
}

fn instances_that_are_no_nodes(site: &Site) {
    let newest = || site.double.state().region(REGION).instances.keys().next_back().unwrap().clone();
    let last = |ended: &Ended| {
        ended
            .said
            .lines()
            .filter(|line| line.starts_with("kiln: "))
            .fold(String::new(), |all, line| all + line + "\n")
    };
    let short = |parts: &[Part]| site.played(parts, || site.run(&["--role", "worker", "--timeout", "8s"]));

    // EC2 is asked every five seconds.
    let words = ["--role", "worker", "--timeout", "60s"];
    let taken = site.played(&[Part::Taken], || site.run(&words)).is(1);
    assert_eq!(
        last(&taken),
        format!(
            "kiln: 1 of 1 is not Ready:\nkiln: {} boots: the instance is terminated (Server.SpotInstanceTermination: \
             Spot instance termination); launch another one\n",
            newest()
        )
    );
    let silent = short(&[Part::Silent]).is(75);
    assert_eq!(
        last(&silent),
        format!(
            "kiln: 1 of 1 is not Ready after 8 s:\nkiln: {} boots: nothing is heard of it; see that its subnet leads to \
             https://10.99.0.1:6443, that security groups let it in there, and that the image is kiln's, of flavour \
             ami\n",
            newest()
        )
    );
    let says = "[    9.1] kiln-firstboot[610]: kiln-firstboot: no layer: api.ca: is missing; give it\r\n";
    let said = short(&[Part::Says(says)]).is(75);
    assert_eq!(
        last(&said),
        format!(
            "kiln: 1 of 1 is not Ready after 8 s:\nkiln: {} boots: its console says: no layer: api.ca: is missing; give \
             it; its last words say what helps\n",
            newest()
        )
    );
    assert!(site.tokens().is_empty(), "the token is revoked");
}

fn an_interrupted_launch_says_what_it_leaves(site: &Site) {
    let before = site.double.state().region(REGION).instances.len();
    let mut kiln = site.launch(&ONE);
    let child = kiln.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while site.double.state().region(REGION).instances.len() == before {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    // nsenter(1) waits for the program.
    kill(Pid::from_raw(child_of(child.id())), Signal::SIGINT).unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap()).is(130);
    let token = site.tokens().pop().unwrap();
    let id = token.strip_prefix("bootstrap-token-").unwrap();
    let line = ended.said.lines().find(|line| line.starts_with("kiln: interrupted; ")).unwrap();
    let launch =
        site.double.state().region(REGION).instances.values().next_back().unwrap().tags["kiln:launch"]
            .clone();
    let wanted = format!(
        "kiln: interrupted; its instances have the tag kiln:launch={launch} and go on to run, kiln launch --terminate \
         ends them; token {id} is good until "
    );
    assert!(
        line.starts_with(&wanted) && line.ends_with(&format!(", kiln token revoke {id} ends it")),
        "{line}"
    );
}

fn child_of(parent: u32) -> i32 {
    let line = format!("\nPPid:\t{parent}\n");
    let names =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let is_child = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| status.contains(&line))
    };
    names.filter_map(|name| name.parse().ok()).find(is_child).unwrap()
}
