// SPDX-License-Identifier: Apache-2.0
//! Docker: daemon.json, and the options elsewhere that would say the same key twice and stop the daemon.
//!
//! Docker touches no firewall here. With `iptables` on, it masquerades traffic between nodes as well, and since version
//! 28 it drops what other hosts send to a container's own address, which is how pods talk. With `userland-proxy` off it
//! sets the bridge's ports to hairpin, so that a pod reaches itself through its own service; in exchange nobody serves
//! a pod's `hostPort` in docker mode.

use ipnet::IpNet;
use serde::Serialize;

use super::problem::Problem;
use super::{gateway, is_v6};
use crate::firstboot::file::File;
use crate::settings::{Mode, Runtime, Settings};

/// The daemon's configuration.
pub const DAEMON: &str = "/etc/docker/daemon.json";
/// Files whose variables distributions put on dockerd's command line; drop-ins in [`DROP_INS`] may do so too.
pub const OPTION_FILES: [&str; 4] = [
    // flannel's helper on Flatcar, and the default of mk-docker-opts.
    "/run/flannel/flannel_docker_opts.env",
    "/run/docker_opts.env",
    "/etc/default/docker",
    "/etc/sysconfig/docker",
];
/// Folders of drop-ins for docker.service.
pub const DROP_INS: [&str; 2] =
    ["/etc/systemd/system/docker.service.d", "/run/systemd/system/docker.service.d"];

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Daemon {
    #[serde(skip_serializing_if = "Option::is_none")]
    bridge: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bip: Option<IpNet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_cidr: Option<IpNet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ipv6: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_cidr_v6: Option<IpNet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    iptables: bool,
    ip6tables: bool,
    ip_masq: bool,
    ip_forward: bool,
    userland_proxy: bool,
    exec_opts: [&'static str; 1],
    log_driver: &'static str,
    log_opts: LogOptions,
}

/// cri-dockerd can't have docker turn a log over, so docker does it by itself.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct LogOptions {
    max_size: &'static str,
    max_file: &'static str,
}

/// Returns daemon.json; none where containerd runs pods.
pub(super) fn daemon(settings: &Settings, blocks: &[IpNet], mtu: u32) -> Option<File> {
    if settings.runtime == Runtime::Containerd {
        return None;
    }
    let owns_bridge = settings.network.mode == Mode::Docker;
    let v4 = blocks.iter().find(|block| owns_bridge && !is_v6(block));
    let v6 = blocks.iter().find(|block| owns_bridge && is_v6(block));
    let daemon = Daemon {
        // Pods hang on cni0; a docker0 of docker's own choice could only overlap with something.
        bridge: (!owns_bridge).then_some("none"),
        bip: v4.map(gateway),
        fixed_cidr: v4.copied(),
        ipv6: v6.map(|_| true),
        fixed_cidr_v6: v6.copied(),
        mtu: owns_bridge.then_some(mtu),
        iptables: false,
        ip6tables: false,
        ip_masq: false,
        // Docker sets FORWARD to DROP when it is the one that turns forwarding on; sysctl.d has done so before.
        ip_forward: false,
        userland_proxy: false,
        exec_opts: ["native.cgroupdriver=systemd"],
        log_driver: "json-file",
        log_opts: LogOptions { max_size: "10m", max_file: "5" },
    };
    Some(File::readable(DAEMON, super::json(&daemon)))
}

/// Returns that a daemon.json holds what kiln has never written, so that it is somebody else's.
pub fn other(runtime: Runtime, text: &str) -> Option<Problem> {
    if runtime == Runtime::Containerd {
        return None;
    }
    let keys = match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
        Ok(all) => {
            let is_ours = |key: &&String| !FLAGS.iter().any(|(_, own)| own == *key);
            all.keys().filter(is_ours).map(String::as_str).collect::<Vec<_>>().join(", ")
        }
        Err(_) => "what is no JSON object".to_owned(),
    };
    (!keys.is_empty()).then_some(Problem::OtherDaemon { keys })
}

/// The flags of dockerd that name a key of [`Daemon`], without dashes.
const FLAGS: [(&str, &str); 15] = [
    ("b", "bridge"),
    ("bridge", "bridge"),
    ("bip", "bip"),
    ("fixed-cidr", "fixed-cidr"),
    ("ipv6", "ipv6"),
    ("fixed-cidr-v6", "fixed-cidr-v6"),
    ("mtu", "mtu"),
    ("iptables", "iptables"),
    ("ip6tables", "ip6tables"),
    ("ip-masq", "ip-masq"),
    ("ip-forward", "ip-forward"),
    ("userland-proxy", "userland-proxy"),
    ("exec-opt", "exec-opts"),
    ("log-driver", "log-driver"),
    ("log-opt", "log-opts"),
];

/// Returns the options in `texts` (path and contents of [`OPTION_FILES`] and drop-ins) that say a key of `daemon`
/// again: dockerd refuses to start when a key stands both on its command line and in daemon.json.
pub fn said_twice(daemon: &File, texts: &[(String, String)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in texts {
        for option in options(text) {
            let Some((_, key)) = FLAGS.iter().find(|(flag, _)| *flag == option) else { continue };
            // `bip` and `bridge` exclude each other, too.
            let is_said = daemon.text.contains(&format!("\"{key}\":")) || *key == "bridge";
            if is_said {
                problems.push(Problem::DockerOption { file: path.clone(), option: option.to_owned() });
            }
        }
    }
    problems
}

/// Returns the names of the flags that stand in an environment file or unit, comments left out.
fn options(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let words = lines.flat_map(|line| line.split(|c: char| c.is_whitespace() || "\"'=".contains(c)));
    words.filter_map(|word| word.strip_prefix("--").or_else(|| word.strip_prefix('-')))
}
