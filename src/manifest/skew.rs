// SPDX-License-Identifier: Apache-2.0
//! Skew: which versions of Kubernetes' parts, and of the container runtime, work together.
//!
//! Sources: kubernetes/website, content/en/releases/version-skew-policy.md at 01bc097 (kubelet, kube-proxy,
//! kube-controller-manager, kube-scheduler, kubectl), and .../tools/kubeadm/create-cluster-kubeadm.md, "Version skew policy"
//! (kubeadm); the announcement of Kubernetes 1.35 (the last whose kubelet works with containerd 1.x); containerd's
//! RELEASES.md, "Kubernetes support" (kubelet 1.26 needs CRI v1).

use crate::cluster::SUPPORTED_MINORS;
use crate::version::Version;

/// A component whose version does not go with another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skew {
    /// Whose version.
    pub component: &'static str,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub fix: String,
}

/// How many minor versions a part may lie below and above another.
struct Rule {
    part: &'static str,
    against: &'static str,
    below: u32,
    above: u32,
}

const API: &str = "kube-apiserver";

const RULES: [Rule; 8] = [
    Rule { part: "kubelet", against: API, below: 3, above: 0 },
    Rule { part: "kube-proxy", against: API, below: 3, above: 0 },
    Rule { part: "kube-proxy", against: "kubelet", below: 3, above: 3 },
    Rule { part: "kube-controller-manager", against: API, below: 1, above: 0 },
    Rule { part: "kube-scheduler", against: API, below: 1, above: 0 },
    Rule { part: "kubectl", against: API, below: 1, above: 1 },
    // "The same version as kubeadm or one version older."
    Rule { part: "kubeadm", against: API, below: 0, above: 1 },
    // Below: kubeadm may be up to three minors newer than the kubelet that it manages.
    Rule { part: "kubelet", against: "kubeadm", below: 3, above: 0 },
];

/// A runtime's lowest version from some kubelet on.
struct RuntimeRule {
    runtime: &'static str,
    kubelet_from: (u32, u32),
    runtime_from: (u32, u32),
}

const RUNTIME_RULES: [RuntimeRule; 2] = [
    // KEP-4033: kubelet takes the cgroup driver from the runtime, which only containerd 2.0 can tell.
    RuntimeRule { runtime: "containerd", kubelet_from: (1, 36), runtime_from: (2, 0) },
    // containerd 1.6 brought CRI v1, which kubelet 1.26 requires.
    RuntimeRule { runtime: "containerd", kubelet_from: (1, 26), runtime_from: (1, 6) },
];

/// The first whose servers read the AuthenticationConfiguration v1 that first boot writes for them (its KEP-3331: v1 and
/// StructuredAuthenticationConfiguration locked from 1.34 on).
const OWN_API_FROM: (u32, u32) = (1, 34);

/// Returns every pair that does not go together. `api` is the version of the cluster's API servers, if it is known;
/// `components` are those of the image whose versions are known.
pub fn check(api: Option<Version>, components: &[(&str, Version)]) -> Vec<Skew> {
    let version_of =
        |name: &str| components.iter().find(|(known, _)| *known == name).map(|(_, version)| *version);
    let lookup = |name: &str| if name == API { api.or_else(|| version_of(API)) } else { version_of(name) };
    let parts = RULES.iter().filter_map(|rule| apply(rule, version_of(rule.part)?, lookup(rule.against)?));
    let own_api = api.zip(version_of(API)).and_then(|(cluster, own)| api_servers(cluster, own));
    let too_old = version_of(API).filter(|own| (own.major, own.minor) < OWN_API_FROM).map(too_old);
    let kubelet = version_of("kubelet");
    let runtimes =
        RUNTIME_RULES.iter().filter_map(|rule| apply_runtime(rule, kubelet?, version_of(rule.runtime)?));
    parts.chain(own_api).chain(too_old).chain(runtimes.take(1)).collect()
}

/// Returns what works today and is at an edge. The same arguments as [`check`]'s.
pub fn odd(api: Option<Version>, components: &[(&str, Version)]) -> Vec<Skew> {
    let version_of =
        |name: &str| components.iter().find(|(known, _)| *known == name).map(|(_, version)| *version);
    let (kubelet, api) = (version_of("kubelet"), api.or_else(|| version_of(API)));
    let untried = api.filter(|api| api.major != 1 || !SUPPORTED_MINORS.contains(&api.minor)).map(untried);
    let parts = ["kubelet", "kube-proxy"];
    let oldest = parts.into_iter().filter_map(|part| oldest(part, version_of(part)?, api?));
    let unequal = kubelet.zip(version_of("kube-proxy")).and_then(|(kubelet, proxy)| unequal(kubelet, proxy));
    let runtime = kubelet.zip(version_of("containerd")).and_then(|(kubelet, runtime)| last(kubelet, runtime));
    oldest.chain(unequal).chain(runtime).chain(untried).collect()
}

