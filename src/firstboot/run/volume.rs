// SPDX-License-Identifier: Apache-2.0
//! Flow: the volume phase of a control plane, before all else. Its unit sees this machine's mounts and devices as they are.

use std::time::{Duration, Instant};

use super::super::apply::ApplyError;
use super::super::look::LookError;
use super::super::look_volume;
use super::super::observed::Observed;
use super::super::outcome::Outcome;
use super::super::reason::Reason;
use super::super::step::Step;
use super::super::volume::{self, BLOCK_BYTES, Device, LABEL, MARK, MOUNT, NOTE, Next, Seen};
use super::{Diary, Ending, Run, RunError, TURNS_MAX, Waits};
use crate::host::{self, files};

/// A volume is attached when its machine runs. Whoever looks at the console is told after this long what is waited for.
const LIMIT: Duration = Duration::from_secs(60);
/// The device's smallest unit; a write of one is whole or not there.
const SECTOR_BYTES: usize = 512;

impl Run<'_> {
    /// Waits for the data volume, formats it if it is blank, mounts it and records which one it is. Nothing, where the
    /// settings name none.
    ///
    /// # Errors
    /// When this machine fails: its disks, its kernel, mke2fs.
    pub async fn volume(&self, diary: &mut Diary) -> Result<Ending, RunError> {
        let end = |diary: &mut Diary, reason| {
            Ok(diary.end(self.root, reason, Observed::default(), Default::default()))
        };
        let Some(name) = &self.settings.control_plane.data_volume else { return end(diary, None) };
        let until = Instant::now() + LIMIT;
        let mut waits = Waits::new(Some(until), 0, until);
        let mut is_formatted = false;
        for _ in 0..TURNS_MAX {
            let seen = self.look_at_volume(name, is_formatted)?;
            match volume::next(name, &seen) {
                Next::Do(step) => {
                    let begun = Instant::now();
                    let done = self.see_to(name, &seen, &step).map(|()| Outcome::Changed);
                    is_formatted |= step == volume::Step::Format;
                    self.took_down(diary, &Step::Volume(step), begun, done)?;
                }
                Next::Wait(trouble) => {
                    let reason = Reason::from(trouble);
                    if !waits.may_wait(&reason) {
                        return end(diary, Some(reason));
                    }
                    waits.wait(&reason).await;
                }
                Next::Stuck(trouble) => return end(diary, Some(trouble.into())),
                Next::Done => return end(diary, None),
            }
        }
        Err(RunError::Turns("see to the data volume".to_owned()))
    }

    /// Returns what the volume phase would do next; nothing, where there is no volume.
    ///
    /// # Errors
    /// When this machine can't be looked at.
    pub fn next_of_volume(&self) -> Result<Option<Next>, RunError> {
        let Some(name) = &self.settings.control_plane.data_volume else { return Ok(None) };
        Ok(Some(volume::next(name, &self.look_at_volume(name, false)?)))
    }

    fn look_at_volume(&self, name: &str, is_formatted: bool) -> Result<Seen, RunError> {
        Ok(look_volume::look(self.root, name, is_formatted).map_err(LookError::from)?)
    }

    fn see_to(&self, name: &str, seen: &Seen, step: &volume::Step) -> Result<(), ApplyError> {
        let path = self.root.at(&volume::device(name));
        let Device::There { len, .. } = seen.device else { return Err(ApplyError::Moved(step.to_string())) };
        let mark_at = volume::mark_at(len);
        match step {
            volume::Step::Mark => {
                let mut sector = [0; SECTOR_BYTES];
                sector[..MARK.len()].copy_from_slice(MARK.as_bytes());
                Ok(host::volume::write(&path, mark_at, &sector)?)
            }
            volume::Step::Format => {
                Ok(host::volume::format(&path, LABEL, BLOCK_BYTES, mark_at / BLOCK_BYTES)?)
            }
            volume::Step::Unmark => Ok(host::volume::write(&path, mark_at, &[0; SECTOR_BYTES])?),
            volume::Step::Mount => {
                files::make_folder(&self.root.at(MOUNT))?;
                Ok(host::volume::mount(&path, &self.root.at(MOUNT))?)
            }
            volume::Step::Note(uuid) => {
                let note = volume::Note { uuid: uuid.clone() };
                let text = serde_json::to_string_pretty(&note).expect("a text") + "\n";
                Ok(self.root.replace(NOTE, text.as_bytes(), 0o600)?)
            }
        }
    }
}
