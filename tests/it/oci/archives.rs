// SPDX-License-Identifier: Apache-2.0
//! What kiln writes, read by others' tools.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use kiln::digest::Digest;
use kiln::manifest::Arch;
use kiln::oci::{self, Blob, Image, Program};
use serde_json::{Value, json};

/// Not a whole number of tar's blocks.
static PROGRAM: [u8; 70_001] = [7; 70_001];
pub const NAME: &str = "kiln.local/tool:1.2";

/// Runs a tool that must succeed.
pub fn run(command: &mut Command) -> String {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| panic!("the tests need {name}: {error}"));
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr.clone()].concat()).into_owned();
    assert!(output.status.success(), "{name}: {text}");
    text
}

/// An image of one program, and its layer.
pub fn image() -> (Image, Vec<u8>) {
    let arguments = vec!["--listen".to_owned(), ":1".to_owned()];
    let program = Program { name: "tool".to_owned(), size: PROGRAM.len() as u64, arguments };
    let mut layer = Vec::new();
    oci::layer(&program, &mut PROGRAM.as_slice(), &mut layer).unwrap();
    let blob = Blob { digest: Digest::of(&layer), size: layer.len() as u64 };
    (oci::made(NAME, &program, blob, Arch::Amd64), layer)
}

pub fn archive(image: &Image, layer: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let layer = layer.to_vec();
    oci::write(&mut bytes, &oci::members(image), &|_| Ok(Box::new(io::Cursor::new(layer.clone())))).unwrap();
    bytes
}

fn written(folder: &Path) -> String {
    let (image, layer) = image();
    let path = folder.join("tool.tar");
    fs::write(&path, archive(&image, &layer)).unwrap();
    path.display().to_string()
}

#[test]
fn the_same_program_gives_the_same_bytes_and_nothing_of_this_machine() {
    let (image, layer) = image();
    let once = archive(&image, &layer);
    assert_eq!(once, archive(&self::image().0, &self::image().1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tool.tar");
    fs::write(&path, &once).unwrap();
    let listed = run(Command::new("tar").args(["--utc", "--numeric-owner", "-tvf"]).arg(&path));
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 6, "{listed}");
    for line in &lines {
        assert!(line.starts_with("-rw-r--r-- 0/0 ") && line.contains(" 1970-01-01 00:00 "), "{line}");
    }
    for (line, name) in lines.iter().zip(["oci-layout", "index.json", "manifest.json", "blobs/sha256/"]) {
        assert!(line.contains(name), "{listed}");
    }
}

#[test]
fn skopeo_reads_it_as_an_oci_archive_and_as_dockers() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    for form in [format!("oci-archive:{path}:1.2"), format!("docker-archive:{path}:{NAME}")] {
        let config: Value =
            serde_json::from_str(&run(Command::new("skopeo").args(["inspect", "--config", &form]))).unwrap();
        assert_eq!((&config["architecture"], &config["os"]), (&json!("amd64"), &json!("linux")), "{form}");
        let run = json!({
            "User": "65532:65532", "Entrypoint": ["/tool"], "Cmd": ["--listen", ":1"], "WorkingDir": "/",
        });
        assert_eq!(config["config"], run, "{form}");
    }
    let raw = run(Command::new("skopeo").args(["inspect", "--raw", &format!("oci-archive:{path}:1.2")]));
    assert_eq!(raw.as_bytes(), image().0.manifest.bytes, "the manifest is found by its tag");
}

#[test]
fn umoci_unpacks_the_program_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (path, layout, bundle) =
        (written(folder.path()), folder.path().join("layout"), folder.path().join("bundle"));
    fs::create_dir(&layout).unwrap();
    run(Command::new("tar").arg("-C").arg(&layout).args(["-xf", &path]));
    let reference = format!("{}:1.2", layout.display());
    run(Command::new("umoci").args(["unpack", "--rootless", "--image", &reference]).arg(&bundle));
    let root = bundle.join("rootfs");
    let names: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["tool"]);
    assert_eq!(fs::read(root.join("tool")).unwrap(), PROGRAM);
    assert_eq!(fs::metadata(root.join("tool")).unwrap().permissions().mode() & 0o777, 0o755);
}

#[test]
fn a_layer_of_another_size_is_no_archive() {
    let (image, mut layer) = image();
    layer.pop();
    let write = |layer: Vec<u8>| {
        let open = move |_: &Digest| Ok(Box::new(io::Cursor::new(layer.clone())) as Box<dyn io::Read>);
        oci::write(&mut Vec::new(), &oci::members(&image), &open).unwrap_err().to_string()
    };
    let size = layer.len() + 1;
    assert!(write(layer.clone()).contains(&format!("has not {size} bytes")));
    layer.extend([0, 0]);
    assert!(write(layer).contains(&format!("has not {size} bytes")));
}
