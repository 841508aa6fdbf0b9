// SPDX-License-Identifier: Apache-2.0
//! The health signal of a group: an instance whose Node is not Ready. EC2's own checks see a machine that runs; whether it is a
//! node, the API server knows. Pure.

use std::collections::BTreeMap;

/// A node that restarts its kubelet, or loses the API server for a moment, is no reason to end a machine.
pub const PATIENCE_S: u64 = 5 * 60;
/// Where a group has one machine, nothing tells its own trouble from everybody's, which passes more often than not.
pub const LONE_PATIENCE_S: u64 = 30 * 60;

/// How a Node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It is Ready.
    Ready,
    /// It is not, since so many seconds.
    NotReady(u64),
}

/// What is made of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// These are no healthy nodes; perhaps none.
    Unhealthy(Vec<String>),
    /// So many of so many are not Ready at once: that is trouble of a network or a server, and ending machines mends neither.
    Common(usize, usize),
}

/// Returns what is made of a group: `counted` are the instances that it counts on, `nodes` the Nodes that there are by name.
/// One without a Node is as one that is not Ready; how long a first boot may take is the group's own grace period.
pub fn verdict(counted: &[String], nodes: &BTreeMap<String, Health>) -> Verdict {
    let is_lone = counted.len() == 1;
    let patience_s = if is_lone { LONE_PATIENCE_S } else { PATIENCE_S };
    let is_bad = |id: &&String| match nodes.get(*id) {
        Some(Health::Ready) => false,
        Some(Health::NotReady(for_s)) => *for_s >= patience_s,
        None => true,
    };
    let bad: Vec<String> = counted.iter().filter(is_bad).cloned().collect();
    if !is_lone && bad.len() * 2 > counted.len() {
        return Verdict::Common(bad.len(), counted.len());
    }
    Verdict::Unhealthy(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(nodes: &[(&str, Health)], counted: &[&str]) -> Verdict {
        let nodes = nodes.iter().map(|(name, health)| ((*name).to_owned(), *health)).collect();
        verdict(&counted.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>(), &nodes)
    }

    #[test]
    fn a_machine_that_is_no_ready_node_for_minutes_is_not_healthy() {
        let unhealthy = |ids: &[&str]| Verdict::Unhealthy(ids.iter().map(|id| (*id).to_owned()).collect());
        let ready = ("a", Health::Ready);
        assert_eq!(judged(&[ready, ("b", Health::NotReady(299))], &["a", "b"]), unhealthy(&[]));
        assert_eq!(judged(&[ready, ("b", Health::NotReady(300))], &["a", "b"]), unhealthy(&["b"]));
        assert_eq!(judged(&[ready], &["a", "b"]), unhealthy(&["b"]), "it has no Node");
        assert_eq!(judged(&[ready, ("c", Health::NotReady(999))], &["a"]), unhealthy(&[]), "of no group");
        assert_eq!(judged(&[], &["a"]), unhealthy(&["a"]), "no pod runs there");
        assert_eq!(judged(&[("a", Health::NotReady(1799))], &["a"]), unhealthy(&[]), "the only one");
        assert_eq!(judged(&[("a", Health::NotReady(1800))], &["a"]), unhealthy(&["a"]));
    }

    #[test]
    fn when_most_are_not_ready_no_machine_is_to_blame() {
        assert_eq!(judged(&[("a", Health::Ready)], &["a", "b", "c"]), Verdict::Common(2, 3));
        assert_eq!(judged(&[], &["a", "b", "c", "d"]), Verdict::Common(4, 4));
        let both = [("a", Health::NotReady(300)), ("b", Health::NotReady(999))];
        assert_eq!(judged(&both, &["a", "b"]), Verdict::Common(2, 2));
    }
}
