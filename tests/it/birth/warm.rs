// SPDX-License-Identifier: Apache-2.0
//! What a later boot of a whole cluster's machines changes: nothing.

use crate::bench::Bench;
use crate::network::node::Node;

/// A file's path, inode and time of change; of folders that programs write to as well, only what is first boot's.
const STATES: &str = "find /etc /var/lib/kiln /var/lib/kubelet/pki -printf %p:%i:%T@\\n";

pub fn node_changes_nothing(node: &Node) {
    let before = node.done(STATES);
    for word in ["run", "verify"] {
        node.done(&format!("/opt/bin/kiln-firstboot {word}"));
        assert_eq!(node.done(STATES), before, "{word}");
    }
}

/// Both phases, and with them every object that they apply.
pub fn control_plane_changes_nothing(bench: &Bench) {
    let states = || {
        let words: Vec<&str> = STATES.split(' ').collect();
        let output = bench.in_root(words[0]).args(&words[1..]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let before = states();
    assert!(before.contains("/var/lib/kiln/ledger.jsonl:"), "{before}");
    for words in [&["run"][..], &["run", "--phase", "api"], &["verify"]] {
        bench.first_boot(words);
        let ledger = std::fs::read_to_string(bench.root().join("var/lib/kiln/ledger.jsonl")).unwrap();
        assert_eq!(states(), before, "{words:?}: {ledger}");
    }
}
