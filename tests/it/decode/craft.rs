// SPDX-License-Identifier: Apache-2.0
//! bzip2 blocks made bit by bit, so that what looks like a magic lies inside their data.

use super::{decoded_bytes, filter};

/// Bits, put together one number at a time.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u64, count: u32) {
        self.0.extend((0..count).rev().map(|number| value >> number & 1 == 1));
    }

    fn bytes(mut self) -> Vec<u8> {
        self.0.resize(self.0.len().next_multiple_of(8), false);
        self.0.chunks(8).map(|eight| eight.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
    }
}

/// Bytes 0 to 253 are in use; with run-a, run-b and the end that makes 256 symbols, each with a code of 8 bits that
/// is its number. So the symbols are bytes of the file, and may be any but 0 and 1 (runs) and 255 (the end).
const USED: u64 = 254;

/// Puts a block with these symbols.
fn put_block(bits: &mut Bits, symbols: &[u8]) -> u32 {
    let crc = crc_of(&undo_runs(&undo_sort(&undo_move_to_front(symbols))));
    bits.put(0x3141_5926_5359, 48);
    bits.put(u64::from(crc), 32);
    bits.put(0, 1 + 24);
    bits.put(0xffff, 16);
    (0..15).for_each(|_| bits.put(0xffff, 16));
    bits.put(0xfffc, 16);
    let groups = (symbols.len() as u64 + 1).div_ceil(50);
    bits.put(2, 3);
    bits.put(groups, 15);
    (0..groups).for_each(|_| bits.put(0, 1));
    for _ in 0..2 {
        bits.put(8, 5);
        (0..USED + 2).for_each(|_| bits.put(0, 1));
    }
    symbols.iter().chain([&0xff]).for_each(|symbol| bits.put(u64::from(*symbol), 8));
    crc
}

fn undo_move_to_front(symbols: &[u8]) -> Vec<u8> {
    let mut order: Vec<u8> = (0..USED as u8).collect();
    let mut take = |symbol: &u8| {
        let byte = order.remove(usize::from(*symbol) - 1);
        order.insert(0, byte);
        byte
    };
    symbols.iter().map(&mut take).collect()
}

/// Undoes the Burrows-Wheeler transform, beginning at row 0.
fn undo_sort(last: &[u8]) -> Vec<u8> {
    let mut rows: Vec<usize> = (0..last.len()).collect();
    rows.sort_by_key(|row| last[*row]);
    let mut row = rows[0];
    let mut next = || {
        let byte = last[row];
        row = rows[row];
        byte
    };
    (0..last.len()).map(|_| next()).collect()
}

/// Four equal bytes are followed by how many more there are.
fn undo_runs(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut run) = (Vec::new(), 0);
    for byte in bytes {
        if run == 4 {
            out.extend(std::iter::repeat_n(*out.last().unwrap(), usize::from(*byte)));
            run = 0;
            continue;
        }
        run = if out.last() == Some(byte) && run > 0 { run + 1 } else { 1 };
        out.push(*byte);
    }
    out
}

fn crc_of(bytes: &[u8]) -> u32 {
    bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    }) ^ !0
}

/// Returns a stream with a block for each of `blocks`.
fn stream(blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0x425a_6839, 32);
    let mut whole = 0_u32;
    for symbols in blocks {
        let crc = put_block(&mut bits, symbols);
        whole = whole.rotate_left(1) ^ crc;
    }
    bits.put(0x1772_4538_5090, 48);
    bits.put(u64::from(whole), 32);
    bits.bytes()
}

const BLOCK: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
const END: [u8; 6] = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];

fn filler(len: usize, seed: u64) -> Vec<u8> {
    super::noise(len, seed).into_iter().map(|byte| byte.clamp(2, 254)).collect()
}

#[test]
fn false_magics_inside_blocks_are_no_cuts() {
    let many: Vec<u8> = (0..5000).flat_map(|number| if number % 3 == 0 { END } else { BLOCK }).collect();
    let cases = [
        vec![filler(100, 1)],
        vec![[&filler(500, 1)[..], &BLOCK, &filler(500, 2)].concat()],
        vec![[&filler(500, 1)[..], &END, &filler(500, 2)].concat()],
        vec![[&BLOCK[..], &filler(500, 2), &END].concat(), filler(9, 3), [&END[..], &filler(77, 2)].concat()],
        vec![filler(3000, 4), many.clone(), filler(3000, 5), many],
    ];
    for (number, blocks) in cases.iter().enumerate() {
        let packed = stream(blocks);
        let expected = filter(&["bzip2", "-dc"], &packed);
        assert!(expected.len() >= blocks.iter().map(Vec::len).sum::<usize>() - 64);
        let found = decoded_bytes(&packed).unwrap_or_else(|error| panic!("case {number}: {error:?}"));
        assert!(found.bytes == expected, "case {number}");
    }
}

#[test]
fn a_hundred_thousand_false_magics_take_linear_time() {
    let many: Vec<u8> = (0..120_000).flat_map(|_| BLOCK).collect();
    let packed = stream(&[many]);
    let start = std::time::Instant::now();
    assert!(decoded_bytes(&packed).unwrap().bytes == filter(&["bzip2", "-dc"], &packed));
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
