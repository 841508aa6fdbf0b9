// SPDX-License-Identifier: Apache-2.0
//! kube-proxy's configuration (kubeproxy.config.k8s.io/v1alpha1).

use super::{KUBECONFIG, bridge};
use crate::firstboot::file::File;
use crate::firstboot::identity::Identity;
use crate::settings::Mode;

/// Where `kube-proxy --config` finds it.
pub const CONFIGURATION: &str = "/etc/kubernetes/kube-proxy.yaml";

/// Returns the configuration.
///
/// Traffic is a pod's own when it comes from the bridge. `NodeCIDR` would need the API server before a single rule is
/// there, and `ClusterCIDR` would take for local what pods of other nodes send.
pub(super) fn configuration(mode: Mode, identity: &Identity) -> File {
    let (name, bridge) = (super::quoted(&identity.name), bridge(mode));
    let text = format!(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\n\
        kind: KubeProxyConfiguration\n\
        mode: nftables\n\
        # The Node's name, which need not be the host's.\n\
        hostnameOverride: {name}\n\
        clientConnection:\n  \
          kubeconfig: {KUBECONFIG}\n\
        # What comes from this bridge is a pod's of this node; all else that goes to a service is masqueraded.\n\
        detectLocalMode: BridgeInterface\n\
        detectLocal:\n  \
          bridgeInterface: {bridge}\n"
    );
    File::readable(CONFIGURATION, text)
}
