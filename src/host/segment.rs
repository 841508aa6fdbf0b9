// SPDX-License-Identifier: Apache-2.0
//! A layer-2 segment without root: a switch on a unix socket, which QEMU's stream sockets join (qemu(1), -netdev stream;
//! each frame after its length in four bytes, the highest first).
//!
//! A machine that does not take its frames loses them; nobody waits for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::frames::{FRAME_MAX, Port, Table, To};

/// Frames that wait for a machine: some milliseconds of a fast link.
const QUEUE_MAX: usize = 1024;

#[derive(Default)]
struct Switch {
    table: Table,
    queues: BTreeMap<Port, SyncSender<Arc<[u8]>>>,
}

/// Opens the socket that machines join.
///
/// # Errors
/// As the system says, such as: there is such a file.
pub fn listen(socket: &Path) -> io::Result<UnixListener> {
    UnixListener::bind(socket)
}

/// Returns a listener as a file, which another program can be given as its standard input.
pub fn into_file(listener: UnixListener) -> File {
    OwnedFd::from(listener).into()
}

/// Returns the listener that this program was given as its standard input.
///
/// # Errors
/// As the system says.
pub fn from_input() -> io::Result<UnixListener> {
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}

/// Carries frames between all that join at `listener`, for as long as this process lives.
///
/// # Errors
/// If no more can join.
pub fn serve(listener: &UnixListener) -> io::Result<()> {
    let switch = Arc::new(Mutex::new(Switch::default()));
    let mut ports: Port = 0;
    loop {
        let (stream, _) = listener.accept()?;
        ports += 1;
        let port = ports;
        let (queue, frames) = sync_channel(QUEUE_MAX);
        lock(&switch).queues.insert(port, queue);
        let (switch, output) = (switch.clone(), stream.try_clone()?);
        std::thread::spawn(move || send(frames, output));
        std::thread::spawn(move || receive(&switch, port, stream));
    }
}

fn lock(switch: &Mutex<Switch>) -> MutexGuard<'_, Switch> {
    switch.lock().unwrap_or_else(PoisonError::into_inner)
}

fn receive(switch: &Mutex<Switch>, port: Port, mut input: UnixStream) {
    while let Ok(frame) = read(&mut input) {
        lock(switch).forward(port, frame.into());
    }
    let mut switch = lock(switch);
    switch.table.forget(port);
    // Its sender ends with its queue.
    switch.queues.remove(&port);
}

fn read(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut len = [0; 4];
    input.read_exact(&mut len)?;
    let len = u32::from_be_bytes(len) as usize;
    if len > FRAME_MAX {
        // Nobody knows where the next frame begins.
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; len];
    input.read_exact(&mut frame)?;
    Ok(frame)
}

fn send(frames: Receiver<Arc<[u8]>>, mut output: UnixStream) {
    for frame in frames {
        let whole = [&(frame.len() as u32).to_be_bytes()[..], &frame].concat();
        if output.write_all(&whole).is_err() {
            return;
        }
    }
}

impl Switch {
    fn forward(&mut self, from: Port, frame: Arc<[u8]>) {
        let to = self.table.forward(from, &frame);
        for (port, queue) in &self.queues {
            let is_meant = match to {
                To::Nobody => false,
                To::One(one) => *port == one,
                To::Others => *port != from,
            };
            if is_meant {
                // A full queue is a frame lost, as on any wire.
                let _ = queue.try_send(frame.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(stream: &mut UnixStream, frame: &[u8]) {
        stream.write_all(&(frame.len() as u32).to_be_bytes()).unwrap();
        stream.write_all(frame).unwrap();
    }

    fn frame(to: u8, from: u8) -> Vec<u8> {
        let mut frame = vec![2; 64];
        (frame[5], frame[11]) = (to, from);
        frame
    }

    #[test]
    fn frames_reach_their_receiver_and_a_machine_that_reads_nothing_stops_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || serve(&listener));
        let join = || UnixStream::connect(&path).unwrap();
        let (mut one, mut two, _deaf) = (join(), join(), join());
        // Ports are there once a frame has come back.
        put(&mut two, &frame(1, 2));
        assert_eq!(read(&mut one).unwrap(), frame(1, 2));
        for _ in 0..20_000 {
            put(&mut one, &frame(2, 1));
            assert_eq!(read(&mut two).unwrap(), frame(2, 1));
        }
        for _ in 0..20_000 {
            put(&mut one, &[&[255; 6][..], &frame(0, 1)[6..]].concat());
            assert_eq!(read(&mut two).unwrap()[..6], [255; 6]);
        }
    }
}
