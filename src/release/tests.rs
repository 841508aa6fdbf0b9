// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::digest::Digest;

fn release(project: &str, version: &str) -> Release {
    Release { project: project.to_owned(), version: version.to_owned(), channel: None, mirror: None }
}

#[test]
fn every_layout_gives_the_address_that_people_use() {
    for (project, name, version, url, sums, file) in [
        (
            "kubernetes",
            "kubelet",
            "v1.34.2",
            "https://dl.k8s.io/release/v1.34.2/bin/linux/amd64/kubelet",
            "https://dl.k8s.io/release/v1.34.2/bin/linux/amd64/kubelet.sha256",
            "kubelet",
        ),
        (
            "etcd",
            "etcd",
            "v3.6.5",
            "https://github.com/etcd-io/etcd/releases/download/v3.6.5/etcd-v3.6.5-linux-amd64.tar.gz",
            "https://github.com/etcd-io/etcd/releases/download/v3.6.5/SHA256SUMS",
            "etcd-v3.6.5-linux-amd64.tar.gz",
        ),
        (
            "containerd",
            "containerd",
            "v2.2.0",
            "https://github.com/containerd/containerd/releases/download/v2.2.0/containerd-2.2.0-linux-amd64.tar.gz",
            "https://github.com/containerd/containerd/releases/download/v2.2.0/containerd-2.2.0-linux-amd64.tar.gz.sha256sum",
            "containerd-2.2.0-linux-amd64.tar.gz",
        ),
        (
            "runc",
            "runc",
            "v1.4.0",
            "https://github.com/opencontainers/runc/releases/download/v1.4.0/runc.amd64",
            "https://github.com/opencontainers/runc/releases/download/v1.4.0/runc.sha256sum",
            "runc",
        ),
        (
            "cni-plugins",
            "cni-plugins",
            "v1.8.0",
            "https://github.com/containernetworking/plugins/releases/download/v1.8.0/cni-plugins-linux-amd64-v1.8.0.tgz",
            "https://github.com/containernetworking/plugins/releases/download/v1.8.0/cni-plugins-linux-amd64-v1.8.0.tgz.sha256",
            "cni-plugins-linux-amd64-v1.8.0.tgz",
        ),
        (
            "flannel",
            "flannel",
            "v0.27.4",
            "https://github.com/flannel-io/flannel/releases/download/v0.27.4/flannel-v0.27.4-linux-amd64.tar.gz",
            "",
            "flannel-v0.27.4-linux-amd64.tar.gz",
        ),
        (
            "cri-dockerd",
            "cri-dockerd",
            "v0.3.20",
            "https://github.com/Mirantis/cri-dockerd/releases/download/v0.3.20/cri-dockerd-0.3.20.amd64.tgz",
            "",
            "cri-dockerd-0.3.20.amd64.tgz",
        ),
    ] {
        let place = component(&release(project, version), name, Arch::Amd64).unwrap();
        assert_eq!((place.url.as_str(), place.file.as_str()), (url, file));
        match place.verify {
            Verify::Sha256 { url, .. } => assert_eq!(url, sums),
            other => assert_eq!((other, ""), (Verify::Nothing, sums)),
        }
    }
}

#[test]
fn flatcar_is_laid_out_by_channel_board_version_and_flavour() {
    let mut flatcar = release("flatcar", "current");
    flatcar.channel = Some("beta".to_owned());
    let place = base(&flatcar, "4593.1.0", "generic", Arch::Arm64).unwrap();
    let folder = "https://beta.release.flatcar-linux.net/arm64-usr/4593.1.0";
    assert_eq!(place.url, format!("{folder}/flatcar_production_image.bin.bz2"));
    let key_url =
        "https://www.flatcar.org/security/image-signing-key/Flatcar_Image_Signing_Key.asc".to_owned();
    let url = format!("{folder}/flatcar_production_image.bin.bz2.sig");
    assert_eq!(place.verify, Verify::Signature { url, key_url, fingerprint: FLATCAR_FINGERPRINT });
    let ami = base(&flatcar, "4593.1.0", "ami", Arch::Amd64).unwrap();
    assert_eq!(ami.file, "flatcar_production_ami_image.bin.bz2");
    assert_eq!(
        pointers(&flatcar, Arch::Amd64)[0].url,
        "https://beta.release.flatcar-linux.net/amd64-usr/current/version.txt"
    );
    let error = base(&flatcar, "4593.1.0", "vmware", Arch::Amd64).unwrap_err().to_string();
    assert!(error.contains("it knows generic, ami, digitalocean"), "{error}");
    flatcar.channel = Some("dev".to_owned());
    let error = base(&flatcar, "4593.1.0", "generic", Arch::Amd64).unwrap_err().to_string();
    assert_eq!(error, "'dev' is no channel of Flatcar; it has alpha, beta, stable and lts");
}

