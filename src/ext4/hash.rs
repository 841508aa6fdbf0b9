// SPDX-License-Identifier: Apache-2.0
//! The hash by which an indexed folder finds a name: half of an MD4 round over signed characters.
//!
//! Source: Documentation/filesystems/ext4/directory.rst for where it is used; RFC 1320 for MD4's functions and
//! constants, of which this takes 8 of 16 steps each; `dx_hash` of debugfs(8) as the oracle.

use uuid::Uuid;

/// The value of `hash_version` for half MD4; the superblock's flag says that characters are signed.
pub(super) const HALF_MD4: u8 = 1;

/// The hash of a name: the index orders by `major`, names of one block by both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NameHash {
    /// Always even: the lowest bit marks a block that continues the one before.
    pub major: u32,
    pub minor: u32,
}

/// Returns the hash of `name` in the filesystem whose hash seed is `seed`.
pub(super) fn of_name(name: &[u8], seed: Uuid) -> NameHash {
    /// The largest hash stands for the end of the folder.
    const END: u32 = 0xFFFF_FFFE;
    let mut state = start(seed);
    let mut rest = name;
    while !rest.is_empty() {
        half_md4(&mut state, &words(rest));
        rest = rest.get(32..).unwrap_or_default();
    }
    let major = state[1] & !1;
    NameHash { major: if major == END { END - 2 } else { major }, minor: state[2] }
}

fn start(seed: Uuid) -> [u32; 4] {
    if seed.is_nil() {
        return [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];
    }
    let bytes = seed.as_bytes();
    std::array::from_fn(|word| u32::from_le_bytes(std::array::from_fn(|byte| bytes[4 * word + byte])))
}

/// Packs up to 32 characters into words, padded with the length of all that is left.
fn words(rest: &[u8]) -> [u32; 8] {
    let length = rest.len() as u32;
    let padding = length | length << 8;
    let padding = padding | padding << 16;
    let taken = &rest[..rest.len().min(32)];
    std::array::from_fn(|word| {
        let chars = taken.get(4 * word..).unwrap_or_default().iter().take(4);
        // Characters are signed: one above 127 also changes the higher bytes.
        chars.fold(padding, |value, char| (value << 8).wrapping_add(*char as i8 as u32))
    })
}

fn half_md4(state: &mut [u32; 4], words: &[u32; 8]) {
    type Mix = fn(u32, u32, u32) -> u32;
    const ROUNDS: [(Mix, u32, [u32; 4], [usize; 8]); 3] = [
        (|x, y, z| z ^ (x & (y ^ z)), 0, [3, 7, 11, 19], [0, 1, 2, 3, 4, 5, 6, 7]),
        (|x, y, z| (x & y) | (x & z) | (y & z), 0x5A82_7999, [3, 5, 9, 13], [1, 3, 5, 7, 0, 2, 4, 6]),
        (|x, y, z| x ^ y ^ z, 0x6ED9_EBA1, [3, 9, 11, 15], [3, 7, 2, 6, 1, 5, 0, 4]),
    ];
    let [mut a, mut b, mut c, mut d] = *state;
    for (mix, constant, shifts, order) in ROUNDS {
        for (step, word) in order.into_iter().enumerate() {
            let sum = a.wrapping_add(mix(b, c, d)).wrapping_add(words[word]).wrapping_add(constant);
            (a, b, c, d) = (d, sum.rotate_left(shifts[step % 4]), b, c);
        }
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d]) {
        *old = old.wrapping_add(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_debugfs() {
        // debugfs -R "dx_hash -h half_md4 -s 66666666-7777-8888-9999-aaaaaaaaaaaa NAME", e2fsprogs 1.47.
        let seed = Uuid::parse_str("66666666-7777-8888-9999-aaaaaaaaaaaa").unwrap();
        let hash = |name: &str| of_name(name.as_bytes(), seed);
        assert_eq!(hash("hello"), NameHash { major: 0xffd0_ed2e, minor: 0x1dfc_de86 });
        let long = hash("grüße-a-name-of-more-than-thirty-two-bytes-é");
        assert_eq!(long, NameHash { major: 0xdef4_5914, minor: 0xac50_ed8b });
    }
}
