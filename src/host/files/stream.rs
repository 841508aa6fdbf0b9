// SPDX-License-Identifier: Apache-2.0
//! What a path leads to need not be a file: a pipe that nobody fills would be waited for for ever, `/dev/zero` read for
//! ever. Opening never waits here, and reading a pipe waits as long as a person's command may take to say something.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long a pipe may be silent, in milliseconds.
const SILENCE_MAX_MS: u16 = 30_000;

/// Opens without waiting for anybody: open(2) of a pipe waits for its writer, unless it is told not to (fifo(7)). Reads of
/// files and disks are as ever.
#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub(super) fn open(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)
}

/// Refuses what is neither a file nor a folder nor a disk.
pub(super) fn has_an_end(file: &File) -> io::Result<()> {
    let kind = file.metadata()?.file_type();
    let what = match kind {
        _ if kind.is_fifo() => "a pipe",
        _ if kind.is_char_device() => "a character device",
        _ => return Ok(()),
    };
    Err(io::Error::new(ErrorKind::InvalidInput, format!("{what}, not a regular file")))
}

/// An opened file that is read as if reading could wait.
pub(super) struct Stream(pub File);

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait()?,
                read => return read,
            }
        }
    }
}

impl Stream {
    fn wait(&self) -> io::Result<()> {
        let mut polled = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, PollTimeout::from(SILENCE_MAX_MS)) {
            Ok(0) => Err(io::Error::new(ErrorKind::TimedOut, "nobody writes into it")),
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{open, read};

    #[test]
    fn a_pipe_that_nobody_fills_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read(&path, 100).unwrap().is_empty());
        let refused = open(&path).unwrap_err();
        assert_eq!(refused.source.to_string(), "a pipe, not a regular file");
    }

    #[test]
    fn what_a_shell_hands_over_as_a_pipe_is_read() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        let late = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            writer.write_all(b"later").unwrap();
        });
        assert_eq!(read(path.as_ref(), 100).unwrap(), b"later");
        late.join().unwrap();
    }

    #[test]
    fn what_never_ends_is_cut_off_or_refused() {
        let refused = read("/dev/zero".as_ref(), 100).unwrap_err();
        assert_eq!(refused.source.to_string(), "larger than 100 bytes");
        assert_eq!(
            open("/dev/zero".as_ref()).unwrap_err().source.to_string(),
            "a character device, not a regular file"
        );
    }
}
