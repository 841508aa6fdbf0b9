// SPDX-License-Identifier: Apache-2.0
//! Bootstrap tokens as values: drawn, read, limited in time. They are kept and found by [`crate::cluster`].
//!
//! Who holds one can become a node of any name until it ends, so a token is for launching nodes and lives for an hour at
//! most, unless somebody says that longer is meant. It gives the right to ask for certificates and no other.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cluster::NewToken;
use crate::names::BOOTSTRAPPERS;

/// How long a token lives if nobody says otherwise, and the most without a word that longer is meant, in seconds.
pub const TTL_S: u64 = 3600;

const ID_CHARS: u32 = 6;
const SECRET_CHARS: u32 = 16;
const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A token, `ID.SECRET`: six and sixteen of `a-z0-9` (Kubernetes, "Authenticating with Bootstrap Tokens").
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Names the token; no secret.
    pub id: String,
    secret: String,
}

/// A text that is no token; it does not say which, since it may be a mistyped one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// A whole token.
    #[error("that is no bootstrap token: it has six characters, a dot and sixteen more, all of a-z and 0-9")]
    Token,
    /// A token's id.
    #[error("that is no id of a bootstrap token: it has six characters of a-z and 0-9")]
    Id,
    /// A token where its id is wanted.
    #[error(
        "give the id alone, the six characters before the dot: the rest is secret and now stands in the shell's history"
    )]
    Whole,
    /// A lifetime beyond what calendars have.
    #[error("a token can't live for {0} s")]
    Lifetime(u64),
}

impl Token {
    /// Returns the token that 24 bytes of chance make: 31 and 83 bits of them are used, evenly but for 2^-33.
    pub fn of_chance(chance: [u8; 24]) -> Self {
        let [a, b, c, d, e, f, g, h, secret @ ..] = chance;
        let id = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        Self { id: digits(id.into(), ID_CHARS), secret: digits(u128::from_le_bytes(secret), SECRET_CHARS) }
    }

    /// Reads a token as a person or a credential gives it; white space around it does not count.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let (id, secret) = text.trim().split_once('.').ok_or(TokenError::Token)?;
        if !is_of(id, ID_CHARS) || !is_of(secret, SECRET_CHARS) {
            return Err(TokenError::Token);
        }
        Ok(Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// Returns the whole token: for the header of a request, or for the one line that a person takes it from.
    pub fn reveal(&self) -> String {
        format!("{}.{}", self.id, self.secret)
    }

    /// Returns the token as it is created on the server: good for joining workers, and nothing else.
    ///
    /// # Errors
    /// When `now_s + ttl_s`, in seconds since 1970, is no date.
    pub fn created(&self, now_s: u64, ttl_s: u64, description: &str) -> Result<NewToken, TokenError> {
        Ok(NewToken {
            id: self.id.clone(),
            secret: self.secret.clone(),
            expiration: rfc3339(now_s.saturating_add(ttl_s)).ok_or(TokenError::Lifetime(ttl_s))?,
            groups: vec![BOOTSTRAPPERS.to_owned()],
            description: description.to_owned(),
        })
    }
}

/// Says the id alone.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Reads a token's id as a person gives it.
///
/// # Errors
/// When it is none, or a whole token.
pub fn parse_id(text: &str) -> Result<String, TokenError> {
    match text {
        id if is_of(id, ID_CHARS) => Ok(id.to_owned()),
        whole if Token::parse(whole).is_ok() => Err(TokenError::Whole),
        _ => Err(TokenError::Id),
    }
}

/// Returns whether a token that ends at `expiration` (RFC 3339) has ended at `now_s`. One without an end never does, and
/// one whose end can't be read is refused by the server.
pub fn has_expired(expiration: Option<&str>, now_s: u64) -> bool {
    let Some(expiration) = expiration else { return false };
    let end = OffsetDateTime::parse(expiration, &Rfc3339).map(OffsetDateTime::unix_timestamp);
    end.map_or(true, |end| i128::from(end) <= i128::from(now_s))
}

/// Returns how many seconds are left at `now_s` until `end` (RFC 3339), if it can be read; none are left after it.
pub fn left_s(end: &str, now_s: u64) -> Option<u64> {
    let end = OffsetDateTime::parse(end, &Rfc3339).ok()?.unix_timestamp();
    Some(u64::try_from(end).unwrap_or(0).saturating_sub(now_s))
}

/// Returns how many seconds lie between `moment` (RFC 3339) and `now_s`, if it can be read; none where it is to come.
pub fn past_s(moment: &str, now_s: u64) -> Option<u64> {
    let moment = OffsetDateTime::parse(moment, &Rfc3339).ok()?.unix_timestamp();
    Some(now_s.saturating_sub(u64::try_from(moment).unwrap_or(0)))
}

fn rfc3339(seconds: u64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(seconds.try_into().ok()?).ok()?;
    time.format(&Rfc3339).ok()
}

fn is_of(text: &str, chars: u32) -> bool {
    text.len() == chars as usize && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// The last `chars` digits of a number to base 36.
fn digits(mut number: u128, chars: u32) -> String {
    let mut digit = || {
        let digit = ALPHABET[(number % 36) as usize];
        number /= 36;
        char::from(digit)
    };
    (0..chars).map(|_| digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_makes_a_token_that_reads_back() {
        for chance in [[0; 24], [255; 24], [7; 24]] {
            let token = Token::of_chance(chance);
            assert_eq!(Token::parse(&token.reveal()), Ok(token));
        }
        let mut other = [7; 24];
        other[23] = 8;
        assert_eq!(Token::of_chance([7; 24]).id, Token::of_chance(other).id);
        assert_ne!(Token::of_chance([7; 24]), Token::of_chance(other), "every byte counts");
        assert_eq!(Token::of_chance([0; 24]).reveal(), "000000.0000000000000000");
    }

    #[test]
    fn what_is_no_token_is_not_repeated() {
        for text in
            ["", "abcdef", "abcdef.0123456789ABCDEF", "abcde.0123456789abcdef0", "abcdef.0123456789abcde"]
        {
            let error = Token::parse(text).unwrap_err();
            assert_eq!(error, TokenError::Token);
            assert!(text.is_empty() || !error.to_string().contains(text));
        }
        assert_eq!(Token::parse(" abcdef.0123456789abcdef\n").unwrap().id, "abcdef");
        assert_eq!(parse_id("abcdef").as_deref(), Ok("abcdef"));
        assert_eq!(parse_id("abcdef.0123456789abcdef"), Err(TokenError::Whole));
        assert_eq!(parse_id("ABCDEF"), Err(TokenError::Id));
    }

    #[test]
    fn a_token_shows_its_id_and_ends() {
        let token = Token::of_chance([7; 24]);
        let secret = token.reveal().split_off(7);
        let created = token.created(1_700_000_000, TTL_S, "for a test").unwrap();
        assert!(!format!("{token:?} {created:?}").contains(&secret));
        assert_eq!(created.expiration, "2023-11-14T23:13:20Z");
        assert_eq!(created.groups, ["system:bootstrappers:kiln:worker"]);
        assert_eq!(token.created(u64::MAX, 1, "").unwrap_err(), TokenError::Lifetime(1));
        assert!(!has_expired(Some("2023-11-14T23:13:20Z"), 1_700_003_599));
        assert!(has_expired(Some("2023-11-15T00:13:20+01:00"), 1_700_003_600));
        assert!(has_expired(Some("soon"), 0) && !has_expired(None, u64::MAX));
    }
}
