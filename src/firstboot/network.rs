// SPDX-License-Identifier: Apache-2.0
//! Network: the texts that connect pods and configure what runs them, rendered from settings, identity and block.
//!
//! The system applies these texts at every boot: nothing that first boot does by hand would be there after the next
//! one. Nothing here looks at the machine; what was seen of it comes in as a value.

pub mod cni;
pub mod docker;
pub mod flannel;
pub mod kubelet;
pub mod overlap;
pub mod packets;
pub mod problem;
pub mod proxy;
pub mod runtime;
pub mod stale;
pub mod system;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::file::File;
use super::identity::Identity;
use crate::settings::{Fabric, Mode, Runtime, Settings};

/// What each unit that starts a node's program reads: name and addresses as this machine has them.
pub const NODE_ENVIRONMENT: &str = "/etc/kubernetes/node.env";
/// The kubeconfig that kubelet, kube-proxy and flannel share. It names the certificate by its path, which client-go
/// reads again when the file changes, so that all of them outlive a rotation.
pub const KUBECONFIG: &str = "/etc/kubernetes/kubelet.conf";

/// VXLAN over IPv4: 14 bytes of inner Ethernet, 8 of VXLAN, 8 of UDP, 20 of IPv4.
const VXLAN_BYTES: u32 = 50;
/// The same over IPv6, whose header has 40 bytes.
const VXLAN_V6_BYTES: u32 = 70;

/// The link by which this machine reaches the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// `eth0`.
    pub name: String,
    /// Bytes.
    pub mtu: u32,
}

/// Returns every file of the node's network and of the programs that depend on the block, in the order in which they
/// are to be written. The conflist is the last: its presence makes the runtime say that the network is ready.
///
/// `blocks` are those that the node holds, the primary family first. [`problem::problems`] has found nothing before.
pub fn files(settings: &Settings, identity: &Identity, blocks: &[IpNet], uplink: &Uplink) -> Vec<File> {
    let mut files = system::files(settings, blocks, uplink);
    files.push(packets::masquerade(settings, blocks));
    files.push(environment(settings, identity, uplink));
    files.extend(kubelet::files(settings, identity, blocks));
    files.push(proxy::configuration(settings, identity));
    files.extend(flannel::configuration(settings, mtu(settings, blocks, uplink)));
    files.extend(runtime::files(settings));
    files.extend(docker::daemon(settings, blocks, mtu(settings, blocks, uplink)));
    files.extend(cni::conflist(settings.network.mode, blocks, mtu(settings, blocks, uplink)));
    files
}

/// Returns the MTU of pods in bytes: the setting, else the uplink's less what the fabric wraps around a packet.
///
/// One bridge carries both families, so the larger header counts where there are IPv6 pods.
pub fn mtu(settings: &Settings, blocks: &[IpNet], uplink: &Uplink) -> u32 {
    let wrapped = match settings.network.fabric {
        Fabric::Vxlan if blocks.iter().any(is_v6) => VXLAN_V6_BYTES,
        Fabric::Vxlan => VXLAN_BYTES,
        Fabric::HostGw | Fabric::None => 0,
    };
    settings.network.mtu.unwrap_or(uplink.mtu.saturating_sub(wrapped))
}

/// Returns the name of the bridge that pods hang on.
pub fn bridge(mode: Mode) -> &'static str {
    match mode {
        Mode::Cni => "cni0",
        Mode::Docker => "docker0",
    }
}

/// Returns the bridge's own address: the first of the block that is not the network's, which host-local and docker
/// take for the gateway as well.
pub fn gateway(block: &IpNet) -> IpNet {
    let address: IpAddr = match block {
        IpNet::V4(block) => Ipv4Addr::from(u32::from(block.network()) + 1).into(),
        IpNet::V6(block) => Ipv6Addr::from(u128::from(block.network()) + 1).into(),
    };
    IpNet::new(address, block.prefix_len()).expect("the block's own prefix length")
}

/// Returns what units hand to kubelet, cri-dockerd and flannel, as an environment file (systemd.exec(5)).
///
/// flannel takes `NODE_NAME` and every option as `FLANNELD_OPTION`; without its own it would guess an interface by the
/// default route, which need not be the one that the node's addresses are on.
fn environment(settings: &Settings, identity: &Identity, uplink: &Uplink) -> File {
    let all: Vec<String> = identity.addresses.iter().map(IpAddr::to_string).collect();
    let mut text = format!("NODE_NAME={}\nNODE_IP={}\n", identity.name, all.join(","));
    if settings.network.fabric != Fabric::None {
        text += &format!("FLANNELD_IFACE={}\n", uplink.name);
        for address in &identity.addresses {
            let option = if address.is_ipv4() { "FLANNELD_PUBLIC_IP" } else { "FLANNELD_PUBLIC_IPV6" };
            text += &format!("{option}={address}\n");
        }
    }
    if settings.runtime == Runtime::Docker {
        let plugin = if settings.network.mode == Mode::Cni { "cni" } else { "" };
        text += &format!("CRI_DOCKERD_NETWORK_PLUGIN={plugin}\n");
        // The whole word, so that cri-dockerd keeps its own default where there is none.
        let sandbox = settings.sandbox.iter().map(|image| format!("--pod-infra-container-image={image}"));
        text += &format!("CRI_DOCKERD_SANDBOX={}\n", sandbox.collect::<String>());
    }
    File::readable(NODE_ENVIRONMENT, text)
}

fn is_v6(range: &IpNet) -> bool {
    range.addr().is_ipv6()
}

/// Returns a value as indented JSON, keys in the order of its fields.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("structures of texts and numbers") + "\n"
}

/// Returns a text as a YAML scalar: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text")
}

#[cfg(test)]
mod tests;
