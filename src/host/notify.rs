// SPDX-License-Identifier: Apache-2.0
//! The service manager, told that a unit has started although its program goes on (sd_notify(3)): one datagram.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Says that the unit is ready. `socket` is what the manager has put into `NOTIFY_SOCKET`: a path, or a name after "@".
///
/// # Errors
/// As the system says.
pub fn ready(socket: &OsStr) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address).map(drop)
}
