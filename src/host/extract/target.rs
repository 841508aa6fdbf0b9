// SPDX-License-Identifier: Apache-2.0
//! Making files, links and folders inside an open folder, by single names and without following links.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, fchmod, fstatat, futimens, mkdirat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, linkat, symlinkat, unlinkat};

use crate::decode::sparse::data_runs;
use crate::host::fault;
use crate::host::files::{self, FileError};
use crate::read::Stat;

/// Bytes copied at once.
const PIECE_BYTES: usize = 256 << 10;

/// Whether something was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    New,
    Kept,
}

/// Mode, owner and time, as far as they may be kept.
pub(super) struct Attributes {
    mode: Mode,
    owner: Option<(Uid, Gid)>,
    time: TimeSpec,
}

impl Attributes {
    /// Only root may give files away; and a set-id bit for another owner than in the image would be a trap.
    pub(super) fn of(stat: &Stat, privileged: bool) -> Self {
        let kept = if privileged { 0o7777 } else { 0o1777 };
        let owner = privileged.then(|| (Uid::from_raw(stat.uid), Gid::from_raw(stat.gid)));
        let mode = Mode::from_bits_truncate(u32::from(stat.mode & kept));
        Self { mode, owner, time: TimeSpec::new(stat.mtime_s, 0) }
    }

    pub(super) fn apply(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        if let Some((uid, gid)) = self.owner {
            fchown(file, Some(uid), Some(gid))?;
        }
        // After the owner, the change of which takes set-id bits away.
        fchmod(file, self.mode)?;
        Ok(futimens(file, &self.time, &self.time)?)
    }

    fn apply_to_link(&self, folder: &OwnedFd, name: &[u8]) -> io::Result<()> {
        if let Some((uid, gid)) = self.owner {
            fchownat(folder, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        }
        Ok(utimensat(folder, name, &self.time, &self.time, UtimensatFlags::NoFollowSymlink)?)
    }
}

/// Returns a name as the system wants it.
pub(super) fn os(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}

/// Opens the folder that the person named; links in that name are the person's own.
pub(super) fn open_root(folder: &Path) -> Result<OwnedFd, FileError> {
    files::open(folder).map(OwnedFd::from)
}

/// Tells whether there is something of that name.
pub(super) fn exists(folder: &OwnedFd, name: &[u8]) -> bool {
    fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
}

/// Makes a folder, or opens the one that is there; tells whether it is new.
pub(super) fn make_folder(parent: &OwnedFd, name: &[u8]) -> io::Result<(OwnedFd, bool)> {
    fault::check_write()?;
    let new = match mkdirat(parent, name, Mode::S_IRWXU) {
        Ok(()) => true,
        Err(Errno::EEXIST) => false,
        Err(errno) => return Err(errno.into()),
    };
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    Ok((openat(parent, name, flags, Mode::empty())?, new))
}

/// Makes a symbolic link; one that is there is replaced in one step, or kept.
pub(super) fn make_link(
    folder: &OwnedFd,
    name: &[u8],
    target: &[u8],
    attributes: &Attributes,
    force: bool,
) -> io::Result<Made> {
    fault::check_write()?;
    match symlinkat(target, folder, name) {
        Ok(()) => attributes.apply_to_link(folder, name).map(|()| Made::New),
        Err(Errno::EEXIST) if !force => Ok(Made::Kept),
        Err(Errno::EEXIST) => {
            let temporary = temporary_name();
            symlinkat(target, folder, &temporary[..])?;
            attributes.apply_to_link(folder, &temporary)?;
            replace(folder, &temporary, name)
        }
        Err(errno) => Err(errno.into()),
    }
}

/// What went wrong with a copy.
pub(super) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// A file that has no name of its own yet; it disappears unless it is put in place.
pub(super) struct NewFile<'a> {
    folder: &'a OwnedFd,
    file: File,
    temporary: Option<Vec<u8>>,
}

impl<'a> NewFile<'a> {
    /// Makes a file without a name, or with a temporary one where the filesystem can't do that.
    pub(super) fn make(folder: &'a OwnedFd) -> io::Result<Self> {
        fault::check_write()?;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
        if let Ok(file) = openat(folder, ".", flags | OFlag::O_TMPFILE, mode) {
            return Ok(Self { folder, file: file.into(), temporary: None });
        }
        let name = temporary_name();
        let file =
            openat(folder, &name[..], flags | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW, mode)?;
        Ok(Self { folder, file: file.into(), temporary: Some(name) })
    }

    /// Writes all that `from` gives; grains of zeros become holes.
    pub(super) fn fill(&self, from: &mut dyn Read) -> Result<(), CopyError> {
        let mut piece = vec![0; PIECE_BYTES];
        let mut offset = 0;
        loop {
            let count = match from.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(CopyError::Read(error)),
            };
            for run in data_runs(&piece[..count], offset) {
                let at = offset + run.start as u64;
                let written = fault::check_write().and_then(|()| self.file.write_all_at(&piece[run], at));
                written.map_err(CopyError::Write)?;
            }
            offset += count as u64;
        }
        self.file.set_len(offset).map_err(CopyError::Write)
    }

    /// Gives the file its attributes and its name.
    pub(super) fn put_in_place(
        mut self,
        name: &[u8],
        attributes: &Attributes,
        force: bool,
    ) -> io::Result<Made> {
        attributes.apply(self.file.as_fd())?;
        match self.link(name) {
            Ok(()) => Ok(Made::New),
            Err(Errno::EEXIST) if !force => Ok(Made::Kept),
            Err(Errno::EEXIST) => {
                if self.temporary.is_none() {
                    let temporary = temporary_name();
                    self.link(&temporary)?;
                    self.temporary = Some(temporary);
                }
                replace(self.folder, &self.temporary.take().expect("it was just named"), name)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Gives the file another name, which must be free.
    fn link(&self, name: &[u8]) -> nix::Result<()> {
        if let Some(temporary) = &self.temporary {
            return linkat(self.folder, &temporary[..], self.folder, name, AtFlags::empty());
        }
        // open(2), O_TMPFILE: the link in /proc is how an unprivileged process names such a file.
        let file = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        linkat(AT_FDCWD, file.as_str(), self.folder, name, AtFlags::AT_SYMLINK_FOLLOW)
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nothing can be done about a failure here.
            let _ = unlinkat(self.folder, &temporary[..], UnlinkatFlags::NoRemoveDir);
        }
    }
}

fn replace(folder: &OwnedFd, temporary: &[u8], name: &[u8]) -> io::Result<Made> {
    let replaced = is_replaceable(folder, name)
        .and_then(|()| Ok(renameat(folder, temporary, folder, name)?))
        .map(|()| Made::New);
    if replaced.is_err() {
        // That failure is what counts.
        let _ = unlinkat(folder, temporary, UnlinkatFlags::NoRemoveDir);
    }
    replaced
}

/// Whoever means to replace files does not mean devices and pipes.
fn is_replaceable(folder: &OwnedFd, name: &[u8]) -> io::Result<()> {
    let mode = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)?.st_mode;
    match SFlag::from_bits_truncate(mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG | SFlag::S_IFLNK => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there and neither a file nor a link")),
    }
}

fn temporary_name() -> Vec<u8> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(".kiln-extract-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)).into_bytes()
}
