// SPDX-License-Identifier: Apache-2.0
//! Golden texts. One case stands in full; the others show only the files that differ from it. KILN_BLESS=1 writes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use kiln::firstboot::file::File;
use kiln::firstboot::network::cni::CONFLIST;
use kiln::firstboot::network::docker::DAEMON;
use kiln::settings::{Fabric, Mode, Runtime};

use super::cases::{self, Case, Families};

/// The case that stands in full.
const WHOLE: &str = "cni-v4-vxlan";

fn is_golden(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/network");
    let path = folder.join(format!("{name}.txt"));
    if std::env::var_os("KILN_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(wanted, text, "{name}: KILN_BLESS=1 writes it anew");
}

fn shown(files: &[File], base: &BTreeMap<String, String>) -> String {
    let mut shown = String::new();
    for file in files {
        let is_same = base.get(&file.path) == Some(&file.text);
        let as_base = if is_same { format!(", as in {WHOLE}") } else { String::new() };
        writeln!(shown, "=== {} {:04o}{as_base}", file.path, file.mode).unwrap();
        if !is_same {
            shown += &file.text;
        }
    }
    shown
}

#[test]
fn every_mode_family_and_fabric_has_its_texts() {
    let all = cases::all();
    assert_eq!(all.len(), 15);
    let (_, whole) = all.iter().find(|(name, _)| name == WHOLE).unwrap();
    let base: BTreeMap<String, String> =
        whole.files().into_iter().map(|file| (file.path, file.text)).collect();
    for (name, case) in &all {
        let base = if name == WHOLE { &BTreeMap::new() } else { &base };
        is_golden(name, &shown(&case.files(), base));
    }
}

#[test]
fn pods_on_cni0_with_docker_as_their_runtime_have_both_files() {
    let mut case = Case::new(Mode::Cni, Families::V4, Fabric::Vxlan);
    case.settings.runtime = Runtime::Docker;
    case.identity.provider_id = Some("aws:///eu-west-1a/i-0123: \"x\"".into());
    let base = Case::new(Mode::Cni, Families::V4, Fabric::Vxlan).files();
    let base = base.into_iter().map(|file| (file.path, file.text)).collect();
    is_golden("cni-v4-vxlan-docker", &shown(&case.files(), &base));
}

#[test]
fn the_conflist_is_written_last_and_once() {
    for (name, case) in cases::all() {
        let paths: Vec<String> = case.files().into_iter().map(|file| file.path).collect();
        let last = if case.settings.network.mode == Mode::Cni { CONFLIST } else { DAEMON };
        assert_eq!(paths.last().map(String::as_str), Some(last), "{name}");
        let unique: std::collections::BTreeSet<&String> = paths.iter().collect();
        assert_eq!(unique.len(), paths.len(), "{name}");
    }
}