/// Three minors behind: the API servers can't be upgraded before this part is.
fn oldest(part: &'static str, version: Version, api: Version) -> Option<Skew> {
    (version.major == api.major && version.minor + 3 == api.minor).then(|| Skew {
        component: part,
        what: format!(
            "{part} {version} is the oldest that works with kube-apiserver {api}, and with no newer one"
        ),
        fix: format!("use v{}.{}", api.major, api.minor),
    })
}

fn too_old(own: Version) -> Skew {
    let (major, minor) = OWN_API_FROM;
    Skew {
        component: API,
        what: format!("kube-apiserver {own} can't read the configuration that first boot writes"),
        fix: format!("use v{major}.{minor} or later, or leave the control plane out of the image"),
    }
}

/// What first boot says of such servers; older ones it refuses.
fn untried(api: Version) -> Skew {
    let (first, last) = (SUPPORTED_MINORS.start(), SUPPORTED_MINORS.end());
    Skew {
        component: API,
        what: format!("first boot has not been tried with kube-apiserver {api}"),
        fix: format!("use v1.{first} to v1.{last}"),
    }
}

/// They are released together, and a node's two are upgraded together.
fn unequal(kubelet: Version, proxy: Version) -> Option<Skew> {
    ((kubelet.major, kubelet.minor) != (proxy.major, proxy.minor)).then(|| Skew {
        component: "kube-proxy",
        what: format!("kube-proxy {proxy} is not of kubelet's minor version, {kubelet}"),
        fix: format!("use v{}.{}", kubelet.major, kubelet.minor),
    })
}

/// The release notes of Kubernetes 1.35: the last kubelet that works with containerd 1.x.
fn last(kubelet: Version, containerd: Version) -> Option<Skew> {
    ((kubelet.major, kubelet.minor) == (1, 35) && containerd.major == 1).then(|| Skew {
        component: "containerd",
        what: format!("containerd {containerd} works with kubelet {kubelet}, and with no newer one"),
        fix: "use v2.0 or later".to_owned(),
    })
}

/// Kubelets and kube-proxies before 1.25 may lie only two minor versions below.
const THREE_BELOW_FROM: u32 = 25;

fn apply(rule: &Rule, part: Version, against: Version) -> Option<Skew> {
    let Rule { part: name, against: other, below, above } = *rule;
    let lowest = match against.minor.saturating_sub(below) {
        old if below == 3 && old < THREE_BELOW_FROM => against.minor.saturating_sub(2),
        lowest => lowest,
    };
    let highest = against.minor + above;
    let is_near = part.major == against.major && (lowest..=highest).contains(&part.minor);
    (!is_near).then(|| Skew {
        component: name,
        what: format!("{name} {part} does not work with {other} {against}"),
        fix: format!("use v{}.{lowest} to v{}.{highest}", against.major, against.major),
    })
}

/// API servers of one cluster are at most one minor version apart.
fn api_servers(cluster: Version, own: Version) -> Option<Skew> {
    let is_near = cluster.major == own.major && cluster.minor.abs_diff(own.minor) <= 1;
    (!is_near).then(|| Skew {
        component: API,
        what: format!("kube-apiserver {own} does not work beside the cluster's {cluster}"),
        fix: format!("use v{}.{}", cluster.major, cluster.minor),
    })
}

