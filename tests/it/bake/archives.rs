// SPDX-License-Identifier: Apache-2.0
//! Archives that other people's programs have written, and what of them is installed.

use std::fs;
use std::os::unix::fs::FileExt;
use std::process::Command;

use super::shop::{Shop, succeeded};
use crate::disk::bases::{Layout, run};

/// Makes a folder with a program, links to it and a sparse file.
fn payload(shop: &Shop) {
    let path = |name: &str| shop.path("payload").join(name);
    fs::create_dir_all(path("a")).unwrap();
    fs::write(path("a/real"), "#!/bin/sh\n").unwrap();
    fs::hard_link(path("a/real"), path("hard")).unwrap();
    std::os::unix::fs::symlink("a/real", path("soft")).unwrap();
    let sparse = fs::File::create(path("sparse")).unwrap();
    sparse.write_all_at(b"begin", 0).unwrap();
    sparse.write_all_at(b"middle", 1 << 20).unwrap();
    sparse.set_len(3 << 20).unwrap();
}

/// Has a shop install all of an archive.
fn installing(shop: &Shop, archive: &str) {
    let path = shop.path("image/node.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let begin = text.find("    file: files/tool").unwrap();
    let end = text.find("cluster:").unwrap();
    let tool = format!("    file: ../{archive}\n    install: {{\"*\": /opt/all/}}\n");
    let text = format!("{}{tool}{}", &text[..begin], &text[end..]).replace("/opt/bin/tool", "/opt/all/real");
    fs::write(path, text).unwrap();
}

#[test]
fn every_file_of_an_archive_is_every_file() {
    let shop = Shop::new(Layout::Former);
    shop.edit("formats: [raw, qcow2]", "formats: [raw]");
    payload(&shop);
    let mut archives = Vec::new();
    for format in ["gnu", "oldgnu", "posix"] {
        let name = format!("{format}.tar");
        let mut tar = Command::new("tar");
        tar.arg(format!("--format={format}")).args(["--sparse", "-cf", &name, "-C", "payload", "."]);
        run(tar.current_dir(shop.folder.path()));
        archives.push(name);
    }
    run(Command::new("tar")
        .args(["-czf", "packed.tar.gz", "-C", "payload", "."])
        .current_dir(shop.folder.path()));
    archives.push("packed.tar.gz".to_owned());
    installing(&shop, &archives[0]);
    for pair in archives.windows(2) {
        check(&shop);
        shop.edit(&pair[0], &pair[1]);
        fs::remove_file(shop.path("image/node.lock")).unwrap();
        fs::remove_dir_all(shop.path("out")).unwrap();
    }
    check(&shop);
}

/// Bakes and compares what is installed with the folder.
fn check(shop: &Shop) {
    shop.bake("out", &[]);
    for (name, from) in [("real", "a/real"), ("hard", "a/real"), ("soft", "a/real"), ("sparse", "sparse")] {
        let cat = shop.kiln(&["cat", "out/node.raw", &format!("ROOT:/opt/all/{name}")]).output().unwrap();
        succeeded(&cat);
        assert!(cat.stdout == fs::read(shop.path("payload").join(from)).unwrap(), "{name}");
    }
}

#[test]
fn archives_that_kiln_does_not_read_are_named_and_not_installed() {
    let shop = Shop::new(Layout::Former);
    shop.edit("formats: [raw, qcow2]", "formats: [raw]");
    payload(&shop);
    installing(&shop, "x.tar.xz");
    let said = |archive: &str| {
        let output = shop.kiln(&["plan", "image/node.yaml"]).output().unwrap();
        let _ = fs::remove_file(shop.path("image/node.lock"));
        assert_eq!(output.status.code(), Some(1), "{archive}: {}", String::from_utf8_lossy(&output.stdout));
        let said = String::from_utf8(output.stderr).unwrap();
        said.lines().filter_map(|line| line.strip_prefix("kiln: ")).collect::<Vec<_>>().join("\n")
    };
    let pack = |words: &[&str]| {
        run(Command::new("tar").args(words).args(["-C", "payload", "a"]).current_dir(shop.folder.path()))
    };
    let refused = |name: &str, format: &str| {
        format!(
            "can't unpack tool: {name} is in {format} format, which kiln does not unpack; it unpacks .tar, .tar.gz and .tar.zst: \
             pack it so, or install '{name}' itself"
        )
    };
    pack(&["-cJf", "x.tar.xz"]);
    assert_eq!(said("xz"), refused("x.tar.xz", "xz"));
    shop.edit("x.tar.xz", "x.tar.bz2");
    pack(&["-cjf", "x.tar.bz2"]);
    assert_eq!(said("bzip2"), refused("x.tar.bz2", "bzip2"));
    shop.edit("x.tar.bz2", "tool.gz");
    run(Command::new("gzip").args(["-kf", "payload/a/real"]).current_dir(shop.folder.path()));
    fs::rename(shop.path("payload/a/real.gz"), shop.path("tool.gz")).unwrap();
    assert_eq!(
        said("gzip"),
        "can't unpack tool: tool.gz is one file compressed by gzip, and no archive; kiln unpacks .tar, .tar.gz and .tar.zst: \
         unpack it, and name what comes out"
    );
    // GNU tar's older ways of sparse files.
    shop.edit("tool.gz", "old.tar");
    let sparse =
        ["--format=posix", "--sparse", "--sparse-version=0.1", "-cf", "old.tar", "-C", "payload", "sparse"];
    run(Command::new("tar").args(sparse).current_dir(shop.folder.path()));
    assert_eq!(
        said("0.1"),
        "can't unpack tool: old.tar has members that give no file:\n'sparse' is a sparse file of GNU tar's formats 0.0 or 0.1; \
         pack it with --sparse-version=1.0"
    );
}
