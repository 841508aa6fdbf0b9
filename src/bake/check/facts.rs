// SPDX-License-Identifier: Apache-2.0
//! What a content's bytes tell, as values: whether it is a program and for which machine, and what looks like a secret.
//!
//! They follow from the bytes alone, so they can be kept under their digest. [`super::scan`] finds them.

use serde::{Deserialize, Serialize};

/// Changes whenever the same bytes may give other facts: kept facts of another version are worthless.
pub const FACTS_VERSION: u32 = 2;

/// What a base says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseFacts {
    /// The machine of its programs, as [`Elf::machine`]; none: it does not tell.
    pub machine: Option<u16>,
    /// What its OEM partition names (`oem_id`): `ec2`.
    pub platform: Option<String>,
    /// Whether a base of its family is made for platforms at all.
    pub is_for_platforms: bool,
}

/// What was found in a content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobFacts {
    /// The ELF header, if it is one.
    pub elf: Option<Elf>,
    /// Whether it names its interpreter in its first line (execve(2)).
    pub is_script: bool,
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
    /// The bytes that the segments need; a shorter file was cut off.
    pub needs: u64,
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
