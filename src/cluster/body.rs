// SPDX-License-Identifier: Apache-2.0
//! The body of an answer, in pieces or as a whole, and never longer than it may be.

use std::sync::Arc;

use reqwest::Response;

use super::error::ApiErrorKind as Kind;
use super::meter::Meter;
use super::transport;

/// The largest object is about 1.5 MiB (etcd's limit for one request).
pub(super) const BODY_MAX_BYTES: usize = 4 << 20;
/// A page of a list has 500 objects at most; Nodes with the names of many images have some 50 KiB.
pub(super) const PAGE_MAX_BYTES: usize = 64 << 20;

/// An answer whose body has yet to come.
#[derive(Debug)]
pub(super) struct Body {
    response: Response,
    meter: Arc<Meter>,
}

impl Body {
    pub(super) fn new(response: Response, meter: Arc<Meter>) -> Self {
        Self { response, meter }
    }

    /// Returns the next piece.
    pub(super) async fn chunk(
        &mut self,
    ) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]>>, Kind> {
        let chunk = self.response.chunk().await.map_err(|error| transport::kind(&error))?;
        if let Some(chunk) = &chunk {
            self.meter.received(chunk.len());
        }
        Ok(chunk)
    }

    /// Returns all of it.
    pub(super) async fn all(mut self, limit: usize) -> Result<Vec<u8>, Kind> {
        let too_long = || Kind::Malformed(format!("it is longer than {limit} bytes"));
        let promised = self.response.content_length().unwrap_or(0);
        let promised =
            usize::try_from(promised).ok().filter(|length| *length <= limit).ok_or_else(too_long)?;
        // A server may promise much and send nothing.
        let mut all = Vec::with_capacity(promised.min(BODY_MAX_BYTES));
        while let Some(chunk) = self.chunk().await? {
            if all.len() + chunk.len() > limit {
                return Err(too_long());
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    /// Returns the beginning of it, whatever happens: the words of a refusal.
    pub(super) async fn beginning(mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < BODY_MAX_BYTES {
            match self.chunk().await {
                Ok(Some(chunk)) => all.extend_from_slice(&chunk),
                Ok(None) | Err(_) => break,
            }
        }
        all
    }
}
