// SPDX-License-Identifier: Apache-2.0
//! Files that are none, outputs that are full, links that lead out of a tree.

use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;

use super::{Place, bounded};

/// A pipe that nobody writes to is told of, by every word that would read it.
pub fn files_that_are_none(place: &Place) {
    for (path, code) in [
        ("etc/kiln/settings.d/20-x.yaml", 78),
        ("etc/kiln/settings.env", 78),
        ("etc/machine-id", 1),
        ("run/provision/token", 78),
        ("var/lib/kiln/identity.json", 1),
        ("var/lib/kiln/claim.json", 1),
        ("var/lib/kiln/routes.json", 1),
        ("var/lib/kiln/lock", 1),
        ("var/lib/kiln/ledger.jsonl", 1),
    ] {
        let worker = place.worker("piped", |_| ());
        let pipe = worker.path(path);
        fs::create_dir_all(pipe.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&pipe);
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        let ended = bounded(&worker, &["run"]);
        let is_told = ["is no plain file but a pipe", "No such device or address"];
        assert!(is_told.iter().any(|words| ended.said.contains(words)), "{path}: {}", ended.said);
        ended.is(code);
        for word in ["verify", "status", "explain"] {
            let ended = bounded(&worker, &[word]);
            assert!(!ended.said.contains("panicked"), "{path} {word}: {}", ended.said);
            ended.is_one_of(&[0, 1, 78]);
        }
    }
    let worker = place.worker("folders", |_| ());
    fs::create_dir_all(worker.path("etc/kiln/settings.d/20-x.yaml")).unwrap();
    let ended = bounded(&worker, &["run"]);
    assert!(ended.said.contains("/etc/kiln/settings.d/20-x.yaml: is a folder"), "{}", ended.said);
    ended.is(78);
}

pub fn outputs_that_nobody_can_write_to(place: &Place) {
    let worker = place.worker("mute", |_| ());
    let by = |script, word| worker.run_by(&["/bin/sh", "-c", script, "sh"], &[word]);
    for word in ["status", "explain"] {
        let ended = by("exec \"$@\" >/dev/full", word);
        assert!(ended.said.contains("No space left on device"), "{word}: {}", ended.said);
        ended.is(1);
    }
    let ended = by("exec \"$@\" 2>/dev/full", "verify");
    ended.is(1);
    assert_eq!(ended.said, "");
    fs::write(worker.path("run/provision/token"), "none").unwrap();
    by("exec \"$@\" 2>/dev/full", "run").is(78);
}

/// As a machine resolves links below its own root.
pub fn a_tree_is_not_left(place: &Place) {
    let outside = tempfile::tempdir().unwrap();
    let worker = place.worker("kept", |_| ());
    for (link, inside) in [("var/lib", "data/lib"), ("etc/kubernetes", "data/kubernetes")] {
        fs::create_dir_all(worker.path(inside)).unwrap();
        fs::create_dir_all(worker.path(link).parent().unwrap()).unwrap();
        symlink(format!("/{inside}"), worker.path(link)).unwrap();
    }
    fs::create_dir_all(worker.path(&outside.path().to_str().unwrap()[1..])).unwrap();
    symlink(outside.path(), worker.path("etc/cni")).unwrap();
    bounded(&worker, &["run"]).is(0);
    assert!(worker.path("data/lib/kiln/claim.json").exists());
    assert!(worker.path("data/kubernetes/kubelet.conf").exists());
    assert!(fs::read_dir(outside.path()).unwrap().next().is_none(), "nothing is written outside");
    bounded(&worker, &["verify"]).is(0);
}

/// They are not overwritten, nor do pods go on another network without a word.
pub fn files_of_others(place: &Place) {
    let worker = place.worker("foreign", |_| ());
    fs::create_dir_all(worker.path("etc/cni/net.d")).unwrap();
    fs::write(worker.path("etc/cni/net.d/05-other.conflist"), "{}").unwrap();
    let ended = bounded(&worker, &["run"]);
    let line =
        "/etc/cni/net.d/05-other.conflist sorts before kiln's /etc/cni/net.d/10-kiln.conflist, so that pods";
    assert!(ended.said.contains(line), "{}", ended.said);
    ended.is(78);
    assert!(!worker.path("etc/cni/net.d/10-kiln.conflist").exists());
    fs::rename(
        worker.path("etc/cni/net.d/05-other.conflist"),
        worker.path("etc/cni/net.d/20-other.conflist"),
    )
    .unwrap();
    bounded(&worker, &["run"]).is(0);

    let worker = place.worker("whale", |settings| settings.runtime = kiln::settings::Runtime::Docker);
    let foreign = "{\"registry-mirrors\": [\"https://mirror.example\"], \"mtu\": 1400}";
    fs::create_dir_all(worker.path("etc/docker")).unwrap();
    fs::write(worker.path("etc/docker/daemon.json"), foreign).unwrap();
    let ended = bounded(&worker, &["run"]);
    assert!(
        ended.said.contains("/etc/docker/daemon.json is not kiln's: it says registry-mirrors;"),
        "{}",
        ended.said
    );
    ended.is(78);
    assert_eq!(worker.text("etc/docker/daemon.json"), foreign);
    fs::write(worker.path("etc/docker/daemon.json"), "{\"mtu\": 1400}").unwrap();
    bounded(&worker, &["run"]).is(0);
}

/// Both are told, and neither stops a node.
pub fn a_key_that_others_may_read(place: &Place) {
    let worker = place.born("open");
    let current = worker.path("var/lib/kubelet/pki/kubelet-client-current.pem");
    fs::set_permissions(current, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let ended = bounded(&worker, &["run"]);
    assert!(ended.said.contains("holds a private key, and others may read it (mode 0644)"), "{}", ended.said);
    ended.is(0);
}

/// A record of a later kiln is nothing to remove: the machine would claim a second block.
pub fn a_record_of_a_newer_kiln(place: &Place) {
    let worker = place.born("rolled");
    for path in ["var/lib/kiln/claim.json", "var/lib/kiln/identity.json"] {
        let text = worker.text(path);
        fs::write(worker.path(path), text.replacen('{', "{\"invented\": 1,", 1)).unwrap();
        for word in ["run", "verify"] {
            let ended = bounded(&worker, &[word]);
            assert!(
                ended.said.contains("was written by a newer kiln (unknown field `invented`"),
                "{}",
                ended.said
            );
            assert!(!ended.said.contains("remove it"), "{}", ended.said);
            ended.is(78);
        }
        fs::write(worker.path(path), text).unwrap();
    }
    bounded(&worker, &["run"]).is(0);
}
