// SPDX-License-Identifier: Apache-2.0
//! Who this machine is: decided once, recorded, and kept.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::machine::Machine;
use super::reason::Reason;
use crate::settings::Node;

/// Who this machine is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The Node object's name.
    pub name: String,
    /// The node's own addresses, one of each family at most, the primary family first.
    pub addresses: Vec<IpAddr>,
    /// `spec.providerID`, where somebody gave one.
    pub provider_id: Option<String>,
    /// What tells this machine from its clones.
    pub instance_id: String,
}

/// Decides who the machine is, from what the settings say and what was seen of it.
///
/// # Errors
/// When something is missing that nobody can guess, or could be two things.
pub fn decide(node: &Node, machine: &Machine) -> Result<Identity, Reason> {
    let name = name(node, machine)?;
    let instance_id = machine.instance_id.clone().ok_or(Reason::NoInstance)?;
    let addresses = if node.addresses.is_empty() { &machine.sources } else { &node.addresses };
    if addresses.is_empty() {
        return Err(machine.unresolved.clone().map_or(Reason::NoAddress, Reason::Unresolved));
    }
    for (at, one) in addresses.iter().enumerate() {
        if let Some(other) = addresses[..at].iter().find(|other| other.is_ipv4() == one.is_ipv4()) {
            return Err(Reason::Ambiguous(*other, *one));
        }
    }
    let provider_id = node.provider_id.clone();
    Ok(Identity { name, addresses: addresses.clone(), provider_id, instance_id })
}

fn name(node: &Node, machine: &Machine) -> Result<String, Reason> {
    let name = node.name.clone().unwrap_or_else(|| machine.hostname.to_ascii_lowercase());
    // Every machine that nobody has named has this name (hostname(5)); DHCP may yet bring another.
    let is_nobodys = name == "localhost" || name.starts_with("localhost.");
    if node.name.is_none() && is_nobodys {
        return Err(Reason::NoName(name));
    }
    if is_node_name(&name) { Ok(name) } else { Err(Reason::Name(name)) }
}

/// Returns, in a line each, where settings now name something else than what was recorded and is kept.
pub fn departures(node: &Node, recorded: &Identity) -> Vec<String> {
    let listed =
        |addresses: &[IpAddr]| addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
    let wanted = [
        ("node.name", node.name.clone(), recorded.name.clone()),
        (
            "node.addresses",
            (!node.addresses.is_empty()).then(|| listed(&node.addresses)),
            listed(&recorded.addresses),
        ),
        (
            "node.provider_id",
            node.provider_id.clone(),
            recorded.provider_id.clone().unwrap_or_else(|| "none".to_owned()),
        ),
    ];
    let differs = |(key, wanted, recorded): (&str, Option<String>, String)| {
        let wanted = wanted.filter(|wanted| *wanted != recorded)?;
        Some(format!(
            "{key} is {wanted}, and this machine was made a node with {recorded}, which it keeps; to change it, delete the \
             Node, empty /var/lib/kiln and /var/lib/kubelet, and boot with a new token"
        ))
    };
    wanted.into_iter().filter_map(differs).collect()
}

/// UUIDs that boards come with when nobody has set one: they tell no machine from another.
const PLACEHOLDERS: [&str; 3] = [
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    // The example of an American Megatrends BIOS that many boards were sold with.
    "03000200-0400-0500-0006-000700080009",
];

/// Returns what tells the machine from its clones: the settings' word, else SMBIOS' UUID, which a copied disk does not
/// take along, else the machine id.
///
/// The machine id itself is confidential (machine-id(5)): what is shown to the cluster is a hash of it.
pub fn instance_id(node: &Node, smbios: Option<&str>, machine_id: Option<&str>) -> Option<String> {
    let smbios = smbios.filter(|uuid| !PLACEHOLDERS.contains(uuid)).map(|uuid| format!("smbios-{uuid}"));
    let hashed = || {
        let digest = Sha256::digest(format!("kiln instance\n{}", machine_id?));
        let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Some(format!("machine-{hex}"))
    };
    node.instance_id.clone().or(smbios).or_else(hashed)
}

