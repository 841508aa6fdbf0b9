// SPDX-License-Identifier: Apache-2.0
//! Signature Version 4 verified by hand, from its description ("Create a signed AWS API request", IAM User Guide) and not by
//! the library that signs.

use sha2::{Digest, Sha256};

use crate::aws::http::Request;

/// A role's credentials.
#[derive(Debug, Clone)]
pub struct Keys {
    pub id: &'static str,
    pub secret: &'static str,
    pub token: &'static str,
}

/// Returns what is wrong with a request's signature.
pub fn fault(request: &Request, keys: &Keys, region: &str, service: &str) -> Option<String> {
    let given = request.header("authorization");
    let Some(rest) = given.strip_prefix("AWS4-HMAC-SHA256 ") else {
        return Some(format!("no signature: '{given}'"));
    };
    let field = |name: &str| rest.split(", ").find_map(|field| field.strip_prefix(name)).unwrap_or_default();
    let (scope, names, signature) = (field("Credential="), field("SignedHeaders="), field("Signature="));
    let at = request.header("x-amz-date");
    let day = at.get(..8).unwrap_or_default();
    let wanted = format!("{}/{day}/{region}/{service}/aws4_request", keys.id);
    if scope != wanted {
        return Some(format!("the scope is {scope} and not {wanted}"));
    }
    for must in ["host", "x-amz-date", "x-amz-security-token", "content-type"] {
        if !names.split(';').any(|name| name == must) {
            return Some(format!("{must} is not signed"));
        }
    }
    if request.header("x-amz-security-token") != keys.token {
        return Some("the session token is another one".to_owned());
    }
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", request.header(name))).collect();
    let canonical = format!(
        "{}\n{}\n\n{headers}\n{names}\n{}",
        request.method,
        request.path,
        hex(&Sha256::digest(&request.body))
    );
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let mut key = hmac(format!("AWS4{}", keys.secret).as_bytes(), day.as_bytes());
    for part in [region, service, "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    let expected = hex(&hmac(&key, text.as_bytes()));
    (signature != expected).then(|| format!("the signature is {signature} and not {expected}"))
}

/// RFC 2104.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len().min(64)].copy_from_slice(&key[..key.len().min(64)]);
    assert!(key.len() <= 64, "keys here are short");
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The example of "Signature Version 4 signing process" with the keys that AWS publishes for it.
#[test]
fn the_derived_key_is_that_of_the_documentation() {
    let mut key = hmac(b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", b"20150830");
    for part in ["us-east-1", "iam", "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    assert_eq!(hex(&key), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}
