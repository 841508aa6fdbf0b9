// SPDX-License-Identifier: Apache-2.0
//! Real files: programs hold words about keys and no keys, and our own texts look like no token.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use kiln::bake::check::facts::{BlobFacts, SecretKind};
use kiln::bake::check::scan::{scan_blob, scan_bytes};
use kiln::bake::content::Planned;
use kiln::tree::{Content, Kind};

use super::image::Image;

fn scan(path: &Path) -> BlobFacts {
    scan_blob(&mut File::open(path).unwrap()).unwrap()
}

#[test]
fn a_real_go_program_is_read_as_one_and_holds_no_key() {
    let root = Command::new("go").args(["env", "GOROOT"]).output().expect("the tests need go");
    let go = Path::new(String::from_utf8(root.stdout).unwrap().trim()).join("bin/go");
    let facts = scan(&go);
    let elf = facts.elf.unwrap();
    assert_eq!((elf.is_64, elf.is_broken), (true, false));
    assert_eq!(facts.secrets, []);
}

#[test]
fn a_real_dynamic_program_names_its_loader() {
    let elf = scan(Path::new("/bin/ls")).elf.unwrap();
    let loader = elf.interpreter.unwrap();
    assert!(Path::new(&loader).exists(), "{loader}");
}

fn openssl(arguments: &[&str], out: &Path) {
    let output = Command::new("openssl").args(arguments).arg("-out").arg(out).output();
    let output = output.expect("the tests need openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_real_private_key_is_found_and_its_public_half_is_not() {
    let folder = tempfile::Builder::new().prefix("content-key-").tempdir().unwrap();
    for kind in [&["ED25519"][..], &["RSA"], &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]] {
        let (key, public) = (folder.path().join("key"), folder.path().join("public"));
        openssl(&[&["genpkey", "-algorithm"], kind].concat(), &key);
        openssl(&["pkey", "-pubout", "-in", key.to_str().unwrap()], &public);
        let kinds: Vec<SecretKind> = scan(&key).secrets.iter().map(|secret| secret.kind).collect();
        assert_eq!(kinds, [SecretKind::PrivateKey], "{kind:?}");
        assert_eq!(scan(&public).secrets, [], "{kind:?}");
    }
}

#[test]
fn the_texts_that_kiln_writes_look_like_no_secret() {
    let Planned { tree, .. } = Image::worker().outcome().unwrap().planned;
    for (path, id) in tree.paths() {
        if let Kind::File(Content::Inline(bytes)) = &tree.node(id).kind {
            assert_eq!(scan_bytes(bytes).secrets, [], "{path}");
        }
    }
}

#[test]
fn facts_survive_being_kept() {
    let facts = scan(Path::new("/bin/ls"));
    let kept = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<BlobFacts>(&kept).unwrap(), facts);
}

proptest::proptest! {
    /// Headers that lie about offsets and sizes, keys that never end: all are data.
    #[test]
    fn no_bytes_make_the_scan_or_the_unit_reader_fall_over(
        start in proptest::sample::select(vec![
            &b"\x7fELF\x02\x01\x01"[..], b"\x7fELF\x01\x02\x01", b"-----BEGIN PRIVATE KEY-----", b"LS0tLS1CRUdJTi", b"eyJ", b"[a",
        ]),
        rest in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
    ) {
        let bytes = [start, &rest].concat();
        scan_bytes(&bytes);
        kiln::bake::units::parse(&String::from_utf8_lossy(&bytes));
    }
}
