// SPDX-License-Identifier: Apache-2.0
//! Finds the facts about a content: reads it once, in pieces, with bounded memory; judges nothing.

use std::io::{self, Read};

use super::facts::BlobFacts;
use super::{elf, secret};

/// Bytes looked at in one go; large enough that searching, not reading, takes the time.
const WINDOW_BYTES: usize = 1 << 20;

/// Reads a content to its end.
///
/// # Errors
/// As the reader says.
pub fn scan_blob(reader: &mut dyn Read) -> io::Result<BlobFacts> {
    let mut facts = BlobFacts::default();
    // What stands before `from` was searched already and is kept for word bounds only.
    let (mut window, mut start, mut from) = (Vec::with_capacity(WINDOW_BYTES + secret::LENGTH_MAX), 0, 0);
    loop {
        let room = WINDOW_BYTES + secret::LENGTH_MAX - window.len();
        let read = (&mut *reader).take(room as u64).read_to_end(&mut window)?;
        let is_last = read < room;
        if start == 0 && from == 0 {
            facts.elf = elf::read(&window, is_last);
            facts.is_script = window.starts_with(b"#!");
        }
        // A secret that begins in the last bytes may go on in the next window.
        let to = if is_last { window.len() } else { window.len() - secret::LENGTH_MAX };
        secret::find(&window, from..to, start, &mut facts);
        if is_last {
            let len = start + window.len() as u64;
            facts.elf.iter_mut().for_each(|elf| elf.is_broken |= elf.needs > len);
            return Ok(facts);
        }
        window.drain(..to - 1);
        start += to as u64 - 1;
        from = 1;
    }
}

/// Looks at bytes that are in memory.
pub fn scan_bytes(mut bytes: &[u8]) -> BlobFacts {
    scan_blob(&mut bytes).expect("memory can be read")
}

#[cfg(test)]
mod tests {
    use super::super::facts::{Secret, SecretKind};
    use super::*;

    #[test]
    fn a_secret_across_two_windows_is_found_once() {
        let token = b" abcde0.0123456789abcdef ";
        for back in [0, 1, 5, 24, 25] {
            let mut bytes = vec![b'\n'; WINDOW_BYTES - back];
            bytes.extend_from_slice(token);
            bytes.resize(bytes.len() + 3 * WINDOW_BYTES, b'\n');
            let offset = (WINDOW_BYTES - back + 1) as u64;
            let expected = [Secret { kind: SecretKind::BootstrapToken, offset }];
            assert_eq!(scan_bytes(&bytes).secrets, expected, "{back}");
        }
    }
}
