// SPDX-License-Identifier: Apache-2.0
//! The lab image without booting it: judged by the systemd that it carries, and made twice.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::{baked, baked_into, kiln};

/// Puts together what a node of this image sees before its first boot, as image/lab's initrd does.
fn node_root(image: &Path, root: &Path) {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    for name in ["usr", "opt"] {
        kiln(&["extract", &text(image), &format!("/{name}"), &text(&root.join(name))]);
    }
    let copied =
        Command::new("cp").arg("-a").args([root.join("usr/share/kiln-lab/etc"), root.join("etc")]).status();
    assert!(copied.unwrap().success());
    kiln(&["extract", "--force", &text(image), "/etc", &text(&root.join("etc"))]);
    for name in ["run", "tmp", "proc", "dev"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), root.join(name)).unwrap();
    }
}

/// The image's own systemd, in the image's own tree; the one of this machine may be older and know fewer words.
fn verify(root: &Path, units: &[String]) -> (bool, String) {
    let mut verify = Command::new("chroot");
    verify
        .arg(root)
        .args(["/usr/bin/systemd-analyze", "verify", "--man=no", "multi-user.target"])
        .args(units);
    let output = verify.output().expect("chroot needs root");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn the_systemd_of_the_lab_image_accepts_its_units() {
    let folder = tempfile::tempdir().unwrap();
    node_root(&baked(), folder.path());
    let system = folder.path().join("etc/systemd/system");
    let names = fs::read_dir(&system).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let units: Vec<String> = names.filter(|name| name.ends_with(".service")).collect();
    assert!(units.contains(&"kiln-firstboot.service".to_owned()), "{units:?}");
    assert_eq!(verify(folder.path(), &units), (true, String::new()));
    // It does look: at programs, and at words.
    fs::remove_file(folder.path().join("opt/bin/kubelet")).unwrap();
    let (is_accepted, said) = verify(folder.path(), &units);
    assert!(
        !is_accepted && said.contains("kubelet.service: Command /opt/bin/kubelet is not executable"),
        "{said}"
    );
}

#[test]
fn the_lab_image_comes_out_the_same_twice() {
    let other = tempfile::tempdir().unwrap();
    let (first, second) = (baked(), baked_into(other.path()));
    for extension in ["raw", "qcow2", "json"] {
        let mut cmp = Command::new("cmp");
        cmp.args([first.with_extension(extension), second.with_extension(extension)]);
        let output = cmp.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Runs the recipe of the base as kiln does, but for what must not matter.
fn recipe(out: &Path, umask: &str, time_zone: &str) -> String {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("image/lab/build");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$1\"")]).arg(build).arg(out).env_clear();
    shell.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", out).env("TZ", time_zone);
    let output = shell.env("SOURCE_DATE_EPOCH", "1767225600").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sha256 = Command::new("sha256sum").arg(out.join("disk.raw")).output().unwrap();
    String::from_utf8(sha256.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
#[ignore = "runs the recipe twice, a minute each, with Debian's mirror; README says how"]
fn the_recipe_of_the_lab_base_makes_the_same_disk_twice() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = recipe(folders[0].path(), "022", "UTC");
    assert_eq!(recipe(folders[1].path(), "077", "Asia/Kathmandu"), first);
}
