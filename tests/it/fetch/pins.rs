// SPDX-License-Identifier: Apache-2.0
//! From a manifest to its lock, against a server laid out as Flatcar's and Kubernetes' are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiln::digest::Digest;
use kiln::host::cache::{Alone, Cache};
use kiln::host::download::Downloader;
use kiln::lock::{Input, Lock, LockedFile, Trust, TrustLevel, parse, render};
use kiln::manifest::{Arch, Base, Cluster, Component, Go, Manifest, Outputs, Release, Source};
use kiln::pin::{
    Bounds, Made, MakeError, Makers, Mode, PinError, Pinned, World, keep_lock, kept, newest, pin, unused,
};
use kiln::progress::Silent;
use kiln::sigstore;

use super::download::{bytes, limits, settings};
use super::gpg::{DAY_S, START_S};
use super::keyless::{AUTHORITY, Fulcio};
use super::server::{Serve, Server};
use super::vendor::{SIGNED_S, Vendor, publish_with_digest, vendor};

const NOW_S: u64 = START_S + 400 * DAY_S;

/// Builds what a test says.
struct Maker(Mutex<Result<Made, String>>);

impl Makers for Maker {
    fn make(&self, _: &Input<'_>, _: bool) -> Result<Made, MakeError> {
        Ok(self.0.lock().unwrap().clone()?)
    }
}

