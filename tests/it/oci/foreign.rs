// SPDX-License-Identifier: Apache-2.0
//! Archives of others: made by skopeo and umoci, and damaged by hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use kiln::digest::Digest;
use kiln::manifest::Arch;
use kiln::oci::{self, Blob, Taken, TakenError, Wanted};

use super::archives::{NAME, archive, image, run};

/// The files of an archive, by path.
type Files = BTreeMap<String, Vec<u8>>;

fn unpacked(path: &Path) -> Files {
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    let mut files = Files::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let name = entry.path().unwrap().display().to_string();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            files.insert(name.trim_start_matches("./").to_owned(), bytes);
        }
    }
    files
}

fn take(files: &Files, name: Option<&str>, arch: Arch) -> Result<oci::Image, TakenError> {
    let blob = |bytes: &Vec<u8>| Blob { digest: Digest::of(bytes), size: bytes.len() as u64 };
    let members: Taken = files.iter().map(|(path, bytes)| (path.clone(), blob(bytes))).collect();
    let read = |wanted: &Blob| {
        let found = files.values().find(|bytes| blob(bytes) == *wanted);
        found.cloned().ok_or_else(|| "is not there".to_owned())
    };
    oci::taken(&members, Wanted { name, arch }, &read)
}

/// kiln's own archive, as a file.
fn ours(folder: &Path) -> String {
    let (image, layer) = image();
    let path = folder.join("ours.tar");
    fs::write(&path, archive(&image, &layer)).unwrap();
    path.display().to_string()
}

fn skopeo_copy(from: &str, to: &str) {
    run(Command::new("skopeo").args(["copy", "--quiet", "--insecure-policy", from, to]));
}

#[test]
fn what_kiln_wrote_is_taken_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let files = unpacked(Path::new(&ours(folder.path())));
    assert_eq!(take(&files, None, Arch::Amd64).unwrap(), image().0);
}

#[test]
fn skopeos_archive_keeps_its_digest_and_gets_the_name_that_the_manifest_gives() {
    let folder = tempfile::tempdir().unwrap();
    let ours = ours(folder.path());
    let theirs = folder.path().join("theirs.tar");
    skopeo_copy(&format!("oci-archive:{ours}:1.2"), &format!("oci-archive:{}:latest", theirs.display()));
    let files = unpacked(&theirs);
    // skopeo compresses layers on its way, so that the manifest is another one.
    let digest = run(Command::new("skopeo")
        .args(["inspect", "--format", "{{.Digest}}"])
        .arg(format!("oci-archive:{}", theirs.display())));
    let taken = take(&files, Some("registry.example/theirs:3"), Arch::Amd64).unwrap();
    assert_eq!(taken.names, ["registry.example/theirs:3"]);
    assert_eq!(format!("sha256:{}", taken.manifest.blob().digest), digest.trim());
    assert_eq!(take(&files, None, Arch::Amd64), Err(TakenError::Nameless));
    let error = take(&files, Some(NAME), Arch::Arm64).unwrap_err();
    assert_eq!(error.to_string(), "holds no image for linux/arm64, but for linux/amd64");
    // And what kiln makes of it is again what skopeo reads, under both of its forms.
    let again = folder.path().join("again.tar");
    let layers: BTreeMap<String, Vec<u8>> =
        files.values().map(|bytes| (Digest::of(bytes).to_string(), bytes.clone())).collect();
    let mut bytes = Vec::new();
    let open = |digest: &Digest| {
        Ok(Box::new(std::io::Cursor::new(layers[&digest.to_string()].clone())) as Box<dyn std::io::Read>)
    };
    oci::write(&mut bytes, &oci::members(&taken), &open).unwrap();
    fs::write(&again, bytes).unwrap();
    for form in ["oci-archive", "docker-archive"] {
        let config = run(Command::new("skopeo")
            .args(["inspect", "--config"])
            .arg(format!("{form}:{}", again.display())));
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/tool"]), "{form}");
    }
}

