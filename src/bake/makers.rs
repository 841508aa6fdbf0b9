// SPDX-License-Identifier: Apache-2.0
//! Inputs that are built here: Go programs, base recipes, and the first-boot program of the running kiln.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::wanted::Wanted;
use crate::digest::Digest;
use crate::host::clock;
use crate::host::files;
use crate::host::go;
use crate::host::recipe::{self, Recipe};
use crate::host::scratch::Scratch;
use crate::lock::{BASE, Input, LockedFile};
use crate::manifest::{Arch, Source};
use crate::mark;
use crate::pin::{self, Made, MakeError, Makers, Mode};

/// Builds with what lies on a desk.
struct DeskMakers<'a> {
    desk: &'a Desk<'a>,
    folder: &'a Path,
    arch: Arch,
    /// Run the base's recipe also if its folder has not changed: Debian may have.
    is_afresh: bool,
}

/// The time that everything in a recipe's base gets: 2026-01-01. Any fixed time will do; later than the packages'
/// own files would make the clamp pointless, earlier than the systemd build would make it warn.
const SOURCE_DATE_EPOCH_S: u64 = 1_767_225_600;

/// Kind of the records that say which base a recipe made.
const RECIPES: &str = "recipe";

#[derive(Debug, Serialize, Deserialize)]
struct Recorded {
    disk: Digest,
    from: BTreeMap<String, String>,
}

/// Hands `run` the world that pinning works with.
pub(super) fn with_world<T>(
    desk: &Desk<'_>,
    wanted: &Wanted,
    mode: &Mode,
    run: impl FnOnce(&pin::World<'_>) -> T,
) -> T {
    let arch = wanted.manifest.arch;
    let makers = DeskMakers { desk, folder: &wanted.folder, arch, is_afresh: is_afresh(mode) };
    run(&pin::World {
        cache: desk.cache,
        downloads: desk.downloads,
        runtime: desk.runtime,
        makers: &makers,
        folder: &wanted.folder,
        progress: desk.progress,
        now_s: clock::now_s(),
    })
}

/// Tells whether the base's pin is to be moved.
fn is_afresh(mode: &Mode) -> bool {
    matches!(mode, Mode::Upgrade(names) if names.is_empty() || names.contains(BASE))
}

impl Makers for DeskMakers<'_> {
    fn make(&self, input: &Input<'_>, is_offline: bool) -> Result<Made, MakeError> {
        match input.source {
            Source::Go(go) => self.go(input.name, go, is_offline),
            Source::Recipe { folder } => self.recipe(&self.folder.join(folder), is_offline),
            Source::Itself => self.itself(),
            Source::Release(_) | Source::Url { .. } | Source::File { .. } => {
                Err(format!("{} is fetched, not built", input.name).into())
            }
        }
    }
}

impl DeskMakers<'_> {
    fn go(&self, component: &str, go: &crate::manifest::Go, is_offline: bool) -> Result<Made, MakeError> {
        let Desk { cache, environment, progress, .. } = *self.desk;
        let builder = go::Builder { cache, environment, is_offline, progress };
        let built = builder.build(&go::Order { component, root: self.folder, go, arch: self.arch })?;
        Ok(Made { files: built.files, from: built.from })
    }

    /// Runs the recipe unless its folder is what it was when it ran last and the base is still in the cache.
    fn recipe(&self, folder: &Path, is_offline: bool) -> Result<Made, MakeError> {
        let Desk { cache, environment, progress, .. } = *self.desk;
        let recipe = Recipe::look(folder)?;
        let key = recipe.key(self.arch.name(), SOURCE_DATE_EPOCH_S).to_string();
        let recorded = cache.record_get(RECIPES, &key)?;
        let recorded = recorded.and_then(|json| serde_json::from_slice::<Recorded>(&json).ok());
        if let Some(Recorded { disk, from }) = recorded.filter(|_| !self.is_afresh)
            && let Some(blob) = cache.get(&disk)
        {
            return Ok(one("disk.raw", blob.size, disk, from));
        }
        if is_offline {
            return Err(
                "its base is not in the cache, and --offline runs no recipe; run `kiln fetch` first".into()
            );
        }
        let scratch = Scratch::new(&cache.root().join("scratch"))?;
        let order = recipe::Order {
            out: scratch.path(),
            arch: self.arch.name(),
            source_date_epoch_s: SOURCE_DATE_EPOCH_S,
            environment,
        };
        let built = recipe.run(&order, progress)?;
        let blob = cache.put_file(&built.disk)?;
        let record = Recorded { disk: blob.digest, from: built.from.clone() };
        cache.record_put(RECIPES, &key, &serde_json::to_vec(&record)?)?;
        Ok(one("disk.raw", blob.size, blob.digest, built.from))
    }

    /// Takes the kiln-firstboot that was built together with the running kiln.
    fn itself(&self) -> Result<Made, MakeError> {
        let (path, kiln) = (self.desk.firstboot, self.desk.kiln);
        let bytes = files::read(path, FIRSTBOOT_MAX_BYTES);
        let bytes =
            bytes.map_err(|error| format!("{error}: {}; build both programs together", error.source))?;
        if memchr::memmem::find(&bytes, mark::FIRSTBOOT.as_bytes()).is_none() {
            let path = path.display();
            return Err(format!(
                "{path} is not the kiln-firstboot of kiln {kiln}; build both programs together"
            )
            .into());
        }
        let blob = self.desk.cache.put_bytes(&bytes)?;
        Ok(one("kiln-firstboot", blob.size, blob.digest, BTreeMap::from([("kiln".into(), kiln.into())])))
    }
}

/// Several times what it needs.
const FIRSTBOOT_MAX_BYTES: u64 = 64 << 20;

fn one(name: &str, size: u64, sha256: Digest, from: BTreeMap<String, String>) -> Made {
    Made { files: BTreeMap::from([(name.to_owned(), LockedFile { size, sha256 })]), from }
}
