// SPDX-License-Identifier: Apache-2.0
//! FAT by the crate fatfs. FAT has neither owners nor modes; folders show 0755 and files 0644, as the kernel does.

use std::collections::BTreeMap;
use std::io::Read;

use fatfs::{Date, DateTime, DirEntry, FsOptions};

use super::cursor::{Budget, Cursor, Slice};
use super::filesystem::ENTRIES_MAX;
use super::{Entry, Fault, FileKind, FileSystem, Stat, probe};
use crate::disk::ReadAt;
use crate::tree::TreePath;

struct Fat {
    fat: fatfs::FileSystem<Cursor>,
    budget: Budget,
    size: u64,
}

/// Opens the FAT filesystem in `slice`.
pub(super) fn open(slice: Slice) -> Result<Box<dyn FileSystem>, Fault> {
    let budget = Budget::default();
    budget.renew();
    let size = slice.size();
    let options = FsOptions::new().update_accessed_date(false);
    let fat = fatfs::FileSystem::new(Cursor::new(slice, budget.clone()), options).map_err(fault)?;
    Ok(Box::new(Fat { fat, budget, size }))
}

impl Fat {
    fn dir(&self, path: &TreePath) -> Result<fatfs::Dir<'_, Cursor>, Fault> {
        self.budget.renew();
        path.parts().iter().try_fold(self.fat.root_dir(), |dir, name| {
            let entry = find(&dir, name)?;
            if entry.is_dir() { Ok(entry.to_dir()) } else { Err(Fault::NotAFolder(entry.file_name())) }
        })
    }

    fn entry(&self, path: &TreePath) -> Result<Option<DirEntry<'_, Cursor>>, Fault> {
        let Some(parent) = path.parent() else { return Ok(None) };
        find(&self.dir(&parent)?, path.name()).map(Some)
    }
}

/// Finds a name the way FAT does: without regard to case.
fn find<'a>(dir: &fatfs::Dir<'a, Cursor>, name: &[u8]) -> Result<DirEntry<'a, Cursor>, Fault> {
    for entry in dir.iter().take(ENTRIES_MAX) {
        let entry = entry.map_err(fault)?;
        if entry.file_name().as_bytes().eq_ignore_ascii_case(name) {
            return Ok(entry);
        }
    }
    Err(Fault::NotFound)
}

impl FileSystem for Fat {
    fn list(&self, folder: &TreePath) -> Result<Vec<Entry>, Fault> {
        let mut entries = Vec::new();
        for entry in self.dir(folder)?.iter().take(ENTRIES_MAX + 3) {
            let entry = entry.map_err(fault)?;
            entries.push(Entry { name: entry.file_name().into_bytes(), stat: stat(&entry) });
        }
        Ok(entries)
    }

    fn stat(&self, path: &TreePath) -> Result<Stat, Fault> {
        Ok(self.entry(path)?.map_or(
            Stat { kind: FileKind::Folder, mode: 0o755, uid: 0, gid: 0, size: 0, mtime_s: 0 },
            |entry| stat(&entry),
        ))
    }

    fn read_link(&self, _path: &TreePath) -> Result<Vec<u8>, Fault> {
        Err(Fault::NotAFile("file or folder of FAT, which has no symbolic links"))
    }

    fn open(&self, path: &TreePath) -> Result<Box<dyn Read + '_>, Fault> {
        let entry = self.entry(path)?.ok_or(Fault::NotAFile("folder"))?;
        // FAT has no holes: a larger file goes round in circles.
        if entry.len() > self.size {
            return Err(Fault::Corrupt(probe::FAT, "a file is larger than the filesystem".to_owned()));
        }
        Ok(Box::new(File { file: entry.to_file(), budget: self.budget.clone() }))
    }

    fn xattrs(&self, _path: &TreePath) -> Result<Option<BTreeMap<String, Vec<u8>>>, Fault> {
        Ok(Some(BTreeMap::new()))
    }
}

struct File<'a> {
    file: fatfs::File<'a, Cursor>,
    budget: Budget,
}

impl Read for File<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.budget.renew();
        self.file.read(buffer)
    }
}

fn stat(entry: &DirEntry<'_, Cursor>) -> Stat {
    let (kind, mode) = if entry.is_dir() { (FileKind::Folder, 0o755) } else { (FileKind::File, 0o644) };
    Stat { kind, mode, uid: 0, gid: 0, size: entry.len(), mtime_s: seconds(entry.modified()) }
}

/// FAT's times are local ones of an unknown zone; the kernel takes them for UTC, too, when it is not told otherwise.
fn seconds(DateTime { date: Date { year, month, day }, time }: DateTime) -> i64 {
    // Days from the civil calendar, with years that begin in March, so that leap days come last.
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    days * 86_400 + i64::from(time.hour) * 3600 + i64::from(time.min) * 60 + i64::from(time.sec)
}

fn fault(error: std::io::Error) -> Fault {
    match error.kind() {
        _ if error.raw_os_error().is_some() => error.into(),
        std::io::ErrorKind::NotFound => Fault::NotFound,
        _ => Fault::Corrupt(probe::FAT, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_1970() {
        let time = |year, month, day, hour, min, sec| {
            seconds(DateTime {
                date: Date { year, month, day },
                time: fatfs::Time { hour, min, sec, millis: 0 },
            })
        };
        assert_eq!(time(1970, 1, 1, 0, 0, 0), 0);
        assert_eq!(time(1980, 1, 1, 0, 0, 0), 315_532_800);
        assert_eq!(time(2024, 2, 29, 12, 34, 56), 1_709_210_096);
        assert_eq!(time(2107, 12, 31, 23, 59, 58), 4_354_819_198);
    }
}
