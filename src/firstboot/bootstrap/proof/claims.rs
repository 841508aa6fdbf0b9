// SPDX-License-Identifier: Apache-2.0
//! Probes of what nodes may create in kiln-ipam.

use serde_json::{Value, json};

use super::{Expected, NODE, Probe, Verb, by_node, outside};
use crate::firstboot::bootstrap::Object;
use crate::ipam::{NAMESPACE, Ranges, claim_name, family};

/// A claim with one thing changed, and the words that refuse it.
type Case = (&'static str, fn(&mut Value, &Ranges), &'static str);

const CASES: [Case; 10] = [
    (
        "a claim named with a leading zero",
        |claim, _| claim["metadata"]["name"] = json!("b-00"),
        "a node creates claims here and nothing else, named b-INDEX with the index in plain decimal",
    ),
    (
        "a claim beyond the last block",
        |claim, ranges| claim["metadata"]["name"] = json!(claim_name(ranges.count())),
        "the pool has no block with this index",
    ),
    ("a claim that can be changed", |claim, _| claim["immutable"] = json!(false), "a claim is immutable"),
    (
        "a claim with a finalizer",
        |claim, _| claim["metadata"]["finalizers"] = json!(["kiln.dev/proof"]),
        "a claim has no finalizers",
    ),
    (
        "a claim without an owner",
        |claim, _| claim["metadata"]["ownerReferences"] = json!([]),
        "a claim has exactly one owner",
    ),
    (
        "a claim owned by another Node",
        |claim, _| claim["metadata"]["ownerReferences"][0]["name"] = json!("kiln-proof-2"),
        "a claim is owned by the Node of who creates it",
    ),
    (
        "a claim that its owner waits for",
        |claim, _| claim["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = json!(true),
        "a claim's owner neither controls it nor waits for it",
    ),
    (
        "a claim with more in it",
        |claim, _| claim["data"]["more"] = json!("x"),
        "a claim's data has the keys pool, node, instance, nonce and one for each family of the pool, all of them short",
    ),
    (
        "a claim on another pool",
        |claim, _| claim["data"]["pool"] = json!("0"),
        "the claim is on another pool than this cluster's",
    ),
    (
        "a claim that names another node",
        |claim, _| claim["data"]["node"] = json!("kiln-proof-2"),
        "a claim's data names the node that creates it",
    ),
];

/// Returns the probes for a cluster whose nodes claim: a good claim, then every rule once.
pub fn claimed(ranges: &Ranges, index: u32) -> Vec<Probe> {
    let good = claim(ranges, index);
    let mut probes = vec![by_node("a claim as it should be", good.clone(), Expected::Accepted)];
    for (what, change, words) in CASES {
        let mut bad = good.clone();
        change(&mut bad, ranges);
        probes.push(by_node(what, bad, Expected::Refused(words)));
    }
    probes.extend(astray(ranges, good));
    probes.extend(reserved(ranges));
    probes.push(changed(ranges));
    probes
}

/// Returns the probes for a cluster whose own allocator sets blocks: there nodes claim nothing.
pub fn allocated(ranges: &Ranges, index: u32) -> Vec<Probe> {
    let words = "in this cluster the blocks of nodes are set by its own allocator, nothing is claimed";
    vec![by_node("a claim", claim(ranges, index), Expected::Refused(words)), changed(ranges)]
}

fn astray(ranges: &Ranges, mut claim: Value) -> Option<Probe> {
    let block = outside(&ranges.pools()[0])?;
    claim["data"][family(&block)] = json!(block.to_string());
    let words = "a claim's blocks are of the pool's ranges and block length";
    Some(by_node("a claim that tells of a block elsewhere", claim, Expected::Refused(words)))
}

fn reserved(ranges: &Ranges) -> Option<Probe> {
    let index = *ranges.reserved().first().filter(|index| **index < ranges.count())?;
    let words = "the block with this index is reserved";
    Some(by_node("a claim on a reserved block", claim(ranges, index), Expected::Refused(words)))
}

/// The pool is all that lies there before the first node, and it is kept by the same rule as claims.
fn changed(ranges: &Ranges) -> Probe {
    let words = "a node never changes or deletes what lies here";
    // All of it: who applies less than before takes the rest away, and immutability would answer first.
    let mut pool = Object::pool(ranges).value;
    pool["metadata"]["labels"] = json!({"kiln-proof": "x"});
    Probe { verb: Verb::Apply, ..by_node("a node's change of the pool", pool, Expected::Refused(words)) }
}

/// A claim of the node that is played. Admission does not look the owner up, so its UID may be nobody's.
fn claim(ranges: &Ranges, index: u32) -> Value {
    let mut data = json!({"pool": ranges.hash(), "node": NODE, "instance": NODE, "nonce": "0"});
    for block in ranges.blocks(index).unwrap_or_default() {
        data[family(&block)] = json!(block.to_string());
    }
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": claim_name(index),
            "namespace": NAMESPACE,
            "ownerReferences": [{
                "apiVersion": "v1",
                "kind": "Node",
                "name": NODE,
                "uid": "00000000-0000-4000-8000-000000000000",
                "controller": false,
                "blockOwnerDeletion": false,
            }],
        },
        "immutable": true,
        "data": data,
    })
}
