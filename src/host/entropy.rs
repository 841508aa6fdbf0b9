// SPDX-License-Identifier: Apache-2.0
//! Chance: what must not be guessed is drawn from the system here. Decisions take it as an argument.

#[cfg(any(feature = "firstboot", feature = "aws"))]
use rcgen::KeyPair;

/// The system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("can't draw randomness from the system")]
pub struct EntropyError {
    /// Why not.
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Draws a P-256 private key and returns it as PEM of PKCS #8.
///
/// # Errors
/// As the system says.
#[cfg(any(feature = "firstboot", feature = "aws"))]
pub fn key_pem() -> Result<String, EntropyError> {
    let key = KeyPair::generate().map_err(|source| EntropyError { source: source.into() })?;
    Ok(key.serialize_pem())
}

/// Draws `N` bytes.
///
/// # Errors
/// As the system says.
pub fn bytes<const N: usize>() -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|source| EntropyError { source: source.into() })?;
    Ok(bytes)
}
