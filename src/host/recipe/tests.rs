// SPDX-License-Identifier: Apache-2.0
//! Recipes by small shell programs.

use std::sync::Mutex;

use super::*;
use crate::progress::Silent;

/// Remembers what was said.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn begin(&self, _id: &str, _what: &str, _total: Option<u64>) {}
    fn advance(&self, _id: &str, _amount: u64) {}
    fn end(&self, _id: &str, _note: &str) {}
    fn say(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

fn recipe(script: &str) -> (tempfile::TempDir, Recipe) {
    let folder = tempfile::tempdir().unwrap();
    files::replace(&folder.path().join("build"), format!("#!/bin/sh\n{script}").as_bytes(), 0o755).unwrap();
    files::replace(&folder.path().join("packages"), b"systemd\n", 0o644).unwrap();
    let recipe = Recipe::look(folder.path()).unwrap();
    (folder, recipe)
}

fn run(script: &str, progress: &dyn Progress) -> Result<Built, RecipeError> {
    let (folder, recipe) = recipe(script);
    let environment = [("PATH".into(), "/usr/bin:/bin".into()), ("SECRET".into(), "s".into())];
    let out = folder.path().join("a result");
    let order = Order { out: &out, arch: "amd64", source_date_epoch_s: 7, environment: &environment };
    recipe.run(&order, progress)
}

#[test]
fn a_recipe_leaves_a_disk_and_its_inputs() {
    let heard = Heard::default();
    let script = r#"
        echo "I: one" >&2; echo "noise" >&2; echo "W: two" >&2
        echo disk > "$1/disk.raw"
        echo "{\"epoch\": \"$SOURCE_DATE_EPOCH\", \"secret\": \"$SECRET\"}" > "$1/inputs.json"
    "#;
    let built = run(script, &heard).unwrap();
    assert_eq!(built.disk.file_name().unwrap(), "disk.raw");
    assert_eq!((built.from["epoch"].as_str(), built.from["secret"].as_str()), ("7", ""));
    assert_eq!(built.from["recipe"].len(), 64);
    assert_eq!(*heard.0.lock().unwrap(), ["one", "two"]);
}

#[test]
fn a_failed_recipe_has_its_last_words_once() {
    let heard = Heard::default();
    let error = run("echo 'I: unpacking' >&2; echo 'E: no such mirror' >&2; exit 4", &heard).unwrap_err();
    let text = error.to_string();
    assert!(text.ends_with("failed (exit status: 4); its last words:\nE: no such mirror"), "{text}");
    assert_eq!(*heard.0.lock().unwrap(), ["unpacking"]);
}

#[test]
fn a_result_that_is_none_is_refused() {
    for (script, why) in [
        ("exit 0", "left no disk at"),
        (r#"mkdir "$1/disk.raw""#, "left no disk at"),
        (r#"echo > "$1/disk.raw""#, "left no readable"),
        (r#"echo > "$1/disk.raw"; echo "[1]" > "$1/inputs.json""#, "is no JSON object of names and versions"),
    ] {
        let error = run(script, &Silent).unwrap_err().to_string();
        assert!(error.contains("ended well, but") && error.contains(why), "{error}");
    }
}

#[test]
fn a_folder_without_a_program_is_no_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = || Recipe::look(folder.path()).unwrap_err().to_string();
    assert!(refusal().ends_with("it has no program named 'build'; name a folder that has one"));
    files::replace(&folder.path().join("build"), b"#!/bin/sh\n", 0o644).unwrap();
    assert!(refusal().ends_with("its 'build' is not executable; chmod +x it"));
    files::remove(&folder.path().join("build")).unwrap();
    nix::unistd::mkfifo(&folder.path().join("a"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(refusal().ends_with("a is no file, folder or link"));
    assert!(Recipe::look(Path::new("/no such recipe")).unwrap_err().to_string().contains("/no such recipe"));
}

#[test]
fn the_key_changes_with_all_that_shapes_the_result() {
    let (folder, first) = recipe("true");
    let again = || Recipe::look(folder.path()).unwrap().key("amd64", 7);
    let key = first.key("amd64", 7);
    assert_eq!(again(), key);
    assert_ne!(first.key("arm64", 7), key);
    assert_ne!(first.key("amd64", 8), key);
    let packages = folder.path().join("packages");
    for (bytes, mode, same) in
        [(&b"systemd\n"[..], 0o664, true), (b"systemd\n", 0o755, false), (b"udev\n", 0o644, false)]
    {
        files::replace(&packages, bytes, mode).unwrap();
        assert_eq!(again() == key, same, "{mode:o}");
    }
    files::replace(&packages, b"systemd\n", 0o644).unwrap();
    assert_eq!(again(), key);
    nix::unistd::symlinkat("packages", nix::fcntl::AT_FDCWD, &folder.path().join("link")).unwrap();
    assert_ne!(again(), key);
}
