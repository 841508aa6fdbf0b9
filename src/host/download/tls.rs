// SPDX-License-Identifier: Apache-2.0
//! What is wrong with a server's certificate, in words for people who have to mend it.

use rustls::{CertificateError, Error};

/// Nobody vouches for it.
pub(super) const UNKNOWN_ISSUER: &str = "nobody whom kiln trusts has issued its certificate";

/// Says why a handshake failed.
pub(super) fn words(error: &Error) -> String {
    let Error::InvalidCertificate(why) = error else { return error.to_string() };
    match why {
        CertificateError::UnknownIssuer => UNKNOWN_ISSUER.to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired, or this machine's clock is wrong".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or this machine's clock is wrong".to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
            // They come as the library shows them: `DnsName("localhost")`.
            let names = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name));
            format!("its certificate is for other names: {}", names.collect::<Vec<_>>().join(", "))
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for no name".to_owned()
        }
        CertificateError::Other(other) if is_authority(&*other.0) => {
            "its certificate is an authority's, which no server may show; let that authority issue one for the server"
                .to_owned()
        }
        why => format!("its certificate does not count: {why}"),
    }
}

fn is_authority(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref::<webpki::Error>() == Some(&webpki::Error::CaUsedAsEndEntity)
}
