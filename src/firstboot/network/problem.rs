// SPDX-License-Identifier: Apache-2.0
//! What can't work however often it is tried: settings, node and machine that contradict each other.

use ipnet::IpNet;

use super::{Uplink, is_v6, mtu};
use crate::firstboot::identity::Identity;
use crate::settings::{Fabric, Mode, Runtime, Settings};

/// IPv6 demands this much of every link (RFC 8200, section 5).
const MTU_MIN_V6: u32 = 1280;
/// Every IPv4 host must take this much (RFC 791); below it, hardly anything works.
const MTU_MIN_V4: u32 = 576;

/// One contradiction, with what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// containerd knows no docker0.
    #[error(
        "network.mode docker needs runtime docker; with containerd, mode cni puts pods on the same block"
    )]
    DockerModeWithoutDocker,
    /// Docker gives its bridge an IPv4 address in any case.
    #[error(
        "network.mode docker needs an IPv4 pod range, for docker gives docker0 an IPv4 address in any case; use mode cni"
    )]
    DockerModeWithoutV4,
    /// flannel reaches the other nodes of a family by an address of that family.
    #[error(
        "pods have {family} addresses but the node has none; flannel carries {family} between {family} addresses only: give node.addresses one, or leave {pods} out of cluster.pods"
    )]
    NoAddress {
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// The pod range.
        pods: IpNet,
    },
    /// Too little is left for pods.
    #[error(
        "pods would have an MTU of {mtu} bytes, and {least} is the least that works; {uplink} has {uplink_mtu}"
    )]
    Mtu {
        /// What pods would get.
        mtu: u32,
        /// What they need.
        least: u32,
        /// The uplink's name.
        uplink: String,
        /// The uplink's MTU.
        uplink_mtu: u32,
    },
    /// The setting asks for more than the uplink carries.
    #[error(
        "network.mtu {mtu} does not fit {uplink}, which leaves {most} bytes for pods; lower it or leave it out"
    )]
    MtuTooLarge {
        /// The setting.
        mtu: u32,
        /// What fits.
        most: u32,
        /// The uplink's name.
        uplink: String,
    },
    /// Runtimes take the first file of the folder.
    #[error(
        "{file} sorts before kiln's {}, so that pods would be on its network and not on this node's block; remove it, or give it a name that sorts later",
        super::cni::CONFLIST
    )]
    OtherNetwork {
        /// The file.
        file: String,
    },
    /// kiln writes the file as a whole.
    #[error(
        "{} is not kiln's: it says {keys}; kiln writes that file, so say it in a drop-in of docker.service as options of dockerd, and remove the file",
        super::docker::DAEMON
    )]
    OtherDaemon {
        /// Keys that kiln does not write.
        keys: String,
    },
    /// dockerd stops when a key stands on its command line and in daemon.json.
    #[error(
        "{file}: option --{option} is said in daemon.json as well, and docker does not start then; remove it there"
    )]
    DockerOption {
        /// Where it stands.
        file: String,
        /// The option without dashes.
        option: String,
    },
    /// flannel has taken another block than was claimed.
    #[error(
        "{}: {key} is {found}, and the claim says {claimed}; a second allocator is at work, or flannel has not been restarted",
        super::flannel::SUBNET
    )]
    Subnet {
        /// The variable.
        key: &'static str,
        /// What flannel wrote.
        found: String,
        /// What the claim says.
        claimed: String,
    },
}

/// Returns all contradictions between settings, node and uplink.
pub fn problems(settings: &Settings, identity: &Identity, blocks: &[IpNet], uplink: &Uplink) -> Vec<Problem> {
    let mut problems = of_ranges(settings, identity, blocks);
    problems.extend(sizes(settings, blocks, uplink));
    problems
}

/// Returns those between settings and node alone, which no block and no uplink will mend.
pub fn of_node(settings: &Settings, identity: &Identity) -> Vec<Problem> {
    of_ranges(settings, identity, &settings.cluster.pods)
}

fn of_ranges(settings: &Settings, identity: &Identity, ranges: &[IpNet]) -> Vec<Problem> {
    let mut problems = Vec::new();
    if settings.network.mode == Mode::Docker {
        if settings.runtime == Runtime::Containerd {
            problems.push(Problem::DockerModeWithoutDocker);
        }
        if ranges.iter().all(is_v6) {
            problems.push(Problem::DockerModeWithoutV4);
        }
    }
    problems.extend(addresses(settings, identity));
    problems
}

fn addresses(settings: &Settings, identity: &Identity) -> Vec<Problem> {
    if settings.network.fabric == Fabric::None {
        return Vec::new();
    }
    let has = |v6: bool| identity.addresses.iter().any(|address| address.is_ipv6() == v6);
    let missing = settings.cluster.pods.iter().filter(|range| !has(is_v6(range)));
    missing
        .map(|range| Problem::NoAddress { family: if is_v6(range) { "IPv6" } else { "IPv4" }, pods: *range })
        .collect()
}

fn sizes(settings: &Settings, blocks: &[IpNet], uplink: &Uplink) -> Option<Problem> {
    let mut without = settings.clone();
    without.network.mtu = None;
    let (mtu, most) = (mtu(settings, blocks, uplink), mtu(&without, blocks, uplink));
    let least = if blocks.iter().any(is_v6) { MTU_MIN_V6 } else { MTU_MIN_V4 };
    if mtu > most {
        return Some(Problem::MtuTooLarge { mtu, most, uplink: uplink.name.clone() });
    }
    let (uplink, uplink_mtu) = (uplink.name.clone(), uplink.mtu);
    (mtu < least).then_some(Problem::Mtu { mtu, least, uplink, uplink_mtu })
}
