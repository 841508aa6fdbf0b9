// SPDX-License-Identifier: Apache-2.0
//! What is taken down when a claim is lost under a running node, and what is started again; as a list. Pure.
//!
//! kubelet goes first, or it would make pods again while their sandboxes are removed; it comes back last, when the new
//! block's files are there.

use super::network::{bridge, cni};
use crate::settings::{Fabric, Mode, Settings};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run a program to its end.
    Run {
        /// Its path or name.
        program: &'static str,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// Remove a file.
    Remove(String),
    /// Remove all files in a folder.
    Empty(String),
    /// Delete a link.
    DeleteLink(String),
}

/// What every process of every pod is in, whatever the runtime: kubelet's slices (its configuration says that systemd
/// manages control groups). A runtime sees that the sandboxes have ended, and kubelet makes them anew, with the new block's
/// addresses. A pattern, because a unit that is named and not there is an error.
const PODS: &str = "kubepods*.slice";

fn systemctl(words: &[&str]) -> Action {
    let arguments = words.iter().map(|word| (*word).to_owned()).collect();
    Action::Run { program: "/usr/bin/systemctl", arguments }
}

/// Returns what is done before the claim is made anew.
pub fn teardown(settings: &Settings) -> Vec<Action> {
    let mut actions = vec![
        systemctl(&["stop", "kubelet.service"]),
        systemctl(&["stop", PODS]),
        Action::Remove(cni::CONFLIST.to_owned()),
    ];
    // dockerd holds its bridge; it reads the new address when it is started again.
    if settings.network.mode == Mode::Docker {
        actions.push(systemctl(&["stop", "docker.service", "docker.socket"]));
    }
    actions.push(Action::DeleteLink(bridge(settings.network.mode).to_owned()));
    actions.push(Action::Empty(format!("{}/{}", cni::LEASES, cni::NETWORK)));
    actions
}

/// Returns what is done after it.
pub fn revival(settings: &Settings) -> Vec<Action> {
    let mut actions = Vec::new();
    if settings.network.mode == Mode::Docker {
        actions.push(systemctl(&["start", "docker.service"]));
    }
    if settings.network.fabric != Fabric::None {
        actions.push(systemctl(&["restart", "flanneld.service"]));
    }
    actions.push(systemctl(&["restart", "kube-proxy.service"]));
    // Not awaited: kubelet runs `verify` first, and may wait for what waits for us.
    actions.push(systemctl(&["start", "--no-block", "kubelet.service"]));
    actions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubelet_stops_first_and_starts_last() {
        let mut settings: Settings = serde_yaml::from_str(
            "{version: 1, image: x, cluster: {pods: [], services: [], nodes_max: 1, surge: 0, pods_max: 1}}",
        )
        .unwrap();
        for mode in [Mode::Cni, Mode::Docker] {
            settings.network.mode = mode;
            let (down, up) = (teardown(&settings), revival(&settings));
            assert_eq!(down[..2], [systemctl(&["stop", "kubelet.service"]), systemctl(&["stop", PODS])]);
            assert_eq!(up.last(), Some(&systemctl(&["start", "--no-block", "kubelet.service"])));
            let bridge = Action::DeleteLink(bridge(mode).to_owned());
            assert!(down.contains(&bridge), "{down:?}");
        }
        settings.network.fabric = Fabric::None;
        assert!(!revival(&settings).contains(&systemctl(&["restart", "flanneld.service"])));
    }
}
