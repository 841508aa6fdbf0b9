// SPDX-License-Identifier: Apache-2.0
//! A port that leads elsewhere: each connection to a listener is carried to one address. Who enters another network
//! namespace between opening the listener and serving it joins the two.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

/// After which a connection that can't be taken is tried again: the process has as many files as it may have.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens a port of this machine's loopback; 0: one that is free.
///
/// # Errors
/// As the system says, such as: the port is in use.
pub fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

/// Returns a listener as a file, which another program can be given as its standard input.
pub fn into_file(listener: TcpListener) -> File {
    OwnedFd::from(listener).into()
}

/// Returns the listener that this program was given as its standard input.
///
/// # Errors
/// As the system says.
pub fn from_input() -> io::Result<TcpListener> {
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}

/// Carries every connection to `target` and back, for as long as the process lives. A target that does not answer ends
/// that connection, and no other.
///
/// # Errors
/// As the system says when it begins.
pub fn serve(listener: TcpListener, target: SocketAddr) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            match listener.accept().await {
                Ok((here, _)) => drop(tokio::spawn(carry(here, target))),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    })
}

async fn carry(mut here: TcpStream, target: SocketAddr) {
    let Ok(mut there) = TcpStream::connect(target).await else { return };
    // Small frames of HTTP/2 are not to wait for one another.
    let _ = (here.set_nodelay(true), there.set_nodelay(true));
    // Whoever ends it, both sides see it.
    let _ = copy_bidirectional(&mut here, &mut there).await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn what_goes_in_comes_out_at_the_target() {
        let target = listen(0).unwrap();
        let address = target.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = target.accept().unwrap();
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).unwrap();
            bytes.reverse();
            stream.write_all(&bytes).unwrap();
        });
        let listener = listen(0).unwrap();
        let port = listener.local_addr().unwrap();
        std::thread::spawn(move || serve(listener, address));
        let mut stream = TcpStream::connect(port).unwrap();
        stream.write_all(b"abcd").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "dcba");
    }
}
