// SPDX-License-Identifier: Apache-2.0
//! `image/kiln.yaml` itself, from the vendors' addresses: a proxy leads every one of them to a server of the test's own
//! that is laid out as theirs, redirects included. So nothing in the manifest is changed but this: nobody can sign for
//! Flatcar or certify as Sigstore, so `keys:` names the test's own key and root as well, and without that the bake is
//! refused.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use kiln::digest::Digest;

use super::shop::{FIRSTBOOT, Shop, is_firstboot, succeeded};
use crate::disk::bases::{self, Layout, run};
use crate::disk::kept::kept;
use crate::fetch::keyless::Fulcio;
use crate::fetch::proxy::Proxy;
use crate::fetch::server::{Serve, Server};
use crate::fetch::vendor::{Vendor, vendor};

const PLUGINS: [&str; 4] = ["bridge", "host-local", "loopback", "portmap"];

/// What is Kubernetes' own.
const KUBERNETES: [&str; 5] =
    ["kubelet", "kube-proxy", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// The vendors, and a shop that reaches only them.
struct Town {
    shop: Shop,
    server: Server,
    proxy: Proxy,
    vendor: Arc<Vendor>,
    fulcio: Fulcio,
}

/// Returns a base as Flatcar publishes it: one bzip2 stream by lbzip2. Made once, kept in the target folder.
fn published_image() -> Vec<u8> {
    let raw = bases::flatcar(Layout::Current);
    let packed = raw.with_extension("bin.bz2");
    kept(&packed, |half| {
        let out = fs::File::create(half).unwrap();
        let packing = Command::new("lbzip2").arg("-c").arg(&raw).stdout(out).status();
        assert!(packing.expect("lbzip2 (apt-get install lbzip2)").success());
    });
    fs::read(packed).unwrap()
}

/// A program of its own for each name: kiln checks that what it installs runs on the image's processor.
fn program(name: &str) -> Vec<u8> {
    [fs::read(FIRSTBOOT).unwrap(), name.as_bytes().to_vec()].concat()
}

/// A gzipped tar archive with these programs, by tar(1).
fn archive(names: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, program(file.file_name().unwrap().to_str().unwrap())).unwrap();
        run(Command::new("chmod").arg("755").arg(folder.path().join(name)));
    }
    let path = folder.path().join("archive");
    run(Command::new("tar").arg("-czf").arg(&path).arg("-C").arg(folder.path()).args(names));
    fs::read(path).unwrap()
}

impl Town {
    fn new() -> Self {
        let (server, shop, vendor) = (Server::start(), Shop::with_cold_cache(Layout::Current), vendor());
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::copy(repository.join("image/kiln.yaml"), shop.path("image/kiln.yaml")).unwrap();
        run(Command::new("cp").arg("-r").arg(repository.join("units")).arg(shop.path("units")));
        run(Command::new("cp").arg("-r").arg(repository.join("image/addons")).arg(shop.path("image/addons")));
        let proxy = Proxy::start(Some(server.port()));
        Self { shop, server, proxy, vendor, fulcio: Fulcio::new() }
    }

