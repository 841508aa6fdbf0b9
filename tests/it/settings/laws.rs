// SPDX-License-Identifier: Apache-2.0
//! What later layers do to earlier ones.

use kiln::settings::{Addressing, Form, Layer, Mode, Role, merge};
use proptest::prelude::*;

use super::{layer, layers};

fn yaml(name: &str, text: &str) -> Layer {
    layer(name, Form::Yaml, text)
}

#[test]
fn later_layers_win_key_by_key_and_lists_are_replaced() {
    let merged = merge(&layers(&[
        yaml("a", "node:\n  name: one\n  addresses: [10.1.0.5, 'fd00::5']\n  labels: {a: '1', b: '1'}\n"),
        yaml("b", "node:\n  addresses: [10.1.0.6]\n  labels: {b: '2'}\n"),
        layer(
            "kernel command line",
            Form::CommandLine,
            "ro kiln.node.name=two kiln.node.labels.example.org/c=3 quiet",
        ),
    ]))
    .unwrap();
    let node = merged.settings.node;
    assert_eq!(node.name.as_deref(), Some("two"));
    assert_eq!(node.addresses, ["10.1.0.6".parse::<std::net::IpAddr>().unwrap()]);
    let labels: Vec<(&str, &str)> = node.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(labels, [("a", "1"), ("b", "2"), ("example.org/c", "3")]);
    assert_eq!(merged.warnings, []);
}

#[test]
fn the_kernel_command_line_says_every_kind_of_value() {
    let words = "kiln.role=control-plane kiln.network.mode=docker kiln.runtime=docker kiln.network.mtu=1450 \
                 kiln.node.addresses=10.1.0.5,fd00::5 kiln.node.taints=dedicated=gpu:NoSchedule,example.org/x:NoExecute \
                 kiln.cluster.addressing=static kiln.node.index=7 \"kiln.cluster.reserved=0,1\" kiln.control-plane.names=api.example.org kiln.cluster.nodes-max=50";
    let settings =
        merge(&layers(&[layer("kernel command line", Form::CommandLine, words)])).unwrap().settings;
    assert_eq!((settings.role, settings.network.mode), (Role::ControlPlane, Mode::Docker));
    assert_eq!((settings.network.mtu, settings.node.index), (Some(1450), Some(7)));
    assert_eq!((settings.cluster.addressing, settings.cluster.reserved), (Addressing::Static, vec![0, 1]));
    assert_eq!(settings.node.addresses.len(), 2);
    let taints: Vec<String> =
        settings.node.taints.iter().map(|t| format!("{}={}:{}", t.key, t.value, t.effect)).collect();
    assert_eq!(taints, ["dedicated=gpu:NoSchedule", "example.org/x=:NoExecute"]);
    assert_eq!(settings.control_plane.names, ["api.example.org"]);
}

#[test]
fn words_of_older_systems_work_with_a_warning() {
    let words = "# written by setup-network-environment\nDEFAULT_IPV4=10.1.0.5\nLEADER_ENDPOINT=\"10.1.0.10\"\n\
                 KUBE_NODE_SERVICE_IP_CIDRS=10.234.0.0/20\nFLANNEL_MTU=1450\n";
    let older = layer("/etc/kiln/settings.env", Form::Environment, words);
    let merged = merge(&layers(&[older])).unwrap();
    assert_eq!(merged.settings.node.addresses, ["10.1.0.5".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(merged.settings.network.mtu, Some(1450));
    assert_eq!(merged.settings.api.endpoint, "https://10.1.0.10:6443");
    let warnings: Vec<String> = merged.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "/etc/kiln/settings.env:4:1: KUBE_NODE_SERVICE_IP_CIDRS: is a word of older systems and stands for \
             cluster.pods; write cluster.pods: [10.234.0.0/20]",
            "/etc/kiln/settings.env:3:1: LEADER_ENDPOINT: is a word of older systems and stands for api.endpoint; \
             write api.endpoint: https://10.1.0.10:6443",
            "/etc/kiln/settings.env:2:1: DEFAULT_IPV4: is a word of older systems and stands for node.addresses; \
             write node.addresses: [10.1.0.5]",
            "/etc/kiln/settings.env:5:1: FLANNEL_MTU: is a word of older systems and stands for network.mtu; write \
             network.mtu: 1450",
        ]
    );
}

