// SPDX-License-Identifier: Apache-2.0
//! TLS towards the API server: the cluster's CA and nothing else, our certificate, and a verdict that tells a wrong clock
//! from a wrong server.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

use super::access::{Access, AccessError, Credential};
use super::kind::{ApiErrorKind as Kind, TlsClock};

pub(super) fn config(access: &Access) -> Result<ClientConfig, AccessError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| AccessError::Http(error.to_string()))?;
    // The library calls every verifier of one's own dangerous; this one only ever refuses more precisely.
    let verifier = Arc::new(TimeLast { inner: verifier(&access.ca, provider)? });
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match &access.credential {
        Credential::Certificate { chain, key } => {
            let wrong = |error: Error| AccessError::Credential(error.to_string());
            builder.with_client_auth_cert(certificates(chain)?, private_key(key)?).map_err(wrong)?
        }
        Credential::None | Credential::Token(_) => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn verifier(ca: &str, provider: Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, AccessError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        let certificate = certificate.map_err(|error| AccessError::Ca(error.to_string()))?;
        roots.add(certificate).map_err(|error| AccessError::Ca(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(AccessError::Ca("there is no certificate (PEM)".to_owned()));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier.map_err(|error| AccessError::Ca(error.to_string()))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, AccessError> {
    let read = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    match read {
        Ok(chain) if chain.is_empty() => {
            Err(AccessError::Credential("there is no certificate (PEM)".to_owned()))
        }
        Ok(chain) => Ok(chain),
        Err(error) => Err(AccessError::Credential(format!("the certificate: {error}"))),
    }
}

fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, AccessError> {
    // The library's reason is not given on: it may quote the text.
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| AccessError::Credential("there is no private key (PEM) that can be read".to_owned()))
}

/// Verifies as the library does, and says that the time is wrong only if nothing else is: the library looks at the time
/// first, and a stranger's certificate that has also expired would pass for a wrong clock.
#[derive(Debug)]
struct TimeLast {
    inner: Arc<WebPkiServerVerifier>,
}

/// How many certificates of a chain may have times of their own.
const CHAIN_MAX: usize = 4;

impl ServerCertVerifier for TimeLast {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify =
            |at| self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, at);
        let error = match verify(now) {
            Ok(verified) => return Ok(verified),
            Err(error) => error,
        };
        let mut better_time = time_wanted(&error);
        for _ in 0..CHAIN_MAX {
            let Some(time) = better_time else { break };
            match verify(time) {
                Ok(_) => break,
                Err(other) => match time_wanted(&other) {
                    Some(time) => better_time = Some(time),
                    None => return Err(other),
                },
            }
        }
        Err(error)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Returns a time at which the certificate that was found out of its time is valid.
fn time_wanted(error: &Error) -> Option<UnixTime> {
    match error {
        Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => Some(*not_after),
        Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => {
            Some(*not_before)
        }
        _ => None,
    }
}

/// Returns what a failed handshake means.
pub(super) fn kind(error: &Error) -> Kind {
    let Error::InvalidCertificate(why) = error else {
        return match error {
            Error::FailedToGetCurrentTime => Kind::TlsClock(TlsClock::Before1970),
            error => Kind::Tls(error.to_string()),
        };
    };
    match why {
        CertificateError::ExpiredContext { time, not_after } => {
            Kind::TlsClock(TlsClock::Expired { now_s: time.as_secs(), not_after_s: not_after.as_secs() })
        }
        CertificateError::NotValidYetContext { time, not_before } => Kind::TlsClock(TlsClock::NotYetValid {
            now_s: time.as_secs(),
            not_before_s: not_before.as_secs(),
        }),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            Kind::TlsUntrusted("it was not signed by the cluster's CA".to_owned())
        }
        why => Kind::TlsUntrusted(super::status::clean(&why.to_string())),
    }
}

/// Returns whether the server refuses our certificate, or that we have none. With TLS 1.3 it says so after the handshake,
/// and has read no request by then.
pub(super) fn is_refusal(error: &Error) -> bool {
    use AlertDescription as Alert;
    let Error::AlertReceived(alert) = error else { return false };
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refused_certificate_closes_the_question_after_the_handshake() {
        assert!(is_refusal(&Error::AlertReceived(AlertDescription::CertificateRequired)));
        assert!(is_refusal(&Error::AlertReceived(AlertDescription::UnknownCA)));
        for open in [Error::AlertReceived(AlertDescription::InternalError), Error::DecryptError] {
            assert!(!is_refusal(&open), "{open}");
        }
    }
}
