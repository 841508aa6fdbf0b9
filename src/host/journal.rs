// SPDX-License-Identifier: Apache-2.0
//! The machine's journal, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram is one entry.
//!
//! An entry is for people and never worth a failure or a wait: where no journal takes it, it is dropped.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

use super::root::Root;

/// Where journald listens, below the tree's root: a tree that is no machine has no journal.
const SOCKET: &str = "/run/systemd/journal/socket";
/// A journald whose queue is full for longer is stuck.
const LIMIT: Duration = Duration::from_millis(100);

/// Hands one entry, as fields in their wire form, to the journal. Returns whether it was taken.
pub fn send(root: &Root, entry: &[u8]) -> bool {
    let sent = || -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(LIMIT))?;
        let path = root.at(SOCKET);
        match socket.send_to(entry, &path) {
            // More than the socket's buffer takes: the entry goes as a sealed file in memory.
            Err(error) if error.raw_os_error() == Some(nix::libc::EMSGSIZE) => {
                let address = UnixAddr::new(&path)?;
                let file = sealed(entry)?;
                let control = [file.as_raw_fd()];
                let control = [ControlMessage::ScmRights(&control)];
                sendmsg(
                    socket.as_raw_fd(),
                    &[IoSlice::new(&[])],
                    &control,
                    MsgFlags::empty(),
                    Some(&address),
                )?;
                Ok(())
            }
            sent => sent.map(drop),
        }
    };
    sent().is_ok()
}

/// Sealed whole, so that journald may map it without fear of its sender.
fn sealed(bytes: &[u8]) -> io::Result<File> {
    let mut file =
        File::from(memfd_create("kiln-journal", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
    file.write_all(bytes)?;
    let seals =
        SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL;
    fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}
