// SPDX-License-Identifier: Apache-2.0
//! Facts of an image that a publication depends on, from the account that the image itself carries and its block list.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::journal::Journal;
use super::seen::tag;
use crate::bake::carried::Carried;
use crate::bake::provenance;
use crate::blocks::BlockList;
use crate::cloud::Image;
use crate::digest::Digest;
use crate::lock::BASE;
use crate::manifest::{Arch, Manifest};
use crate::problem::{Problem, Problems};

/// The flavour of base that reads user-data from EC2 (`oem_id=ec2`).
pub const FLAVOUR: &str = "ami";

/// What an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its name.
    pub name: String,
    /// What its programs are built for.
    pub arch: Arch,
    /// Version of the kiln that baked it.
    pub kiln: String,
    /// Digest of the bake's plan.
    pub plan: Digest,
    /// Versions of what went in, by name, where they have one; the base is among them.
    pub versions: BTreeMap<String, String>,
    /// Digest of the base's file, as the lock pins it.
    pub base: Option<Digest>,
    /// The digests of its blocks.
    pub blocks: BlockList,
    /// The digest of the image: [`BlockList::digest`].
    pub digest: Digest,
}

impl Facts {
    /// Puts the facts of the image `file` together.
    ///
    /// # Errors
    /// If the image is not for AWS.
    pub fn of(
        file: &Path,
        account: &provenance::Image,
        carried: Option<&Carried>,
        blocks: BlockList,
    ) -> Result<Self, Problems> {
        let manifest = carried.map(|carried| &carried.manifest);
        let fit = manifest.filter(|manifest| manifest.base.flavour == FLAVOUR);
        let arch = fit.ok_or_else(|| unfit(file, manifest))?.arch;
        let inputs = &account.lock.inputs;
        let version = |name: &str| inputs.get(name)?.version.clone();
        let versions = inputs.keys().filter_map(|name| Some((name.clone(), version(name)?))).collect();
        let base = inputs.get(BASE).and_then(|base| Some(base.files.values().next()?.sha256));
        let (name, kiln, plan) = (account.name.clone(), account.kiln.clone(), account.plan);
        Ok(Self { name, arch, kiln, plan, versions, base, digest: blocks.digest(), blocks })
    }

    /// Returns what templates of a target may show.
    pub fn values(&self) -> Value {
        let short = |digest: &Digest| digest.to_string()[..12].to_owned();
        let named = |name: &String| name.replace(['-', '.'], "_");
        let versions: BTreeMap<String, &String> =
            self.versions.iter().map(|(name, version)| (named(name), version)).collect();
        json!({
            "name": self.name, "arch": self.arch, "kiln": self.kiln, "versions": versions,
            "image": short(&self.digest), "plan": short(&self.plan),
        })
    }

    /// Returns whether an image holds this one: by its tag, or because the journal says so, which a tag may not show yet.
    pub fn is_held_by(&self, image: &Image, journal: &Journal) -> bool {
        let is_tagged = image.tags.get(tag::IMAGE).is_some_and(|digest| *digest == self.digest.to_string());
        is_tagged || journal.images.values().any(|id| *id == image.id)
    }

    /// Returns the size of the smallest volume that holds the image, in GiB.
    pub fn volume_gib(&self) -> u64 {
        self.blocks.size.div_ceil(1 << 30)
    }
}

fn unfit(file: &Path, manifest: Option<&Manifest>) -> Problems {
    let what = match manifest {
        Some(manifest) => {
            let flavour = &manifest.base.flavour;
            format!("the image was baked for flavour '{flavour}', whose first boot asks EC2 for nothing")
        }
        None => "the image does not carry its manifest: an older kiln made it".to_owned(),
    };
    let fix = Some(format!("set base.flavour: {FLAVOUR} in its manifest and bake it again"));
    Problems(vec![Problem { file: file.to_owned(), place: None, key: String::new(), what, fix }])
}
