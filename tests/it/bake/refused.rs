// SPDX-License-Identifier: Apache-2.0
//! Bakes that must not happen, with the exact words, and everything that exists left as it was.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use super::shop::{Shop, succeeded};
use crate::disk::bases::{self, Layout, run};

/// Runs a bake that must fail and returns its exit code and last words, with this shop's folder shortened.
fn refused(shop: &Shop, words: &[&str]) -> (i32, String) {
    let mut kiln = shop.kiln(&["bake", "image/node.yaml", "-o", "out"]);
    let output = kiln.args(words).output().unwrap();
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("kiln: ")).collect();
    let said = lines.join("\n").replace(&format!("{}/", shop.folder.path().display()), "");
    (output.status.code().unwrap(), said)
}

fn no_output(shop: &Shop) {
    let names = fs::read_dir(shop.path("out")).map_or(0, |entries| entries.count());
    assert_eq!(names, 0, "something is left in the output folder");
}

#[test]
fn a_file_in_the_way_is_kept_unless_forced() {
    let shop = Shop::new(Layout::Former);
    fs::create_dir(shop.path("out")).unwrap();
    fs::write(shop.path("out/node.raw"), "mine").unwrap();
    let (code, said) = refused(&shop, &[]);
    assert_eq!(
        (code, said.as_str()),
        (
            1,
            "out/node.raw is there already and is not what this bake makes; name another folder, or --force to replace it"
        )
    );
    assert_eq!(fs::read(shop.path("out/node.raw")).unwrap(), b"mine");
    assert!(!shop.path("out/node.qcow2").exists());
    shop.bake("out", &["--force"]);
    assert_eq!(shop.path("out/node.raw").metadata().unwrap().len(), Layout::Former.size());
}

#[test]
fn a_description_of_somebody_elses_is_kept() {
    let shop = Shop::new(Layout::Former);
    fs::create_dir(shop.path("out")).unwrap();
    fs::write(shop.path("out/node.json"), "{\"mine\": 1}").unwrap();
    let (code, said) = refused(&shop, &[]);
    assert!(code == 1 && said.starts_with("out/node.json is there already and is not what"), "{said}");
    assert_eq!(fs::read(shop.path("out/node.json")).unwrap(), b"{\"mine\": 1}");
    assert_eq!(fs::read_dir(shop.path("out")).unwrap().count(), 1);
}

#[test]
fn what_an_image_is_made_from_is_not_replaced_even_when_forced() {
    let shop = Shop::new(Layout::Former);
    shop.edit("name: node", "name: notes");
    shop.edit(
        "path: /etc/notes.txt\n    file: files/notes.txt",
        "path: /etc/notes.txt\n    file: ../out/notes.json",
    );
    fs::create_dir(shop.path("out")).unwrap();
    fs::write(shop.path("out/notes.json"), "an input").unwrap();
    let (code, said) = refused(&shop, &["--force"]);
    let words = "out/notes.json is what the image is made from; name another folder for the outputs";
    assert_eq!((code, said.as_str()), (1, words));
    assert_eq!(fs::read(shop.path("out/notes.json")).unwrap(), b"an input");
}

