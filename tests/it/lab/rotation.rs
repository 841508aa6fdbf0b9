// SPDX-License-Identifier: Apache-2.0
//! A worker of a lab whose first certificate ends soon: kubelet has another by then, and so have kube-proxy and flannel.

use std::time::{Duration, Instant};

use super::bench::ask;
use super::person::{Up, eventually, healthy};

/// Long enough for a node to come up on a busy machine, short enough to wait for. The signer dates certificates back by
/// five minutes, and kubelet renews at 70 to 90 % of the whole time.
const LIVES: Duration = Duration::from_secs(150);
/// Where kubelet keeps the certificate that counts, and what it is at the moment.
const CURRENT: &str = "readlink -f /var/lib/kubelet/pki/kubelet-client-current.pem";
const ENVIRONMENT: &str = "/etc/kubernetes/kube-controller-manager.env";
const DROP_IN: &str = "/run/systemd/system/kube-controller-manager.service.d/50-test.conf";

/// A worker with such a certificate.
pub struct ShortLived {
    name: String,
    first: String,
    joined: Instant,
}

impl ShortLived {
    /// Adds one; those that join later live as long as ever.
    pub fn add(up: &mut Up) -> Self {
        let control = up.node("control");
        let script = format!(
            "mkdir -p $(dirname {DROP_IN}); . {ENVIRONMENT}; \
             echo \"KUBE_CONTROLLER_MANAGER_ARGS=\\\"$KUBE_CONTROLLER_MANAGER_ARGS \
             --cluster-signing-duration={}s\\\"\" > /run/short.env; \
             printf '[Service]\\nEnvironmentFile=/run/short.env\\n' > {DROP_IN}; \
             systemctl daemon-reload; systemctl restart kube-controller-manager.service",
            LIVES.as_secs()
        );
        ask(&control, &script);
        let name = up.add(&[]);
        let (joined, first) = (Instant::now(), ask(&up.node(&name), CURRENT));
        ask(
            &control,
            &format!(
                "rm {DROP_IN}; systemctl daemon-reload; systemctl restart kube-controller-manager.service"
            ),
        );
        Self { name, first, joined }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the first certificate is none any more; then everything goes on with another.
    pub fn outlives_it(&self, up: &Up) {
        let node = up.node(&self.name);
        eventually("kubelet has another certificate", 2 * LIVES, || {
            (ask(&node, CURRENT) != self.first).then_some(())
        });
        std::thread::sleep((LIVES + Duration::from_secs(5)).saturating_sub(self.joined.elapsed()));
        // Whoever still had the first one would have to connect anew with it, and find no server that takes it.
        ask(&node, "ss -K dport = 6443 >/dev/null");
        up.smoke();
        healthy(up, &self.name);
    }
}
