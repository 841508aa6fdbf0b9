// SPDX-License-Identifier: Apache-2.0
//! Why a key or certificate will not do, in words that follow the name of its file.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What is wrong with a key or a certificate. Never holds a part of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Not PEM, or not a private key of a kind that Kubernetes' programs take.
    #[error("holds no private key that can be read (PEM of a P-256, P-384 or RSA key)")]
    NotAKey,
    /// Not PEM, or not a certificate.
    #[error("holds no certificate that can be read (PEM of X.509)")]
    NotACertificate,
    /// Not PEM, not a request, not signed by its own key, or for nobody.
    #[error("holds no certificate request that can be read (PEM of PKCS #10, with a common name)")]
    NotARequest,
    /// The certificate is of another key.
    #[error("belongs to another private key")]
    OtherKey,
    /// Another subject than the one wanted.
    #[error("is for {found}, not for {wanted}")]
    Subject {
        /// `CN=..., O=...`
        found: String,
        /// The same of what is wanted.
        wanted: String,
    },
    /// An extended key usage, or that of signing, is missing.
    #[error("is not allowed to be used for {0}")]
    Usage(&'static str),
    /// Subject alternative names are missing.
    #[error("is not valid for {}", .0.join(", "))]
    Names(Vec<String>),
    /// Its time has not come.
    #[error("is not valid before {}, and here it is {}", moment(*.from_s), moment(*.now_s))]
    NotYet {
        /// The first second of its validity.
        from_s: u64,
        /// The time here.
        now_s: u64,
    },
    /// Its time is over.
    #[error("has expired on {}, and here it is {}", moment(*.until_s), moment(*.now_s))]
    Expired {
        /// The last second of its validity.
        until_s: u64,
        /// The time here.
        now_s: u64,
    },
    /// No trusted authority signed it.
    #[error("is not signed by the trusted authority ({0})")]
    Chain(String),
    /// It may not sign certificates.
    #[error("is not the certificate of an authority")]
    NotAnAuthority,
    /// A name that can't stand in a certificate, or a key that can't sign.
    #[error("could not be made ({0})")]
    Unmade(String),
}

impl Misfit {
    /// Returns whether only the time is wrong: a clock may be to blame.
    pub fn is_of_time(&self) -> bool {
        matches!(self, Self::NotYet { .. } | Self::Expired { .. })
    }
}

/// Writes a second as people and logs do: 2026-11-20T10:00:00Z.
fn moment(second: u64) -> String {
    let time = i64::try_from(second).ok().and_then(|second| OffsetDateTime::from_unix_timestamp(second).ok());
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| format!("second {second}"))
}