/// The label kubernetes.io/hostname holds the name, and a label's value no more than this.
const NAME_MAX: usize = 63;

/// RFC 1123 subdomain, as the API server checks names of Nodes.
fn is_node_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(is_inner)
    };
    name.len() <= NAME_MAX && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(hostname: &str, sources: &[&str]) -> Machine {
        Machine {
            hostname: hostname.to_owned(),
            instance_id: Some("i-1".to_owned()),
            sources: sources.iter().map(|text| text.parse().unwrap()).collect(),
            ..Machine::default()
        }
    }

    #[test]
    fn the_host_name_and_the_source_addresses_do_where_nothing_is_set() {
        let found = decide(&Node::default(), &machine("Worker-1", &["10.0.0.4", "fd00::4"])).unwrap();
        assert_eq!((found.name.as_str(), found.addresses.len()), ("worker-1", 2));
        let node = Node {
            name: Some("w".to_owned()),
            addresses: vec!["10.9.9.9".parse().unwrap()],
            ..Node::default()
        };
        let found = decide(&node, &machine("Worker-1", &["10.0.0.4", "10.0.0.5"])).unwrap();
        assert_eq!((found.name.as_str(), found.addresses[0].to_string().as_str()), ("w", "10.9.9.9"));
    }

    #[test]
    fn what_settings_want_otherwise_later_is_told_with_both() {
        let recorded = decide(&Node::default(), &machine("w", &["10.0.0.4"])).unwrap();
        assert_eq!(departures(&Node::default(), &recorded), Vec::<String>::new());
        let node = Node {
            name: Some("v".to_owned()),
            addresses: vec!["10.0.0.5".parse().unwrap()],
            ..Node::default()
        };
        let told = departures(&node, &recorded);
        assert!(told[0].starts_with("node.name is v, and this machine was made a node with w"), "{told:?}");
        assert!(told[1].starts_with("node.addresses is 10.0.0.5, and"), "{told:?}");
    }

    #[test]
    fn a_placeholder_tells_no_machine_from_another() {
        let node = Node::default();
        let uuid = "4c4c4544-0051-3610-8052-b4c04f4d3132";
        assert_eq!(instance_id(&node, Some(uuid), Some("m")), Some(format!("smbios-{uuid}")));
        let hashed = instance_id(&node, Some(PLACEHOLDERS[2]), Some("m")).unwrap();
        assert!(hashed.starts_with("machine-") && hashed.len() == 40, "{hashed}");
        assert_eq!(instance_id(&node, None, None), None);
        let set = Node { instance_id: Some("i-1".to_owned()), ..node };
        assert_eq!(instance_id(&set, Some(uuid), None).as_deref(), Some("i-1"));
    }

    #[test]
    fn what_could_be_two_things_is_refused_and_both_are_named() {
        let refusal = |machine| decide(&Node::default(), &machine).unwrap_err();
        let two = refusal(machine("w", &["10.0.0.4", "fd00::4", "10.0.0.5"]));
        assert!(two.to_string().starts_with("10.0.0.4 and 10.0.0.5 both are"), "{two}");
        assert_eq!(refusal(machine("w", &[])), Reason::NoAddress);
        for name in ["", "a_b", "-a", "a..b", &"a".repeat(64)] {
            assert_eq!(refusal(machine(name, &["10.0.0.4"])), Reason::Name(name.to_owned()));
        }
        for name in ["localhost", "LOCALHOST", "localhost.localdomain"] {
            let reason = refusal(machine(name, &["10.0.0.4"]));
            assert_eq!(reason, Reason::NoName(name.to_ascii_lowercase()));
            assert_eq!(reason.exit(), crate::exit::Exit::TryAgain);
        }
        let lost = Machine { unresolved: Some("api.example".to_owned()), ..machine("w", &[]) };
        assert_eq!(refusal(lost), Reason::Unresolved("api.example".to_owned()));
        let nobody = Machine { instance_id: None, ..machine("w", &["10.0.0.4"]) };
        assert_eq!(refusal(nobody), Reason::NoInstance);
    }
}