#[test]
fn a_docker_archive_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let docker = folder.path().join("docker.tar");
    skopeo_copy(
        &format!("oci-archive:{}:1.2", ours(folder.path())),
        &format!("docker-archive:{}:{NAME}", docker.display()),
    );
    let error = take(&unpacked(&docker), None, Arch::Amd64).unwrap_err();
    assert_eq!(
        error.to_string(),
        "is a Docker archive; kiln takes OCI archives (skopeo copy docker-archive:FILE oci-archive:FILE)"
    );
}

#[test]
fn of_several_images_the_named_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    let reference = |tag: &str| format!("{}:{tag}", layout.display());
    run(Command::new("umoci").args(["init", "--layout"]).arg(&layout));
    for name in ["registry.example/a:1", "registry.example/b:1"] {
        // umoci's tags are whole names as well.
        run(Command::new("umoci").args(["new", "--image", &reference("x")]));
        run(Command::new("umoci").args([
            "config",
            "--config.cmd",
            name,
            "--architecture",
            "amd64",
            "--os",
            "linux",
            "--image",
            &reference("x"),
        ]));
        let index = fs::read_to_string(layout.join("index.json")).unwrap();
        fs::write(layout.join("index.json"), index.replace("\"x\"", &format!("\"{name}\""))).unwrap();
    }
    let tar = folder.path().join("two.tar");
    run(Command::new("tar").arg("-C").arg(&layout).arg("-cf").arg(&tar).arg("."));
    let files = unpacked(&tar);
    let error = take(&files, None, Arch::Amd64).unwrap_err();
    assert_eq!(
        error.to_string(),
        "holds several images; let 'name' be one of: registry.example/a:1, registry.example/b:1"
    );
    let taken = take(&files, Some("registry.example/b:1"), Arch::Amd64).unwrap();
    assert!(String::from_utf8_lossy(&taken.config.bytes).contains("registry.example/b:1"));
    assert!(matches!(take(&files, Some("registry.example/c:1"), Arch::Amd64), Err(TakenError::Several(_))));
}

#[test]
fn everything_that_is_wrong_with_an_archive_has_words() {
    let folder = tempfile::tempdir().unwrap();
    let whole = unpacked(Path::new(&ours(folder.path())));
    let layer = whole.keys().max_by_key(|path| whole[*path].len()).unwrap().clone();
    let said = |change: &dyn Fn(&mut Files)| {
        let mut files = whole.clone();
        change(&mut files);
        take(&files, None, Arch::Amd64).unwrap_err().to_string()
    };
    let without = |path: &str| {
        let path = path.to_owned();
        said(&move |files| drop(files.remove(&path)))
    };
    assert_eq!(
        without("oci-layout"),
        "is a Docker archive; kiln takes OCI archives (skopeo copy docker-archive:FILE oci-archive:FILE)"
    );
    assert_eq!(without("index.json"), "is no OCI archive: it has no index.json");
    assert_eq!(without(&layer), format!("is no OCI archive: it has no {layer}"));
    assert_eq!(said(&|files| files.clear()), "is no OCI archive: it has no oci-layout");
    let wrong = said(&|files| files.get_mut(&layer).unwrap()[600] ^= 1);
    assert!(wrong.starts_with(&format!("is damaged: {layer} has the digest sha256:")), "{wrong}");
    let wrong = said(&|files| drop(files.insert("index.json".into(), b"{}".to_vec())));
    assert!(wrong.starts_with("is no OCI archive: index.json: missing field"), "{wrong}");
    let wrong = said(&|files| {
        let index = String::from_utf8(files["index.json"].clone()).unwrap();
        files.insert("index.json".into(), index.replace("sha256:", "sha512:").into_bytes());
    });
    assert!(wrong.contains("a digest that is no sha256"), "{wrong}");
    let wrong = said(&|files| {
        drop(files.insert("index.json".into(), br#"{"schemaVersion":2,"manifests":[]}"#.to_vec()))
    });
    assert_eq!(wrong, "holds an image without a whole name; add 'name', as in registry.example/app:1");
}