#[test]
fn a_mirror_takes_the_place_of_the_prefix() {
    let mut kubernetes = release("kubernetes", "v1.34.2");
    kubernetes.mirror = Some("https://mirror/k8s/".to_owned());
    let place = component(&kubernetes, "kube-proxy", Arch::Arm64).unwrap();
    assert_eq!(place.url, "https://mirror/k8s/v1.34.2/bin/linux/arm64/kube-proxy");
    let urls: Vec<String> =
        pointers(&kubernetes, Arch::Amd64).into_iter().map(|pointer| pointer.url).collect();
    assert_eq!(urls, ["https://mirror/k8s/stable-1.34.txt", "https://mirror/k8s/stable.txt"]);
    let mut flatcar = release("flatcar", "current");
    flatcar.mirror = Some("https://mirror/flatcar".to_owned());
    let place = base(&flatcar, "1.2.3", "generic", Arch::Amd64).unwrap();
    let Verify::Signature { key_url, .. } = place.verify else { panic!() };
    assert_eq!(key_url, "https://mirror/flatcar/security/image-signing-key/Flatcar_Image_Signing_Key.asc");
}

#[test]
fn what_is_not_in_the_table_is_refused_with_what_is() {
    let words = |release, name| component(&release, name, Arch::Amd64).unwrap_err().to_string();
    let error = words(release("helm", "v1.0.0"), "helm");
    assert!(error.starts_with("kiln knows no project 'helm'; it knows kubernetes, etcd,"), "{error}");
    assert_eq!(words(release("runc", "v1.4.0"), "crun"), "a release of runc has no 'crun'; it has runc");
    assert_eq!(words(release("runc", "1.4.0"), "runc"), "runc names its releases with a 'v': write 'v1.4.0'");
    assert_eq!(
        words(release("runc", "v1/../x"), "runc"),
        "'v1/../x' is no version (letters, digits, '.', '-', '_' and '+')"
    );
}

#[test]
fn digests_are_found_in_all_conventions() {
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    let digest = |hex: &str| hex.parse().ok();
    assert_eq!(find_sha256(&format!("{a}\n"), "kubelet"), digest(&a));
    assert_eq!(find_sha256(&a, "kubelet"), digest(&a));
    assert_eq!(find_sha256(&format!("{a}  x.tgz\n{b} *./y.tgz\n"), "y.tgz"), digest(&b));
    let signed =
        format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{a}  runc.amd64\n{b}  runc.arm64\n");
    assert_eq!(find_sha256(&signed, "runc.arm64"), digest(&b));
    for text in
        ["", "<html>", &format!("{a}  other"), &format!("{a}\n{b}\n"), &format!("{a}\n{b}  x"), &a[1..]]
    {
        assert_eq!(find_sha256(text, "y.tgz"), None, "{text}");
    }
}

#[test]
fn files_of_digests_are_read_as_they_are_written() {
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    let digest = |hex: &str| hex.parse::<Digest>().ok();
    // CRLF, a mark of byte order, capitals, BSD's form, a tab, a name with a blank.
    for text in [
        format!("{b}  y.tgz\r\n{a}  x.tgz\r\n"),
        format!("\u{feff}{a}  x.tgz\n"),
        format!("{}  x.tgz\n", a.to_uppercase()),
        format!("SHA256 (y.tgz) = {b}\nSHA256 (x.tgz) = {a}\n"),
        format!("{a}\tx.tgz"),
        format!("{b}  x.tgz old\n{a}  x.tgz\n"),
        format!("{a}  x.tgz\n{a} *x.tgz\n"),
    ] {
        assert_eq!(find_sha256(&text, "x.tgz"), digest(&a), "{text}");
    }
    // Two digests of one name, other algorithms, a very long line.
    for text in [
        format!("{a}  x.tgz\n{b}  x.tgz\n"),
        format!("{a}  x.tgz old\n"),
        format!("SHA512 (x.tgz) = {a}\n"),
        format!("{}  x.tgz\n", a.repeat(2)),
        format!("{}{a}  x.tgz", "x".repeat(1 << 20)),
        format!("{a}\n{a}\n"),
    ] {
        assert_eq!(find_sha256(&text, "x.tgz"), None, "{}", &text[..100]);
    }
}

#[test]
fn pointers_are_read() {
    assert_eq!(pointer_version("v1.34.2\n").as_deref(), Some("v1.34.2"));
    let version = "FLATCAR_BUILD=4593\nFLATCAR_VERSION=4593.2.5\nFLATCAR_VERSION_ID=4593.2.5\n";
    assert_eq!(pointer_version(version).as_deref(), Some("4593.2.5"));
    assert_eq!(pointer_version("FLATCAR_VERSION=\"4593.2.5\"\n").as_deref(), Some("4593.2.5"));
    for text in ["", "<html>\n</html>", "not found", "../../x"] {
        assert_eq!(pointer_version(text), None, "{text}");
    }
}