    fn publish(&self) {
        self.vendor.publish(&self.server, "", &published_image());
        for name in KUBERNETES {
            // dl.k8s.io sends programs on to its CDN, and gives digests there too.
            let path = format!("release/v1.36.3/bin/linux/amd64/{name}");
            self.fulcio.publish(&self.server, &format!("cdn/{path}"), &program(name));
            for path in ["", ".sha256", ".sig", ".cert"].map(|suffix| format!("{path}{suffix}")) {
                self.send_on(&path, &format!("https://cdn.dl.k8s.io/cdn/{path}"));
            }
        }
        self.server.file("api/v2/trustBundle", self.fulcio.bundle.as_bytes());
        let flannel = archive(&["flanneld", "mk-docker-opts.sh"]);
        let flannel_name = "flannel-v0.28.4-linux-amd64.tar.gz";
        self.release("flannel-io/flannel", "v0.28.4", flannel_name, &flannel);
        let (plugins, plugins_name) = (archive(&PLUGINS), "cni-plugins-linux-amd64-v1.9.1.tgz");
        let digest = format!("{}  {plugins_name}\n", Digest::of(&plugins));
        self.release("containernetworking/plugins", "v1.9.1", plugins_name, &plugins);
        let digest_name = format!("{plugins_name}.sha256");
        self.release("containernetworking/plugins", "v1.9.1", &digest_name, digest.as_bytes());
        let etcd_name = "etcd-v3.6.8-linux-amd64.tar.gz";
        let etcd = archive(&["etcd-v3.6.8-linux-amd64/etcd", "etcd-v3.6.8-linux-amd64/etcdctl"]);
        let digest = format!("{}  {etcd_name}\n", Digest::of(&etcd));
        self.release("etcd-io/etcd", "v3.6.8", etcd_name, &etcd);
        self.release("etcd-io/etcd", "v3.6.8", "SHA256SUMS", digest.as_bytes());
        let (coredns, coredns_name) = (archive(&["coredns"]), "coredns_1.15.0_linux_amd64.tgz");
        let digest = format!("{}  {coredns_name}\n", Digest::of(&coredns));
        self.release("coredns/coredns", "v1.15.0", coredns_name, &coredns);
        self.release("coredns/coredns", "v1.15.0", &format!("{coredns_name}.sha256"), digest.as_bytes());
    }

    /// A file of a release on GitHub, which sends on to where such files lie.
    fn release(&self, project: &str, version: &str, name: &str, content: &[u8]) {
        self.server.file(&format!("assets/{project}/{name}"), content);
        let path = format!("{project}/releases/download/{version}/{name}");
        self.send_on(&path, &format!("https://release-assets.githubusercontent.com/assets/{project}/{name}"));
    }

    fn send_on(&self, path: &str, to: &str) {
        self.server.put(path, Serve::Redirect(to.to_owned()));
    }