fn made(content: &[u8], compiler: &str) -> Made {
    let file = LockedFile { size: content.len() as u64, sha256: Digest::of(content) };
    let from =
        [("cc", compiler), ("go", "go1.26.3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    Made { files: [("etcd".to_owned(), file)].into(), from: from.into() }
}

struct Kiln {
    server: Server,
    cache: Cache,
    folder: tempfile::TempDir,
    maker: Maker,
    runtime: tokio::runtime::Runtime,
    manifest: Manifest,
    /// Held, so that all of a test has one vendor.
    _vendor: Arc<Vendor>,
}

const BOARD: &str = "flatcar/amd64-usr";
const IMAGE: &str = "flatcar/amd64-usr/4593.2.5/flatcar_production_image.bin.bz2";

fn kiln() -> Kiln {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let cache = Cache::open(&folder.path().join("cache"), Duration::ZERO).unwrap();
    let vendor = vendor();
    server.file(&format!("{BOARD}/current/version.txt"), b"FLATCAR_BUILD=4593\nFLATCAR_VERSION=4593.2.5\n");
    vendor.publish(&server, "flatcar/", &bytes(300_000));
    publish_with_digest(&server, "k8s/v1.34.2/bin/linux/amd64/kubelet", b"kubelet");
    server.file("flannel/v0.27.4/flannel-v0.27.4-linux-amd64.tar.gz", b"flannel");
    server.file("tools/crictl", b"crictl");
    std::fs::write(folder.path().join("nodelocal"), "local").unwrap();
    let manifest = manifest(&server);
    cache.put_bytes(b"etcd").unwrap();
    let maker = Maker(Mutex::new(Ok(made(b"etcd", "gcc 14.2.0-19"))));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    Kiln { server, cache, folder, maker, runtime, manifest, _vendor: vendor }
}

fn release(server: &Server, project: &str, mirror: &str, version: &str) -> Source {
    let (project, version) = (project.to_owned(), version.to_owned());
    Source::Release(Release { project, version, channel: None, mirror: Some(server.url(mirror)) })
}

fn manifest(server: &Server) -> Manifest {
    let component = |name: &str, source| Component {
        name: name.to_owned(),
        version: None,
        source,
        require: None,
        install: Vec::new(),
    };
    let url =
        Source::Url { url: server.url("tools/crictl"), sha256: Some(Digest::of(b"crictl")), signature: None };
    let go = Go {
        folder: PathBuf::from("go/etcd"),
        packages: vec!["go.etcd.io/etcd/server/v3".to_owned()],
        cgo: true,
        tags: Vec::new(),
        ldflags: String::new(),
    };
    let components = vec![
        component("kubelet", release(server, "kubernetes", "k8s", "v1.34.2")),
        component("flannel", release(server, "flannel", "flannel", "v0.27.4")),
        component("crictl", url),
        component("nodelocal", Source::File { path: PathBuf::from("nodelocal"), sha256: None }),
        component("etcd", Source::Go(go)),
    ];
    let base = Base {
        source: release(server, "flatcar", "flatcar", "current"),
        flavour: "generic".to_owned(),
        require: Some(TrustLevel::Signed),
    };
    Manifest {
        name: "test".to_owned(),
        arch: Arch::Amd64,
        base,
        components,
        images: Vec::new(),
        cluster: Cluster {
            kubernetes: None,
            pods: Vec::new(),
            services: Vec::new(),
            hosts: Vec::new(),
            block_prefix: None,
            block_prefix_v6: None,
            nodes_max: 1,
            surge: 0,
            pods_max: 1,
        },
        settings: Default::default(),
        addons: Vec::new(),
        units: Vec::new(),
        files: Vec::new(),
        modules: Vec::new(),
        sysctls: BTreeMap::new(),
        keys: vec![vendor().primary.clone()],
        sysext: false,
        outputs: Outputs { formats: Vec::new(), size: None },
    }
}

impl Kiln {
    fn with_world<T>(&self, is_offline: bool, use_it: impl FnOnce(&World<'_>) -> T) -> T {
        let downloads = Downloader::new(&settings(&self.server.ca(), limits()), self.cache.clone()).unwrap();
        use_it(&World {
            cache: &self.cache,
            downloads: (!is_offline).then_some(&downloads),
            runtime: self.runtime.handle(),
            makers: &self.maker,
            folder: self.folder.path(),
            progress: &Silent,
            now_s: NOW_S,
        })
    }

    fn pin(&self, old: Option<&Lock>, mode: &Mode) -> Result<Pinned, PinError> {
        self.with_world(false, |world| pin(&self.manifest, old, mode, world))
    }

    fn lock(&self) -> Lock {
        self.pin(None, &Mode::Make).unwrap().lock
    }

    fn words(&self, old: Option<&Lock>, mode: &Mode) -> String {
        self.plain(&self.pin(old, mode).unwrap_err().to_string())
    }

    fn plain(&self, text: &str) -> String {
        let text =
            text.replace(&format!(":{}", self.server.port()), "").replace(&vendor().primary, "PRIMARY");
        text.replace(&self.folder.path().display().to_string(), "FOLDER").replace(&vendor().subkey, "SUBKEY")
    }

    /// The manifest with one component only.
    fn only(mut self, name: &str) -> Self {
        self.manifest.components.retain(|component| component.name == name);
        self.manifest.base.source = Source::File { path: PathBuf::from("nodelocal"), sha256: None };
        self.manifest.base.require = None;
        self
    }
}

fn upgrade(name: &str) -> Mode {
    Mode::Upgrade([name.to_owned()].into())
}

fn moves(pinned: &Pinned) -> Vec<String> {
    pinned.moves.iter().map(ToString::to_string).collect()
}

#[test]
fn every_input_is_pinned_with_the_best_evidence_there_is() {
    let kiln = kiln();
    let pinned = kiln.pin(None, &Mode::Make).unwrap();
    let lock = &pinned.lock;
    let level = |name: &str| lock.inputs[name].trust.level();
    let base = &lock.inputs["base"];
    assert_eq!(
        (base.version.as_deref(), base.want.as_str()),
        (Some("4593.2.5"), "release flatcar current generic amd64")
    );
    assert!(matches!(&base.trust, Trust::Signed { key, signer, by_manifest: true, signed_at_s: SIGNED_S }
        if *key == vendor().primary && *signer == vendor().subkey));
    assert_eq!(base.files.keys().collect::<Vec<_>>(), ["flatcar_production_image.bin.bz2"]);
    assert_eq!(level("kubelet"), TrustLevel::SameOrigin);
    assert_eq!(lock.inputs["kubelet"].files["kubelet"].sha256, Digest::of(b"kubelet"));
    assert_eq!((level("flannel"), level("crictl")), (TrustLevel::FirstUse, TrustLevel::Given));
    assert_eq!((level("nodelocal"), level("etcd")), (TrustLevel::FirstUse, TrustLevel::Built));
    assert!(pinned.moves.len() == 6 && moves(&pinned)[0] == "base: pinned");
    let all = lock.inputs.values().flat_map(|locked| locked.files.values());
    assert!(
        all.into_iter().all(|file| kiln.cache.get(&file.sha256).is_some_and(|blob| blob.size == file.size))
    );
    // The lock as a file, read back: nothing is asked for, nothing moves.
    kiln.server.seen();
    let again = parse(&render(lock), std::path::Path::new("test.lock")).unwrap();
    for mode in [Mode::Make, Mode::Locked, Mode::Renew] {
        assert_eq!(kiln.pin(Some(&again), &mode).unwrap(), Pinned { lock: lock.clone(), moves: Vec::new() });
    }
    assert!(kiln.server.seen().is_empty());
}

#[test]
fn offline_needs_the_cache_and_nothing_else() {
    let kiln = kiln();
    let lock = kiln.lock();
    *kiln.maker.0.lock().unwrap() = Err("no compiler here".to_owned());
    let offline = |old| kiln.with_world(true, |world| pin(&kiln.manifest, old, &Mode::Make, world));
    kiln.server.seen();
    assert!(offline(Some(&lock)).unwrap().moves.is_empty());
    std::fs::remove_dir_all(kiln.cache.root().join("blobs/sha256")).unwrap();
    let missing =
        "it is not in the cache, and --offline fetches nothing; run `kiln fetch` where there is a network";
    let names = ["base", "crictl", "etcd", "flannel", "kubelet"];
    let words = offline(Some(&lock)).unwrap_err().to_string();
    let expected =
        names.map(|name| format!("{name}: {}", if name == "etcd" { "no compiler here" } else { missing }));
    assert_eq!(words, expected.join("\n"), "all problems at once");
    assert!(kiln.server.seen().is_empty());
    // With a network again, the pins bring everything back.
    *kiln.maker.0.lock().unwrap() = Ok(made(b"etcd", "gcc 14.2.0-19"));
    assert!(kiln.pin(Some(&lock), &Mode::Locked).unwrap().moves.is_empty());
}

#[test]
fn what_the_cache_has_damaged_is_fetched_again_or_named() {
    let kiln = kiln().only("flannel");
    let lock = kiln.lock();
    let blob = kiln.cache.get(&Digest::of(b"flannel")).unwrap();
    std::fs::write(&blob.path, b"FLANNEL").unwrap();
    let offline = kiln.with_world(true, |world| pin(&kiln.manifest, Some(&lock), &Mode::Locked, world));
    assert_eq!(
        offline.unwrap_err().to_string(),
        format!(
            "flannel: {} is damaged: its bytes are not those of its name; --offline fetches nothing; run `kiln fetch` where \
             there is a network",
            blob.path.display()
        )
    );
    assert!(kiln.pin(Some(&lock), &Mode::Locked).unwrap().moves.is_empty());
    assert_eq!(std::fs::read(&blob.path).unwrap(), b"flannel");
}

#[test]
fn a_lock_that_was_changed_by_hand_is_refused() {
    let kiln = kiln();
    let lock = kiln.lock();
    let edited = |edit: &dyn Fn(&mut Lock)| {
        let mut edited = lock.clone();
        edit(&mut edited);
        [Mode::Make, Mode::Locked].map(|mode| kiln.words(Some(&edited), &mode))
    };
    let files = |lock: &mut Lock, name: &str| std::mem::take(&mut lock.inputs.get_mut(name).unwrap().files);
    for (name, file, size) in
        [("nodelocal", "nodelocal", 5), ("flannel", "flannel-v0.27.4-linux-amd64.tar.gz", 7)]
    {
        let restore = format!("restore it, or run `kiln lock --upgrade {name}`");
        let words = edited(&|lock| {
            let files = files(lock, name).into_iter();
            let files = files.map(|(file, pinned)| (file, LockedFile { size: 999, ..pinned }));
            lock.inputs.get_mut(name).unwrap().files = files.collect();
        });
        let expected =
            format!("{name}: the lock was changed by hand: {file} has {size} bytes, not 999; {restore}");
        assert_eq!(words, [expected.clone(), expected]);
        let words = edited(&|lock| {
            let files = files(lock, name).into_values().map(|pinned| ("tool".to_owned(), pinned));
            lock.inputs.get_mut(name).unwrap().files = files.collect();
        });
        let expected =
            format!("{name}: the lock was changed by hand: its file is {file}, not tool; {restore}");
        assert_eq!(words, [expected.clone(), expected]);
    }
    // More trust than there is.
    let signed = |lock: &mut Lock| lock.inputs.get_mut("nodelocal").unwrap().trust = Trust::Given;
    let mut edited = lock.clone();
    signed(&mut edited);
    assert_eq!(
        kiln.words(Some(&edited), &Mode::Locked),
        "the lock would change, and --locked refuses to change it; run `kiln lock`\nnodelocal: trust given -> first-use"
    );
    assert_eq!(
        moves(&kiln.pin(Some(&edited), &Mode::Make).unwrap()),
        ["nodelocal: trust given -> first-use"]
    );
}

#[test]
fn a_changed_upstream_file_is_an_error_with_both_digests() {
    let kiln = kiln().only("flannel");
    let lock = kiln.lock();
    let file = "flannel/v0.27.4/flannel-v0.27.4-linux-amd64.tar.gz";
    kiln.server.file(file, b"FLANNEL");
    std::fs::remove_dir_all(kiln.cache.root().join("blobs/sha256")).unwrap();
    assert_eq!(
        kiln.words(Some(&lock), &Mode::Make),
        format!(
            "flannel: can't fetch https://localhost/{file}: its sha256 is {} instead of {}: the file has been changed on \
             its way or upstream; if the change is meant, run `kiln lock --upgrade flannel`",
            Digest::of(b"FLANNEL"),
            Digest::of(b"flannel")
        )
    );
    kiln.server.file(file, b"another flannel");
    assert!(
        kiln.words(Some(&lock), &Mode::Make)
            .contains(": it has 15 bytes instead of 7: the file has been changed")
    );
    assert_eq!(moves(&kiln.pin(Some(&lock), &upgrade("flannel")).unwrap()), ["flannel: other bytes"]);
}

#[test]
fn a_lock_that_does_not_fit_says_what_to_run() {
    let mut kiln = kiln().only("kubelet");
    let lock = kiln.lock();
    assert_eq!(
        kiln.words(None, &Mode::Locked),
        "there is no lock, and --locked refuses to make one; run `kiln lock`"
    );
    assert_eq!(
        kiln.words(Some(&lock), &upgrade("kublet")),
        "the manifest has no input 'kublet'; it has base, kubelet"
    );
    kiln.manifest.components[0].source = release(&kiln.server, "kubernetes", "k8s", "v1.34.3");
    let words = "the lock does not fit its manifest; run `kiln lock`\n\
                 kubelet: the manifest asks for 'release kubernetes v1.34.3 kubelet amd64', the lock pins \
                 'release kubernetes v1.34.2 kubelet amd64'";
    assert_eq!(kiln.words(Some(&lock), &Mode::Make), words);
    assert_eq!(kiln.words(Some(&lock), &Mode::Locked), words);
    kiln.server.file("k8s/v1.34.3/bin/linux/amd64/kubelet", b"kubelet 3");
    let sum = format!("{}  kubelet", Digest::of(b"kubelet 3"));
    kiln.server.file("k8s/v1.34.3/bin/linux/amd64/kubelet.sha256", sum.as_bytes());
    assert_eq!(moves(&kiln.pin(Some(&lock), &Mode::Renew).unwrap()), ["kubelet: v1.34.2 -> v1.34.3"]);
    kiln.manifest.components[0].name = "kubectl".to_owned();
    kiln.manifest.components[0].source = Source::Itself;
    let words = kiln.words(Some(&lock), &Mode::Make);
    assert!(
        words.ends_with("kubectl: the lock does not know it\nkubelet: the manifest has it no more"),
        "{words}"
    );
    let moved = moves(&kiln.pin(Some(&lock), &Mode::Renew).unwrap());
    assert_eq!(moved, ["kubectl: pinned", "kubelet: dropped"]);
}

#[test]
fn less_trust_than_required_is_an_error_with_a_way_out() {
    let mut kiln = kiln();
    for component in &mut kiln.manifest.components {
        component.require = Some(match component.name.as_str() {
            "flannel" => TrustLevel::SameOrigin,
            "nodelocal" => TrustLevel::Given,
            _ => TrustLevel::Signed,
        });
    }
    let offers = |has: &str, needs: &str| {
        format!(
            "its trust is '{has}', but 'require: {needs}' asks for more; this source offers no more: use another one, or \
             'require: {has}'"
        )
    };
    let expected = [
        "crictl: its trust is 'given', but 'require: signed' asks for more; name its 'signature' in the manifest, and the \
         key's fingerprint in 'keys'"
            .to_owned(),
        format!("etcd: {}", offers("built", "signed")),
        format!("flannel: {}", offers("first-use", "same-origin")),
        format!("kubelet: {}", offers("same-origin", "signed")),
        "nodelocal: its trust is 'first-use', but 'require: given' asks for more; name its 'sha256' in the manifest"
            .to_owned(),
    ];
    assert_eq!(kiln.words(None, &Mode::Make), expected.join("\n"));
}

#[test]
fn a_base_that_is_not_signed_as_it_should_be_is_refused() {
    let mut kiln = kiln();
    kiln.manifest.components.clear();
    let signature = format!("https://localhost/{IMAGE}.sig");
    kiln.server.file(IMAGE, &bytes(300_001));
    assert_eq!(
        kiln.words(None, &Mode::Make),
        format!(
            "base: its signature {signature} does not count: the file is not what SUBKEY signed on 2025-01-21 00:00:00 UTC"
        )
    );
    kiln.server.file(&format!("{IMAGE}.sig"), b"<html>");
    let words = kiln.words(None, &Mode::Make);
    assert!(
        words.starts_with(&format!("base: its signature {signature} does not count: no OpenPGP signature"))
    );
    kiln.server.put(&format!("{IMAGE}.sig"), Serve::Status(404, ""));
    assert_eq!(
        kiln.words(None, &Mode::Make),
        format!(
            "base: can't fetch {signature}: the server has no such file (404); check the version and the address"
        )
    );
    // Without `keys:` only Flatcar's own key counts.
    kiln.manifest.keys.clear();
    assert_eq!(
        kiln.words(None, &Mode::Make),
        "base: the key https://localhost/flatcar/security/image-signing-key/Flatcar_Image_Signing_Key.asc does not count: \
         the key file holds PRIMARY, but only F88CFEDEFF29A5B4D9523864E25D9AED0593B34A counts"
    );
    kiln.server.file(&format!("{BOARD}/current/version.txt"), b"<html>\nnothing</html>\n");
    assert_eq!(
        kiln.words(None, &Mode::Make),
        format!("base: https://localhost/{BOARD}/current/version.txt names no version")
    );
}

#[test]
fn what_upstream_calls_newest_is_shown_and_taken_when_asked() {
    let kiln = kiln();
    let lock = kiln.lock();
    let image = bytes(200_000);
    let path = IMAGE.replace("4593.2.5", "4600.0.0");
    kiln.server.file(&path, &image);
    kiln.server.file(&format!("{path}.sig"), &vendor().sign(&[], &image));
    kiln.server.file(&format!("{BOARD}/current/version.txt"), b"FLATCAR_VERSION=4600.0.0\n");
    kiln.server.file("k8s/stable-1.34.txt", b"v1.34.7");
    kiln.server.file("k8s/stable.txt", b"v1.35.1\n");
    let newest = kiln.with_world(false, |world| newest(&kiln.manifest, Some(&lock), world)).unwrap();
    let shown: Vec<_> = newest
        .iter()
        .map(|it| format!("{} {} {} {}", it.name, it.locked.as_deref().unwrap_or("none"), it.of, it.newest))
        .collect();
    assert_eq!(
        shown,
        [
            "base 4593.2.5 stable current 4600.0.0",
            "kubelet v1.34.2 stable-1.34 v1.34.7",
            "kubelet v1.34.2 stable v1.35.1"
        ]
    );
    assert!(kiln.pin(Some(&lock), &Mode::Make).unwrap().moves.is_empty(), "a pin moves only when asked to");
    let pinned = kiln.pin(Some(&lock), &upgrade("base")).unwrap();
    assert_eq!(moves(&pinned), ["base: 4593.2.5 -> 4600.0.0"]);
    // An upgrade to what is there already does not fetch the image again.
    kiln.server.seen();
    let again = kiln.pin(Some(&pinned.lock), &upgrade("base")).unwrap();
    assert!(again.moves.is_empty());
    assert!(kiln.server.seen().iter().all(|seen| !seen.path.ends_with(".bz2")));
}

#[test]
fn what_is_built_here_is_pinned_anew_when_the_tools_have_moved() {
    let kiln = kiln().only("etcd");
    let lock = kiln.lock();
    kiln.cache.put_bytes(b"ETCD").unwrap();
    *kiln.maker.0.lock().unwrap() = Ok(made(b"ETCD", "gcc 15.1.0-1"));
    let pinned = kiln.pin(Some(&lock), &Mode::Make).unwrap();
    assert_eq!(moves(&pinned), ["etcd: cc gcc 14.2.0-19 -> gcc 15.1.0-1"]);
    // What is pinned is still there, so that --locked and --offline go on with it.
    assert_eq!(kiln.pin(Some(&lock), &Mode::Locked).unwrap().lock, lock);
    let etcd = kiln.cache.get(&Digest::of(b"etcd")).unwrap();
    std::fs::remove_file(etcd.path).unwrap();
    assert_eq!(
        kiln.words(Some(&lock), &Mode::Locked),
        "etcd: what is built here is not what is locked (cc gcc 14.2.0-19 -> gcc 15.1.0-1); run `kiln lock` without \
         --locked"
    );
    *kiln.maker.0.lock().unwrap() = Err("go build failed:\nx.go:1: no".to_owned());
    assert_eq!(kiln.words(Some(&lock), &Mode::Make), "etcd: go build failed:\nx.go:1: no");
}

#[test]
fn a_local_file_that_changed_is_told() {
    let mut kiln = kiln().only("nodelocal");
    let lock = kiln.lock();
    let path = kiln.folder.path().join("nodelocal");
    std::fs::write(&path, "LOCAL").unwrap();
    let words = |name| {
        format!(
            "{name}: FOLDER/nodelocal has changed since it was pinned: its sha256 is {} instead of {}; if that is meant, \
             run `kiln lock --upgrade {name}`",
            Digest::of(b"LOCAL"),
            Digest::of(b"local")
        )
    };
    assert_eq!(kiln.words(Some(&lock), &Mode::Make), [words("base"), words("nodelocal")].join("\n"));
    let sha256 = Some(Digest::of(b"local"));
    kiln.manifest.components[0].source = Source::File { path: PathBuf::from("nodelocal"), sha256 };
    assert!(kiln.words(None, &Mode::Make).starts_with(&format!(
        "nodelocal: the sha256 of FOLDER/nodelocal is {}, but the manifest says {}",
        Digest::of(b"LOCAL"),
        Digest::of(b"local")
    )));
    std::fs::remove_file(&path).unwrap();
    let words = kiln.words(None, &Mode::Make);
    assert!(words.contains("base: can't look at FOLDER/nodelocal: No such file or directory"), "{words}");
}

#[test]
fn a_signed_url_takes_its_key_from_beside_the_signature() {
    let mut kiln = kiln().only("crictl");
    let vendor = vendor();
    let signature = kiln.server.file("tools/crictl.asc", &vendor.sign(&["--armor"], b"crictl"));
    let url = kiln.server.url("tools/crictl");
    kiln.manifest.components[0].source = Source::Url { url, sha256: None, signature: Some(signature) };
    assert_eq!(
        kiln.words(None, &Mode::Make),
        "crictl: can't fetch https://localhost/tools/PRIMARY.asc: the server has no such file (404); check the version \
         and the address"
    );
    kiln.server.file(&format!("tools/{}.asc", vendor.primary), &vendor.export);
    assert_eq!(kiln.lock().inputs["crictl"].trust.level(), TrustLevel::Signed);
}

#[test]
fn a_list_of_digests_without_the_file_is_told() {
    let kiln = kiln().only("kubelet");
    kiln.server.file("k8s/v1.34.2/bin/linux/amd64/kubelet.sha256", b"<html>sign in</html>");
    assert_eq!(
        kiln.words(None, &Mode::Make),
        "kubelet: https://localhost/k8s/v1.34.2/bin/linux/amd64/kubelet.sha256 holds no sha256 of 'kubelet', or several"
    );
}

#[test]
fn what_no_lock_names_can_be_swept_away() {
    let kiln = kiln();
    let lock = kiln.lock();
    let path = kiln.folder.path().join("test.lock");
    std::fs::write(&path, render(&lock)).unwrap();
    keep_lock(&kiln.cache, &path, &lock).unwrap();
    let stray = kiln.cache.put_bytes(b"stray").unwrap();
    let Kiln { cache, manifest: _, .. } = &kiln;
    let (root, names) = (cache.root().to_owned(), kept(cache).unwrap());
    let bounds = Bounds { age_s: 0, size_bytes: 0 };
    let gone = unused(&cache.list().unwrap(), &names, bounds, u64::MAX / 2);
    assert!(gone.iter().any(|entry| entry.path == stray.path));
    assert!(gone.iter().all(|entry| {
        lock.inputs
            .values()
            .flat_map(|it| it.files.values())
            .all(|file| !entry.path.ends_with(file.sha256.to_string()))
    }));
    std::fs::remove_file(&path).unwrap();
    assert!(kept(cache).unwrap().is_empty(), "a lock that is gone keeps nothing");
    let Kiln { cache, .. } = kiln;
    drop(cache);
    Alone::open(&root, Duration::ZERO).unwrap().remove(&gone).unwrap();
    assert!(!stray.path.exists());
}

/// Where the test's server has kubelet.
const KUBELET: &str = "k8s/v1.34.2/bin/linux/amd64/kubelet";

#[test]
fn kubernetes_programs_are_attested_where_the_server_has_their_signatures() {
    let (mut kiln, fulcio) = (kiln().only("kubelet"), Fulcio::new());
    fulcio.publish(&kiln.server, KUBELET, b"kubelet");
    kiln.server.file(&format!("k8s/{AUTHORITY}"), fulcio.bundle.as_bytes());
    kiln.manifest.components[0].require = Some(TrustLevel::Attested);
    let words = kiln.words(None, &Mode::Make);
    let refusal = format!("kubelet: https://localhost/k8s/{AUTHORITY} does not count: it holds ");
    assert!(words.starts_with(&refusal) && words.contains(sigstore::ROOT), "{words}");

    kiln.manifest.keys.push(fulcio.root.clone());
    let lock = kiln.lock();
    let Trust::Attested { by, known_to, root, by_manifest: true, .. } = &lock.inputs["kubelet"].trust else {
        panic!("{lock:?}");
    };
    assert_eq!(by, "krel-staging@k8s-releng-prod.iam.gserviceaccount.com");
    assert_eq!((known_to.as_str(), root), ("https://accounts.google.com", &fulcio.root));
    assert_eq!(parse(&render(&lock), std::path::Path::new("test.lock")).unwrap(), lock);

    // Signed, but not this.
    kiln.server.file(KUBELET, b"KUBELET");
    assert_eq!(
        kiln.words(None, &Mode::Make),
        format!(
            "kubelet: https://localhost/{KUBELET}.sig does not count: the file was changed after it was signed, or the \
             signature is another file's"
        )
    );
}

#[test]
fn where_a_mirror_has_no_signatures_the_digest_is_what_there_is() {
    let mut kiln = kiln().only("kubelet");
    assert_eq!(kiln.lock().inputs["kubelet"].trust.level(), TrustLevel::SameOrigin);
    kiln.manifest.components[0].require = Some(TrustLevel::Attested);
    assert_eq!(
        kiln.words(None, &Mode::Make),
        "kubelet: its trust is 'same-origin', but 'require: attested' asks for more; this source offers no more: use \
         another one, or 'require: same-origin'"
    );
}