#[test]
fn all_outputs_are_put_in_place_or_none() {
    let shop = Shop::new(Layout::Former);
    fs::create_dir_all(shop.path("out/node.qcow2")).unwrap();
    fs::write(shop.path("out/node.raw"), "mine").unwrap();
    let (code, said) = refused(&shop, &["--force"]);
    let words = "out/node.qcow2 is there already and is no file; name another folder, or remove it";
    assert_eq!((code, said.as_str()), (1, words));
    assert_eq!(fs::read(shop.path("out/node.raw")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(shop.path("out")).unwrap().count(), 2);
}

#[test]
fn a_folder_that_can_not_be_written_to_suffices_for_what_is_there() {
    let shop = Shop::new(Layout::Former);
    shop.bake("out", &[]);
    let before = fs::metadata(shop.path("out/node.json")).unwrap().modified().unwrap();
    assert!(shop.bake("out", &[]).contains("up to date"));
    assert_eq!(fs::metadata(shop.path("out/node.json")).unwrap().modified().unwrap(), before);
}

#[test]
fn files_that_are_missing_are_told_at_once_with_their_places() {
    let shop = Shop::new(Layout::Former);
    shop.edit("file: files/notes.txt", "file: files/note.txt");
    shop.edit("file: files/tool", "file: files");
    shop.edit("    file: files/big.bin", "    file: pipe");
    nix::unistd::mkfifo(&shop.path("image/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let (code, said) = refused(&shop, &[]);
    let told: Vec<&str> = said.lines().collect();
    assert_eq!(
        (code, told.as_slice()),
        (
            78,
            &[
                "image/node.yaml:11:11: components.tool.file: files is a folder, not a file",
                "image/node.yaml:32:11: files[0].file: files/note.txt can't be opened: No such file or directory (os error 2)",
                "image/node.yaml:34:11: files[1].file: pipe can't be opened: a pipe, not a regular file",
            ][..]
        )
    );
}

#[test]
fn what_is_found_late_is_told_with_its_place() {
    let shop = Shop::new(Layout::Former);
    let token = format!("token: abcdef.{}\n", "0123456789abcdef");
    std::fs::write(shop.path("image/files/notes.txt"), token).unwrap();
    shop.edit(
        "      ExecStart=/opt/bin/tool\n",
        "      ExecStart=/opt/bin/tool\n      ExecStart=/opt/bin/tool\n",
    );
    let (code, said) = refused(&shop, &[]);
    let told: Vec<&str> = said.lines().collect();
    let expected = [
        "image/node.yaml:21:11: /etc/systemd/system/tool.service: line 5: systemd does not load tool.service: it has more than one ExecStart=; keep one, clear the list by ExecStart= before it, or add Type=oneshot",
        "image/node.yaml:32:11: /etc/notes.txt: holds a Kubernetes bootstrap token",
    ];
    assert_eq!((code, told.len()), (78, expected.len()), "{said}");
    expected.iter().zip(told).for_each(|(expected, line)| assert!(line.starts_with(expected), "{said}"));
    no_output(&shop);
}

#[test]
fn a_base_for_another_machine_is_refused() {
    let shop = Shop::new(Layout::Former);
    shop.edit("arch: amd64", "arch: arm64");
    let (code, said) = refused(&shop, &[]);
    assert_eq!(code, 78);
    let words = "image/node.yaml:3:7: arch: the base is for amd64, but the image is for arm64; name a base for arm64, or write amd64";
    assert!(said.lines().any(|line| line == words), "{said}");
    no_output(&shop);
}

#[test]
fn a_lock_that_does_not_fit_says_what_to_run() {
    let shop = Shop::new(Layout::Former);
    let (code, said) = refused(&shop, &["--locked"]);
    assert_eq!(
        (code, said.as_str()),
        (78, "there is no lock, and --locked refuses to make one; run `kiln lock`")
    );
    assert!(!shop.path("image/node.lock").exists());
    shop.bake("out", &[]);
    shop.edit("  tool:\n    file: files/tool", "  tool:\n    file: files/notes.txt");
    let (code, said) = refused(&shop, &[]);
    assert_eq!(code, 78);
    assert!(
        said.starts_with("the lock does not fit its manifest; run `kiln lock`\ntool: the manifest asks for "),
        "{said}"
    );
}

#[test]
fn a_locked_bake_never_writes_the_lock() {
    use std::os::unix::fs::PermissionsExt;
    let shop = Shop::new(Layout::Former);
    shop.bake("out", &[]);
    let path = shop.path("image/node.lock");
    let text = fs::read_to_string(&path).unwrap();
    let mode = |bits| fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
    let len = fs::read(shop.path("image/files/tool")).unwrap().len();
    let change = |from: &str, to: &str, words: &[&str]| {
        assert!(text.contains(from), "{text}");
        let changed = format!("# mine\n{}", text.replacen(from, to, 1));
        fs::write(&path, &changed).unwrap();
        let refused = refused(&shop, words);
        assert_eq!(fs::read_to_string(&path).unwrap(), changed);
        refused
    };
    let size = |size| format!("      tool:\n        size: {size}\n");
    for words in [&["--locked"][..], &[]] {
        let (code, said) = change(&size(len), &size(999), words);
        let right =
            format!("tool: the lock was changed by hand: tool has {len} bytes, not 999; restore it, or run ");
        assert!(code == 1 && said.starts_with(&right), "{said}");
    }
    let (code, said) = change("      tool:\n", "      ../../etc/passwd:\n", &["--locked"]);
    assert_eq!(code, 78);
    assert!(said.contains("inputs.tool.files: \"../../etc/passwd\" is no name of a file"), "{said}");
    let (code, said) = change("      level: first-use", "      level: given", &["--locked"]);
    assert!(
        code == 78 && said.starts_with("the lock would change, and --locked refuses to change it"),
        "{said}"
    );
    // Elsewhere it is written, but not over what its owner has closed.
    mode(0o444);
    fs::remove_dir_all(shop.path("out")).unwrap();
    let (code, said) = change_closed(&shop, &path, &text);
    assert!(code == 1 && said.contains("node.lock: it is read-only"), "{said}");
    mode(0o600);
    shop.bake("out", &[]);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

/// Bakes with a lock that has to be written and can't be.
fn change_closed(shop: &Shop, path: &Path, text: &str) -> (i32, String) {
    let changed = text.replacen("      level: first-use", "      level: given", 1);
    fs::write(path, &changed).unwrap();
    let refused = refused(shop, &[]);
    assert_eq!(fs::read_to_string(path).unwrap(), changed);
    refused
}

#[test]
fn a_missing_manifest_names_the_file_that_was_meant() {
    let shop = Shop::new(Layout::Former);
    let said = |manifest: &str| {
        let output = shop.kiln(&["plan", manifest]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    for typed in ["image/node.yml", "image/nod.yaml"] {
        let hint = format!("kiln: there is no manifest {typed}; did you mean image/node.yaml?\n");
        assert_eq!(said(typed), hint);
    }
    assert_eq!(said("elsewhere/node.yaml"), "kiln: there is no manifest elsewhere/node.yaml\n");
}

#[test]
fn what_is_odd_is_told_once_and_baked() {
    let shop = Shop::new(Layout::Former);
    shop.edit("  tool:\n    file: files/tool\n", "  kubelet:\n    version: v1.33.0\n    file: files/tool\n");
    shop.edit("  block: 24\n", "  block: 24\n  kubernetes: v1.36.0\n");
    let odd =
        "components.kubelet.version: kubelet v1.33.0 is the oldest that works with kube-apiserver v1.36.0";
    for words in [&["lock", "image/node.yaml"][..], &["bake", "image/node.yaml", "-o", "out"]] {
        let output = shop.kiln(words).output().unwrap();
        let told = succeeded(&output) + &String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = told.lines().filter(|line| line.contains("kubelet v1.33.0 is")).collect();
        assert!(lines.len() == 1 && lines[0].starts_with("warning: image/node.yaml:"), "{told}");
        assert!(lines[0].contains(odd), "{}", lines[0]);
        let output = shop.kiln(words).args(["--format", "json"]).output().unwrap();
        let told: serde_json::Value = serde_json::from_str(&succeeded(&output)).unwrap();
        let warnings = told["warnings"].as_array().unwrap().iter();
        let of_kubelet = warnings.filter(|warning| warning["key"] == "components.kubelet.version");
        assert_eq!(of_kubelet.count(), 1, "{}", told["warnings"]);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("is the oldest"));
    }
}

#[test]
fn a_local_file_that_changed_says_both_digests() {
    let shop = Shop::new(Layout::Former);
    shop.bake("out", &[]);
    let mut tool = fs::read(shop.path("image/files/tool")).unwrap();
    tool.push(0);
    fs::write(shop.path("image/files/tool"), tool).unwrap();
    let (code, said) = refused(&shop, &[]);
    assert_eq!(code, 1);
    assert!(
        said.starts_with("tool: image/files/tool has changed since it was pinned: its sha256 is "),
        "{said}"
    );
    assert!(said.ends_with("if that is meant, run `kiln lock --upgrade tool`"), "{said}");
}

#[test]
fn a_secret_stops_the_bake() {
    let shop = Shop::new(Layout::Former);
    let key = run(Command::new("openssl").args(["genpkey", "-algorithm", "ED25519"]));
    fs::write(shop.path("image/files/notes.txt"), format!("see below\n{key}")).unwrap();
    let (code, said) = refused(&shop, &[]);
    assert_eq!(code, 78);
    assert!(said.contains("/etc/notes.txt") && said.contains("private key"), "{said}");
    no_output(&shop);
}

#[test]
fn a_program_of_another_architecture_stops_the_bake() {
    let shop = Shop::new(Layout::Former);
    let mut tool = fs::read(shop.path("image/files/tool")).unwrap();
    // e_machine (elf(5)): AArch64.
    tool[18..20].copy_from_slice(&183_u16.to_le_bytes());
    fs::write(shop.path("image/files/tool"), tool).unwrap();
    let (code, said) = refused(&shop, &[]);
    assert_eq!(code, 78);
    assert!(said.contains("/opt/bin/tool"), "{said}");
    no_output(&shop);
}

#[test]
fn a_disk_smaller_than_its_base_is_refused() {
    let shop = Shop::new(Layout::Former);
    shop.edit("formats: [raw, qcow2]", "formats: [raw, qcow2]\n  size: 1GiB");
    let (code, said) = refused(&shop, &[]);
    assert_eq!(code, 78, "{said}");
    assert!(said.starts_with("outputs.size: "), "{said}");
}

/// Bakes over a changed copy of a base and returns what was said.
fn over_a_base(change: impl Fn(&Path)) -> String {
    let shop = Shop::with_cold_cache(Layout::Former);
    let copy = shop.path("base.raw");
    run(Command::new("cp").arg("--sparse=always").arg(bases::flatcar(Layout::Former)).arg(&copy));
    change(&copy);
    let text = fs::read_to_string(shop.path("image/node.yaml")).unwrap();
    let packed = super::shop::published_base(Layout::Former);
    let text = text.replace(&packed.display().to_string(), "../base.raw");
    fs::write(shop.path("image/node.yaml"), text).unwrap();
    let (code, said) = refused(&shop, &[]);
    assert_eq!(code, 1, "{said}");
    no_output(&shop);
    said
}

#[test]
fn a_base_that_was_booted_is_refused_with_what_is_in_its_root() {
    let said = over_a_base(|base| {
        let told = run(Command::new("sgdisk").args(["-i", "9"]).arg(base));
        let first = told.lines().find_map(|line| line.strip_prefix("First sector: ")).unwrap();
        let first: u64 = first.split(' ').next().unwrap().parse().unwrap();
        let disk = format!("{}?offset={}", base.display(), first * 512);
        run(Command::new("debugfs").args(["-w", "-R", "mkdir /home"]).arg(&disk));
        run(Command::new("debugfs").args(["-w", "-R", "mkdir /etc"]).arg(&disk));
        run(Command::new("debugfs").args(["-w", "-R", "write /etc/hostname etc/machine-id"]).arg(&disk));
    });
    assert!(
        said.starts_with(
            "the base's ROOT holds what the vendor does not ship, so kiln does not replace it:\n"
        ),
        "{said}"
    );
    assert!(said.contains("/etc") && said.contains("/home"), "{said}");
}

#[test]
fn a_base_that_was_not_unmounted_says_so() {
    let said = over_a_base(|base| {
        let told = run(Command::new("sgdisk").args(["-i", "9"]).arg(base));
        let first = told.lines().find_map(|line| line.strip_prefix("First sector: ")).unwrap();
        let first: u64 = first.split(' ').next().unwrap().parse().unwrap();
        let disk = format!("{}?offset={}", base.display(), first * 512);
        run(Command::new("debugfs").args(["-w", "-R", "feature needs_recovery"]).arg(&disk));
    });
    let words = "can't read the base's ROOT: the ext4 filesystem was mounted and not unmounted cleanly";
    assert!(said.starts_with(words), "{said}");
}

#[test]
fn a_base_that_can_not_be_read_is_called_by_its_own_name() {
    let shop = Shop::with_cold_cache(Layout::Former);
    let base = super::shop::published_base(Layout::Former);
    let fails = |name: &str, bytes: &[u8]| {
        fs::write(shop.path("image").join(name), bytes).unwrap();
        let _ = fs::remove_file(shop.path("image/node.lock"));
        let (code, said) = refused(&shop, &[]);
        assert_eq!(code, 1, "{said}");
        assert!(!said.contains("cache/kiln"), "{said}");
        said
    };
    let whole = fs::read(&base).unwrap();
    shop.edit(&base.display().to_string(), "cut.zst");
    let said = fails("cut.zst", &whole[..whole.len() / 2]);
    assert!(said.starts_with("can't decode base cut.zst at byte "), "{said}");
    shop.edit("cut.zst", "odd.qcow2");
    let said = fails("odd.qcow2", &[b"QFI\xfb\0\0\0\x09", &[0; 600][..]].concat());
    assert!(said.starts_with("can't read base odd.qcow2: "), "{said}");
    shop.edit("odd.qcow2", "disk.vmdk");
    let said = fails("disk.vmdk", &[b"KDMV\x01\0\0\0", &[0; 600][..]].concat());
    assert!(said.contains("base disk.vmdk"), "{said}");
    shop.edit("disk.vmdk", "odd.zst");
    let packed = zstd::encode_all(&[b"QFI\xfb\0\0\0\x09", &[0; 600][..]].concat()[..], 1).unwrap();
    let said = fails("odd.zst", &packed);
    assert!(said.starts_with("can't read base odd.zst: "), "{said}");
}

#[test]
fn a_base_with_a_damaged_table_is_refused() {
    let said = over_a_base(|base| {
        let disk = fs::OpenOptions::new().write(true).open(base).unwrap();
        disk.write_all_at(b"X", 512 + 56).unwrap();
    });
    assert!(
        said.starts_with("the base image: primary GPT header: sector 1: its checksum field is "),
        "{said}"
    );
}

#[test]
fn a_disk_of_no_known_layout_is_refused_with_what_was_found() {
    let said = over_a_base(|base| {
        run(Command::new("sgdisk").args(["-c", "9:DATA"]).arg(base));
    });
    assert!(
        said.contains("these partitions follow no layout that kiln knows:") && said.contains("DATA"),
        "{said}"
    );
}