fn apply_runtime(rule: &RuntimeRule, kubelet: Version, runtime: Version) -> Option<Skew> {
    let (major, minor) = rule.runtime_from;
    let applies = (kubelet.major, kubelet.minor) >= rule.kubelet_from;
    (applies && (runtime.major, runtime.minor) < rule.runtime_from).then(|| Skew {
        component: rule.runtime,
        what: format!("{} {runtime} is too old for kubelet {kubelet}", rule.runtime),
        fix: format!("use v{major}.{minor} or later"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    fn words(api: Option<&str>, components: &[(&str, &str)]) -> Vec<String> {
        let components: Vec<_> = components.iter().map(|(name, text)| (*name, version(text))).collect();
        check(api.map(version), &components)
            .into_iter()
            .map(|skew| format!("{}; {}", skew.what, skew.fix))
            .collect()
    }

    #[test]
    fn a_kubelet_may_be_three_minors_older_and_never_newer() {
        for kubelet in ["v1.33.0", "v1.35.9", "v1.36.0"] {
            assert!(words(Some("v1.36.3"), &[("kubelet", kubelet)]).is_empty(), "{kubelet}");
        }
        for kubelet in ["v1.32.9", "v1.37.0", "v2.36.0"] {
            assert_eq!(words(Some("v1.36.3"), &[("kubelet", kubelet)]).len(), 1, "{kubelet}");
        }
    }

    #[test]
    fn a_kubelet_before_1_25_may_be_two_minors_older() {
        for (api, kubelet, wrong) in [
            ("v1.27.0", "v1.24.0", 1),
            ("v1.27.0", "v1.25.0", 0),
            ("v1.26.0", "v1.24.0", 0),
            ("v1.28.0", "v1.25.0", 0),
        ] {
            assert_eq!(words(Some(api), &[("kubelet", kubelet)]).len(), wrong, "{kubelet} and {api}");
        }
    }

    #[test]
    fn a_kubeadm_is_of_its_servers_version_or_one_newer() {
        for (kubeadm, wrong) in [("v1.34.0", 1), ("v1.35.1", 0), ("v1.36.0", 0), ("v1.37.0", 1)] {
            assert_eq!(words(Some("v1.35.0"), &[("kubeadm", kubeadm)]).len(), wrong, "{kubeadm}");
        }
    }

    #[test]
    fn what_works_at_an_edge_is_told() {
        let odd = |api: &str, components: &[(&str, &str)]| -> Vec<String> {
            let components: Vec<_> = components.iter().map(|(name, text)| (*name, version(text))).collect();
            odd(Some(version(api)), &components).into_iter().map(|skew| skew.what).collect()
        };
        assert!(odd("v1.36.3", &[("kubelet", "v1.36.1"), ("kube-proxy", "v1.36.3")]).is_empty());
        let found = odd("v1.36.3", &[("kubelet", "v1.33.0"), ("kube-proxy", "v1.34.0")]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("is the oldest that works with kube-apiserver v1.36.3"), "{found:?}");
        assert!(found[1].contains("is not of kubelet's minor version, v1.33.0"), "{found:?}");
        let found = odd("v1.35.0", &[("kubelet", "v1.35.0"), ("containerd", "v1.7.29")]);
        assert!(found[0].starts_with("containerd v1.7.29 works with kubelet v1.35.0, and with no newer"));
    }

    #[test]
    fn a_kube_proxy_stays_near_its_kubelet() {
        let wrong = words(None, &[("kubelet", "v1.36.0"), ("kube-proxy", "v1.32.0")]);
        assert_eq!(wrong, ["kube-proxy v1.32.0 does not work with kubelet v1.36.0; use v1.33 to v1.39"]);
        assert!(words(None, &[("kubelet", "v1.33.0"), ("kube-proxy", "v1.36.0")]).is_empty());
    }

    #[test]
    fn an_own_api_server_counts_when_the_cluster_says_nothing() {
        assert_eq!(words(None, &[("kube-apiserver", "v1.35.0"), ("kubelet", "v1.36.0")]).len(), 1);
        assert_eq!(words(Some("v1.33.0"), &[("kube-apiserver", "v1.35.0")]).len(), 1);
    }

    #[test]
    fn an_own_control_plane_is_new_enough_for_what_first_boot_writes() {
        for (own, wrong) in [("v1.33.9", 1), ("v1.34.0", 0), ("v1.36.3", 0), ("v1.99.0", 0)] {
            assert_eq!(words(None, &[("kube-apiserver", own)]).len(), wrong, "{own}");
        }
        for (api, is_odd) in [("v1.29.0", true), ("v1.30.0", false), ("v1.99.0", true)] {
            assert_eq!(odd(Some(version(api)), &[]).len(), usize::from(is_odd), "{api}");
        }
    }

    #[test]
    fn containerd_1_is_too_old_from_kubelet_1_36_on() {
        let wrong = words(None, &[("kubelet", "v1.36.3"), ("containerd", "v1.7.29")]);
        assert_eq!(wrong, ["containerd v1.7.29 is too old for kubelet v1.36.3; use v2.0 or later"]);
        assert!(words(None, &[("kubelet", "v1.35.0"), ("containerd", "v1.7.29")]).is_empty());
    }
}