    /// Adds the test's key and authority to those that the manifest trusts.
    fn trust(&self) {
        let path = self.shop.path("image/kiln.yaml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, format!("{text}\nkeys: [{}, {}]\n", self.vendor.primary, self.fulcio.root)).unwrap();
    }

    fn bake(&self, out: &str, words: &[&str]) -> Output {
        let mut kiln = self.shop.kiln(&["bake", "image/kiln.yaml", "-o", out]);
        kiln.env("HTTPS_PROXY", self.proxy.address()).env("KILN_CA_FILE", self.server.ca());
        kiln.args(words).output().unwrap()
    }

    fn kiln(&self, words: &[&str]) -> Vec<u8> {
        let output = self.shop.kiln(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn json(&self, words: &[&str]) -> serde_json::Value {
        serde_json::from_slice(&self.kiln(words)).unwrap()
    }
}

#[test]
fn the_real_manifest_is_refused_for_a_base_that_flatcar_has_not_signed() {
    let town = Town::new();
    town.vendor.publish(&town.server, "", b"BZh no base of Flatcar's");
    let output = town.bake("out", &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let refusal = format!(
        "base: the key https://www.flatcar.org/{} does not count: the key file holds {}, but only {} counts",
        crate::fetch::vendor::KEY,
        town.vendor.primary,
        kiln::release::FLATCAR_FINGERPRINT,
    );
    assert!(!output.status.success() && said.contains(&refusal), "{said}");
    assert!(!town.shop.path("out").exists() && !town.shop.path("image/kiln.lock").exists());
}

#[test]
fn the_real_manifest_bakes_from_servers_laid_out_as_the_vendors_are() {
    let town = Town::new();
    town.publish();
    town.trust();
    let said = succeeded(&town.bake("out", &[]));
    let lines: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    for wanted in [
        ["base", "4593.2.5", "signed"],
        ["kubelet", "v1.36.3", "attested"],
        ["kube-proxy", "v1.36.3", "attested"],
        ["kube-apiserver", "v1.36.3", "attested"],
        ["etcd", "v3.6.8", "same-origin"],
        ["flannel", "v0.28.4", "first-use"],
        ["cni-plugins", "v1.9.1", "same-origin"],
        ["coredns", "v1.15.0", "same-origin"],
    ] {
        assert!(lines.iter().any(|line| line.starts_with(&wanted)), "{wanted:?} is not in:\n{said}");
    }
    let hosts = [
        "cdn.dl.k8s.io",
        "dl.k8s.io",
        "fulcio.sigstore.dev",
        "github.com",
        "release-assets.githubusercontent.com",
    ];
    let hosts = hosts.into_iter().chain(["stable.release.flatcar-linux.net", "www.flatcar.org"]);
    assert_eq!(town.proxy.asked(), hosts.map(|host| format!("{host}:443")).collect::<Vec<_>>());
    judge_contents(&town);

    // With lock and cache, no server is asked again, and the same bytes come out.
    town.server.seen();
    succeeded(&town.bake("again", &["--locked", "--offline"]));
    assert!(town.server.seen().is_empty());
    for name in ["kiln-node.raw", "kiln-node.qcow2", "kiln-node.json"] {
        run(Command::new("cmp").args(["out", "again"].map(|out| town.shop.path(out).join(name))));
    }
}

/// Reads back what is in the image, from the qcow2; the raw one is compared with it by qemu-img.
fn judge_contents(town: &Town) {
    let (raw, image) = (town.shop.path("out/kiln-node.raw"), "out/kiln-node.qcow2");
    assert_eq!(raw.metadata().unwrap().len(), 12 << 30);
    let qcow2 = town.shop.path(image);
    run(Command::new("qemu-img").args(["compare", "-f", "raw", "-F", "qcow2"]).args([&raw, &qcow2]));
    let others = ["etcd", "etcdctl", "flanneld", "mk-docker-opts.sh"];
    for name in KUBERNETES.into_iter().chain(others) {
        assert!(town.kiln(&["cat", image, &format!("/opt/bin/{name}")]) == program(name), "{name}");
    }
    for name in PLUGINS {
        assert!(town.kiln(&["cat", image, &format!("/opt/cni/bin/{name}")]) == program(name), "{name}");
    }
    assert!(is_firstboot(&town.kiln(&["cat", image, "/opt/bin/kiln-firstboot"])));
    for unit in ["kiln-firstboot", "kubelet", "kube-proxy", "flanneld"] {
        let written = town.kiln(&["cat", image, &format!("/etc/systemd/system/{unit}.service")]);
        assert_eq!(written, fs::read(town.shop.path(&format!("units/{unit}.service"))).unwrap());
    }
    let images: serde_json::Value = town.json(&["cat", image, "/opt/kiln/images/index.json"]);
    assert_eq!(images["images"][0]["names"][0], "kiln.local/coredns:v1.15.0");
    let archive = town.shop.path("coredns.tar");
    fs::write(&archive, town.kiln(&["cat", image, "/opt/kiln/images/coredns.tar"])).unwrap();
    let archive = format!("oci-archive:{}", archive.display());
    let digest = run(Command::new("skopeo").args(["inspect", "--format", "{{.Digest}}", &archive]));
    assert_eq!(images["images"][0]["digest"], digest.trim());
    let addon = town.kiln(&["cat", image, "/etc/kiln/addons/coredns.yaml"]);
    assert_eq!(addon, fs::read(town.shop.path("image/addons/coredns.yaml")).unwrap());
    let settings =
        String::from_utf8(town.kiln(&["cat", image, "/etc/kiln/settings.d/10-image.yaml"])).unwrap();
    assert!(settings.contains("10.244.0.0/16"), "{settings}");
    let account = town.json(&["cat", image, "/opt/kiln/image.json"]);
    let base = &account["lock"]["inputs"]["base"];
    assert!(base.to_string().contains(&town.vendor.primary), "{base}");
    let inspected = town.json(&["inspect", "--format", "json", image]);
    assert!(inspected.to_string().contains("4593.2.5"), "{inspected}");
}
