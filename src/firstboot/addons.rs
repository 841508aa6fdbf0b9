// SPDX-License-Identifier: Apache-2.0
//! Addons on the control plane: what the image's texts mean for this cluster, and which of them were applied before. Pure.
//!
//! Each is applied until it has succeeded once. After that the objects belong to the cluster's administrators: what they
//! change or delete stays so at later boots, unless the text or the settings in it become others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bootstrap::{Object, Plan};
use super::volume::KEPT;
use crate::addon::{self, AddonError, SUFFIX};
use crate::digest::Digest;
use crate::settings::Settings;

/// Where is written down what was applied, on a machine without a data volume.
const DONE: &str = "/var/lib/kiln/addons.json";

/// An addon of this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Addon {
    /// Its name.
    pub name: String,
    /// Digest of its text with the cluster's values.
    pub digest: Digest,
    /// What it is made of, in order.
    pub objects: Vec<Object>,
}

/// Returns where is written down what was applied: it is about the cluster, not the machine.
pub fn done(settings: &Settings) -> String {
    match settings.control_plane.data_volume {
        Some(_) => format!("{KEPT}/addons.json"),
        None => DONE.to_owned(),
    }
}

/// What was applied: by the addon's name, the digest of its text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Done(BTreeMap<String, Digest>);

impl Addon {
    /// Returns what the file called `file` means; none for a file that is no addon.
    ///
    /// # Errors
    /// In words, with the addon's name.
    pub fn read(file: &str, text: &str, settings: &Settings) -> Option<Result<Self, String>> {
        let name = file.strip_suffix(SUFFIX).filter(|name| !name.is_empty() && !name.starts_with('.'))?;
        let parsed = || -> Result<Self, AddonError> {
            let filled = addon::filled(text, &settings.addon_values())?;
            let objects = addon::objects(&filled)?.into_iter().map(|value| Object { value }).collect();
            Ok(Self { name: name.to_owned(), digest: Digest::of(filled.as_bytes()), objects })
        };
        Some(parsed().map_err(|error| format!("{name}: {error}")))
    }

    /// Returns its requests.
    pub fn plan(&self) -> Plan {
        Plan::applying(self.objects.clone())
    }
}

impl Done {
    /// Reads what was written; a text that makes no sense means that nothing is known.
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Returns the text to write.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a map of texts") + "\n"
    }

    /// Returns whether this very text was applied.
    pub fn has(&self, addon: &Addon) -> bool {
        self.0.get(&addon.name) == Some(&addon.digest)
    }

    /// Notes that it was.
    pub fn add(&mut self, addon: &Addon) {
        self.0.insert(addon.name.clone(), addon.digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COREDNS: &str = include_str!("../../image/addons/coredns.yaml");

    fn settings(services: &str) -> Settings {
        let text = format!(
            "{{version: 1, image: x, role: control-plane, cluster: {{pods: [10.244.0.0/16, 'fd00:1::/48'], \
             services: [{services}], nodes_max: 250, surge: 6, pods_max: 110}}}}"
        );
        serde_yaml::from_str(&text).unwrap()
    }

    #[test]
    fn coredns_answers_where_kubelet_sends_pods() {
        for services in ["10.96.0.0/16", "10.1.2.0/24", "'fd00:10:96::/112', 10.96.0.0/16"] {
            let settings = settings(services);
            let addon = Addon::read("coredns.yaml", COREDNS, &settings).unwrap().unwrap();
            let service = addon.objects.iter().find(|object| object.kind() == "Service").unwrap();
            let wanted = crate::firstboot::network::kubelet::cluster_dns(&settings).unwrap();
            assert_eq!(service.value["spec"]["clusterIP"], wanted.to_string());
            assert!(addon.objects.iter().all(|object| !object.value.to_string().contains("KILN_")));
        }
    }

    #[test]
    fn what_was_applied_is_so_until_text_or_settings_change() {
        let read =
            |services: &str| Addon::read("coredns.yaml", COREDNS, &settings(services)).unwrap().unwrap();
        let (addon, mut done) = (read("10.96.0.0/16"), Done::default());
        assert!(!done.has(&addon));
        done.add(&addon);
        assert!(Done::parse(&done.text()).has(&addon));
        assert!(!done.has(&read("10.97.0.0/16")));
        assert_eq!(Done::parse("{"), Done::default());
    }

    #[test]
    fn other_files_are_no_addons_and_wrong_ones_are_told_by_name() {
        let settings = settings("10.96.0.0/16");
        for file in ["notes.txt", ".coredns.yaml", ".yaml", "coredns.yaml~"] {
            assert_eq!(Addon::read(file, "", &settings), None, "{file}");
        }
        let error = Addon::read("x.yaml", "a: 1\n", &settings).unwrap().unwrap_err();
        assert_eq!(error, "x: document 1 has no apiVersion");
    }
}
