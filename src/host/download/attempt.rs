// SPDX-License-Identifier: Apache-2.0
//! One attempt: a request, for the rest where there is a beginning, and the answer into a sink.

use std::time::Duration;

use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE, RETRY_AFTER,
};
use reqwest::{Client, Response};

use super::Limits;
use super::error::DownloadErrorKind as Kind;
use super::retry::Failure;
use super::settings::Bounds;
use super::sink::{Resume, Sink};
use crate::host::cache::PartialState;
use crate::progress::Progress;

pub(super) async fn run(
    client: &Client,
    limits: &Limits,
    url: &str,
    bounds: Bounds,
    sink: &mut (dyn Sink + Send),
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let resume = sink.resume();
    let mut response = send(client, limits, url, resume.as_ref()).await?;
    let promised = accept(&response, limits, url, resume.as_ref(), sink)?;
    check_promise(promised, bounds)?;
    let limit = promised.or(bounds.size).unwrap_or(bounds.size_max);
    let of = |error: &reqwest::Error| Kind::of(error, limits.stall.as_secs(), limits.redirects);
    loop {
        let chunk = match in_time(limits.stall, response.chunk()).await? {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(error) => match (of(&error), promised) {
                (Kind::Broken(_), Some(promised)) => {
                    return Err(Kind::Truncated { got: sink.len(), promised }.into());
                }
                (kind, _) => return Err(kind.into()),
            },
        };
        if sink.len() + chunk.len() as u64 > limit {
            return Err(Kind::TooLong { limit }.into());
        }
        sink.push(&chunk).map_err(Kind::Disk)?;
        progress.advance(url, chunk.len() as u64);
    }
    match promised.or(bounds.size) {
        Some(promised) if sink.len() < promised => Err(Kind::Truncated { got: sink.len(), promised }.into()),
        _ => Ok(()),
    }
}

async fn send(
    client: &Client,
    limits: &Limits,
    url: &str,
    resume: Option<&Resume>,
) -> Result<Response, Failure> {
    let mut request = client.get(url);
    if let Some(Resume { offset, validator, .. }) = resume {
        request = request.header(RANGE, format!("bytes={offset}-"));
        if let Some(validator) = validator {
            request = request.header(IF_RANGE, validator);
        }
    }
    let sent = in_time(limits.connect + limits.stall, request.send()).await?;
    sent.map_err(|error| Kind::of(&error, limits.stall.as_secs(), limits.redirects).into())
}

/// Judges status and headers, prepares the sink, and returns the whole file's promised size.
fn accept(
    response: &Response,
    limits: &Limits,
    url: &str,
    resume: Option<&Resume>,
    sink: &mut dyn Sink,
) -> Result<Option<u64>, Failure> {
    let (status, headers) = (response.status().as_u16(), response.headers());
    match (status, resume) {
        (200, _) => {
            let size = text(headers, CONTENT_LENGTH).and_then(|text| text.parse().ok());
            let state = PartialState { url: url.to_owned(), validator: validator(headers), size };
            sink.begin(state).map_err(Kind::Disk)?;
            Ok(size)
        }
        (206, Some(resume)) => match content_range(headers) {
            Some((start, end, size)) if start == resume.offset => {
                if !is_same(resume, headers, size) {
                    sink.forget().map_err(Kind::Disk)?;
                    return Err(Kind::OtherFile.into());
                }
                sink.join();
                Ok(size.or(resume.size).or(Some(end + 1)))
            }
            _ => {
                sink.forget().map_err(Kind::Disk)?;
                Err(Kind::Range.into())
            }
        },
        (416, Some(_)) => {
            sink.forget().map_err(Kind::Disk)?;
            Err(Kind::Range.into())
        }
        (404 | 410, _) => Err(Kind::NotFound(status).into()),
        _ => Err(refused(status, headers, limits)),
    }
}

fn refused(status: u16, headers: &HeaderMap, limits: &Limits) -> Failure {
    // The other form, a date, is not used by the servers of the table.
    let wait_s = text(headers, RETRY_AFTER).and_then(|text| text.parse().ok());
    match wait_s {
        Some(wait_s) if wait_s > limits.pause_max.as_secs() => Kind::Wait { status, wait_s }.into(),
        _ => Failure { kind: Kind::Status(status), wait_s },
    }
}

fn check_promise(promised: Option<u64>, bounds: Bounds) -> Result<(), Kind> {
    match (promised, bounds.size) {
        (Some(found), Some(expected)) if found != expected => Err(Kind::Size { expected, found }),
        (Some(found), _) if found > bounds.size_max => Err(Kind::TooLong { limit: bounds.size_max }),
        _ => Ok(()),
    }
}

/// A validator that is strong enough for If-Range (RFC 9110 section 13.1.5): a date is, if the file was a second old when it
/// was sent (8.8.2.2).
fn validator(headers: &HeaderMap) -> Option<String> {
    let tag = text(headers, ETAG).filter(|tag| tag.starts_with('"'));
    let date = || text(headers, LAST_MODIFIED).filter(|it| Some(*it) != text(headers, DATE));
    tag.or_else(date).map(str::to_owned)
}

