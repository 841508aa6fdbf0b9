// SPDX-License-Identifier: Apache-2.0
//! The instance metadata service, version 2 only: a token first, by a PUT that forged requests can't make, then reads with
//! it ("Use IMDS", EC2 User Guide). It is asked at its IPv4 address and, where that does not answer, at its IPv6 one.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use reqwest::{Client, Method};

use super::error::{AwsError, AwsErrorKind as Kind};
use super::http::{self, Limits};

/// Both are the service's own, on every instance; the IPv6 one answers where HttpProtocolIpv6 is enabled.
const ADDRESSES: [&str; 2] = ["http://169.254.169.254", "http://[fd00:ec2::254]"];
/// The service is on the same host: what takes longer than this does not come.
const LIMITS: Limits = Limits { connect: Duration::from_secs(1), request: Duration::from_secs(3) };
/// Seconds that a token is good for; a first boot takes less.
const TOKEN_S: u64 = 600;
/// A token is not used in its last seconds.
const TOKEN_SPARE: Duration = Duration::from_secs(30);
/// User-data has 16 KiB at most, and is the longest of all.
const ANSWER_MAX_BYTES: usize = 64 << 10;

/// The metadata service.
#[derive(Debug)]
pub struct Metadata {
    http: Client,
    addresses: Vec<String>,
    session: Mutex<Option<Session>>,
}

/// A token, and the address that gave it.
#[derive(Clone)]
struct Session {
    address: String,
    token: String,
    until: Instant,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Metadata {
    /// Returns the service at its own addresses, or at `address` (`http://HOST:PORT`).
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub fn new(address: Option<&str>) -> Result<Self, AwsError> {
        let http =
            http::client(LIMITS, None).map_err(|kind| AwsError { call: "metadata".to_owned(), kind })?;
        let addresses = match address {
            Some(address) => vec![address.trim_end_matches('/').to_owned()],
            None => ADDRESSES.map(str::to_owned).into(),
        };
        Ok(Self { http, addresses, session: Mutex::new(None) })
    }

    /// Reads what is at `path`; nothing where the service has nothing there.
    ///
    /// # Errors
    /// Of one attempt at each address.
    pub async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, AwsError> {
        let failed = |kind| AwsError { call: path.to_owned(), kind };
        for is_second in [false, true] {
            let session = self.session().await?;
            let url = format!("{}/latest/{path}", session.address);
            let request = self.http.get(url).header("X-aws-ec2-metadata-token", &session.token);
            let answer = request.send().await;
            let answer = answer.map_err(|error| failed(http::kind(&error, &session.address)))?;
            match answer.status().as_u16() {
                200 => {
                    let body = http::body(answer, ANSWER_MAX_BYTES, &session.address).await;
                    return body.map(Some).map_err(failed);
                }
                404 => return Ok(None),
                // The token is over, or another host's: an instance may have been moved.
                401 if !is_second => *self.session.lock().expect("no panic holds it") = None,
                status => return Err(failed(of_status(status))),
            }
        }
        Err(failed(Kind::Refused("two tokens in a row are not taken".to_owned())))
    }

    /// Reads a text of one line, which must be there.
    ///
    /// # Errors
    /// As [`Metadata::read`], and where there is nothing or no text.
    pub async fn word(&self, path: &str) -> Result<String, AwsError> {
        let failed = |why: &str| AwsError { call: path.to_owned(), kind: Kind::Malformed(why.to_owned()) };
        let found = self.read(path).await?.ok_or_else(|| failed("there is nothing"))?;
        let text = String::from_utf8(found).map_err(|_| failed("it is no text"))?;
        let text = text.trim();
        if text.is_empty() || text.contains(char::is_control) {
            return Err(failed("it is not one line"));
        }
        Ok(text.to_owned())
    }

    async fn session(&self) -> Result<Session, AwsError> {
        let held = self.session.lock().expect("no panic holds it").clone();
        if let Some(session) = held.filter(|session| Instant::now() < session.until) {
            return Ok(session);
        }
        let mut first = None;
        for address in &self.addresses {
            match self.begin(address).await {
                Ok(session) => {
                    *self.session.lock().expect("no panic holds it") = Some(session.clone());
                    return Ok(session);
                }
                Err(kind) => first = first.or(Some(kind)),
            }
        }
        let kind = first.unwrap_or_else(|| Kind::Refused("there is no address".to_owned()));
        Err(AwsError { call: "api/token".to_owned(), kind })
    }

    async fn begin(&self, address: &str) -> Result<Session, Kind> {
        let until = Instant::now() + Duration::from_secs(TOKEN_S) - TOKEN_SPARE;
        let request = self.http.request(Method::PUT, format!("{address}/latest/api/token"));
        let request = request.header("X-aws-ec2-metadata-token-ttl-seconds", TOKEN_S);
        let answer = request.send().await.map_err(|error| http::kind(&error, address))?;
        match answer.status().as_u16() {
            200 => {}
            status => return Err(of_status(status)),
        }
        let token = http::body(answer, ANSWER_MAX_BYTES, address).await?;
        let token = String::from_utf8(token).ok().filter(|token| is_token(token));
        let token = token.ok_or_else(|| Kind::Malformed("it is no token".to_owned()))?;
        Ok(Session { address: address.to_owned(), token, until })
    }
}

/// A token goes into a header.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

fn of_status(status: u16) -> Kind {
    match status {
        403 => Kind::Off,
        429 => Kind::Throttled(format!("status {status}")),
        500.. => Kind::Server(status),
        _ => Kind::Refused(format!("status {status}")),
    }
}
