// SPDX-License-Identifier: Apache-2.0
//! What shapes a result shapes its key.

use std::path::Path;

use super::*;
use crate::manifest::Go;

fn key_of(change: impl FnOnce(&mut Go, &mut Folder, &mut Toolchain, &mut Arch)) -> Digest {
    let mut go = Go {
        folder: "f".into(),
        packages: vec!["a/b".to_owned()],
        cgo: false,
        tags: vec!["t".to_owned()],
        ldflags: "-s".to_owned(),
    };
    let mut folder =
        Folder { files: BTreeMap::from([("go.mod".to_owned(), Digest::of(b""))]), needs: "1.26".to_owned() };
    let mut toolchain = Toolchain { go: "go".into(), facts: BTreeMap::from([("go", "go1.26.8".to_owned())]) };
    let mut arch = Arch::Amd64;
    change(&mut go, &mut folder, &mut toolchain, &mut arch);
    let order = Order { component: "c", root: Path::new("/r"), go: &go, arch };
    Recipe::of(&order, &folder, &toolchain).key()
}

#[test]
fn what_shapes_the_result_shapes_the_key() {
    let keys = [
        key_of(|_, _, _, _| ()),
        key_of(|go, _, _, _| go.packages.push("a/c".to_owned())),
        key_of(|go, _, _, _| go.cgo = true),
        key_of(|go, _, _, _| go.tags.clear()),
        key_of(|go, _, _, _| go.ldflags.clear()),
        key_of(|_, folder, _, _| {
            folder.files.insert("x.go".to_owned(), Digest::of(b""));
        }),
        key_of(|_, folder, _, _| {
            folder.files.insert("go.mod".to_owned(), Digest::of(b"x"));
        }),
        key_of(|_, _, toolchain, _| {
            toolchain.facts.insert("go", "go1.26.9".to_owned());
        }),
        key_of(|_, _, toolchain, _| {
            toolchain.facts.insert("cc", "cc 12".to_owned());
        }),
        key_of(|_, _, _, arch| *arch = Arch::Arm64),
    ];
    let different: std::collections::BTreeSet<Digest> = keys.into_iter().collect();
    assert_eq!(different.len(), keys.len());
}

#[test]
fn where_it_lies_does_not_shape_the_key() {
    let elsewhere = key_of(|go, _, toolchain, _| {
        go.folder = "elsewhere".into();
        toolchain.go = "/opt/go/bin/go".into();
    });
    assert_eq!(elsewhere, key_of(|_, _, _, _| ()));
}
