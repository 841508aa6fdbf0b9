// SPDX-License-Identifier: Apache-2.0
//! Clusters and nodes of every mode, family and fabric, and what is rendered for them.

use ipnet::IpNet;
use kiln::firstboot::file::File;
use kiln::firstboot::identity::Identity;
use kiln::firstboot::network::{self, Uplink};
use kiln::ipam::Ranges;
use kiln::settings::{
    Addressing, Api, Cloud, Cluster, ControlPlane, Fabric, Mode, Network, Node, Role, Runtime, Settings,
    VERSION,
};

/// The index of the block in every case.
const INDEX: u32 = 3;

/// One node.
#[derive(Debug, Clone)]
pub struct Case {
    pub settings: Settings,
    pub identity: Identity,
    pub uplink: Uplink,
}

/// Which families pods have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Families {
    V4,
    V6,
    Dual,
}

impl Case {
    pub fn new(mode: Mode, families: Families, fabric: Fabric) -> Self {
        let pick = |v4: &str, v6: &str| -> Vec<String> {
            match families {
                Families::V4 => vec![v4.to_owned()],
                Families::V6 => vec![v6.to_owned()],
                Families::Dual => vec![v4.to_owned(), v6.to_owned()],
            }
        };
        let ranges = |v4, v6| pick(v4, v6).iter().map(|range| range.parse::<IpNet>().unwrap()).collect();
        let cluster = Cluster {
            kubernetes: "v1.36.3".into(),
            pods: ranges("10.244.0.0/16", "fd00:244::/48"),
            services: ranges("10.96.0.0/16", "fd00:96::/112"),
            hosts: ranges("10.0.0.0/16", "fd00:1::/64"),
            block_prefix: Some(24),
            block_prefix_v6: Some(64),
            nodes_max: 250,
            surge: 6,
            pods_max: 110,
            domain: "cluster.local".into(),
            addressing: Addressing::Claim,
            reserved: vec![],
        };
        let runtime = if mode == Mode::Docker { Runtime::Docker } else { Runtime::Containerd };
        let settings = Settings {
            version: VERSION,
            image: "test".into(),
            role: Role::Worker,
            cluster,
            api: Api::default(),
            node: Node::default(),
            network: Network { mode, fabric, ..Network::default() },
            runtime,
            sandbox: Some("kiln.local/pause:1".into()),
            control_plane: ControlPlane::default(),
            cloud: Cloud::default(),
        };
        let addresses =
            pick("10.0.0.5", "fd00:1::5").iter().map(|address| address.parse().unwrap()).collect();
        let identity =
            Identity { name: "worker-1".into(), addresses, provider_id: None, instance_id: "7f1c".into() };
        Self { settings, identity, uplink: Uplink { name: "eth0".into(), mtu: 1500 } }
    }

    pub fn blocks(&self) -> Vec<IpNet> {
        Ranges::of(&self.settings.cluster).unwrap().blocks(INDEX).unwrap()
    }

    pub fn files(&self) -> Vec<File> {
        network::files(&self.settings, &self.identity, &self.blocks(), &self.uplink)
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> String {
        let files = self.files();
        let file = files.iter().find(|file| file.path == path);
        file.unwrap_or_else(|| panic!("{path} is not rendered")).text.clone()
    }
}

/// Every mode with every family and fabric that it can have, by name.
pub fn all() -> Vec<(String, Case)> {
    let families = [("v4", Families::V4), ("v6", Families::V6), ("dual", Families::Dual)];
    let fabrics = [("vxlan", Fabric::Vxlan), ("host-gw", Fabric::HostGw), ("none", Fabric::None)];
    let mut cases = Vec::new();
    for (mode_name, mode) in [("cni", Mode::Cni), ("docker", Mode::Docker)] {
        for (family_name, family) in families {
            for (fabric_name, fabric) in fabrics {
                // Docker's bridge has an IPv4 address in any case.
                if (mode, family) != (Mode::Docker, Families::V6) {
                    let name = format!("{mode_name}-{family_name}-{fabric_name}");
                    cases.push((name, Case::new(mode, family, fabric)));
                }
            }
        }
    }
    cases
}
