// SPDX-License-Identifier: Apache-2.0
//! A whole small image as values, for the tests beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln::bake::check::facts::BaseFacts;
use kiln::bake::check::{Findings, Subject, check, scan};
use kiln::bake::content::{ComponentFiles, ImageFile, Inputs, Member, Planned, plan};
use kiln::bake::sysext;
use kiln::digest::Digest;
use kiln::lock::{Lock, Locked, LockedFile, Trust};
use kiln::manifest::{
    Arch, Base, Cluster, Component, ExtraContent, ExtraFile, Install, Manifest, Outputs, Release, Source,
    Text, Unit,
};
use kiln::problem::Problems;
use kiln::tree::{Content, Kind, Tree};

/// 20 November 2026, as good as any.
pub const MTIME_S: i64 = 1_795_132_800;

/// The units of a worker.
pub const UNITS: [(&str, &str); 6] = [
    ("containerd.service", include_str!("../../../units/containerd.service")),
    ("flanneld.service", include_str!("../../../units/flanneld.service")),
    ("kiln-control-plane.service", include_str!("../../../units/kiln-control-plane.service")),
    ("kiln-firstboot.service", include_str!("../../../units/kiln-firstboot.service")),
    ("kube-proxy.service", include_str!("../../../units/kube-proxy.service")),
    ("kubelet.service", include_str!("../../../units/kubelet.service")),
];

pub struct Image {
    pub manifest: Manifest,
    pub lock: Lock,
    pub components: Vec<ComponentFiles>,
    pub images: Vec<ImageFile>,
    pub local_files: BTreeMap<PathBuf, Content>,
    pub base: Vec<String>,
    pub nature: BaseFacts,
}

/// What came of an image.
pub struct Outcome {
    pub planned: Planned,
    pub extension: Option<Tree>,
    pub packed: Option<Vec<u8>>,
    pub findings: Findings,
}

impl Image {
    /// An image of nothing.
    pub fn empty() -> Self {
        let base = Base { source: release("flatcar", "4593.2.5"), flavour: "generic".into(), require: None };
        let ranges = |text: &str| vec![text.parse().unwrap()];
        let cluster = Cluster {
            kubernetes: None,
            pods: ranges("10.234.0.0/20"),
            services: ranges("10.96.0.0/16"),
            hosts: ranges("10.1.0.0/16"),
            block_prefix: Some(26),
            block_prefix_v6: None,
            nodes_max: 60,
            surge: 4,
            pods_max: 61,
        };
        let manifest = Manifest {
            name: "lab".into(),
            arch: Arch::Amd64,
            base,
            components: Vec::new(),
            images: Vec::new(),
            cluster,
            settings: Default::default(),
            addons: Vec::new(),
            units: Vec::new(),
            files: Vec::new(),
            modules: Vec::new(),
            sysctls: BTreeMap::new(),
            keys: Vec::new(),
            sysext: false,
            outputs: Outputs { formats: Vec::new(), size: None },
        };
        let mut image = Self {
            manifest,
            lock: Lock { version: 1, inputs: BTreeMap::new() },
            components: Vec::new(),
            images: Vec::new(),
            local_files: BTreeMap::new(),
            nature: BaseFacts::default(),
            base: ["/usr/lib/systemd/system/multi-user.target", "/usr/sbin/modprobe"]
                .map(String::from)
                .into(),
        };
        image.lock_input("base", "4593.2.5", b"base", Trust::Given);
        image
    }

    /// Everything that a worker needs, each program a stub.
    pub fn worker() -> Self {
        let mut image = Self::empty();
        let archive = |name: &str| format!("kubernetes/node/bin/{name}");
        image.component("kubelet", &[(&archive("kubelet"), "/opt/bin/")]);
        image.component("kube-proxy", &[(&archive("kube-proxy"), "/opt/bin/")]);
        image.component(
            "containerd",
            &[("bin/containerd", "/opt/bin/"), ("bin/containerd-shim-runc-v2", "/opt/bin/")],
        );
        image.component("runc", &[("runc.amd64", "/opt/bin/runc")]);
        image.component("cni-plugins", &[("./bridge", "/opt/cni/bin/"), ("./host-local", "/opt/cni/bin/")]);
        image.component("flannel", &[("flanneld", "/opt/bin/")]);
        image.component("kiln-firstboot", &[("kiln-firstboot", "/opt/bin/")]);
        for (name, text) in UNITS {
            image.unit(name, text);
        }
        image.manifest.modules = vec!["br_netfilter".into(), "overlay".into()];
        image.manifest.sysctls = BTreeMap::from([("net.ipv4.ip_forward".into(), "1".into())]);
        image.file("/etc/flatcar/update.conf", ExtraContent::Text(text("REBOOT_STRATEGY=off\n")), 0o644);
        image.file("/var/lib/etcd", ExtraContent::Folder, 0o700);
        image
    }

    /// Adds a component whose members are static programs.
    pub fn component(&mut self, name: &str, members: &[(&str, &str)]) {
        let files = members.iter().map(|(member, _)| Member {
            path: (*member).into(),
            mode: 0o755,
            content: inline(elf(62, None, member)),
        });
        let install = members.iter().map(|(member, path)| Install {
            member: (*member).into(),
            path: (*path).into(),
            mode: 0o755,
        });
        self.components.push(ComponentFiles { name: name.into(), files: files.collect() });
        self.manifest.components.push(Component {
            name: name.into(),
            version: Some("v1.0.0".into()),
            source: release(name, "v1.0.0"),
            require: None,
            install: install.collect(),
        });
        let from = BTreeMap::from([("go".to_owned(), "1.26.8".to_owned())]);
        self.lock_input(name, "v1.0.0", name.as_bytes(), Trust::Built { from });
    }

