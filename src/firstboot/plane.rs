// SPDX-License-Identifier: Apache-2.0
//! What a control plane's first boot does beyond a worker's, in two phases around its own API server. Pure.
//!
//! Before etcd: identity and files, [`turn`]. After kube-apiserver: the cluster's objects ([`super::bootstrap`]), then the
//! birth of its own Node, which is a worker's with a certificate that was signed here ([`own`]), and last the label.

use serde_json::{Value, json};

use super::control::{self, Chance, Found, Seen, Trouble};
use super::identity::Identity;
use super::next::{self, Next};
use super::observed::{self, Observed};
use super::reason::Reason;
use super::step::Step;
use super::volume;
use crate::settings::{Api, Role, Settings, Taint};

/// The label and the taint of a control plane's Node, as kubeadm sets them.
pub const ROLE: &str = "node-role.kubernetes.io/control-plane";

/// There are about forty files.
const STEPS_MAX: usize = 100;

/// What the files phase does next.
#[derive(Debug)]
pub enum Turn {
    /// What concerns the identity, or the end.
    Node(Next),
    /// This file first.
    File(control::Step),
}

/// Returns what comes next before etcd may start: that its volume is there, if it has one, the identity, then every file of control's list, and last what a killed
/// run left half-written.
pub fn turn(want: &Settings, seen: &Observed, files: &Seen, now_s: u64, chance: &Chance) -> Turn {
    let volume = want.control_plane.data_volume.as_deref();
    if let Some(trouble) = volume::missing(volume, files.is_mounted, files.is_noted) {
        return Turn::Node(Next::Stuck(trouble.into()));
    }
    let identity = match next::identity(want, seen) {
        Ok(identity) => identity,
        Err(next) => return Turn::Node(next),
    };
    match control::next(want, identity, files, now_s, chance) {
        control::Next::Do(step) => Turn::File(step),
        control::Next::Done => Turn::Node(
            seen.disk.leftovers.first().map_or(Next::Done, |path| Next::Do(Step::Remove(path.clone()))),
        ),
        control::Next::Stuck(troubles) => Turn::Node(Next::Stuck(reason(&troubles))),
    }
}

/// One line for all of it; the clock may be to blame only where nothing else is wrong.
fn reason(troubles: &[Trouble]) -> Reason {
    let all = troubles.iter().map(Trouble::to_string).collect::<Vec<_>>().join("; ");
    if troubles.iter().all(|trouble| trouble.is_of_time) {
        Reason::FilesClock(all)
    } else {
        Reason::Files(all)
    }
}

/// Returns a file's step as ledger and report have it: without its text.
pub fn shown(step: &control::Step) -> Step {
    match step {
        control::Step::Write(file) => Step::Write(file.path.clone()),
        control::Step::Link { target, .. } => Step::LinkCertificate(target.clone()),
    }
}

/// Returns the steps that the files phase would do, and what would end them.
pub fn rehearse(
    want: &Settings,
    mut seen: Observed,
    mut files: Seen,
    now_s: u64,
    chance: &Chance,
) -> (Vec<Step>, Option<Next>) {
    let mut steps = Vec::new();
    while steps.len() < STEPS_MAX {
        match turn(want, &seen, &files, now_s, chance) {
            Turn::File(step) => {
                steps.push(shown(&step));
                suppose(&mut files, step);
            }
            Turn::Node(Next::Do(Step::RecordIdentity(identity))) => {
                seen.disk.identity = observed::Found::Is(identity.clone());
                steps.push(Step::RecordIdentity(identity));
            }
            Turn::Node(Next::Do(Step::Remove(path))) => {
                seen.disk.leftovers.retain(|left| *left != path);
                steps.push(Step::Remove(path));
            }
            Turn::Node(next) => return (steps, Some(next)),
        }
    }
    (steps, None)
}

fn suppose(files: &mut Seen, step: control::Step) {
    let (path, found) = match step {
        control::Step::Write(file) => (file.path, Found::File { text: file.text, mode: file.mode }),
        control::Step::Link { path, target } => (path, Found::Link { target }),
    };
    files.files.insert(path, found);
}

