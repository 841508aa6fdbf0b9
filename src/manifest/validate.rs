// SPDX-License-Identifier: Apache-2.0
//! Validate: from what was typed to what is meant, with every problem of meaning told at its place.
//!
//! Each section validates alone and returns nothing when it is wrong; the whole is put together only when nothing was.

mod addon;
mod base;
mod cluster;
mod component;
mod content;
mod image;
mod origin;
mod outputs;
mod place;
pub mod settings;
mod source;
mod text;

use super::template::Templates;
use super::{Files, Manifest, raw};
use crate::marks::at::At;
use crate::marks::report::Report;

/// Returns the manifest that `raw` means, if nothing is wrong with it.
pub fn manifest(raw: raw::Manifest, at: &At<'_>, report: &mut Report, files: &dyn Files) -> Option<Manifest> {
    let name = raw.name.and_then(|name| place::output_name(name, &at.key("name"), report));
    let keys = content::keys(&raw.keys, &at.key("keys"), report);
    let arch = raw.arch;
    let base = raw.base.zip(arch).and_then(|(base, arch)| base::base(base, arch, &at.key("base"), report));
    let kubernetes = raw.cluster.as_ref().and_then(|cluster| cluster.kubernetes.as_ref());
    let kubernetes = cluster::kubernetes(kubernetes, &at.key("cluster").key("kubernetes"), report);
    let cluster =
        raw.cluster.as_ref().and_then(|cluster| cluster::cluster(cluster, &at.key("cluster"), report));
    let (cluster, cut) = cluster.unzip();
    settings::check(&at.key("settings"), &cut.unwrap_or_default(), report);
    let default = component::Defaults { arch, kubernetes: kubernetes.as_deref() };
    let components =
        component::components(raw.components.unwrap_or_default(), default, &at.key("components"), report);
    let images = image::images(raw.images, &components, default, &at.key("images"), report);
    settings::sandbox(&images, &at.key("settings"), report);
    let outputs = outputs::outputs(&raw.outputs, base.as_ref(), &at.key("outputs"), report);
    let modules = content::modules(raw.modules, &at.key("modules"), report);
    let sysctls = content::sysctls(raw.sysctls, &at.key("sysctls"), report);
    let has_values = content::variables(&raw.variables, &at.key("variables"), report);
    let templates = match (&name, arch, &cluster) {
        (Some(name), Some(arch), Some(cluster)) if has_values => {
            let (cluster, parts) =
                ((cluster, kubernetes.as_deref()), components.iter().map(|(part, _)| part));
            Some(Templates::new(name, arch, cluster, parts, &raw.variables))
        }
        _ => None,
    };
    let mut texts = text::Texts { files, templates, report };
    let addons = addon::addons(raw.addons, &at.key("addons"), &mut texts);
    let units = content::units(raw.units, &at.key("units"), &mut texts);
    let files = content::files(raw.files, &at.key("files"), &mut texts);
    place::conflicts(&components, &addons, &units, &files, report);
    let whole = report.is_clean().then_some((name?, arch?, base?, cluster?, outputs?));
    let (name, arch, base, cluster, outputs) = whole?;
    let (components, images) = (without_places(components), without_places(images));
    let (addons, units, files) = (without_places(addons), without_places(units), without_places(files));
    let (sysext, settings) = (raw.sysext, raw.settings.0);
    Some(Manifest {
        name,
        arch,
        base,
        components,
        images,
        cluster,
        settings,
        addons,
        units,
        files,
        modules,
        sysctls,
        keys,
        sysext,
        outputs,
    })
}

fn without_places<T>(placed: Vec<place::Placed<'_, T>>) -> Vec<T> {
    placed.into_iter().map(|(thing, _)| thing).collect()
}
