// SPDX-License-Identifier: Apache-2.0
//! Content: from manifest, lock and unpacked components to the tree that becomes ROOT, each path with its origin.
//!
//! Reads and writes nothing. Two steps, because a system extension must be packed in between: [`plan`] lays
//! everything out, [`Draft::finish`] adds the packed extension and the image's own account of itself. Never places what
//! the vendor owns ([`owned`]), what makes one machine unlike another (machine-id, host keys), or a time of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{provenance, settings, sysext, units};
use crate::digest::Digest;
use crate::lock::Lock;
use crate::manifest::{Component, ExtraContent, ExtraFile, Install, Manifest};
use crate::problem::Problems;
use crate::tree::{Content, Kind, Node, Tree, TreePath};

mod enable;
pub mod order;
pub mod owned;
mod place;

use place::Placer;

/// The files of one component: the members of its archive, or the programs that were built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentFiles {
    /// The component's name in the manifest.
    pub name: String,
    /// Its regular files.
    pub files: Vec<Member>,
}

/// One regular file of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Path inside the archive, or the program's name.
    pub path: String,
    /// Permission bits that the archive gives it.
    pub mode: u16,
    /// Where its bytes are.
    pub content: Content,
}

/// All that decides what goes into ROOT.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// What is wanted.
    pub manifest: &'a Manifest,
    /// The manifest's file, for messages.
    pub manifest_path: &'a Path,
    /// What was pinned.
    pub lock: &'a Lock,
    /// What was unpacked or built, one for each component.
    pub components: &'a [ComponentFiles],
    /// The local files that the manifest names in `files`, by the path that stands there.
    pub local_files: &'a BTreeMap<PathBuf, Content>,
    /// Digest of lock, manifest and every local file.
    pub plan_digest: Digest,
    /// The running kiln's version.
    pub kiln_version: &'a str,
    /// The time that every file gets, seconds since 1970.
    pub mtime_s: i64,
}

/// Where a path of the image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// A member of a component.
    Component {
        /// The component.
        name: String,
        /// Path inside its archive, or the built program's name.
        member: String,
    },
    /// A unit of the manifest.
    Unit {
        /// Its name.
        name: String,
    },
    /// A link that the `[Install]` section of a unit asks for.
    Install {
        /// The unit.
        unit: String,
    },
    /// Another key of the manifest.
    Manifest {
        /// `files[0]`, `sysctls`, ...
        key: String,
    },
    /// kiln itself.
    Kiln,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Component { name, member } => write!(f, "component {name} ({member})"),
            Self::Unit { name } => write!(f, "unit {name}"),
            Self::Install { unit } => write!(f, "[Install] of {unit}"),
            Self::Manifest { key } => f.write_str(key),
            Self::Kiln => f.write_str("kiln itself"),
        }
    }
}

/// Everything in its place, but neither packed nor accounted for.
#[derive(Debug, Clone)]
pub struct Draft {
    /// ROOT without packed extension and account.
    pub root: Tree,
    /// The extension's own tree, where the manifest asks for one.
    pub extension: Option<Tree>,
    root_origins: BTreeMap<TreePath, Origin>,
    extension_origins: BTreeMap<TreePath, Origin>,
}

/// What goes into ROOT.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The whole tree.
    pub tree: Tree,
    /// Where each path comes from; folders that are only there to hold others have no entry.
    pub origins: BTreeMap<TreePath, Origin>,
}

/// Lays out what `inputs` ask for.
///
/// # Errors
/// All that can't be placed: members that a component lacks, paths that two want or that the vendor owns, units that
/// can't be enabled.
pub fn plan(inputs: &Inputs<'_>) -> Result<Draft, Problems> {
    let mut plan = Plan {
        root: Placer::new(inputs.manifest_path),
        extension: Placer::new(inputs.manifest_path),
        sysext: inputs.manifest.sysext,
    };
    plan.components(inputs);
    plan.units(inputs.manifest);
    plan.settings(inputs.manifest);
    plan.extra_files(inputs);
    if plan.sysext {
        plan.extension_frame(inputs.manifest);
    }
    plan.finish(inputs.mtime_s)
}

/// The two trees while they grow.
struct Plan {
    root: Placer,
    extension: Placer,
    sysext: bool,
}