/// Returns the settings by which the control plane's own Node is born and judged: its own API server, not a balancer
/// that may not know this machine yet, the CA that was made here, and the taint that keeps pods away.
///
/// # Errors
/// When the settings describe no control plane on this machine.
pub fn own(told: &Settings, identity: &Identity, ca: &str) -> Result<Settings, Trouble> {
    let mut settings = told.clone();
    settings.api = Api { endpoint: control::local(told, identity)?, ca: ca.to_owned() };
    if !settings.node.taints.iter().any(|taint| taint.key == ROLE) {
        let (key, effect) = (ROLE.to_owned(), "NoSchedule".to_owned());
        settings.node.taints.push(Taint { key, value: String::new(), effect });
    }
    Ok(settings)
}

/// Returns whether the machine is to be a control plane.
pub fn is_meant(settings: &Settings) -> bool {
    settings.role == Role::ControlPlane
}

/// Returns the JSON patch (RFC 6902) that sets the label on the Node with this UID only. An administrator sends it:
/// NodeRestriction lets no node label itself so, while it lets it set taints at its registration.
pub fn label(node_uid: &str) -> Value {
    let path = format!("/metadata/labels/{}", ROLE.replace('/', "~1"));
    json!([
        { "op": "test", "path": "/metadata/uid", "value": node_uid },
        { "op": "add", "path": path, "value": "" },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firstboot::machine::Machine;

    fn settings() -> Settings {
        serde_yaml::from_str(
            "{version: 1, image: x, role: control-plane, cluster: {pods: [10.244.0.0/16], \
             services: [10.96.0.0/16], block_prefix: 24, nodes_max: 250, surge: 6, pods_max: 110}}",
        )
        .unwrap()
    }

    fn seen() -> Observed {
        let machine = Machine {
            hostname: "cp".to_owned(),
            instance_id: Some("i".to_owned()),
            sources: vec!["10.0.2.10".parse().unwrap()],
            ..Machine::default()
        };
        Observed { machine, ..Observed::default() }
    }

    fn chance() -> Chance {
        let key_pem = rcgen::KeyPair::generate().unwrap().serialize_pem();
        Chance { key_pem, bytes: [7; 32] }
    }

    #[test]
    fn identity_is_first_and_the_files_that_let_units_start_are_last() {
        let (steps, end) = rehearse(&settings(), seen(), Seen::default(), 1_800_000_000, &chance());
        assert_eq!(end, Some(Next::Done));
        assert!(matches!(&steps[0], Step::RecordIdentity(identity) if identity.name == "cp"), "{steps:?}");
        assert_eq!(steps.last(), Some(&Step::Write("/etc/kubernetes/etcd.env".to_owned())));
        assert!(steps.len() > 30, "{steps:?}");
    }

    #[test]
    fn what_a_killed_run_left_goes_last() {
        let mut seen = seen();
        let left = "/var/lib/kiln/.ledger.jsonl.kiln-7-1".to_owned();
        seen.disk.leftovers.push(left.clone());
        let (steps, end) = rehearse(&settings(), seen, Seen::default(), 1_800_000_000, &chance());
        assert_eq!((steps.last(), end), (Some(&Step::Remove(left)), Some(Next::Done)));
    }

    #[test]
    fn everything_that_is_wrong_with_the_files_is_one_line_and_lasting() {
        let mut files = Seen::default();
        for path in ["/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/pki/sa.key"] {
            files.files.insert(path.to_owned(), Found::Other("a folder"));
        }
        let (_, end) = rehearse(&settings(), seen(), files, 1_800_000_000, &chance());
        let Some(Next::Stuck(reason)) = end else { panic!("{end:?}") };
        let text = reason.to_string();
        assert!(text.contains("ca.crt") && text.contains("sa.key") && !text.contains('\n'), "{text}");
        assert_eq!(reason.exit(), crate::exit::Exit::Config);
    }

    #[test]
    fn its_own_node_talks_to_its_own_server_and_is_tainted_once() {
        let mut told = settings();
        told.api.endpoint = "https://balancer.example:7443".to_owned();
        let identity = super::super::identity::decide(&told.node, &seen().machine).unwrap();
        let once = own(&told, &identity, "CA").unwrap();
        assert_eq!(once.api, Api { endpoint: "https://10.0.2.10:7443".to_owned(), ca: "CA".to_owned() });
        assert_eq!(own(&once, &identity, "CA").unwrap().node.taints.len(), 1);
    }

    #[test]
    fn the_label_is_escaped_as_a_path_and_bound_to_the_uid() {
        let patch = label("u");
        assert_eq!(patch[0]["value"], "u");
        assert_eq!(patch[1]["path"], "/metadata/labels/node-role.kubernetes.io~1control-plane");
    }
}
