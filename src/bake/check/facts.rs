// SPDX-License-Identifier: Apache-2.0
//! What a content's bytes tell: whether it is a program and for which machine, and what looks like a secret.
//!
//! A pure value of the bytes, so it can be kept under their digest. Reads once, in pieces, with bounded memory; judges
//! nothing.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use super::{elf, secret};

/// Changes whenever the same bytes may give other facts: kept facts of another version are worthless.
pub const FACTS_VERSION: u32 = 1;

/// What was found in a content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobFacts {
    /// The ELF header, if it is one.
    pub elf: Option<Elf>,
    /// What looks like a secret, in the order of the bytes; at most [`SECRETS_MAX`].
    pub secrets: Vec<Secret>,
}

/// What an ELF header says (elf(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elf {
    /// `e_machine`: 62 is x86-64, 183 AArch64.
    pub machine: u16,
    /// Whether addresses have 64 bits.
    pub is_64: bool,
    /// The program that loads it (PT_INTERP); none: static, or a library.
    pub interpreter: Option<String>,
    /// Whether the header or the program headers don't fit the file.
    pub is_broken: bool,
}

/// Something that looks like a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Of which kind.
    pub kind: SecretKind,
    /// Where it begins.
    pub offset: u64,
}

/// Kinds of secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretKind {
    /// A PEM private key whose body decodes (RFC 7468, RFC 1421, OpenSSH, OpenPGP).
    PrivateKey,
    /// A Kubernetes bootstrap token.
    BootstrapToken,
    /// An access key id of AWS.
    AwsAccessKey,
    /// A signed JSON web token, as service accounts use (RFC 7519).
    JsonWebToken,
    /// A token of GitHub's.
    GithubToken,
}

/// More secrets than these in one file tell nothing new.
pub const SECRETS_MAX: usize = 16;

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
        }
        // A secret that begins in the last bytes may go on in the next window.
        let to = if is_last { window.len() } else { window.len() - secret::LENGTH_MAX };
        secret::find(&window, from..to, start, &mut facts);
        if is_last {
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
