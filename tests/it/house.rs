// SPDX-License-Identifier: Apache-2.0
//! The rules of the house that no compiler knows: who may lean on whom, and that decisions touch nothing.

use std::fs;
use std::path::{Path, PathBuf};

const SRC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// Where effects and flows live; every other file of the library decides, and decides only.
const PORTS_AND_FLOWS: &[&str] = &[
    "audit/look.rs",
    "aws.rs",
    "aws/",
    "bake.rs",
    "bake/decoding.rs",
    "bake/desk.rs",
    "bake/early.rs",
    "bake/error.rs",
    "bake/facts.rs",
    "bake/ground.rs",
    "bake/images.rs",
    "bake/makers.rs",
    "bake/members.rs",
    "bake/stock.rs",
    "bake/verify.rs",
    "bake/verify/account.rs",
    "bake/verify/error.rs",
    "bake/verify/local.rs",
    "bake/wanted.rs",
    "bake/way.rs",
    "bake/write.rs",
    "bin/",
    "cloud.rs",
    "cloud/",
    "cluster.rs",
    "cluster/",
    "compare.rs",
    "firstboot.rs",
    "firstboot/apply",
    "firstboot/look",
    "firstboot/run",
    "fleet/look.rs",
    "fleet/prune.rs",
    "host.rs",
    "host/",
    "lab/access.rs",
    "lab/down.rs",
    "lab/error.rs",
    "lab/form.rs",
    "lab/forwarder.rs",
    "lab/join.rs",
    "lab/helper.rs",
    "lab/keep",
    "lab/load.rs",
    "lab/look.rs",
    "lab/machines.rs",
    "lab/node",
    "lab/records.rs",
    "lab/smoke.rs",
    "lab/up.rs",
    "launch/error.rs",
    "launch/group.rs",
    "launch/look.rs",
    "launch/plane.rs",
    "launch/run.rs",
    "launch/terminate.rs",
    "launch/watch.rs",
    "pin.rs",
    "pin/",
    "publish.rs",
    "publish/diary.rs",
    "publish/error.rs",
    "publish/look.rs",
    "publish/make.rs",
    "publish/send",
    "publish/subject.rs",
    "publish/undo.rs",
    "publish/wait.rs",
    "vm/boot.rs",
    "vm/ears.rs",
    "vm/error.rs",
    "vm/room.rs",
    "vm/told.rs",
];

/// What a decision never names.
const EFFECTS: [&str; 13] = [
    "crate::host",
    "std::fs",
    // Addresses are values; these are what reaches out.
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "Command::new",
    "std::env",
    "std::thread",
    "SystemTime",
    "Instant",
    "tokio::",
    "reqwest::",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn library() -> Vec<(String, String)> {
    let mut found = Vec::new();
    sources(Path::new(SRC), &mut found);
    found.sort();
    let named = |path: &PathBuf| path.strip_prefix(SRC).unwrap().to_str().unwrap().to_owned();
    found.iter().map(|path| (named(path), fs::read_to_string(path).unwrap())).collect()
}

/// The part of a file that ships: without comments and inline tests.
fn shipped(text: &str) -> impl Iterator<Item = &str> {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..end].lines().map(str::trim).filter(|line| !line.starts_with("//"))
}

#[test]
fn decisions_touch_nothing() {
    let mut broken = Vec::new();
    for (name, text) in library() {
        if name.ends_with("/tests.rs") || PORTS_AND_FLOWS.iter().any(|room| name.starts_with(room)) {
            continue;
        }
        for line in shipped(&text) {
            broken.extend(
                EFFECTS
                    .iter()
                    .filter(|effect| line.contains(*effect))
                    .map(|effect| format!("{name}: {effect}: {line}")),
            );
        }
    }
    assert!(broken.is_empty(), "decisions with effects:\n{}", broken.join("\n"));
}

#[test]
fn ports_know_no_flow() {
    let flows = ["crate::bake", "crate::firstboot", "crate::lab", "crate::pin::", "crate::pin;", "crate::vm"];
    let mut broken = Vec::new();
    for (name, text) in library().into_iter().filter(|(name, _)| name.starts_with("host")) {
        broken.extend(
            shipped(&text)
                .filter(|line| flows.iter().any(|flow| line.contains(flow)))
                .map(|line| format!("{name}: {line}")),
        );
    }
    assert!(broken.is_empty(), "ports that know a flow:\n{}", broken.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    for (name, text) in library() {
        // Inline tests that have a file of their own.
        if name.ends_with("/tests.rs") {
            continue;
        }
        assert!(text.starts_with("// SPDX-License-Identifier: Apache-2.0\n"), "{name} has no SPDX line");
        let second = text.lines().nth(1).unwrap_or_default();
        assert!(
            second.starts_with("//!") || second.starts_with("#![doc"),
            "{name} does not say what it is for"
        );
        assert!(!name.ends_with("mod.rs"), "{name}: rooms are name.rs beside name/");
    }
}

#[test]
fn nothing_else_lies_at_the_top() {
    let known = [
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "cloud-config",
        "image",
        "src",
        "target",
        "tests",
        "units",
    ];
    for entry in fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with('.') || known.contains(&name.as_str()), "{name} does not belong at the top");
    }
}
