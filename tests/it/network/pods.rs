// SPDX-License-Identifier: Apache-2.0
//! Two pods by the real CNI plugins: they reach each other, the outside sees the node, other nodes' pods see the pod.

use std::io::Write;
use std::process::Stdio;

use kiln::firstboot::network::{cni, packets};
use kiln::settings::{Fabric, Mode};
use serde_json::{Value, json};

use super::cases::{Case, Families};
use super::node::Node;

/// Has each plugin of the conflist in turn do `verb` for a pod, as a runtime does (CNI specification, section 3).
pub fn call(node: &Node, verb: &str, pod: &str) -> Result<Value, String> {
    let text = std::fs::read_to_string(node.path(cni::CONFLIST)).unwrap();
    let conflist: Value = serde_json::from_str(&text).unwrap();
    let mut result = Value::Null;
    for plugin in conflist["plugins"].as_array().unwrap() {
        let mut configuration = plugin.clone();
        configuration["cniVersion"] = conflist["cniVersion"].clone();
        configuration["name"] = conflist["name"].clone();
        configuration.as_object_mut().unwrap().remove("capabilities");
        configuration["runtimeConfig"] =
            json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]});
        if !result.is_null() {
            configuration["prevResult"] = result.clone();
        }
        let mut command = node.command(&format!("/opt/cni/bin/{}", plugin["type"].as_str().unwrap()));
        command.env("CNI_COMMAND", verb).env("CNI_CONTAINERID", pod).env("CNI_IFNAME", "eth0");
        command.env("CNI_NETNS", format!("/run/netns/{pod}")).env("CNI_PATH", "/opt/cni/bin");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(configuration.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            return Err(said);
        }
        result = serde_json::from_str(&said).unwrap_or(Value::Null);
    }
    Ok(result)
}

/// Makes a pod's network namespace and connects it; returns its addresses.
pub fn pod(node: &Node, name: &str) -> Vec<String> {
    node.done(&format!("ip netns add {name}"));
    let result = call(node, "ADD", name).unwrap();
    let addresses = result["ips"].as_array().unwrap().iter();
    addresses.map(|ip| ip["address"].as_str().unwrap().split_once('/').unwrap().0.to_owned()).collect()
}

/// Asks a server outside who it believes to talk to.
fn seen_as(node: &Node, from: &str, to: &str) -> String {
    let target = if to.contains(':') { format!("TCP6:[{to}]:80") } else { format!("TCP4:{to}:80") };
    node.done(&format!("ip netns exec {from} socat -T5 - {target},connect-timeout=5")).trim().to_owned()
}

fn connect(node: &Node, families: Families) {
    let case = Case::new(Mode::Cni, families, Fabric::Vxlan);
    node.put(&case.files());
    masquerade(node);
}

/// What the unit does at every boot.
pub fn masquerade(node: &Node) {
    for line in include_str!("../../../units/kiln-masquerade.service").lines() {
        let Some(words) = line.strip_prefix("ExecStart=") else { continue };
        let (is_done, text) = node.said(words.trim_start_matches('-'));
        assert!(is_done || words.starts_with('-'), "{words}: {text}");
    }
}

fn pods_talk(families: Families) {
    let node = Node::new();
    // As docker leaves it behind when it is the one that turns forwarding on.
    node.done("iptables --policy FORWARD DROP");
    node.done("ip6tables --policy FORWARD DROP");
    connect(&node, families);
    let (a, b) = (pod(&node, "a"), pod(&node, "b"));
    assert_eq!(a.len(), if families == Families::Dual { 2 } else { 1 });
    let mut outside = Vec::new();
    node.write("/run/tell-peer", "#!/bin/sh\necho $SOCAT_PEERADDR\n");
    node.done("chmod +x /run/tell-peer");
    for listen in ["TCP4-LISTEN:80,fork,reuseaddr", "TCP6-LISTEN:80,fork,reuseaddr,ipv6only=1"] {
        outside.push(node.start(&format!("ip netns exec outside socat {listen} EXEC:/run/tell-peer")));
    }
    node.wait_for("servers", || node.done("ip netns exec outside ss -Hltn").matches(":80").count() == 2);
    for (from, to) in a.iter().zip(&b) {
        node.done(&format!("ip netns exec a ping -c 1 -W 5 {to}"));
        node.done(&format!("ip netns exec b ping -c 1 -W 5 {from}"));
        let v6 = from.contains(':');
        let (router, other_pod, node_address) = match v6 {
            false => ("10.0.0.1", "10.244.7.2", "10.0.0.5"),
            true => ("fd00:1::1", "fd00:244:0:7::2", "fd00:1::5"),
        };
        let bare = |address: String| address.trim_matches(['[', ']']).to_owned();
        let expand = |address: &str| address.parse::<std::net::IpAddr>().unwrap();
        assert_eq!(expand(&bare(seen_as(&node, "a", router))), expand(node_address), "leaves as the node");
        assert_eq!(expand(&bare(seen_as(&node, "a", other_pod))), expand(from), "stays a pod");
    }
    for name in ["a", "b"] {
        call(&node, "DEL", name).unwrap();
    }
    let leases = node.done(&format!("ls {}/{}", cni::LEASES, cni::NETWORK));
    assert!(leases.lines().all(|name| name == "lock" || name.starts_with("last_reserved_ip")), "{leases}");
    assert!(node.done("nft list ruleset").contains("table inet kiln"), "{}", packets::MASQUERADE);
}

#[test]
fn pods_of_ipv4_reach_each_other_and_leave_as_their_node() {
    pods_talk(Families::V4);
}

#[test]
fn pods_of_ipv6_reach_each_other_and_leave_as_their_node() {
    pods_talk(Families::V6);
}

#[test]
fn pods_of_both_families_reach_each_other_and_leave_as_their_node() {
    pods_talk(Families::Dual);
}
