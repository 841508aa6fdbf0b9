// SPDX-License-Identifier: Apache-2.0
//! A scan for secrets after a whole birth, of everything that anybody but root may come to see: trees, what the programs
//! printed, the report, arguments and environments. A secret is looked for as it is and in base64.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cluster::node;
use super::whole::{Joined, NAME};
use crate::bench::Bench;

/// Where a secret may lie, in a file that is its owner's alone: keys, the kubeconfigs that hold one, the key of the
/// secrets in etcd, kubelet's store, and what systemd was given.
const MAY_HOLD: [&str; 8] = [
    "etc/kubernetes/pki/",
    "etc/kubernetes/admin.conf",
    "etc/kubernetes/super-admin.conf",
    "etc/kubernetes/controller-manager.conf",
    "etc/kubernetes/scheduler.conf",
    "etc/kubernetes/encryption.yaml",
    "var/lib/kubelet/pki/",
    "run/credentials/@system/kiln.token",
];

/// Folders of a node that are its own; /usr and /opt are the image's, and bake has looked through them.
const OWN: [&str; 5] = ["etc", "var", "run", "tmp", "root"];

/// A base64 word of less holds no key.
const WORD_MIN: usize = 100;

pub fn are_where_they_belong(bench: &Bench, joined: &Joined) {
    let trees = [bench.root(), joined.node.path("/")];
    let files: Vec<(PathBuf, String)> = trees
        .iter()
        .flat_map(|tree| OWN.map(|own| tree.join(own)))
        .flat_map(|folder| texts(&folder))
        .collect();
    let mut secrets: BTreeSet<String> = files.iter().flat_map(|(_, text)| keys(text)).collect();
    // Six keys of authorities and accounts, leaves, kubeconfigs, and the nodes' own.
    assert!(secrets.len() > 30, "{}", secrets.len());
    secrets.insert(joined.token.split_once('.').unwrap().1.to_owned());
    secrets.insert(encryption_key(&bench.root()));
    let mut holders = 0;
    for (path, text) in &files {
        if holds(text, &secrets) {
            let name = trees.iter().find_map(|tree| path.strip_prefix(tree).ok()).unwrap().to_str().unwrap();
            assert!(MAY_HOLD.iter().any(|may| name.starts_with(may)), "{name} holds a secret");
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{name} holds a secret and has mode {mode:o}");
            holders += 1;
        }
    }
    assert!(holders > 15, "{holders}: the scan finds what is there");
    for (whose, text) in said(bench, joined) {
        assert!(!holds(&text, &secrets), "{whose} tells a secret");
    }
}

/// All that was printed, reported, and can be read in /proc.
fn said(bench: &Bench, joined: &Joined) -> Vec<(String, String)> {
    let mut said = vec![
        ("the worker's first boot".to_owned(), joined.said.clone()),
        ("the report on the Node".to_owned(), node(bench, NAME)["metadata"].to_string()),
    ];
    let units = ["kiln-firstboot", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
    said.extend(units.map(|unit| (unit.to_owned(), bench.log(unit))));
    said.extend(joined.services.iter().map(|(unit, service)| ((*unit).to_owned(), service.log())));
    assert!(said.iter().all(|(whose, text)| !text.is_empty() || whose.contains("first")), "{:?}", said.len());
    let processes = bench.processes().into_iter().chain(joined.node.processes());
    let mut count = 0;
    for process in processes {
        said.push((process.arguments.clone(), process.arguments));
        said.push(("an environment".to_owned(), process.environment));
        count += 1;
    }
    assert!(count >= 8, "{count}: four servers, and the node's four");
    said
}

fn holds(text: &str, secrets: &BTreeSet<String>) -> bool {
    let plain = |text: &str| secrets.iter().any(|secret| text.contains(secret));
    plain(text) || decoded(text).iter().any(|text| plain(text))
}

/// The lines of every private key in PEM, also of one in base64: of each, the first two are enough.
fn keys(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for text in decoded(text).iter().map(String::as_str).chain([text]) {
        for after in text.split("PRIVATE KEY-----\n").skip(1) {
            let lines = after.lines().take(2).filter(|line| line.len() == 64 && !line.contains('-'));
            found.extend(lines.map(str::to_owned));
        }
    }
    found
}

fn decoded(text: &str) -> Vec<String> {
    let is_other = |c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c));
    let words = text.split(is_other).filter(|word| word.len() >= WORD_MIN);
    words.filter_map(|word| String::from_utf8(STANDARD.decode(word).ok()?).ok()).collect()
}

fn encryption_key(root: &Path) -> String {
    let text = fs::read_to_string(root.join("etc/kubernetes/encryption.yaml")).unwrap();
    text.lines().find_map(|line| line.trim().strip_prefix("secret: ")).unwrap().trim_matches('"').to_owned()
}

fn texts(folder: &Path) -> Vec<(PathBuf, String)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let Ok(about) = path.symlink_metadata() else { continue };
        if about.is_dir() {
            found.extend(texts(&path));
        } else if about.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            found.push((path, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    found
}
