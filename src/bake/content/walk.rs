// SPDX-License-Identifier: Apache-2.0
//! Walks through a manifest and places what each of its keys asks for, on ROOT or in the extension.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::place::Placer;
use super::{ComponentFiles, Draft, ImageFile, Inputs, Member, clamp_times, enable, inline, text_file};
use crate::addon;
use crate::bake::origin::Origin;
use crate::bake::{settings, sysext, units};
use crate::containerd;
use crate::manifest::{Addon, Component, ExtraContent, ExtraFile, Install, Manifest};
use crate::preload::{self, Preload, Preloaded};
use crate::problem::Problems;
use crate::tree::{Content, Kind, Node};

/// The two trees while they grow.
pub(super) struct Plan {
    root: Placer,
    extension: Placer,
    sysext: bool,
}

impl Plan {
    pub(super) fn new(inputs: &Inputs<'_>) -> Self {
        Self {
            root: Placer::new(inputs.manifest_path),
            extension: Placer::new(inputs.manifest_path),
            sysext: inputs.manifest.sysext,
        }
    }

    pub(super) fn components(&mut self, inputs: &Inputs<'_>) {
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
        let wanted =
            |member: &&Member| install.member == "*" || plain(&member.path) == plain(&install.member);
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

    /// Archives, and the list that first boot reads. They stay out of the extension: runtimes read them once.
    pub(super) fn images(&mut self, inputs: &Inputs<'_>) {
        let mut images = Vec::new();
        for ImageFile { name, names, digest, content, program: _ } in inputs.images {
            let archive = format!("{}/{name}.tar", preload::FOLDER);
            let origin = Origin::Image { name: name.clone() };
            self.root.put_own(&archive, Node::of(Kind::File(content.clone()), 0o644), origin);
            images.push(Preloaded { archive, names: names.clone(), digest: format!("sha256:{digest}") });
        }
        if !images.is_empty() {
            let list = Preload { version: preload::VERSION, images }.to_json();
            self.root.put_own(preload::INDEX, text_file(&list), Origin::Kiln);
        }
    }

    pub(super) fn addons(&mut self, manifest: &Manifest) {
        for Addon { name, text } in &manifest.addons {
            let origin = Origin::Manifest { key: format!("addon {name}") };
            self.root.put(&addon::path(name), text_file(&text.text), origin);
        }
    }

    pub(super) fn units(&mut self, manifest: &Manifest) {
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

    pub(super) fn settings(&mut self, manifest: &Manifest) {
        let from = |key: &str| Origin::Manifest { key: key.to_owned() };
        let layer = settings::baked_layer(manifest);
        self.root.put(crate::settings::BAKED_PATH, text_file(&layer), from("cluster"));
        if let Some(text) = settings::containerd(manifest) {
            self.root.put(containerd::CONFIGURATION, text_file(&text), Origin::Kiln);
        }
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

    pub(super) fn extra_files(&mut self, inputs: &Inputs<'_>) {
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

    /// What lets systemd find and accept the extension.
    pub(super) fn extension_frame(&mut self, manifest: &Manifest) {
        if !self.sysext {
            return;
        }
        let (path, text) = sysext::release_file(&manifest.name, manifest.arch);
        self.extension.put_own(&path, text_file(&text), Origin::Kiln);
        for (path, target) in sysext::links(&manifest.name) {
            self.root.put_own(&path, Node::of(Kind::Symlink(target.into_bytes()), 0o777), Origin::Kiln);
        }
    }

    pub(super) fn finish(self, mtime_s: i64) -> Result<Draft, Problems> {
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

/// Leaves out what tar puts before its members' names.
fn plain(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
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
