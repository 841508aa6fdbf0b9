// SPDX-License-Identifier: Apache-2.0
//! Container images in a bake: made of a program, taken from an archive, refused with all that is wrong.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::shop::{FIRSTBOOT, Shop, succeeded};
use crate::disk::bases::{Layout, run};
use crate::oci::archives;

const IMAGES: &str = "images:
  app:
    name: kiln.local/app:1
    program: tool
    file: files/tool
    arguments: [--version]
    sandbox: true
  theirs:
    name: registry.example/theirs:2
    file: files/theirs.tar
cluster:";

/// A shop whose manifest names two images.
fn shop() -> Shop {
    let shop = Shop::new(Layout::Current);
    let (image, layer) = archives::image();
    let ours = shop.path("image/files/ours.tar");
    fs::write(&ours, archives::archive(&image, &layer)).unwrap();
    // Theirs has compressed layers and no whole name.
    let theirs = format!("oci-archive:{}:latest", shop.path("image/files/theirs.tar").display());
    let copy =
        ["copy", "--quiet", "--insecure-policy", &format!("oci-archive:{}:1.2", ours.display()), &theirs];
    run(Command::new("skopeo").args(copy));
    shop.edit("cluster:", IMAGES);
    shop
}

fn cat(shop: &Shop, image: &str, path: &str) -> Vec<u8> {
    let output = shop.kiln(&["cat", image, path]).output().unwrap();
    succeeded(&output);
    output.stdout
}

fn inspect(shop: &Shop, name: &str, format: &str) -> String {
    let archive = format!("oci-archive:{}", shop.path(name).display());
    run(Command::new("skopeo").args(["inspect", "--format", format, &archive])).trim().to_owned()
}

#[test]
fn archives_lie_in_the_image_with_their_list_and_the_sandbox_is_told() {
    let shop = shop();
    shop.bake("out", &[]);
    let image = "out/node.qcow2";
    let list: Value = serde_json::from_slice(&cat(&shop, image, "/opt/kiln/images/index.json")).unwrap();
    let names = ["app", "theirs"];
    for (listed, name) in list["images"].as_array().unwrap().iter().zip(names) {
        let file = format!("{name}.tar");
        assert_eq!(listed["archive"], format!("/opt/kiln/images/{file}"));
        fs::write(shop.path(&file), cat(&shop, image, &format!("/opt/kiln/images/{file}"))).unwrap();
        assert_eq!(listed["digest"], inspect(&shop, &file, "{{.Digest}}"));
    }
    assert_eq!(list["images"][1]["digest"], inspect(&shop, "image/files/theirs.tar", "{{.Digest}}"));
    assert_eq!(list["images"][1]["names"], serde_json::json!(["registry.example/theirs:2"]));
    let layout = shop.path("layout");
    fs::create_dir(&layout).unwrap();
    run(Command::new("tar").arg("-C").arg(&layout).arg("-xf").arg(shop.path("app.tar")));
    run(Command::new("umoci")
        .args(["unpack", "--rootless", "--image", &format!("{}:1", layout.display())])
        .arg(shop.path("bundle")));
    assert_eq!(fs::read(shop.path("bundle/rootfs/tool")).unwrap(), fs::read(FIRSTBOOT).unwrap());

    let settings = String::from_utf8(cat(&shop, image, "/etc/kiln/settings.d/10-image.yaml")).unwrap();
    assert!(settings.contains("\nsandbox: kiln.local/app:1\n"), "{settings}");
    let account: Value = serde_json::from_slice(&cat(&shop, image, "/opt/kiln/image.json")).unwrap();
    let of = |path: &str| {
        let files = account["files"].as_array().unwrap();
        files.iter().find(|file| file["path"] == path).unwrap().clone()
    };
    assert_eq!(
        of("/opt/kiln/images/app.tar")["origin"],
        serde_json::json!({ "kind": "image", "name": "app" })
    );
    assert!(account["lock"]["inputs"]["theirs"]["files"]["theirs.tar"]["sha256"].is_string());
    let bom = String::from_utf8(cat(&shop, image, "/opt/kiln/sbom.cdx.json")).unwrap();
    assert!(bom.contains("\"input:theirs\"") && bom.contains("\"container\""), "{bom}");

    shop.bake("again", &["--locked", "--offline"]);
    for name in ["node.raw", "node.qcow2", "node.json"] {
        run(Command::new("cmp").args(["out", "again"].map(|out| shop.path(out).join(name))));
    }
}

#[test]
fn everything_that_is_wrong_with_images_is_told_at_once() {
    let shop = shop();
    let docker = shop.path("image/files/docker.tar");
    let ours = format!("oci-archive:{}:1.2", shop.path("image/files/ours.tar").display());
    let to = format!("docker-archive:{}:a/b:1", docker.display());
    run(Command::new("skopeo").args(["copy", "--quiet", "--insecure-policy", &ours, &to]));
    shop.edit(
        "  theirs:\n    name: registry.example/theirs:2\n",
        "  docker:\n    file: files/docker.tar\n  text:\n    name: kiln.local/text:1\n    file: files/notes.txt\n  \
         member:\n    name: kiln.local/member:1\n    program: no-such\n    file: files/tool\n  theirs:\n",
    );
    let output = shop.kiln(&["bake", "image/node.yaml", "-o", "out"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    for line in [
        "image/node.yaml:21:3: images.docker: files/docker.tar is a Docker archive; kiln takes OCI archives \
         (skopeo copy docker-archive:FILE oci-archive:FILE)",
        "image/node.yaml:23:3: images.text: files/notes.txt is no OCI archive: it has no oci-layout",
        "image/node.yaml:26:3: images.member: files/tool has no member 'no-such'; let 'program' be one of: tool",
        "image/node.yaml:30:3: images.theirs: files/theirs.tar holds an image without a whole name; add 'name', as in \
         registry.example/app:1",
    ] {
        assert!(said.contains(line), "{line}\nis not in:\n{said}");
    }
    assert!(!shop.path("out").exists());
}

#[test]
fn a_program_that_needs_a_loader_or_another_machine_makes_no_image() {
    let shop = shop();
    fs::copy("/bin/true", shop.path("image/files/dynamic")).unwrap();
    let mut foreign = fs::read(FIRSTBOOT).unwrap();
    // e_machine of AArch64 (elf(5)).
    foreign[18] = 183;
    fs::write(shop.path("image/files/foreign"), foreign).unwrap();
    shop.edit(
        "  theirs:\n",
        "  dynamic:\n    name: kiln.local/dynamic:1\n    program: dynamic\n    file: files/dynamic\n  \
         foreign:\n    name: kiln.local/foreign:1\n    program: foreign\n    file: files/foreign\n  \
         text:\n    name: kiln.local/text:1\n    program: notes.txt\n    file: files/notes.txt\n  theirs:\n",
    );
    let output = shop.kiln(&["bake", "image/node.yaml", "-o", "out"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    for line in [
        "images.dynamic: is made of a program that /lib64/ld-linux-x86-64.so.2 loads, which it has not; take a static build",
        "images.foreign: is a program for arm64, but the image is for amd64; take the program for the image's arch",
        "images.text: is made of something that is no program; name a static ELF program",
    ] {
        assert!(said.contains(line), "{line}\nis not in:\n{said}");
    }
}
