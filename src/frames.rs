// SPDX-License-Identifier: Apache-2.0
//! What a switch does with a frame (IEEE 802.1D, "learning bridge"): it remembers where each address was seen and sends
//! to there, or to everybody where it does not know. No loops, so no spanning tree; no VLANs, which pass as they are.

use std::collections::BTreeMap;

/// A place where frames come in and go out.
pub type Port = u32;

/// Longest frame that QEMU sends or takes (include/net/net.h, NET_BUFSIZE).
pub const FRAME_MAX: usize = 4096 + 65536;
/// Shortest frame that has both addresses and a type.
const FRAME_MIN: usize = 14;
/// Addresses that are remembered; a machine that makes up more makes its switch a hub.
const ADDRESSES_MAX: usize = 4096;

type Address = [u8; 6];

/// Where a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Nowhere: it is none, or its receiver is where it came from.
    Nobody,
    /// To one port.
    One(Port),
    /// To all ports but that which it came from.
    Others,
}

/// Where addresses were seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    seen: BTreeMap<Address, Port>,
}

impl Table {
    /// Learns from a frame that came in at `from`, and says where it goes.
    pub fn forward(&mut self, from: Port, frame: &[u8]) -> To {
        let Some((receiver, sender)) = addresses(frame) else { return To::Nobody };
        if !is_group(sender) && (self.seen.len() < ADDRESSES_MAX || self.seen.contains_key(&sender)) {
            self.seen.insert(sender, from);
        }
        match self.seen.get(&receiver) {
            _ if is_group(receiver) => To::Others,
            Some(port) if *port == from => To::Nobody,
            Some(port) => To::One(*port),
            None => To::Others,
        }
    }

    /// Forgets a port that is gone.
    pub fn forget(&mut self, port: Port) {
        self.seen.retain(|_, seen| *seen != port);
    }
}

fn addresses(frame: &[u8]) -> Option<(Address, Address)> {
    let is_frame = (FRAME_MIN..=FRAME_MAX).contains(&frame.len());
    let address = |at: usize| frame.get(at..at + 6)?.try_into().ok();
    is_frame.then(|| Some((address(0)?, address(6)?)))?
}

/// The least bit of the first byte says that a frame is for many.
fn is_group(address: Address) -> bool {
    address[0] & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(to: u8, from: u8) -> Vec<u8> {
        let address = |last: u8| if last == 255 { [255; 6] } else { [0x52, 0x54, 0, 0, 0, last] };
        [&address(to)[..], &address(from), &[8, 0, 1, 2, 3]].concat()
    }

    #[test]
    fn a_frame_goes_to_where_its_receiver_was_seen() {
        let mut table = Table::default();
        assert_eq!(table.forward(1, &frame(2, 1)), To::Others);
        assert_eq!(table.forward(2, &frame(1, 2)), To::One(1));
        assert_eq!(table.forward(1, &frame(2, 1)), To::One(2));
        assert_eq!(table.forward(1, &frame(255, 1)), To::Others);
        assert_eq!(table.forward(2, &frame(2, 9)), To::Nobody);
        // A machine that has moved is found where it is now, and one that is gone is looked for.
        assert_eq!(table.forward(3, &frame(1, 2)), To::One(1));
        assert_eq!(table.forward(1, &frame(2, 1)), To::One(3));
        table.forget(3);
        assert_eq!(table.forward(1, &frame(2, 1)), To::Others);
    }

    #[test]
    fn what_is_no_frame_goes_nowhere_and_a_flood_of_addresses_fills_nothing() {
        let mut table = Table::default();
        assert_eq!(table.forward(1, &[0; 13]), To::Nobody);
        assert_eq!(table.forward(1, &vec![0; FRAME_MAX + 1]), To::Nobody);
        for number in 0..10_000_u32 {
            let mut made_up = frame(255, 1);
            made_up[8..12].copy_from_slice(&number.to_be_bytes());
            assert_eq!(table.forward(1, &made_up), To::Others);
        }
        assert_eq!(table.seen.len(), ADDRESSES_MAX);
    }
}