    pub fn unit(&mut self, name: &str, unit: &str) {
        self.manifest.units.push(Unit { name: name.into(), text: text(unit), is_enabled: true });
    }

    pub fn file(&mut self, path: &str, content: ExtraContent, mode: u16) {
        self.manifest.files.push(ExtraFile { path: path.into(), content, mode, uid: 0, gid: 0 });
    }

    fn lock_input(&mut self, name: &str, version: &str, bytes: &[u8], trust: Trust) {
        let file = LockedFile { size: bytes.len() as u64, sha256: Digest::of(bytes) };
        let locked = Locked {
            want: format!("{name} {version}"),
            version: Some(version.into()),
            url: Some(format!("https://releases.example/{name}")),
            files: BTreeMap::from([(format!("{name}.tar.gz"), file)]),
            trust,
        };
        self.lock.inputs.insert(name.into(), locked);
    }

    pub fn inputs(&self) -> Inputs<'_> {
        Inputs {
            manifest: &self.manifest,
            manifest_path: Path::new("image/lab.yaml"),
            lock: &self.lock,
            components: &self.components,
            images: &self.images,
            local_files: &self.local_files,
            plan_digest: Digest::of(b"plan"),
            kiln_version: "0.1.0",
            mtime_s: MTIME_S,
        }
    }

    /// Plans, packs and checks, as a bake does.
    pub fn outcome(&self) -> Result<Outcome, Problems> {
        let inputs = self.inputs();
        let draft = plan(&inputs)?;
        let extension = draft.extension.clone();
        let packed = extension.as_ref().map(packed);
        let planned = draft.finish(&inputs, packed.clone().map(inline));
        let trees: Vec<&Tree> = [Some(&planned.tree), extension.as_ref()].into_iter().flatten().collect();
        let findings = check(&Subject {
            manifest: &self.manifest,
            manifest_path: inputs.manifest_path,
            trees: &trees,
            images: &self.images,
            facts: &BTreeMap::new(),
            unit_blobs: &BTreeMap::new(),
            base: &self.nature,
            exists_in_base: &|path| self.base.iter().any(|other| other == path),
        });
        Ok(Outcome { planned, extension, packed, findings })
    }
}

pub fn packed(tree: &Tree) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let open = |content: &Content| match content {
        Content::Inline(bytes) => {
            Ok(Box::new(std::io::Cursor::new(bytes.to_vec())) as Box<dyn std::io::Read>)
        }
        Content::Blob { .. } => Err(std::io::Error::other("the tests have no blobs")),
    };
    sysext::pack(tree, &open, &mut out).unwrap();
    out.into_inner()
}

pub fn release(project: &str, version: &str) -> Source {
    Source::Release(Release { project: project.into(), version: version.into(), channel: None, mirror: None })
}

pub fn text(text: &str) -> Text {
    Text { text: text.into(), from: None }
}

pub fn inline(bytes: impl Into<Vec<u8>>) -> Content {
    Content::Inline(Arc::from(bytes.into()))
}

/// A 64-bit ELF header for `machine` with at most one program header, followed by `rest`.
pub fn elf(machine: u16, interpreter: Option<&str>, rest: &str) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend([2, 0]);
    bytes.extend(machine.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(64_u64.to_le_bytes());
    bytes.extend([0; 12]);
    bytes.extend([64, 0, 56, 0, u8::from(interpreter.is_some()), 0, 0, 0, 0, 0, 0, 0]);
    if let Some(path) = interpreter {
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(4_u32.to_le_bytes());
        bytes.extend(120_u64.to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend((path.len() as u64 + 1).to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend(path.as_bytes());
        bytes.push(0);
    }
    bytes.extend(rest.as_bytes());
    assert!(scan::scan_bytes(&bytes).elf.is_some_and(|elf| !elf.is_broken));
    bytes
}

/// One line per path that a person would like to read: mode, path, where it points or what it comes from.
pub fn listing(image: &Outcome) -> String {
    let line = |tree: &Tree| {
        tree.paths()
            .map(|(path, id)| {
                let node = tree.node(id);
                assert_eq!((node.uid, node.gid, node.mtime_s), (0, 0, MTIME_S), "{path}");
                let origin = image.planned.origins.get(path).map(|origin| format!("  < {origin}"));
                let origin = origin.unwrap_or_default();
                match &node.kind {
                    Kind::Folder => {
                        format!("{:04o} {}/{origin}\n", node.mode, path.to_string().trim_end_matches('/'))
                    }
                    Kind::File(_) => format!("{:04o} {path}{origin}\n", node.mode),
                    Kind::Symlink(to) => format!("     {path} -> {}{origin}\n", String::from_utf8_lossy(to)),
                }
            })
            .collect::<String>()
    };
    let extension = image.extension.as_ref().map(|tree| format!("\nIn the extension:\n{}", line(tree)));
    line(&image.planned.tree) + &extension.unwrap_or_default()
}
