// SPDX-License-Identifier: Apache-2.0
//! PKI: keys, certificates and requests as values, made and checked.
//!
//! Key material and the time are arguments; no key is drawn here. Texts are PEM, times are seconds since 1970.
//! ring draws the nonce of an ECDSA signature by itself, so the same arguments give certificates that say the same but
//! are not the same bytes. There is no revocation: nothing in Kubernetes reads a list of revoked certificates.

mod certificate;
mod issue;
mod judge;
mod key;
mod leaf;
mod misfit;
mod request;

#[cfg(test)]
mod tests;

pub use issue::{AUTHORITY_LIFETIME_S, LEAF_LIFETIME_S, SKEW_S, authority, leaf};
pub use judge::{Validity, holds, judge, judge_authority, judge_leaf};
pub use key::Key;
pub use leaf::{Leaf, San, Usage};
pub use misfit::Misfit;
pub use request::{Asked, asked, request};
