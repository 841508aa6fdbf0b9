// SPDX-License-Identifier: Apache-2.0
//! What the system itself reads at every boot: kernel modules and parameters, and that networkd leaves pods' links alone.

use ipnet::IpNet;

use super::{Uplink, is_v6};
use crate::firstboot::file::File;
use crate::settings::{Fabric, Settings};

/// Kernel modules (modules-load.d(5)); read before the parameters, some of which exist only then.
pub const MODULES: &str = "/etc/modules-load.d/kiln-pods.conf";
/// Kernel parameters (sysctl.d(5)); after bake's own 90-kiln.conf.
pub const PARAMETERS: &str = "/etc/sysctl.d/91-kiln-pods.conf";
/// systemd.network(5).
pub const UNMANAGED: &str = "/etc/systemd/network/10-kiln-pods.network";
/// systemd.link(5).
pub const LINK: &str = "/etc/systemd/network/10-kiln-pods.link";
/// networkd.conf(5).
pub const FOREIGN_ROUTES: &str = "/etc/systemd/networkd.conf.d/10-kiln-pods.conf";

/// Bridges of both modes, flannel's devices, and pods' ends.
const NAMES: &str = "cni0 docker0 flannel.* flannel-v6.* veth*";

/// Returns the files.
pub(super) fn files(settings: &Settings, blocks: &[IpNet], uplink: &Uplink) -> Vec<File> {
    vec![
        File::readable(MODULES, modules(settings.network.fabric)),
        File::readable(PARAMETERS, parameters(blocks, uplink)),
        File::readable(UNMANAGED, unmanaged()),
        File::readable(LINK, link()),
        File::readable(FOREIGN_ROUTES, foreign_routes()),
    ]
}

fn modules(fabric: Fabric) -> String {
    let vxlan = if fabric == Fabric::Vxlan { "vxlan\n" } else { "" };
    format!("# So that services work between pods of one bridge.\nbr_netfilter\n{vxlan}")
}

fn parameters(blocks: &[IpNet], uplink: &Uplink) -> String {
    let mut text = "# A node routes for its pods.\n".to_owned();
    if blocks.iter().any(|block| !is_v6(block)) {
        text += "net.ipv4.ip_forward = 1\n";
    }
    if blocks.iter().any(is_v6) {
        // The kernel drops the default routes that routers announced when forwarding comes on, unless this was there.
        text += &format!(
            "# First, or the kernel forgets its routers when it becomes one.\n\
            net/ipv6/conf/{}/accept_ra = 2\n\
            net.ipv6.conf.all.forwarding = 1\n",
            uplink.name
        );
    }
    text += "# Packets between pods of one bridge pass the rules that make services work.\n\
        net.bridge.bridge-nf-call-iptables = 1\n\
        net.bridge.bridge-nf-call-ip6tables = 1\n";
    text
}

fn unmanaged() -> String {
    format!(
        "# CNI plugins, docker and flannel own these; networkd would take away what they configure.\n\
        [Match]\n\
        Name={NAMES}\n\n\
        [Link]\n\
        Unmanaged=yes\n"
    )
}

fn link() -> String {
    format!(
        "# Others know flannel's device by the MAC address that flannel announced: udev must not give it a new one.\n\
        [Match]\n\
        OriginalName={NAMES}\n\n\
        [Link]\n\
        MACAddressPolicy=none\n"
    )
}

fn foreign_routes() -> String {
    "# flannel's routes lie on links that networkd manages; it would remove what it did not make.\n\
    [Network]\n\
    ManageForeignRoutes=no\n\
    ManageForeignRoutingPolicyRules=no\n"
        .to_owned()
}
