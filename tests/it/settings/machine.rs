// SPDX-License-Identifier: Apache-2.0
//! Layers and the token as they lie on a machine, under a root folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use kiln::host::layers;
use kiln::settings::token::Source;
use kiln::settings::{Settings, merge};

use super::{BAKED, ca, indented};

const TOKEN: &str = "abcdef.0123456789abcdef";

fn put(root: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A machine with a layer of every kind, each of which names the node otherwise.
fn machine(root: &Path) {
    put(root, "etc/kiln/settings.d/10-image.yaml", BAKED);
    let api = format!("api:\n  endpoint: https://10.1.0.10:6443\n  ca: |\n{}", indented(ca()));
    put(root, "etc/kiln/settings.d/50-api.yaml", api);
    put(root, "etc/kiln/settings.d/60-node.yaml", "node: {name: provisioned, token_file: /etc/kiln/token}");
    put(root, "etc/kiln/settings.d/README", "not: [a, layer");
    put(root, "etc/kiln/settings.d/.60-node.yaml.swp", "not: [a, layer");
    put(root, "etc/kiln/settings.env", "DEFAULT_IPV4=10.1.0.5\n");
    put(root, "run/kiln/settings.d/10-cloud.yaml", "node: {name: volatile}");
    put(root, "credentials/kiln.settings", "node: {name: credential}");
    put(root, "proc/cmdline", "root=LABEL=ROOT kiln.node.name=booted ro\n");
}

fn settings(root: &Path, credentials: Option<&Path>) -> Settings {
    merge(&layers::read(root, credentials).unwrap()).unwrap().settings
}

#[test]
fn layers_are_found_in_this_order() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    machine(root);
    let credentials = root.join("credentials");
    let names: Vec<String> =
        layers::read(root, Some(&credentials)).unwrap().into_iter().map(|layer| layer.name).collect();
    assert_eq!(
        names,
        [
            "/etc/kiln/settings.d/10-image.yaml",
            "/etc/kiln/settings.d/50-api.yaml",
            "/etc/kiln/settings.d/60-node.yaml",
            "/etc/kiln/settings.env",
            "/run/kiln/settings.d/10-cloud.yaml",
            "credential kiln.settings",
            "kernel command line",
        ]
    );
    // Taking them away from the strongest on shows that each is weaker than the one before.
    let name = || settings(root, Some(&credentials)).node.name.unwrap();
    for (found, path) in [
        ("booted", "proc/cmdline"),
        ("credential", "credentials/kiln.settings"),
        ("volatile", "run/kiln/settings.d/10-cloud.yaml"),
    ] {
        assert_eq!(name(), found);
        fs::remove_file(root.join(path)).unwrap();
    }
    assert_eq!(name(), "provisioned");
}

#[test]
fn a_machine_without_any_layer_is_told_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let found = layers::read(folder.path(), None).unwrap();
    assert_eq!(found, []);
    let problems = merge(&found).unwrap_err().to_string();
    assert!(
        problems.contains("version: is missing") && problems.contains("cluster: is missing"),
        "{problems}"
    );
}

#[test]
fn layers_that_are_no_layers_are_told_together() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    machine(root);
    put(root, "etc/kiln/settings.d/70-large.yaml", "#".repeat((1 << 20) + 1));
    put(root, "etc/kiln/settings.d/71-latin.yaml", b"node: {name: \xe4}");
    put(root, "etc/kiln/settings.d/72-short.yml", "node: {name: x}");
    put(root, "run/kiln/settings.d/73-slip.yaml", "nod: {name: x}");
    let problems = merge(&layers::read(root, None).unwrap()).unwrap_err().to_string();
    assert_eq!(
        problems,
        "/etc/kiln/settings.d/70-large.yaml: has more than 1 MiB\n\
         /etc/kiln/settings.d/71-latin.yaml: is not UTF-8\n\
         /etc/kiln/settings.d/72-short.yml: is not read, because its name does not end with .yaml\n\
         /run/kiln/settings.d/73-slip.yaml:1:1: nod: unknown key; did you mean 'node'?"
    );
}

#[test]
fn the_token_comes_from_the_credential_else_from_the_file_and_tells_which() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    machine(root);
    let credentials = root.join("credentials");
    let settings = settings(root, None);
    let found = || layers::token(root, Some(&credentials), &settings).unwrap();
    assert_eq!(found(), None);
    put(root, "etc/kiln/token", format!("{TOKEN}\n"));
    let path = root.join("etc/kiln/token");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(found().unwrap().is_exposed);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let from_file = found().unwrap();
    assert_eq!((from_file.token.reveal(), from_file.is_exposed), (TOKEN, false));
    assert_eq!(from_file.source, Source::File("/etc/kiln/token".into()));
    put(root, "credentials/kiln.token", "fedcba.0123456789abcdef");
    let from_credential = found().unwrap();
    assert_eq!((from_credential.token.id(), from_credential.source), ("fedcba", Source::Credential));
}

#[test]
fn what_is_no_token_is_refused_without_being_shown() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    machine(root);
    for wrong in ["hunter2", "", "abcdef.0123456789abcdef and more", "\u{0}"] {
        put(root, "credentials/kiln.token", wrong);
        let error = layers::token(root, Some(&root.join("credentials")), &settings(root, None)).unwrap_err();
        let words = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        assert_eq!(
            words,
            "credential kiln.token: this is no bootstrap token: six letters or digits, a dot, sixteen letters or \
             digits, all lower case"
        );
    }
}

#[test]
fn a_hundred_layers_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    machine(root);
    for number in 0..100 {
        put(root, &format!("run/kiln/settings.d/20-{number:03}.yaml"), "# nothing\n");
    }
    let problems = merge(&layers::read(root, None).unwrap()).unwrap_err().to_string();
    assert_eq!(
        problems,
        "/run/kiln/settings.d/20-095.yaml: is layer number 101, and nobody needs more than 100; remove the files that \
         are left over"
    );
}
