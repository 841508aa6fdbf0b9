// SPDX-License-Identifier: Apache-2.0
//! Whole images as listings and rendered files that a person reviews. KILN_BLESS=1 writes them anew.

use std::path::Path;

use kiln::bake::content::order::boot_order;
use kiln::bake::provenance::{self, Image as Account, What};
use kiln::settings::{BAKED_PATH, Settings};
use kiln::tree::{Content, Kind, Tree, TreePath};

use super::image::{Image, Outcome, listing};

fn is_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/content").join(name);
    if std::env::var_os("KILN_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or_default(),
        text,
        "{name}: KILN_BLESS=1 writes it anew"
    );
}

pub fn bytes_at(tree: &Tree, path: &str) -> Vec<u8> {
    match &tree.get(&TreePath::parse(path).unwrap()).unwrap().kind {
        Kind::File(Content::Inline(bytes)) => bytes.to_vec(),
        other => panic!("{path} is {other:?}"),
    }
}

fn clean(image: &Image) -> Outcome {
    let outcome = image.outcome().unwrap();
    assert_eq!(outcome.findings.errors, []);
    outcome
}

#[test]
fn a_worker_of_plain_files_is_laid_out_as_listed() {
    let outcome = clean(&Image::worker());
    assert_eq!(outcome.findings.warnings, []);
    is_golden("plain.listing", &listing(&outcome));
    let settings = bytes_at(&outcome.planned.tree, BAKED_PATH);
    is_golden("settings.yaml", std::str::from_utf8(&settings).unwrap());
    let read: Settings = serde_yaml::from_slice(&settings).unwrap();
    assert_eq!(read.cluster.block_prefix, Some(26));
}

#[test]
fn a_worker_with_an_extension_keeps_only_links_on_root() {
    let mut image = Image::worker();
    image.manifest.sysext = true;
    image.base.push("/usr/lib/systemd/system/systemd-sysext.service".into());
    image.base.push("/usr/lib/systemd/system/sysinit.target".into());
    let outcome = clean(&image);
    assert_eq!(outcome.findings.warnings, []);
    is_golden("extension.listing", &listing(&outcome));
}

#[test]
fn the_account_lists_every_other_file_and_says_nothing_of_time() {
    let mut image = Image::worker();
    image.manifest.sysext = true;
    let outcome = clean(&image);
    let json = bytes_at(&outcome.planned.tree, provenance::IMAGE_PATH);
    let account: Account = serde_json::from_slice(&json).unwrap();
    assert_eq!((account.lock, account.version), (image.lock.clone(), 1));
    for (tree, inside) in [(Some(&outcome.planned.tree), None), (outcome.extension.as_ref(), Some("lab"))] {
        for (path, id) in tree.unwrap().paths() {
            let found = account
                .files
                .iter()
                .find(|file| file.path == path.to_string() && file.inside.is_some() == inside.is_some());
            let is_file = tree.unwrap().node(id).kind != Kind::Folder;
            assert_eq!(found.is_some(), is_file && path.to_string() != provenance::IMAGE_PATH, "{path}");
        }
    }
    let kubelet = account.files.iter().find(|file| file.path == "/usr/lib/kiln/bin/kubelet").unwrap();
    assert!(matches!(kubelet.what, What::Regular { .. }));
    let again = bytes_at(&clean(&image).planned.tree, provenance::IMAGE_PATH);
    assert_eq!(json, again);
}

#[test]
fn configuration_is_read_before_programs_at_boot() {
    let tree = clean(&Image::worker()).planned.tree;
    let order: Vec<String> = boot_order(&tree).iter().map(TreePath::to_string).collect();
    let place = |path: &str| order.iter().position(|other| other == path).unwrap();
    assert!(place("/etc/systemd/system/kubelet.service") < place("/opt/bin/kiln-firstboot"));
    assert!(place("/opt/bin/kiln-firstboot") < place("/opt/bin/containerd"));
    assert!(place("/opt/bin/runc") < place("/opt/cni/bin/bridge"));
    let mut once = order.clone();
    once.dedup();
    assert_eq!(once, order);
}
