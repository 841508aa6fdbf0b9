// SPDX-License-Identifier: Apache-2.0
//! Real Ignition and cloud-init judge and apply what is rendered. Ignition is built by kiln from its pinned modules; cloud-init
//! is Debian's.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use kiln::host::cache::Cache;
use kiln::host::go::{Builder, Order};
use kiln::launch::Form;
use kiln::manifest::{Arch, Go};
use kiln::progress::Progress;
use kiln::settings::Role;
use tempfile::TempDir;

use super::user_data::{ca, rendered};

struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: &str, _: &str, _: Option<u64>) {}
    fn advance(&self, _: &str, _: u64) {}
    fn end(&self, _: &str, _: &str) {}
    fn say(&self, _: &str) {}
}

/// Returns Ignition's validator and Ignition, out of kiln's cache or built now.
fn programs() -> &'static (PathBuf, PathBuf) {
    static PROGRAMS: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = home.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"));
        let cache = Cache::open(&home.join("kiln"), Duration::from_secs(3600)).unwrap();
        let environment: Vec<_> = std::env::vars_os().collect();
        let builder =
            Builder { cache: &cache, environment: &environment, is_offline: false, progress: &Quiet };
        let package = |name: &str| format!("github.com/coreos/ignition/v2/{name}");
        let go = Go {
            folder: "ignition".into(),
            packages: vec![package("validate"), package("internal")],
            cgo: true,
            tags: Vec::new(),
            // Flatcar builds it so: there is no SELinux policy whose labels files would need.
            ldflags: "-s -w -X github.com/coreos/ignition/v2/internal/distro.selinuxRelabel=false".to_owned(),
        };
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests"));
        let order = Order { component: "ignition", root, go: &go, arch: Arch::Amd64 };
        let built = builder
            .build(&order)
            .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
        // Blobs are not executable; a copy is.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ignition");
        std::fs::create_dir_all(&folder).unwrap();
        let [validate, internal] = ["validate", "internal"].map(|name| {
            let path = folder.join(name);
            let blob = cache.get(&built.files[name].sha256).unwrap();
            let fresh = folder.join(format!("{name}-{}", std::process::id()));
            std::fs::copy(blob.path, &fresh).unwrap();
            std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755)).unwrap();
            std::fs::rename(&fresh, &path).unwrap();
            path
        });
        (validate, internal)
    })
}

fn written(name: &str, text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::Builder::new().prefix("kiln-user-data-").tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}:\n{said}");
    said
}

/// Every file below a folder, with mode and text.
fn tree(root: &Path) -> BTreeMap<String, (u32, String)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
                let name = entry.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, (mode, std::fs::read_to_string(&entry).unwrap()));
            }
        }
    }
    found
}

#[test]
fn ignition_takes_what_is_rendered_and_writes_it() {
    let (validate, ignition) = programs();
    for role in [Role::Worker, Role::ControlPlane] {
        let ca = ca();
        let text = rendered(role, &ca, Form::Ignition);
        let (folder, config) = written("config.ign", &text);
        let said = run(Command::new(validate).arg(&config));
        assert!(!said.contains("warning") && !said.contains("error"), "{said}");
        let root = folder.path().join("sysroot");
        std::fs::create_dir(&root).unwrap();
        for stage in ["fetch", "files"] {
            let mut command = Command::new(ignition);
            command.args(["-platform", "file", "-stage", stage, "-log-to-stdout", "-root"]).arg(&root);
            command.arg("-config-cache").arg(folder.path().join("cache.json"));
            command.arg("-state-file").arg(folder.path().join("state.json"));
            command.arg("-neednet").arg(folder.path().join("neednet"));
            run(command.env("IGNITION_CONFIG_FILE", &config));
        }
        let files = tree(&root);
        let (mode, settings) = &files["etc/kiln/settings.d/50-cluster.yaml"];
        assert_eq!(*mode, 0o600);
        assert!(settings.contains(if role == Role::Worker { "role: worker" } else { "role: control-plane" }));
        if role == Role::Worker {
            assert_eq!(files["etc/kiln/token"], (0o600, super::user_data::TOKEN.to_owned()));
        }
    }
}

#[test]
fn cloud_init_knows_every_key_of_what_is_rendered() {
    for role in [Role::Worker, Role::ControlPlane] {
        let (_folder, config) = written("user-data", &rendered(role, &ca(), Form::CloudConfig));
        let said = run(Command::new("cloud-init").args(["schema", "--config-file"]).arg(&config));
        assert!(said.contains("Valid cloud-config"), "{said}");
        // It does tell a wrong one.
        let wrong = std::fs::read_to_string(&config).unwrap().replace("permissions", "permission");
        std::fs::write(&config, wrong).unwrap();
        let output =
            Command::new("cloud-init").args(["schema", "--config-file"]).arg(&config).output().unwrap();
        assert!(!output.status.success());
    }
}
