// SPDX-License-Identifier: Apache-2.0
//! The Kubernetes API in kiln's words: a thin client over HTTPS.
//!
//! Each method is one request, unless it says otherwise, and each request that fails says what kind of failure it was,
//! whether it may have taken effect, and whether to try again. Wire types stop here. It is no general client: there are
//! no caches, no informers, no leader election and no kinds that kiln does not read.
//!
//! ```text
//! Access (where, whom to trust, as whom) ─► Client ─► Node, Csr, ConfigMap, Token, Object
//!                                             │
//!                                             └► ApiError { kind, request }
//! ```

mod access;
mod body;
mod client;
mod clock;
mod config_map;
mod csr;
mod error;
mod kind;
mod kubeconfig;
mod list;
mod meta;
mod meter;
mod names;
mod node;
mod object;
mod pod;
mod proxy;
mod request;
mod retry;
mod service;
mod status;
mod tls;
mod token;
mod transport;
mod version;
mod watch;

pub use access::{Access, AccessError, Credential, Limits, Proxy};
pub use client::Client;
pub use config_map::{ConfigMap, NewConfigMap, NodeOwner};
pub use csr::{Csr, CsrState, KUBELET_CLIENT_SIGNER, NewCsr};
pub use error::{ApiError, RequestLine};
pub use kind::{ApiErrorKind, Cause, TlsClock};
pub use kubeconfig::ReadFile;
pub use meta::{Meta, Owner};
pub use meter::Counts;
#[cfg(feature = "firstboot")]
pub(crate) use names::Names;
pub use node::{NewNode, Node, Taint};
pub use object::{FIELD_MANAGER, Object, ObjectRef};
pub use pod::Pod;
pub use retry::{Backoff, pause_after};
pub use status::clean;
pub use token::{NewToken, Token};
pub use version::{SUPPORTED_MINORS, Support, Version};
