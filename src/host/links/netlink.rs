// SPDX-License-Identifier: Apache-2.0
//! One conversation with the kernel over a netlink socket: a request, its answers, and never an endless wait.

use std::io;
use std::os::fd::AsFd;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::TimeVal;

/// The kernel answers within the system call; seconds of silence mean that something is broken.
const SILENCE_MAX_S: i64 = 5;
/// A list that changed while it was told is asked for again; a machine that changes all the time is not waited for.
const LISTS_MAX: u32 = 10;

/// A socket to the kernel's rtnetlink.
#[derive(Debug)]
pub(super) struct Conversation {
    socket: Socket,
    sequence: u32,
}

impl Conversation {
    /// Opens a socket.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        setsockopt(&socket.as_fd(), ReceiveTimeout, &TimeVal::new(SILENCE_MAX_S, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Asks for all of a kind and returns them, from one moment.
    pub(super) fn list(&mut self, request: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..LISTS_MAX {
            self.send(request.clone(), NLM_F_REQUEST | NLM_F_DUMP)?;
            let mut answers = Vec::new();
            let is_whole = self.receive(|message| answers.push(message))?;
            if is_whole {
                return Ok(answers);
            }
        }
        Err(io::Error::other("the list changes faster than the kernel can tell it"))
    }

    /// Asks for one thing and returns the answer.
    pub(super) fn ask(&mut self, request: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        // With an acknowledgement the end of the answer is known.
        let mut answers = Vec::new();
        self.send(request, NLM_F_REQUEST | NLM_F_ACK)?;
        self.receive(|message| answers.push(message))?;
        Ok(answers)
    }

    /// Has the kernel do something and waits until it has.
    pub(super) fn tell(&mut self, request: RouteNetlinkMessage) -> io::Result<()> {
        self.ask(request).map(|_| ())
    }

    fn send(&mut self, request: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        (header.flags, header.sequence_number) = (flags, self.sequence);
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map(|_| ())
    }

    /// Takes messages until the answer ends; returns whether the list stayed the same meanwhile.
    fn receive(&mut self, mut take: impl FnMut(RouteNetlinkMessage)) -> io::Result<bool> {
        let mut is_whole = true;
        loop {
            let (bytes, _) = self.socket.recv_from_full()?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let message =
                    NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
                let length = (message.header.length as usize).next_multiple_of(4).clamp(1, rest.len());
                rest = &rest[length..];
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                is_whole &= message.header.flags & NLM_F_DUMP_INTR == 0;
                match message.payload {
                    NetlinkPayload::Done(done) if done.code == 0 => return Ok(is_whole),
                    NetlinkPayload::Done(done) => return Err(io::Error::from_raw_os_error(-done.code)),
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(is_whole),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    NetlinkPayload::InnerMessage(message) => take(message),
                    _ => {}
                }
            }
        }
    }
}
