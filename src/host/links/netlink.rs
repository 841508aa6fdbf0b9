// SPDX-License-Identifier: Apache-2.0
//! One conversation with the kernel over a netlink socket: a request, its answers, and never an endless wait.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE,
    NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, NetlinkBuffer, NetlinkHeader, NlaBuffer, NlasIterator, parse_i32,
    parse_ip, parse_string, parse_u32,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::TimeVal;

/// The kernel answers within the system call; seconds of silence mean that something is broken.
const SILENCE_MAX_S: i64 = 5;
/// A list that changed while it was told is asked for again; a machine that changes all the time is not waited for.
const LISTS_MAX: u32 = 10;

/// A message without netlink's own header. The library's types for whole messages read and write everything that there
/// is, such as traffic control, which makes half a megabyte of code.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// `RTM_...` (rtnetlink(7)).
    pub(super) kind: u16,
    /// The fixed part and the attributes.
    pub(super) payload: Vec<u8>,
}

impl Message {
    pub(super) fn new(kind: u16, payload: Vec<u8>) -> Self {
        Self { kind, payload }
    }

    /// Adds an attribute.
    pub(super) fn add(&mut self, kind: u16, value: &[u8]) {
        let attribute = DefaultNla::new(kind, value.to_vec());
        let start = self.payload.len();
        self.payload.resize(start + attribute.buffer_len(), 0);
        attribute.emit(&mut self.payload[start..]);
    }
}

/// The attributes of a message, by number.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a>(Vec<NlaBuffer<&'a [u8]>>);

impl<'a> Attributes<'a> {
    pub(super) fn of(
        told: impl Iterator<Item = Result<NlaBuffer<&'a [u8]>, DecodeError>>,
    ) -> Result<Self, DecodeError> {
        told.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn bytes(&self, kind: u16) -> Option<&[u8]> {
        self.0.iter().find(|attribute| attribute.kind() == kind).map(NlaBuffer::value)
    }

    pub(super) fn number(&self, kind: u16) -> Result<Option<u32>, DecodeError> {
        self.bytes(kind).map(parse_u32).transpose()
    }

    pub(super) fn text(&self, kind: u16) -> Result<Option<String>, DecodeError> {
        self.bytes(kind).map(parse_string).transpose()
    }

    pub(super) fn ip(&self, kind: u16) -> Result<Option<IpAddr>, DecodeError> {
        self.bytes(kind).map(parse_ip).transpose()
    }

    /// Returns the attributes in an attribute; none where it is not there.
    pub(super) fn nested(&self, kind: u16) -> Result<Attributes<'_>, DecodeError> {
        Attributes::of(NlasIterator::new(self.bytes(kind).unwrap_or_default()))
    }
}

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
    pub(super) fn list(&mut self, request: &Message) -> io::Result<Vec<Message>> {
        for _ in 0..LISTS_MAX {
            self.send(request, NLM_F_REQUEST | NLM_F_DUMP)?;
            let mut answers = Vec::new();
            let is_whole = self.receive(|message| answers.push(message))?;
            if is_whole {
                return Ok(answers);
            }
        }
        Err(io::Error::other("the list changes faster than the kernel can tell it"))
    }

    /// Asks for one thing and returns the answer.
    pub(super) fn ask(&mut self, request: &Message) -> io::Result<Vec<Message>> {
        // With an acknowledgement the end of the answer is known.
        let mut answers = Vec::new();
        self.send(request, NLM_F_REQUEST | NLM_F_ACK)?;
        self.receive(|message| answers.push(message))?;
        Ok(answers)
    }

    /// Has the kernel do something and waits until it has.
    pub(super) fn tell(&mut self, request: &Message) -> io::Result<()> {
        self.ask(request).map(|_| ())
    }

    fn send(&mut self, request: &Message, flags: u16) -> io::Result<()> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        let mut bytes = vec![0; header.buffer_len()];
        header.length = (bytes.len() + request.payload.len()) as u32;
        (header.message_type, header.flags, header.sequence_number) = (request.kind, flags, self.sequence);
        header.emit(&mut bytes);
        bytes.extend(&request.payload);
        self.socket.send(&bytes, 0).map(|_| ())
    }

    /// Takes messages until the answer ends; returns whether the list stayed the same meanwhile.
    fn receive(&mut self, mut take: impl FnMut(Message)) -> io::Result<bool> {
        let mut is_whole = true;
        loop {
            let (bytes, _) = self.socket.recv_from_full()?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let message = NetlinkBuffer::new_checked(rest).map_err(io::Error::other)?;
                let length = (message.length() as usize).next_multiple_of(4).clamp(1, rest.len());
                rest = &rest[length..];
                if message.sequence_number() != self.sequence {
                    continue;
                }
                is_whole &= message.flags() & NLM_F_DUMP_INTR == 0;
                match message.message_type() {
                    NLMSG_DONE | NLMSG_ERROR => return ended(message.payload()).map(|()| is_whole),
                    NLMSG_NOOP | NLMSG_OVERRUN => {}
                    kind => take(Message::new(kind, message.payload().to_vec())),
                }
            }
        }
    }
}

/// Both ways to end begin with an error's number, negated; 0, or nothing, is a good end (netlink(7)).
fn ended(payload: &[u8]) -> io::Result<()> {
    let code = payload.get(..4).map_or(Ok(0), parse_i32).map_err(io::Error::other)?;
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) }
}