impl Plan {
    fn components(&mut self, inputs: &Inputs<'_>) {
        for component in &inputs.manifest.components {
            match inputs.components.iter().find(|files| files.name == component.name) {
                Some(files) => component.install.iter().for_each(|install| {
                    self.install(component, install, files);
                }),
                None => self.root.problem(
                    &component.name,
                    "nothing was fetched or built for this component".into(),
                    "run kiln lock again".into(),
                ),
            }
        }
    }

    fn install(&mut self, component: &Component, install: &Install, files: &ComponentFiles) {
        let wanted = |member: &&Member| install.member == "*" || member.path == install.member;
        let members: Vec<&Member> = files.files.iter().filter(wanted).collect();
        if members.is_empty() {
            let what = format!("component {} has no member '{}'", component.name, install.member);
            return self.root.problem(&install.path, what, members_it_has(files));
        }
        if members.len() > 1 && !install.path.ends_with('/') {
            let what = format!("{} files of component {} can't have one path", members.len(), component.name);
            return self.root.problem(&install.path, what, "end the path with '/'".into());
        }
        for member in members {
            let path = installed_path(install, member);
            let origin = Origin::Component { name: component.name.clone(), member: member.path.clone() };
            self.program(&path, install.mode, member.content.clone(), origin);
        }
    }

    /// Puts a component's file into ROOT, or into the extension with a link to it where the file was to be.
    fn program(&mut self, path: &str, mode: u16, content: Content, origin: Origin) {
        let file = Node::of(Kind::File(content), mode);
        match sysext::packed_path(path).filter(|_| self.sysext) {
            Some(packed) => {
                let link = Node::of(Kind::Symlink(packed.clone().into_bytes()), 0o777);
                self.root.put(path, link, origin.clone());
                self.extension.put_own(&packed, file, origin);
            }
            None => self.root.put(path, file, origin),
        }
    }

    fn units(&mut self, manifest: &Manifest) {
        for unit in &manifest.units {
            let origin = Origin::Unit { name: unit.name.clone() };
            if !units::is_unit_name(&unit.name) && !units::is_drop_in_name(&unit.name) {
                let fix = "give a name such as kubelet.service or docker.service.d/10-kiln.conf";
                self.root.problem(&unit.name, "is not the name of a systemd unit".into(), fix.into());
                continue;
            }
            let path = format!("{}/{}", units::install::FOLDER, unit.name);
            self.root.put(&path, text_file(&unit.text.text), origin);
        }
        enable::enable(&mut self.root, manifest);
    }

    fn settings(&mut self, manifest: &Manifest) {
        let from = |key: &str| Origin::Manifest { key: key.to_owned() };
        let layer = settings::baked_layer(manifest);
        self.root.put(crate::settings::BAKED_PATH, text_file(&layer), from("cluster"));
        // First boot puts the network's configuration there last; containerd watches the folder from its start.
        self.root.put("/etc/cni/net.d", Node::folder(), Origin::Kiln);
        if !manifest.sysctls.is_empty() {
            let text = settings::sysctls(&manifest.sysctls);
            // After the vendor's 10- to 60-; 99- is left to people.
            self.root.put("/etc/sysctl.d/90-kiln.conf", text_file(&text), from("sysctls"));
        }
        if !manifest.modules.is_empty() {
            let text = settings::modules(&manifest.modules);
            self.root.put("/etc/modules-load.d/kiln.conf", text_file(&text), from("modules"));
        }
    }

    fn extra_files(&mut self, inputs: &Inputs<'_>) {
        for (index, file) in inputs.manifest.files.iter().enumerate() {
            let origin = Origin::Manifest { key: format!("files[{index}]") };
            match extra_kind(file, inputs.local_files) {
                Ok(kind) => {
                    let node = Node { uid: file.uid, gid: file.gid, ..Node::of(kind, file.mode) };
                    self.root.put(&file.path, node, origin);
                }
                Err(what) => self.root.problem(&format!("files[{index}]"), what, String::new()),
            }
        }
    }

    fn extension_frame(&mut self, manifest: &Manifest) {
        let (path, text) = sysext::release_file(&manifest.name, manifest.arch);
        self.extension.put_own(&path, text_file(&text), Origin::Kiln);
        for (path, target) in sysext::links(&manifest.name) {
            self.root.put_own(&path, Node::of(Kind::Symlink(target.into_bytes()), 0o777), Origin::Kiln);
        }
    }

