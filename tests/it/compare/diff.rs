// SPDX-License-Identifier: Apache-2.0
//! `kiln diff` on baked images and the vendor's.

use std::fs;
use std::process::Command;

use super::{json, told};
use crate::bake::shop::Shop;
use crate::disk::bases::{self, Layout, run};

#[test]
fn the_same_disk_in_other_files_is_the_same() {
    let shop = Shop::new(Layout::Former);
    shop.bake("out", &[]);
    let (code, out, err) = told(&shop, &["diff", "out/node.raw", "out/node.qcow2"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("lock\n  no difference\nmanifest\n  no difference\nfiles\n"), "{out}");
    assert!(out.contains("  ROOT: the same bytes\n"), "{out}");
    assert!(out.contains("publishing out/node.qcow2 on out/node.raw would send 0 blocks, 0 B\n"), "{out}");
}

#[test]
fn every_level_of_a_change_is_told() {
    let shop = Shop::new(Layout::Former);
    shop.bake("one", &[]);
    shop.edit("mode: \"0600\"", "mode: \"0640\"");
    shop.edit("owner: \"1000:70000\"", "owner: \"1000:7\"");
    shop.edit("    link: /opt/bin/tool", "    link: /opt/bin/kiln-firstboot");
    shop.edit("  - path: /etc/notes.txt", "  - path: /etc/words.txt");
    let mut tool = fs::read(shop.path("image/files/tool")).unwrap();
    tool.push(0);
    fs::write(shop.path("image/files/tool"), tool).unwrap();
    run(shop.kiln(&["lock", "image/node.yaml", "--upgrade", "tool"]).stdout(std::process::Stdio::null()));
    shop.bake("two", &[]);
    let (code, diff) = json(&shop, &["diff", "one/node.raw", "two/node.qcow2"]);
    assert_eq!(code, 1);
    let keys = |level: &str| -> Vec<String> {
        let changes = diff[level]["changes"].as_array().unwrap();
        changes.iter().map(|change| change["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys("lock"), ["inputs.tool.files.tool.sha256", "inputs.tool.files.tool.size"]);
    assert_eq!(
        keys("manifest"),
        [
            "files[/etc/notes.txt]",
            "files[/etc/words.txt]",
            "files[/opt/big.bin].gid",
            "files[/opt/big.bin].mode",
            "files[/opt/link].content.link"
        ]
    );
    let partition = |label: &str| {
        let files = diff["files"].as_array().unwrap();
        files.iter().find(|it| it["label"] == label).unwrap()["contents"].clone()
    };
    for label in ["EFI-SYSTEM", "USR-A", "USR-B", "OEM"] {
        assert_eq!(partition(label), "same", "{label}");
    }
    let root = &partition("ROOT")["files"];
    assert_eq!(root["with_xattrs"], true);
    let changes = root["changes"].as_array().unwrap();
    let change =
        |path: &str| changes.iter().find(|it| it["path"] == path).unwrap_or_else(|| panic!("{path}: {root}"));
    let size = fs::metadata(shop.path("image/files/tool")).unwrap().len();
    assert_eq!(
        change("/opt/bin/tool")["aspects"],
        serde_json::json!([{"aspect": "content", "first": size - 1, "second": size, "offset": size - 1}])
    );
    assert_eq!(
        change("/opt/big.bin")["aspects"],
        serde_json::json!([
            {"aspect": "mode", "first": "0600", "second": "0640"},
            {"aspect": "owner", "first": "1000:70000", "second": "1000:7"},
        ])
    );
    assert_eq!(
        change("/opt/link")["aspects"],
        serde_json::json!([{"aspect": "link", "first": "/opt/bin/tool", "second": "/opt/bin/kiln-firstboot"}])
    );
    assert_eq!(change("/etc/notes.txt")["change"], "removed");
    assert_eq!(change("/etc/words.txt")["change"], "added");
    assert!(!changes.iter().any(|it| it["path"] == "/opt/bin/kiln-firstboot"));

    let (code, out, _) = told(&shop, &["diff", "one/node.raw", "two/node.raw"]);
    assert_eq!(code, 1);
    for line in [
        "    changed /opt/big.bin: mode 0600 -> 0640, owner 1000:70000 -> 1000:7\n".to_owned(),
        "    removed /etc/notes.txt (file)\n".to_owned(),
        "    added   /etc/words.txt (file)\n".to_owned(),
        "  files[/opt/big.bin].mode: 0600 -> 0640\n".to_owned(),
        format!("  inputs.tool.files.tool.size: {} -> {size}\n", size - 1),
        "  USR-A: the same bytes\n".to_owned(),
    ] {
        assert!(out.contains(&line), "{line} is not in:\n{out}");
    }
    // As many blocks as cmp(1) finds.
    let differing = run(Command::new("sh")
        .args([
            "-c",
            "cmp -l one/node.raw two/node.raw | awk '{ b[int(($1 - 1) / 524288)] } END { print length(b) }'",
        ])
        .current_dir(shop.folder.path()));
    assert_eq!(diff["blocks"]["blocks"].to_string(), differing.trim());
    assert_eq!(diff["blocks"]["bytes"], diff["blocks"]["blocks"].as_u64().unwrap() * 524_288);
}

#[test]
fn what_the_vendor_does_not_carry_is_said_to_be_missing() {
    let shop = Shop::new(Layout::Former);
    shop.bake("out", &[]);
    let base = bases::flatcar(Layout::Former).display().to_string();
    let (code, diff) = json(&shop, &["diff", &base, "out/node.raw"]);
    assert_eq!(code, 1);
    for level in ["lock", "manifest"] {
        assert_eq!(diff[level]["missing"]["first"], "there is no /opt/kiln/image.json", "{level}");
        assert!(diff[level]["missing"]["second"].is_null());
    }
    let root = diff["files"].as_array().unwrap().iter().find(|it| it["label"] == "ROOT").unwrap();
    let changes = root["contents"]["files"]["changes"].as_array().unwrap();
    assert!(changes.iter().any(|it| it["path"] == "/opt/bin/tool" && it["change"] == "added"));
    let partitions: Vec<&String> = diff["blocks"]["partitions"].as_object().unwrap().keys().collect();
    assert_eq!(partitions, ["ROOT"]);
    let (_, out, _) = told(&shop, &["diff", &base, "out/node.raw"]);
    assert!(
        out.starts_with(&format!("lock\n  missing in {base}: there is no /opt/kiln/image.json\n")),
        "{out}"
    );

    let (code, out, err) = told(&shop, &["diff", "nowhere.raw", "out/node.raw"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(err, "can't open nowhere.raw: No such file or directory (os error 2)");
}
