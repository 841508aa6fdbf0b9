// SPDX-License-Identifier: Apache-2.0
//! kubelet's configuration (kubelet.config.k8s.io/v1beta1): one file for every node of the image, and a drop-in for
//! what is this node's own.

use std::net::IpAddr;

use ipnet::IpNet;

use super::quoted;
use super::runtime::endpoint;
use crate::firstboot::file::File;
use crate::firstboot::identity::Identity;
use crate::pool::Pool;
use crate::settings::Settings;

/// Where `kubelet --config` finds the common part.
pub const CONFIGURATION: &str = "/etc/kubernetes/kubelet.yaml";
/// What is this node's own, in the folder of `--config-dir`; files with greater numbers may change any of it.
pub const OWN: &str = "/etc/kubernetes/kubelet.d/10-node.conf";

/// kubeadm's habit, which every addon relies on: DNS has the tenth address of the service range.
const DNS_OFFSET: u128 = 10;

/// Returns both files.
pub(super) fn files(settings: &Settings, identity: &Identity, blocks: &[IpNet]) -> [File; 2] {
    [File::readable(CONFIGURATION, common(settings)), File::readable(OWN, own(settings, identity, blocks))]
}

/// Returns the address of the cluster's DNS service: the tenth of the primary service range.
pub fn cluster_dns(settings: &Settings) -> Option<IpAddr> {
    let range = settings.cluster.services.first()?;
    let address: IpAddr = match range {
        IpNet::V4(range) => u32::from(range.network()).checked_add(DNS_OFFSET as u32)?.to_be_bytes().into(),
        IpNet::V6(range) => u128::from(range.network()).checked_add(DNS_OFFSET)?.to_be_bytes().into(),
    };
    range.contains(&address).then_some(address)
}

/// Returns how many pods the node takes: the setting, and no more than the smallest of its blocks serves.
pub fn pods_max(settings: &Settings, blocks: &[IpNet]) -> u32 {
    let serves = |block: &IpNet| Pool::new(*block, block.prefix_len()).map(|pool| pool.pods_per_block()).ok();
    blocks.iter().filter_map(serves).fold(settings.cluster.pods_max, u32::min)
}

fn own(settings: &Settings, identity: &Identity, blocks: &[IpNet]) -> String {
    let mut text = format!(
        "apiVersion: kubelet.config.k8s.io/v1beta1\n\
        kind: KubeletConfiguration\n\
        # No more than the block has addresses for.\n\
        maxPods: {}\n",
        pods_max(settings, blocks)
    );
    if let Some(id) = &identity.provider_id {
        text += &format!("providerID: {}\n", quoted(id));
    }
    text
}

/// The limits and lifetimes that have no reason of their own here are those of nodeadm and Bottlerocket.
fn common(settings: &Settings) -> String {
    let dns = cluster_dns(settings).map_or_else(String::new, |dns| format!("clusterDNS:\n- \"{dns}\"\n"));
    let (domain, endpoint) = (quoted(&settings.cluster.domain), endpoint(settings.runtime));
    format!(
        r#"apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
# Whoever asks kubelet shows a certificate or a token that the API server vouches for.
authentication:
  anonymous:
    enabled: false
  webhook:
    enabled: true
    cacheTTL: 2m0s
  x509:
    clientCAFile: /etc/kubernetes/pki/ca.crt
authorization:
  mode: Webhook
  webhook:
    cacheAuthorizedTTL: 5m0s
    cacheUnauthorizedTTL: 30s
readOnlyPort: 0
tlsMinVersion: VersionTLS13
# First boot handed over the certificate; kubelet renews it from now on. Nobody approves serving certificates.
rotateCertificates: true
serverTLSBootstrap: false
# The Node is there already: registering adopts it and adds kubelet's own labels and annotations.
registerNode: true
{dns}clusterDomain: {domain}
# The stub at 127.0.0.53 is out of reach for pods.
resolvConf: /run/systemd/resolve/resolv.conf
containerRuntimeEndpoint: {endpoint}
cgroupDriver: systemd
protectKernelDefaults: true
seccompDefault: true
podPidsLimit: 16384
serializeImagePulls: false
maxParallelImagePulls: 5
streamingConnectionIdleTimeout: 1h0m0s
# Pods get this long to end when the machine is shut down, the critical ones the last part of it.
shutdownGracePeriod: 30s
shutdownGracePeriodCriticalPods: 10s
# What pods can't have, so that neither kubelet nor the system starves.
kubeReserved:
  cpu: 100m
  memory: 128Mi
systemReserved:
  cpu: 100m
  memory: 128Mi
"#
    )
}
