// SPDX-License-Identifier: Apache-2.0
//! The own Node: how it is registered before kubelet runs, and whether one that is there is this machine's.
//!
//! kubelet finds the Node made and then sets neither taints nor labels of its owner's choice, so all of them stand in
//! the create (firstboot-anchors 2.4).

use ipnet::IpNet;
use serde_json::{Value, json};

use super::identity::Identity;
use super::machine::Machine;
use super::observed::NodeSeen;
use crate::cluster::{NewNode, Node, Taint};
use crate::ipam::mirror;
use crate::names::{INSTANCE, MIRROR};
use crate::settings::{self, Node as Settings};

/// Returns the Node as it is registered.
pub fn wanted(settings: &Settings, identity: &Identity) -> NewNode {
    let mut labels = settings.labels.clone();
    // The one that others select by and that kubelet sets only once it runs.
    labels.entry("kubernetes.io/hostname".to_owned()).or_insert_with(|| identity.name.clone());
    let taint = |taint: &settings::Taint| {
        let settings::Taint { key, value, effect } = taint.clone();
        Taint { key, value, effect }
    };
    NewNode {
        name: identity.name.clone(),
        labels,
        taints: settings.taints.iter().map(taint).collect(),
        annotations: [(INSTANCE.to_owned(), identity.instance_id.clone())].into(),
        provider_id: identity.provider_id.clone(),
    }
}

/// Returns what matters of a Node.
pub fn seen(node: &Node, is_new: bool) -> NodeSeen {
    NodeSeen {
        uid: node.meta.uid.clone(),
        instance: node.meta.annotations.get(INSTANCE).cloned(),
        provider_id: Some(node.provider_id.clone()).filter(|id| !id.is_empty()),
        hardware_ids: node.hardware_ids.clone(),
        pod_cidrs: node.pod_cidrs.iter().map(IpNet::to_string).collect(),
        is_new,
    }
}

/// Returns whether a Node of this machine's name is this machine's.
///
/// What kiln wrote decides where it stands. A Node that kubelet registered by itself, after the first was deleted under
/// it, is known by provider id or hardware; one that shows nothing of all this is nobody's to take.
pub fn is_ours(identity: &Identity, machine: &Machine, seen: &NodeSeen) -> bool {
    if let Some(instance) = &seen.instance {
        return *instance == identity.instance_id;
    }
    if let (Some(ours), Some(theirs)) = (&identity.provider_id, &seen.provider_id) {
        return ours == theirs;
    }
    seen.hardware_ids.iter().any(|id| machine.hardware_ids.contains(id))
}

/// Returns what tells whose Node it is, for people.
pub fn holder(seen: &NodeSeen) -> String {
    let known = [
        seen.instance.as_ref().map(|id| format!("instance {id}")),
        seen.provider_id.as_ref().map(|id| format!("provider id {id}")),
        seen.hardware_ids.first().map(|id| format!("hardware id {id}")),
    ];
    known.into_iter().flatten().next().unwrap_or_else(|| format!("Node UID {}", seen.uid))
}

/// Returns the JSON patch (RFC 6902) that sets podCIDRs and the mirror, on the Node with this UID only.
pub fn publication(node_uid: &str, blocks: &[IpNet]) -> Value {
    let texts: Vec<String> = blocks.iter().map(IpNet::to_string).collect();
    let mut patch = vec![
        json!({ "op": "test", "path": "/metadata/uid", "value": node_uid }),
        json!({ "op": "add", "path": "/spec/podCIDR", "value": texts.first() }),
        json!({ "op": "add", "path": "/spec/podCIDRs", "value": texts }),
    ];
    if let Some(value) = mirror(blocks) {
        patch.push(json!({ "op": "add", "path": format!("/metadata/labels/{MIRROR}"), "value": value }));
    }
    patch.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            name: "w".to_owned(),
            addresses: Vec::new(),
            provider_id: Some("aws:///a/i-1".to_owned()),
            instance_id: "i-1".to_owned(),
        }
    }

    #[test]
    fn the_node_is_made_with_all_that_kubelet_will_not_add() {
        let taint =
            settings::Taint { key: "k".to_owned(), value: String::new(), effect: "NoSchedule".to_owned() };
        let labels = [("a/b".to_owned(), "c".to_owned())].into();
        let node = wanted(&Settings { labels, taints: vec![taint], ..Settings::default() }, &identity());
        assert_eq!(node.labels["kubernetes.io/hostname"], "w");
        assert_eq!(node.labels["a/b"], "c");
        assert_eq!(node.annotations["kiln.dev/instance"], "i-1");
        assert_eq!(node.provider_id.as_deref(), Some("aws:///a/i-1"));
        assert_eq!((node.taints[0].key.as_str(), node.taints[0].effect.as_str()), ("k", "NoSchedule"));
    }

    #[test]
    fn a_node_is_ours_by_instance_then_provider_then_hardware() {
        let machine = Machine { hardware_ids: vec!["aa".to_owned()], ..Machine::default() };
        let text = |value: &str| (!value.is_empty()).then(|| value.to_owned());
        for (instance, provider, hardware, expected) in [
            ("i-1", "aws:///a/i-2", "bb", true),
            ("i-2", "aws:///a/i-1", "aa", false),
            ("", "aws:///a/i-1", "bb", true),
            ("", "aws:///a/i-2", "aa", false),
            ("", "", "aa", true),
            ("", "", "bb", false),
            ("", "", "", false),
        ] {
            let seen = NodeSeen {
                instance: text(instance),
                provider_id: text(provider),
                hardware_ids: text(hardware).into_iter().collect(),
                ..NodeSeen::default()
            };
            assert_eq!(is_ours(&identity(), &machine, &seen), expected, "{seen:?}");
        }
    }

    #[test]
    fn both_families_are_published_in_one_patch_and_the_mirror_is_ipv4() {
        let blocks = ["fd00:0:0:5::/64".parse().unwrap(), "10.234.1.64/26".parse().unwrap()];
        let patch = publication("u", &blocks);
        assert_eq!(patch[0], json!({ "op": "test", "path": "/metadata/uid", "value": "u" }));
        assert_eq!(patch[1]["value"], "fd00:0:0:5::/64");
        assert_eq!(patch[2]["value"], json!(["fd00:0:0:5::/64", "10.234.1.64/26"]));
        assert_eq!(patch[3]["value"], "10.234.1.64_26");
        assert_eq!(publication("u", &blocks[..1]).as_array().unwrap().len(), 3);
    }
}