    fn finish(self, mtime_s: i64) -> Result<Draft, Problems> {
        let sysext = self.sysext;
        let (mut root, root_origins, mut problems) = self.root.into_parts();
        let (mut extension, extension_origins, more) = self.extension.into_parts();
        problems.extend(more);
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        clamp_times(&mut root, mtime_s);
        clamp_times(&mut extension, mtime_s);
        let extension = sysext.then_some(extension);
        Ok(Draft { root, extension, root_origins, extension_origins })
    }
}

impl Draft {
    /// Adds the packed extension (exactly when there is one to pack) and the image's own account.
    ///
    /// # Panics
    /// If `packed` is missing although the draft has an extension.
    pub fn finish(self, inputs: &Inputs<'_>, packed: Option<Content>) -> Planned {
        let Self { root, extension, root_origins, extension_origins } = self;
        let mut planned = Planned { tree: root, origins: root_origins };
        if extension.is_some() {
            let content = packed.expect("an extension is packed before the plan is finished");
            planned.add_own(&sysext::image_path(&inputs.manifest.name), content);
        }
        let sbom = super::sbom::render(inputs.manifest, inputs.lock, inputs.plan_digest, inputs.kiln_version);
        planned.add_own(provenance::SBOM_PATH, inline(sbom));
        let mut image = provenance::Image::of(inputs);
        image.list(&planned.tree, &planned.origins, None);
        if let Some(extension) = &extension {
            image.list(extension, &extension_origins, Some(sysext::image_path(&inputs.manifest.name)));
        }
        planned.add_own(provenance::IMAGE_PATH, inline(image.to_json()));
        clamp_times(&mut planned.tree, inputs.mtime_s);
        planned
    }
}

impl Planned {
    fn add_own(&mut self, path: &str, content: Content) {
        let path = TreePath::parse(path).expect("kiln's own paths are well formed");
        let added = self.tree.add(path.clone(), Node::of(Kind::File(content), 0o644));
        added.expect("kiln's own paths are refused to everyone else");
        self.origins.insert(path, Origin::Kiln);
    }
}

fn inline(text: String) -> Content {
    Content::Inline(Arc::from(text.into_bytes()))
}

fn text_file(text: &str) -> Node {
    Node::of(Kind::File(inline(text.to_owned())), 0o644)
}

fn clamp_times(tree: &mut Tree, mtime_s: i64) {
    let paths: Vec<TreePath> = tree.paths().map(|(path, _)| path.clone()).collect();
    for path in paths {
        tree.get_mut(&path).expect("the tree listed it").mtime_s = mtime_s;
    }
}

fn installed_path(install: &Install, member: &Member) -> String {
    let name = member.path.rsplit('/').next().unwrap_or(&member.path);
    if install.path.ends_with('/') { format!("{}{name}", install.path) } else { install.path.clone() }
}

/// How many names a message lists before it gets unreadable.
const NAMES_MAX: usize = 10;

fn members_it_has(files: &ComponentFiles) -> String {
    let names: Vec<&str> = files.files.iter().map(|member| member.path.as_str()).take(NAMES_MAX).collect();
    let more = files.files.len().saturating_sub(NAMES_MAX);
    match (names.as_slice(), more) {
        ([], _) => "it holds no file".into(),
        (names, 0) => format!("it holds {}", names.join(", ")),
        (names, more) => format!("it holds {} and {more} more", names.join(", ")),
    }
}

fn extra_kind(file: &ExtraFile, local_files: &BTreeMap<PathBuf, Content>) -> Result<Kind, String> {
    match &file.content {
        ExtraContent::Text(text) => Ok(Kind::File(inline(text.text.clone()))),
        ExtraContent::Folder => Ok(Kind::Folder),
        ExtraContent::File(path) => match local_files.get(path) {
            Some(content) => Ok(Kind::File(content.clone())),
            None => Err(format!("file '{}' was not read", path.display())),
        },
        // ext4 and the kernel's PATH_MAX: a target has 1 to 4095 bytes.
        ExtraContent::Link(target) if (1..=4095).contains(&target.len()) && !target.contains('\0') => {
            Ok(Kind::Symlink(target.clone().into_bytes()))
        }
        ExtraContent::Link(_) => Err("a link's target has 1 to 4095 bytes and no NUL".into()),
    }
}
