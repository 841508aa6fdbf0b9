// SPDX-License-Identifier: Apache-2.0
//! How an API server is reached and as whom: values that say no secret when they are shown.

use std::fmt;
use std::time::Duration;

use url::Url;

/// How to reach an API server, and as whom.
#[derive(Clone)]
pub struct Access {
    /// `https://HOST:PORT`, with a path where a proxy in front of several clusters wants one.
    pub server: String,
    /// CA certificates in PEM, one or several; nothing else is trusted.
    pub ca: String,
    /// As whom.
    pub credential: Credential,
    /// How long to wait for what.
    pub limits: Limits,
    /// A proxy between here and the server; none on a node, whatever its environment says.
    pub proxy: Option<Proxy>,
    /// What the server's audit log calls this program: "kiln-firstboot/0.1.0".
    pub agent: String,
}

/// As whom requests are made.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Nobody (`system:anonymous`).
    None,
    /// The bearer of a token.
    Token(String),
    /// The subject of a client certificate.
    Certificate {
        /// The certificate and what leads to its CA, in PEM; other blocks in the text are passed over.
        chain: String,
        /// Its private key, in PEM.
        key: String,
    },
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection, look-up of the name and TLS included.
    pub connect: Duration,
    /// For one request as a whole, connection and answer included.
    pub request: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        // The server itself gives up a write after 34 s; a node that waits as long learns how the write ended.
        Self { connect: Duration::from_secs(10), request: Duration::from_secs(35) }
    }
}

/// A proxy that HTTPS is tunnelled through.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `http://HOST:PORT` (`HTTPS_PROXY`, or `proxy-url` of a kubeconfig).
    pub address: String,
    /// Hosts that are reached without it (`NO_PROXY`).
    pub except: Option<String>,
}

impl Proxy {
    /// Returns the proxy at an address, as `HTTPS_PROXY` has it: `http://` may be missing.
    ///
    /// # Errors
    /// When it is no address of a host; its words do not repeat it, since it may hold a password.
    pub fn parse(address: &str, except: Option<&str>) -> Result<Self, AccessError> {
        let address = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let is_one =
            Url::parse(&address).is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        match is_one {
            true => Ok(Self { address, except: except.map(str::to_owned) }),
            false => Err(AccessError::Proxy("it is not http://HOST:PORT (HTTPS_PROXY)".to_owned())),
        }
    }
}

impl Access {
    /// Returns the access of a node: no proxy, the usual limits, this program's name.
    pub fn of_node(server: &str, ca: &str, credential: Credential) -> Self {
        Self {
            server: server.to_owned(),
            ca: ca.to_owned(),
            credential,
            limits: Limits::default(),
            proxy: None,
            agent: concat!("kiln-firstboot/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Credential {
    /// Returns the credential of a text that holds certificate and key, as kubelet's `kubelet-client-current.pem` does.
    pub fn of_pem(text: &str) -> Self {
        Self::Certificate { chain: text.to_owned(), key: text.to_owned() }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token(..)",
            Self::Certificate { .. } => "Certificate(..)",
        })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a name and a password.
        f.write_str("Proxy(..)")
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, ca: _, credential, limits, proxy, agent } = self;
        let mut shown = f.debug_struct("Access");
        shown.field("server", server).field("credential", credential).field("limits", limits);
        shown.field("proxy", proxy).field("agent", agent).finish_non_exhaustive()
    }
}

/// Why an [`Access`] can't be used; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The address is not one.
    #[error("the API server's address {found:?} {why}")]
    Server {
        /// The address, as it was given.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The CA certificates are no certificates.
    #[error("the cluster's CA certificates: {0}")]
    Ca(String),
    /// Certificate, key or token can't be used.
    #[error("the credential: {0}")]
    Credential(String),
    /// The proxy's address is not one.
    #[error("the proxy's address: {0}")]
    Proxy(String),
    /// A kubeconfig lacks something or asks for what this client does not do.
    #[error("kubeconfig: {0}")]
    Kubeconfig(String),
    /// The HTTP library could not start.
    #[error("the HTTP client: {0}")]
    Http(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let pem = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
        let secret = "abcdef.0123456789abcdef";
        for credential in [Credential::Token(secret.to_owned()), Credential::of_pem(pem)] {
            let mut access = Access::of_node("https://10.0.0.1:6443", "", credential);
            access.proxy = Some(Proxy { address: format!("http://me:{secret}@proxy"), except: None });
            let shown = format!("{access:?} {:?}", access.credential);
            assert!(!shown.contains("0123456789abcdef") && !shown.contains("c2VjcmV0"), "{shown}");
            assert!(shown.contains("https://10.0.0.1:6443"), "{shown}");
        }
    }
}
