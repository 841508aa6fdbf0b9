// SPDX-License-Identifier: Apache-2.0
//! kube-proxy's configuration (kubeproxy.config.k8s.io/v1alpha1).

use super::{KUBECONFIG, bridge};
use crate::firstboot::file::File;
use crate::firstboot::identity::Identity;
use crate::settings::Settings;
use crate::version::Version;

/// Where `kube-proxy --config` finds it.
pub const CONFIGURATION: &str = "/etc/kubernetes/kube-proxy.yaml";

/// The first kube-proxy that takes the mode nftables without more ado.
const ON_BY_ITSELF: Version = Version { major: 1, minor: 31, patch: 0 };

/// Returns the configuration.
///
/// Traffic is a pod's own when it comes from the bridge. `NodeCIDR` would need the API server before a single rule is
/// there, and `ClusterCIDR` would take for local what pods of other nodes send.
pub(super) fn configuration(settings: &Settings, identity: &Identity) -> File {
    let (name, bridge) = (super::quoted(&identity.name), bridge(settings.network.mode));
    let gates = gates(&settings.cluster.kubernetes);
    let text = format!(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\n\
        kind: KubeProxyConfiguration\n\
        mode: nftables\n\
        {gates}\
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

/// nftables is alpha up to 1.30 and on by itself from 1.31 on (KEP-3866); a later kube-proxy has no such gate any more, and
/// refuses one that it does not know.
fn gates(kubernetes: &str) -> &'static str {
    match Version::parse(kubernetes) {
        Some(version) if version < ON_BY_ITSELF => "featureGates:\n  NFTablesProxyMode: true\n",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nftables_is_switched_on_where_it_is_not() {
        let gate = "featureGates:\n  NFTablesProxyMode: true\n";
        for (version, expected) in [
            ("v1.30.0", gate),
            ("v1.30.14", gate),
            ("v1.31.0", ""),
            ("v1.33.4", ""),
            ("v1.36.3", ""),
            // A version that nobody has said is taken for a new one.
            ("", ""),
        ] {
            assert_eq!(gates(version), expected, "{version}");
        }
    }
}