/// Tells whether an answer is the rest of what is there: of the same size and with the same validator. Servers exist that
/// do not look at If-Range, so nothing is joined on their word alone (RFC 9110 section 15.3.7.3).
fn is_same(resume: &Resume, headers: &HeaderMap, size: Option<u64>) -> bool {
    let differs = |a: Option<u64>, b: Option<u64>| a.zip(b).is_some_and(|(a, b)| a != b);
    if differs(resume.size, size) {
        return false;
    }
    match &resume.validator {
        // Must be there, if it was there before (15.3.7).
        Some(tag) if tag.starts_with('"') => text(headers, ETAG) == Some(tag),
        // May be left out in an answer to If-Range.
        Some(date) => text(headers, LAST_MODIFIED).is_none_or(|found| found == date),
        // The digest will tell.
        None => true,
    }
}

/// Parses `bytes FIRST-LAST/SIZE` (RFC 9110 section 14.4); the size may be unknown (`*`). A range that ends before it begins
/// or behind the file is none.
fn content_range(headers: &HeaderMap) -> Option<(u64, u64, Option<u64>)> {
    let (range, size) = text(headers, CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    // u64::MAX would overflow in what follows; no file is that large.
    let last: u64 = last.parse().ok().filter(|last| *last < u64::MAX)?;
    let first: u64 = first.parse().ok().filter(|first| *first <= last)?;
    let size = match size {
        "*" => None,
        size => Some(size.parse().ok().filter(|size| last < *size)?),
    };
    Some((first, last, size))
}

fn text(headers: &HeaderMap, name: reqwest::header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

async fn in_time<T>(limit: Duration, wait: impl Future<Output = T>) -> Result<T, Kind> {
    tokio::time::timeout(limit, wait).await.map_err(|_| Kind::Stalled { limit_s: limit.as_secs() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_strictly() {
        let range = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, text.parse().unwrap());
            content_range(&headers)
        };
        assert_eq!(range("bytes 5-9/10"), Some((5, 9, Some(10))));
        assert_eq!(range("bytes 5-9/*"), Some((5, 9, None)));
        for wrong in [
            "bytes 5-4/10",
            "bytes 5-10/10",
            "bytes 5-9/x",
            "bytes */10",
            "5-9/10",
            "bytes 5-/10",
            "bytes 5-18446744073709551615/*",
            "",
        ] {
            assert_eq!(range(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_strong_validators_go_into_if_range() {
        let mut headers = HeaderMap::new();
        assert_eq!(validator(&headers), None);
        headers.insert(ETAG, "W/\"weak\"".parse().unwrap());
        assert_eq!(validator(&headers), None);
        headers.insert(DATE, "Sat, 21 Nov 2026 00:00:00 GMT".parse().unwrap());
        headers.insert(LAST_MODIFIED, "Sat, 21 Nov 2026 00:00:00 GMT".parse().unwrap());
        assert_eq!(validator(&headers), None, "it may be changed again in the same second");
        headers.insert(DATE, "Sat, 21 Nov 2026 00:00:01 GMT".parse().unwrap());
        assert_eq!(validator(&headers).unwrap(), "Sat, 21 Nov 2026 00:00:00 GMT");
        headers.insert(ETAG, "\"strong\"".parse().unwrap());
        assert_eq!(validator(&headers).unwrap(), "\"strong\"");
    }

    #[test]
    fn parts_belong_together_by_size_and_validator() {
        let resume = |validator: &str, size| Resume {
            offset: 5,
            validator: Some(validator.to_owned()).filter(|it| !it.is_empty()),
            size,
        };
        let headers = |pairs: &[(reqwest::header::HeaderName, &'static str)]| {
            pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect::<HeaderMap>()
        };
        let (x, date) = ("\"x\"", "Sat, 21 Nov 2026 00:00:00 GMT");
        assert!(is_same(&resume(x, Some(10)), &headers(&[(ETAG, x)]), Some(10)));
        assert!(is_same(&resume(x, Some(10)), &headers(&[(ETAG, x)]), None));
        assert!(!is_same(&resume(x, Some(10)), &headers(&[(ETAG, x)]), Some(11)));
        for other in ["\"y\"", "W/\"x\"", "x"] {
            assert!(!is_same(&resume(x, None), &headers(&[(ETAG, other)]), None), "{other}");
        }
        assert!(!is_same(&resume(x, None), &headers(&[]), None));
        assert!(is_same(&resume(date, None), &headers(&[]), None));
        assert!(is_same(&resume(date, None), &headers(&[(LAST_MODIFIED, date)]), None));
        let later = "Sat, 21 Nov 2026 00:00:09 GMT";
        assert!(!is_same(&resume(date, None), &headers(&[(LAST_MODIFIED, later)]), None));
        assert!(is_same(&resume("", None), &headers(&[(ETAG, x)]), Some(10)));
    }
}
