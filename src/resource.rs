// SPDX-License-Identifier: Apache-2.0
//! Resources of AWS, as far as their ids go. Whether one exists is for the cloud to say.

/// Returns whether a text is an id: the prefix (`ami-`) and 8 or 17 hexadecimal digits ("Resource IDs", EC2 User Guide).
pub fn is_id(text: &str, prefix: &str) -> bool {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.strip_prefix(prefix).is_some_and(|id| matches!(id.len(), 8 | 17) && id.bytes().all(is_hex))
}
