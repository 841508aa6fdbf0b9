// SPDX-License-Identifier: Apache-2.0
//! Authority: the CA certificates that workers are to trust, out of a file of the operator's. Nothing else of the file goes
//! into user-data, which whoever may describe an instance can read.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use x509_parser::pem::Pem;

use crate::problem::{Problem, Problems};
use crate::settings::check::wrong_of_ca;

/// RFC 7468, section 2.
const PEM_LINE: usize = 64;
const FIX: &str = "give the cluster's CA certificates in PEM (/etc/kubernetes/pki/ca.crt of a control plane) and nothing else";

/// Returns the certificates (PEM) in `text`, without what stands beside them; `file` is its name for messages.
///
/// # Errors
/// Each PEM block that is no CA's certificate; a text without one. No message shows what stands there.
pub fn authorities(file: &Path, text: &str) -> Result<String, Problems> {
    let told = |what: String| Problem {
        file: file.to_owned(),
        place: None,
        key: String::new(),
        what,
        fix: Some(FIX.to_owned()),
    };
    let problems: Vec<Problem> = wrong_of_ca(text).into_iter().map(told).collect();
    if problems.is_empty() { Ok(certificates(text)) } else { Err(Problems(problems)) }
}

/// What was judged is written anew: comments, and what openssl(1) prints beside a certificate, are for people.
fn certificates(text: &str) -> String {
    let pem = |block: Pem| {
        let base64 = BASE64.encode(block.contents);
        let lines: Vec<&str> =
            base64.as_bytes().chunks(PEM_LINE).filter_map(|line| str::from_utf8(line).ok()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    };
    Pem::iter_from_buffer(text.as_bytes()).filter_map(Result::ok).map(pem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(is_ca: bool) -> String {
        let mut params = rcgen::CertificateParams::default();
        if is_ca {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn certificates_of_cas_and_nothing_else_are_taken() {
        let (one, other) = (pem(true).replace("\r\n", "\n"), pem(true).replace("\r\n", "\n"));
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let taken = |text: &str| authorities(Path::new("ca.pem"), text).map_err(|it| it.to_string());
        assert_eq!(
            taken(&format!("abcdef.0123456789abcdef\n{one}# note\r\n{other}end\n")),
            Ok(one.clone() + &other)
        );
        assert_eq!(taken(&one.replace('\n', "\r\n")), Ok(one.clone()));
        for (text, what) in [
            (format!("{key}{one}"), "PEM block 1 is no CERTIFICATE"),
            (format!("{one}{key}"), "PEM block 2 is no CERTIFICATE"),
            (key.clone(), "PEM block 1 is no CERTIFICATE"),
            (pem(false), "PEM block 1 is the certificate of no CA"),
            ("abcdef.0123456789abcdef\n".to_owned(), "holds no certificate"),
            (String::new(), "holds no certificate"),
            (one.replace("-----END", "-----"), "PEM block 1 is broken"),
        ] {
            assert_eq!(taken(&text), Err(format!("ca.pem: {what}; {FIX}")));
        }
    }
}
