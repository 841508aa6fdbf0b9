// SPDX-License-Identifier: Apache-2.0
//! The server's name as addresses: /etc/hosts and the name servers of /etc/resolv.conf, read anew for each look-up.
//!
//! At boot that file may be written after the first attempt. The HTTP library's own resolver reads it once, and asks a
//! public name server where it is missing.

use std::net::SocketAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

pub(crate) struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = looked_up(name.as_str()).await;
            let addresses = found.map_err(|error| format!("can't look up {}: {error}", name.as_str()))?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

async fn looked_up(name: &str) -> Result<Vec<SocketAddr>, NetError> {
    let (mut builder, unread) = match TokioResolver::builder_tokio() {
        Ok(builder) => (builder, None),
        // Without name servers there is still /etc/hosts.
        Err(error) => {
            let none = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
            (TokioResolver::builder_with_config(none, TokioRuntimeProvider::default()), Some(error))
        }
    };
    // Both families, so that the connection takes the one that works.
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    let found = builder.build()?.lookup_ip(name).await.map_err(|error| unread.unwrap_or(error))?;
    Ok(found.iter().map(|address| SocketAddr::new(address, 0)).collect())
}
