// SPDX-License-Identifier: Apache-2.0
//! What systemd, unsquashfs and a CycloneDX validator say.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use kiln::bake::provenance::SBOM_PATH;
use kiln::tree::{Content, Kind, Tree};

use super::golden::bytes_at;
use super::image::{Image, MTIME_S, UNITS, packed};

/// Runs a tool that the tests need and returns whether it succeeded and all it said.
fn said(command: &mut Command) -> (bool, String) {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| panic!("the tests need {name}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn put_on_disk(tree: &Tree, root: &Path) {
    for (path, id) in tree.paths() {
        let (node, place) = (tree.node(id), root.join(path.to_string().trim_start_matches('/')));
        match &node.kind {
            Kind::Folder => std::fs::create_dir_all(&place).unwrap(),
            Kind::Symlink(target) => symlink(String::from_utf8_lossy(target).as_ref(), &place).unwrap(),
            Kind::File(Content::Inline(bytes)) => {
                std::fs::write(&place, bytes).unwrap();
                std::fs::set_permissions(&place, PermissionsExt::from_mode(node.mode.into())).unwrap();
            }
            Kind::File(Content::Blob { .. }) => panic!("the tests have no blobs"),
        }
    }
}

/// A root folder with the host's own /usr units below the baked ones.
fn baked_root(image: &Image) -> tempfile::TempDir {
    let root = tempfile::Builder::new().prefix("content-root-").tempdir().unwrap();
    put_on_disk(&image.outcome().unwrap().planned.tree, root.path());
    let usr = root.path().join("usr");
    std::fs::create_dir_all(usr.join("lib/systemd")).unwrap();
    std::fs::create_dir_all(usr.join("sbin")).unwrap();
    symlink("usr/sbin", root.path().join("sbin")).unwrap();
    std::fs::copy("/bin/true", usr.join("sbin/modprobe")).unwrap();
    let copy = said(Command::new("cp").arg("-a").arg("/usr/lib/systemd/system").arg(usr.join("lib/systemd")));
    assert!(copy.0, "{}", copy.1);
    root
}

#[test]
fn systemd_accepts_the_units_in_the_baked_root() {
    let root = baked_root(&Image::worker());
    // What kubelet requires is not among this image's units; network::readers has it judged with its programs.
    let required = "[Service]\nType=oneshot\nExecStart=/sbin/modprobe br_netfilter\n";
    std::fs::write(root.path().join("etc/systemd/system/kiln-masquerade.service"), required).unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify
        .arg("verify")
        .arg("--man=no")
        .arg(format!("--root={}", root.path().display()))
        .arg("multi-user.target");
    verify.args(UNITS.map(|(name, _)| name));
    let (is_accepted, text) = said(&mut verify);
    // Debian 12's systemd (252) is older than both (254) and says that it ignores them; lab::judged asks the image's own.
    let is_younger = |line: &&str| {
        ["RestartMode", "ImportCredential"].iter().any(|key| line.contains(&format!("Unknown key '{key}'")))
    };
    let complaints: Vec<&str> = text.lines().filter(|line| !is_younger(line)).collect();
    assert!(is_accepted, "{text}");
    assert_eq!(complaints, Vec::<&str>::new());
}

#[test]
fn unsquashfs_reads_the_extension_and_finds_what_was_put_in() {
    let mut image = Image::worker();
    image.manifest.sysext = true;
    let outcome = image.outcome().unwrap();
    let (tree, bytes) = (outcome.extension.unwrap(), outcome.packed.unwrap());
    assert_eq!(packed(&tree), bytes, "packed twice, the same bytes");
    let folder = tempfile::Builder::new().prefix("content-sysext-").tempdir().unwrap();
    let (raw, out) = (folder.path().join("lab.raw"), folder.path().join("out"));
    std::fs::write(&raw, &bytes).unwrap();
    let (is_read, text) = said(Command::new("unsquashfs").arg("-d").arg(&out).arg(&raw));
    assert!(is_read, "{text}");
    for (path, id) in tree.paths() {
        let (node, place) = (tree.node(id), out.join(path.to_string().trim_start_matches('/')));
        let found = std::fs::symlink_metadata(&place).unwrap();
        // backhand gives the root folder no time.
        let mtime_s = if path.parent().is_none() { 0 } else { MTIME_S };
        assert_eq!((found.mode() & 0o7777, found.mtime()), (u32::from(node.mode), mtime_s), "{path}");
        assert_eq!((found.uid(), found.gid()), (0, 0), "{path}");
        if let Kind::File(Content::Inline(bytes)) = &node.kind {
            assert_eq!(std::fs::read(&place).unwrap(), bytes.as_ref(), "{path}");
        }
    }
    let (_, superblock) = said(Command::new("unsquashfs").arg("-s").arg(&raw));
    assert!(
        superblock.contains("Compression zstd") && superblock.contains("compression-level 9"),
        "{superblock}"
    );
}

#[test]
fn a_reader_that_fails_fails_the_packing() {
    let mut image = Image::worker();
    image.manifest.sysext = true;
    let tree = image.outcome().unwrap().extension.unwrap();
    let open = |_: &Content| Err(std::io::Error::other("the disk is gone"));
    let error = kiln::bake::sysext::pack(&tree, &open, &mut std::io::Cursor::new(Vec::new())).unwrap_err();
    assert_eq!(error.to_string(), "can't pack the system extension");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("the disk is gone"), "{source}");
}

/// CycloneDX's own schema, strict: unknown keys are errors.
const VALIDATE: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.argv[1])
sys.exit(str(error) if error else 0)
";

/// The Python that has cyclonedx-python-lib: KILN_TEST_PYTHON, else python3.
fn python() -> String {
    std::env::var("KILN_TEST_PYTHON").unwrap_or_else(|_| "python3".into())
}

#[test]
fn a_validator_accepts_the_bill_of_materials() {
    let outcome = Image::worker().outcome().unwrap();
    let bom = String::from_utf8(bytes_at(&outcome.planned.tree, SBOM_PATH)).unwrap();
    let (is_valid, text) = said(Command::new(python()).arg("-c").arg(VALIDATE).arg(&bom));
    let install = "needs 'cyclonedx-python-lib[json-validation]' in the Python that KILN_TEST_PYTHON names";
    assert!(is_valid, "{install}\n{text}\n{bom}");
    let broken = bom.replace("\"application\"", "\"aplication\"");
    assert!(
        !said(Command::new(python()).arg("-c").arg(VALIDATE).arg(&broken)).0,
        "the validator does validate"
    );
    let read: BTreeMap<String, serde_json::Value> = serde_json::from_str(&bom).unwrap();
    assert_eq!(read["components"].as_array().unwrap().len(), 8);
}
