// SPDX-License-Identifier: Apache-2.0
//! Keys are made up here, of bytes that no machine ever used as a key.

use super::super::scan::scan_bytes;
use super::*;

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A DER SEQUENCE of `length` bytes, which is all that the check asks for.
fn der(length: u8) -> Vec<u8> {
    let mut bytes = vec![0x30, 0x81, length];
    bytes.extend((0..length).map(|byte| byte.wrapping_mul(37)));
    bytes
}

fn pem(label: &str, headers: &str, body: &[u8]) -> String {
    let text = base64(body);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{headers}{}\n-----END {label}-----\n", lines.join("\n"))
}

fn kinds(bytes: impl AsRef<[u8]>) -> Vec<SecretKind> {
    scan_bytes(bytes.as_ref()).secrets.iter().map(|secret| secret.kind).collect()
}

#[test]
fn keys_that_decode_are_found_wherever_they_stand() {
    let key = pem("PRIVATE KEY", "", &der(200));
    let openssh = pem("OPENSSH PRIVATE KEY", "", b"openssh-key-v1\0and so on");
    let legacy = pem("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", &[7; 128]);
    let openpgp = pem("PGP PRIVATE KEY BLOCK", "Version: x\n\n", &[0x95; 99])
        .replace("\n-----END", "\n=abcd\n-----END");
    for text in [
        key.clone(),
        pem("EC PRIVATE KEY", "", &der(120)),
        pem("ENCRYPTED PRIVATE KEY", "", &der(230)),
        openssh,
        legacy,
        openpgp,
        key.replace('\n', "\r\n"),
        format!("{{\"private_key\": \"{}\"}}", key.replace('\n', "\\n")),
        format!("spec:\n  key: |\n    {}", key.replace('\n', "\n    ")),
        format!("client-key-data: {}\n", base64(key.as_bytes())),
        format!("\x7fELF\u{2}\u{1}\u{1}{key}"),
    ] {
        assert_eq!(kinds(&text), [SecretKind::PrivateKey], "{text}");
    }
}

#[test]
fn words_about_keys_are_no_keys() {
    let key = pem("PRIVATE KEY", "", &der(200));
    for text in [
        "-----BEGIN PRIVATE KEY-----".to_owned(),
        "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----".to_owned(),
        "-----BEGIN %s PRIVATE KEY----------END %s PRIVATE KEY-----".to_owned(),
        pem("CERTIFICATE", "", &der(200)),
        pem("PUBLIC KEY", "", &der(90)),
        pem("PRIVATE KEY", "", &[0x30, 0x10, 1, 2]),
        pem("RSA TESTING KEY", "", &der(200)),
        key.replace("-----END", "----END"),
        format!("certificate-authority-data: {}\n", base64(pem("CERTIFICATE", "", &der(200)).as_bytes())),
    ] {
        assert_eq!(kinds(&text), [], "{text}");
    }
}

#[test]
fn tokens_are_known_by_their_shapes() {
    let jwt = format!("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0{}.{}", "x".repeat(9), "s".repeat(43));
    for (text, kind) in [
        ("token: abcde0.0123456789abcdef\n".to_owned(), SecretKind::BootstrapToken),
        ("use abcde0.0123456789abcdef.".to_owned(), SecretKind::BootstrapToken),
        (
            format!("aws_access_key_id={}", "AKIA".to_owned() + &"ABCDEFG2".repeat(2)),
            SecretKind::AwsAccessKey,
        ),
        (format!("\"{}\"", "ASIA".to_owned() + &"ABCDEFG2".repeat(2)), SecretKind::AwsAccessKey),
        (format!("https: ghp{}{}", '_', "a1B2".repeat(9)), SecretKind::GithubToken),
        (format!("github{}{}_{}", "_pat_", "a".repeat(22), "b".repeat(59)), SecretKind::GithubToken),
        (format!("token: {jwt}"), SecretKind::JsonWebToken),
    ] {
        assert_eq!(kinds(&text), [kind], "{text}");
    }
}

#[test]
fn words_hashes_and_versions_are_no_tokens() {
    for text in [
        "system.multiuserpackage1x",
        "xabcde0.0123456789abcdef",
        "abcde0.0123456789abcdef0",
        "v0.abcde0.0123456789abcdef",
        "123456.1234567890123456",
        "docker.socketactivation",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "xAKIAABCDEFG2ABCDEFG2",
        "AKIAABCDEFG2ABCDEFG2A",
        "ghp_short",
        "eyJhbGciOiJSUzI1NiJ9.notclaims.x",
    ] {
        assert_eq!(kinds(text), [], "{text}");
    }
    let program = "\x7fELF abcde0.0123456789abcdef ";
    assert_eq!(kinds(program), [], "tokens are not looked for in programs");
}
