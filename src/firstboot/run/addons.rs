// SPDX-License-Identifier: Apache-2.0
//! Flow: the addons phase of a control plane. Each addon that was not applied yet is, for itself; one that fails is told and
//! keeps no other away.

use super::super::addons::{self, Addon, Done};
use super::super::apply::ApplyError;
use super::super::apply_plane;
use super::super::reason::Reason;
use super::{Diary, Ending, READY_LIMIT, Run, RunError};
use crate::addon;

/// Several times what the largest collections of objects have.
const TEXT_MAX_BYTES: u64 = 8 << 20;

impl Run<'_> {
    /// Applies what is in the folder of addons and was not applied before. Where that is nothing, nobody is asked.
    ///
    /// # Errors
    /// When this machine fails: its disk, its kernel.
    pub async fn addons(&self, diary: &mut Diary) -> Result<Ending, RunError> {
        let (seen, _) = self.look()?;
        let path = addons::done(self.settings);
        let done = self.root.text(&path, TEXT_MAX_BYTES).map_err(ApplyError::from)?;
        let mut done = done.map(|text| Done::parse(&text)).unwrap_or_default();
        let (mut open, mut failures) = (Vec::new(), Vec::new());
        for addon in self.read_addons()? {
            match addon {
                Ok(addon) => open.extend((!done.has(&addon)).then_some(addon)),
                Err(why) => failures.push(why),
            }
        }
        if open.is_empty() {
            return Ok(diary.end(self.root, Reason::of_addons(failures), seen, Default::default()));
        }
        let admins = match apply_plane::admins(self.root, self.settings)? {
            Ok(admins) => admins,
            Err(reason) => return Ok(diary.end(self.root, Some(reason), seen, Default::default())),
        };
        let seed = seen.machine.chance as u64;
        if let Err(reason) = self.ready(diary, &admins, seed, READY_LIMIT).await? {
            return Ok(diary.end(self.root, Some(reason), seen, admins.counts()));
        }
        let mut warnings = Vec::new();
        for addon in open {
            match self.objects(diary, &admins, seed, &addon.plan()).await? {
                Ok(found) => {
                    done.add(&addon);
                    let written = self.root.replace(&path, done.text().as_bytes(), 0o600);
                    written.map_err(ApplyError::from)?;
                    warnings.extend(found);
                }
                Err(reason) => failures.push(format!("{}: {reason}", addon.name)),
            }
        }
        let ending = diary.end(self.root, Reason::of_addons(failures), seen, admins.counts());
        Ok(Ending { warnings, ..ending })
    }

    /// Returns the addons in the order of their names, or what is wrong with each.
    fn read_addons(&self) -> Result<Vec<Result<Addon, String>>, RunError> {
        let mut addons = Vec::new();
        let mut names = self.root.list(addon::FOLDER).map_err(ApplyError::from)?;
        names.sort();
        for name in names {
            let path = format!("{}/{name}", addon::FOLDER);
            let text = self.root.text(&path, TEXT_MAX_BYTES).map_err(ApplyError::from)?.unwrap_or_default();
            addons.extend(Addon::read(&name, &text, self.settings));
        }
        Ok(addons)
    }
}