#[test]
fn what_can_be_derived_is_derived() {
    let wide = "cluster:\n  pods: [10.234.0.0/20, 'fd00:1::/56']\n  services: [10.96.0.0/16, 'fd00:2::/112']\n\
                api: {endpoint: 'https://api.example.org/'}\n";
    let settings = merge(&layers(&[yaml("wide", wide)])).unwrap().settings;
    let texts = |addresses: Vec<std::net::IpAddr>| -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    };
    assert_eq!(texts(settings.dns_addresses()), ["10.96.0.10", "fd00:2::a"]);
    assert_eq!(texts(settings.api_service_addresses()), ["10.96.0.1", "fd00:2::1"]);
    assert_eq!((settings.cluster.block_prefix, settings.cluster.block_prefix_v6), (Some(26), Some(64)));
    assert_eq!(settings.api.endpoint, "https://api.example.org");
}

/// Values that are right wherever they stand, so that only merging is tried.
fn some_layer() -> impl Strategy<Value = String> {
    let optional = |values: &'static [&'static str]| prop::option::of(prop::sample::select(values));
    let labels = prop::collection::btree_map("[a-c]", "[a-z]{1,3}", 0..3);
    (
        optional(&["one", "two"]),
        optional(&["[10.1.0.5]", "[10.1.0.6, 'fd00::6']", "[]"]),
        prop::option::of(labels),
        optional(&["1400", "1500"]),
        optional(&["worker", "control-plane"]),
    )
        .prop_map(|(name, addresses, labels, mtu, role)| {
            let mut text = String::from("node:\n  instance_id: x\n");
            let mut line = |line: String| text.push_str(&line);
            name.into_iter().for_each(|name| line(format!("  name: {name}\n")));
            addresses.into_iter().for_each(|addresses| line(format!("  addresses: {addresses}\n")));
            if let Some(labels) = labels {
                let items: Vec<String> = labels.iter().map(|(k, v)| format!("{k}: '{v}'")).collect();
                line(format!("  labels: {{{}}}\n", items.join(", ")));
            }
            mtu.into_iter().for_each(|mtu| line(format!("network:\n  mtu: {mtu}\n")));
            role.into_iter().for_each(|role| line(format!("role: {role}\n")));
            text
        })
}

/// The meaning of a layer by a fold that knows nothing of the real one: the last that speaks of a key.
fn last<T>(all: &[T], says: impl Fn(&T) -> Option<String>) -> Option<String> {
    all.iter().rev().find_map(says)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Merging is associative where it matters: what some layers say together is a layer that says the same in their place.
    #[test]
    fn layers_merged_beforehand_are_as_good_as_layers(a in some_layer(), b in some_layer(), c in some_layer()) {
        let all = [&a, &b, &c].map(|text| yaml("x", text));
        let apart = merge(&layers(&all)).unwrap().settings;
        for split in 0..=3 {
            // Everything up to `split` as the settings that it makes, written out again.
            let early = merge(&layers(&all[..split])).unwrap().settings;
            let written = serde_yaml::to_string(&early).unwrap();
            let written: String = written.lines().filter(|line| !line.ends_with(": null")).map(|l| format!("{l}\n")).collect();
            let mut some = vec![yaml("early", &written)];
            some.extend_from_slice(&all[split..]);
            prop_assert_eq!(&merge(&some).unwrap().settings, &apart);
        }
    }

    #[test]
    fn the_last_layer_that_speaks_of_a_key_is_heard(all in prop::collection::vec(some_layer(), 1..6)) {
        let some: Vec<Layer> = all.iter().map(|text| yaml("x", text)).collect();
        let settings = merge(&layers(&some)).unwrap().settings;
        let line = |key: &'static str| {
            move |text: &String| text.lines().find_map(|line| Some(line.trim().strip_prefix(key)?.to_owned()))
        };
        prop_assert_eq!(settings.node.name, last(&all, line("name: ")));
        prop_assert_eq!(settings.network.mtu.map(|mtu| mtu.to_string()), last(&all, line("mtu: ")));
    }

    #[test]
    fn no_text_is_a_catastrophe(text in "(kiln|node|api|[:.=\\-#&*!|>'\"%@`{}\\[\\], \n\t]|[a-z0-9]|.){0,60}", form in 0_usize..3) {
        let form = [Form::Yaml, Form::Environment, Form::CommandLine][form];
        if let Err(problems) = merge(&layers(&[layer("x", form, &text)])) {
            prop_assert!(!problems.0.is_empty());
        }
    }
}
