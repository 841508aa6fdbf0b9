// SPDX-License-Identifier: Apache-2.0
//! What the cluster was made with, twice: where the programs read it, and on the data volume, which outlives the machine.
//!
//! A file that is made goes to the volume before anything else is made, so that etcd has no data before all of them are
//! there. A machine that finds them there takes them. Two that differ, and data of a cluster without them, are named.

use serde::{Deserialize, Serialize};

use super::place;
use super::round::{PUBLIC, Round, SECRET};
use super::trouble::Trouble;
use crate::firstboot::volume::{KEPT, kept};

/// Files and their permission bits; keys first, as they are made.
const FILES: [(&str, u32); 9] = [
    ("/etc/kubernetes/pki/ca.key", SECRET),
    ("/etc/kubernetes/pki/ca.crt", PUBLIC),
    ("/etc/kubernetes/pki/front-proxy-ca.key", SECRET),
    ("/etc/kubernetes/pki/front-proxy-ca.crt", PUBLIC),
    ("/etc/kubernetes/pki/etcd/ca.key", SECRET),
    ("/etc/kubernetes/pki/etcd/ca.crt", PUBLIC),
    ("/etc/kubernetes/pki/sa.key", SECRET),
    ("/etc/kubernetes/pki/sa.pub", PUBLIC),
    (place::ENCRYPTION, SECRET),
];

/// What the cluster on a volume is: what can't be changed once there is data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Pod ranges.
    pods: Vec<String>,
    /// Service ranges.
    services: Vec<String>,
}

/// Sees to the copies on the volume, and to the files that are only there.
pub(super) fn settle(round: &mut Round<'_>) {
    settle_record(round);
    for (path, mode) in FILES {
        settle_file(round, path, mode);
    }
}

fn settle_file(round: &mut Round<'_>, path: &str, mode: u32) {
    let copy = kept(path);
    let found = round.text(&copy, mode);
    match (found, round.plain(path)) {
        (Some(copied), Some(own)) if copied != own => {
            let fix = "attach the volume of this machine's cluster, or make both the one that is right";
            round.wrong(Trouble::new(path, format!("is another than {copy} on the data volume"), fix));
        }
        (Some(copied), None) if !round.is_there(path) => round.write(path, mode, copied),
        (None, Some(_)) if round.is_there(&copy) => {}
        // What a cluster was made with is older than its data.
        (None, Some(_)) if round.seen.etcd_data => {
            let what = format!("is missing on the data volume, which has a cluster, and {path} is there");
            let fix = format!("copy {path} there if it is that cluster's, or remove it here");
            round.wrong(Trouble::new(&copy, what, fix));
        }
        (None, Some(own)) => round.write(&copy, mode, own),
        _ => {}
    }
}

/// Before any file is made or taken.
fn settle_record(round: &mut Round<'_>) {
    let path = format!("{KEPT}/cluster.json");
    let cluster = round.plane.cluster;
    let texts = |ranges: &[ipnet::IpNet]| ranges.iter().map(ToString::to_string).collect::<Vec<_>>();
    let own = Record { pods: texts(&cluster.pods), services: texts(&cluster.services) };
    match round.text(&path, PUBLIC).map(serde_json::from_str::<Record>) {
        None if round.is_there(&path) => {}
        None => {
            let text = serde_json::to_string_pretty(&own).expect("texts") + "\n";
            round.write(&path, PUBLIC, text);
        }
        Some(Ok(found)) if found == own => {}
        Some(Ok(Record { pods, services })) => {
            let (pods, services) = (pods.join(", "), services.join(", "));
            let what =
                format!("is of a cluster with the pods {pods} and the services {services}, not this one");
            round.wrong(Trouble::new(
                &path,
                what,
                "attach the volume of this cluster, or correct cluster.pods and cluster.services",
            ));
        }
        Some(Err(error)) => {
            round.wrong(Trouble::new(&path, format!("is not what kiln writes: {error}"), "look at it"));
        }
    }
}
