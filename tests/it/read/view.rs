// SPDX-License-Identifier: Apache-2.0
//! An image as its node sees it: partitions put together, links shown or followed, and what stands on it.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use kiln::host::extract::extract;
use kiln::read::{Image, inspect, list, list_all, render_rows, root_foreign};

use super::{image, made, place, run, scratch, text, words};

const ACCOUNT: &str = r#"{"version": 1, "name": "web", "kiln": "0.1.0", "plan": "abc", "new": 1,
  "lock": {"version": 1, "inputs": {
    "base": {"want": "flatcar stable", "version": "4593.2.5", "files": {}, "trust": {"level": "signed", "key": "F"}},
    "kubelet": {"want": "kubelet 1.35", "files": {}, "trust": {"level": "first-use"}}}},
  "files": [{"path": "/opt/bin/kubelet"}, {"path": "/etc/x"}]}"#;

/// Makes an image like a node's.
fn node(folder: &Path) -> Image {
    let (usr, boot, root) = (folder.join("u"), folder.join("b"), folder.join("r"));
    made::tree(&usr, false);
    made::tree(&boot, true);
    for name in ["usr", "boot", "oem", "opt/kiln", "etc"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    std::fs::write(root.join("opt/kiln/image.json"), ACCOUNT).unwrap();
    std::fs::write(root.join("etc/hostname"), "node\n").unwrap();
    symlink("/usr/short", root.join("etc/os-release")).unwrap();
    symlink("../../usr/lib", root.join("etc/lib")).unwrap();
    symlink("loop2", root.join("loop1")).unwrap();
    symlink("loop1", root.join("loop2")).unwrap();
    symlink("\u{1b}[31m", root.join("colour")).unwrap();
    let usr = made::btrfs(folder, &usr);
    let boot = made::fat(folder, &boot, &["-F", "32"]);
    let root = made::ext4(folder, Some(&root), &["-U", "11111111-2222-3333-4444-555555555555"]);
    image(&[("EFI-SYSTEM", &boot), ("USR-A", &usr), ("ROOT", &root)])
}

fn cat(image: &Image, at: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    image.cat(&place(at), &mut bytes).map(|_| bytes).map_err(|error| words(&error))
}

#[test]
fn a_partition_without_a_filesystem_hides_nothing() {
    let (_keep, folder) = scratch();
    let (oem, tree) = (folder.join("oem"), folder.join("r"));
    std::fs::write(&oem, vec![0; 4 << 20]).unwrap();
    std::fs::create_dir_all(tree.join("oem")).unwrap();
    let root = made::ext4(&folder, Some(&tree), &[]);
    let image = image(&[("OEM", &oem), ("ROOT", &root)]);
    let names = list(&image, &place("/")).unwrap().into_iter().map(|row| row.name).collect::<Vec<_>>();
    assert_eq!(names, ["lost+found", "oem"]);
    let error = list(&image, &place("OEM:/")).unwrap_err();
    assert!(words(&error).contains("holds no ext4, FAT, squashfs or btrfs"), "{}", words(&error));
}

#[test]
fn a_node_sees_its_partitions_as_one_tree() {
    let (_keep, folder) = scratch();
    let image = node(&folder);
    let names =
        |at: &str| list(&image, &place(at)).unwrap().into_iter().map(|row| row.name).collect::<Vec<_>>();
    assert_eq!(names("/"), ["boot", "colour", "etc", "loop1", "loop2", "lost+found", "oem", "opt", "usr"]);
    assert!(names("/usr/lib").contains(&"noise".to_owned()));
    assert_eq!(names("/boot/flatcar"), ["first_boot"]);
    assert_eq!(names("EFI-SYSTEM:/flatcar/first_boot"), ["first_boot"]);
    assert_eq!(names("ROOT:/usr"), Vec::<String>::new());
    assert_eq!(cat(&image, "/etc/hostname").unwrap(), b"node\n");
    assert_eq!(cat(&image, "/usr/lib/noise").unwrap(), crate::decode::noise(300_000, 5));
    // Across partitions: ROOT's /etc/os-release -> /usr/short -> lib/os-release on USR-A.
    assert!(cat(&image, "/etc/os-release").unwrap().starts_with(b"ID=flatcar"));
    assert!(cat(&image, "/etc/lib/os-release").unwrap().starts_with(b"ID=flatcar"));
}

#[test]
fn what_can_t_be_read_is_told() {
    let (_keep, folder) = scratch();
    let image = node(&folder);
    let listed = |at: &str| list(&image, &place(at)).map(|_| ()).map_err(|error| words(&error)).unwrap_err();
    let table = [
        (
            cat(&image, "/loop1").unwrap_err(),
            "can't read /loop1: more than 40 symbolic links were followed: they form a loop",
        ),
        (cat(&image, "/etc").unwrap_err(), "can't read /etc: it is a folder, not a file"),
        (cat(&image, "/etc/no").unwrap_err(), "can't read /etc/no: there is no such file or folder"),
        (
            cat(&image, "/etc/hostname/x").unwrap_err(),
            "can't read /etc/hostname/x: /etc/hostname is not a folder",
        ),
        (
            cat(&image, "OEM:/x").unwrap_err(),
            "can't read OEM:: the image has no partition with label OEM; it has EFI-SYSTEM, USR-A, ROOT",
        ),
        (
            listed("/etc/lib/noise"),
            "can't read /etc/lib/noise: /etc/lib is a symbolic link to ../../usr/lib, which is not followed here; name the target itself",
        ),
        (
            words(&kiln::read::Place::parse("etc").unwrap_err()),
            "can't read etc: a place is an absolute path, or LABEL:/path for one partition",
        ),
    ];
    for (found, expected) in table {
        assert_eq!(found, expected);
    }
}

#[test]
fn everything_below_a_folder_is_listed_as_find_does() {
    let (_keep, folder) = scratch();
    let image = node(&folder);
    let names = |at: &str| -> Vec<String> {
        list_all(&image, &place(at)).unwrap().into_iter().map(|row| row.name).collect()
    };
    let found = run(&["find", text(&folder.join("u")), "-mindepth", "1", "-printf", "%P\n"]);
    let (mut listed, mut found) = (names("/usr"), found.lines().map(str::to_owned).collect::<Vec<_>>());
    listed.sort();
    found.sort();
    assert_eq!(listed, found);
    let all = names("/");
    for name in ["etc/hostname", "usr/lib/os-release", "boot/flatcar/first_boot", "etc/os-release"] {
        assert!(all.iter().any(|other| other == name), "{name}: {all:?}");
    }
    // A folder comes before what is in it; links are not followed.
    let place_of = |name: &str| all.iter().position(|other| other == name).unwrap();
    assert!(place_of("usr/lib") < place_of("usr/lib/os-release"));
    assert!(!all.iter().any(|name| name.starts_with("etc/lib/")));
    assert_eq!(names("/etc/hostname"), ["hostname"]);
}

#[test]
fn a_long_listing_looks_like_that_of_ls() {
    let (_keep, folder) = scratch();
    let image = node(&folder);
    let rows = list(&image, &place("/usr")).unwrap();
    let shown = render_rows(&rows);
    let line = |name: &str| shown.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(line(" one").starts_with("-rwsr-x--x"), "{shown}");
    assert!(line(" one").ends_with("1  2020-09-13 12:26  one"), "{shown}");
    assert!(line("short").ends_with("short -> lib/os-release"), "{shown}");
    assert!(render_rows(&list(&image, &place("/")).unwrap()).contains("colour -> \\u{1b}[31m"));
    let json = serde_json::to_value(&rows).unwrap();
    let short = json.as_array().unwrap().iter().find(|row| row["name"] == "short").unwrap();
    assert_eq!(
        (&short["kind"], &short["target"], &short["uid"]),
        (&"symlink".into(), &"lib/os-release".into(), &5.into())
    );
}

#[test]
fn an_inspection_tells_what_an_image_is() {
    let (_keep, folder) = scratch();
    let found = inspect(&node(&folder));
    assert!(found.problems.is_empty(), "{found:?}");
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["os"]["version"], "4593.2.5");
    assert_eq!(json["provenance"]["files"], 2);
    assert_eq!(json["components"][1]["version"], "kubelet 1.35");
    assert_eq!(json["partitions"][2]["filesystem"]["uuid"], "11111111-2222-3333-4444-555555555555");
    assert_eq!(json["partitions"][2]["type_name"], "flatcar-resize");
    let shown = found.render();
    for part in [
        "NR  LABEL",
        "ROOT",
        "ext4",
        "flatcar 4593.2.5 (Flatcar 4593.2.5)",
        "kiln 0.1.0, 2 files",
        "first-use",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}

#[test]
fn extraction_keeps_what_is_there_and_never_leaves_its_folder() {
    let (_keep, folder) = scratch();
    let image = node(&folder);
    let (out, outside) = (folder.join("out"), folder.join("outside"));
    std::fs::create_dir_all(&outside).unwrap();
    extract(&image, &place("/etc"), &out, false).unwrap();
    assert_eq!(std::fs::read_link(out.join("lib")).unwrap(), Path::new("../../usr/lib"));
    std::fs::write(out.join("hostname"), "mine").unwrap();
    let done = extract(&image, &place("/etc"), &out, false).unwrap();
    assert_eq!(done.kept.len(), 3);
    assert_eq!(std::fs::read_to_string(out.join("hostname")).unwrap(), "mine");
    let done = extract(&image, &place("/etc"), &out, true).unwrap();
    assert_eq!((done.files, done.links, done.kept.len()), (1, 2, 0));
    assert_eq!(std::fs::read_to_string(out.join("hostname")).unwrap(), "node\n");

    // A link that waits where a file or folder is to be made is not followed.
    symlink(&outside, out.join("opt")).unwrap();
    symlink(outside.join("x"), out.join("one")).unwrap();
    let error = extract(&image, &place("ROOT:/"), &out, true).unwrap_err();
    assert!(words(&error).starts_with(&format!("can't make {}/opt", out.display())), "{}", words(&error));
    extract(&image, &place("/usr/one"), &out, true).unwrap();
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    assert!(out.join("one").symlink_metadata().unwrap().is_file());
    let alone = folder.join("alone");
    extract(&image, &place("/usr/one"), &alone, false).unwrap();
    assert_eq!(alone.metadata().unwrap().mode() & 0o7777, 0o4751);
    assert_eq!(run(&["find", text(&folder), "-name", ".kiln*"]), "");
}

#[test]
fn a_qcow2_with_a_gpt_by_sgdisk_is_read_like_a_raw_image() {
    let (_keep, folder) = scratch();
    let tree = folder.join("tree");
    made::tree(&tree, false);
    let (raw, qcow2) = (folder.join("disk.raw"), folder.join("disk.qcow2"));
    let root = made::ext4(&folder, Some(&tree), &[]);
    let disk = std::fs::File::create(&raw).unwrap();
    disk.set_len(80 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&disk, &std::fs::read(root).unwrap(), 2 << 20).unwrap();
    run(&["sgdisk", "-n", "9:4096:+64M", "-c", "9:ROOT", "-t", "9:8300", text(&raw)]);
    run(&[
        "qemu-img",
        "convert",
        "-O",
        "qcow2",
        "-c",
        "-o",
        "compression_type=zstd",
        text(&raw),
        text(&qcow2),
    ]);
    for path in [raw, qcow2] {
        let disk = kiln::host::disk::open_image(&path).unwrap();
        let table = kiln::gpt::parse(&*disk, &path).unwrap();
        let image = Image::new(disk, table.partitions.iter().map(Into::into).collect());
        assert_eq!(image.partitions()[0].number, 9);
        assert_eq!(cat(&image, "/lib/noise").unwrap(), crate::decode::noise(300_000, 5));
    }
}

#[test]
fn the_whole_node_can_be_extracted() {
    let (_keep, folder) = scratch();
    let image = node(&folder);
    let out = folder.join("out");
    extract(&image, &place("/"), &out, false).unwrap();
    super::same(&folder.join("u"), &out.join("usr"));
    super::same(&folder.join("b"), &out.join("boot"));
}

#[test]
fn only_what_the_vendor_ships_may_be_on_root() {
    let (_keep, folder) = scratch();
    let foreign = |names: &[&str], files: &[&str]| {
        let tree = folder.join("tree");
        let _ = std::fs::remove_dir_all(&tree);
        std::fs::create_dir(&tree).unwrap();
        names.iter().for_each(|name| std::fs::create_dir_all(tree.join(name)).unwrap());
        files.iter().for_each(|name| std::fs::write(tree.join(name), "x").unwrap());
        let image = image(&[("ROOT", &made::ext4(&folder, Some(&tree), &[]))]);
        root_foreign(&*image.filesystem("ROOT").unwrap()).unwrap()
    };
    assert_eq!(foreign(&["boot", "usr", "oem"], &[]), Vec::<String>::new());
    assert_eq!(foreign(&[], &[]), Vec::<String>::new());
    assert_eq!(
        foreign(&["boot", "etc/ssh", "usr/lib"], &["oem", "etc/passwd", "usr/lib/x"]),
        ["/etc", "/oem", "/etc/passwd", "/etc/ssh", "/usr/lib", "/usr/lib/x"]
    );
}
