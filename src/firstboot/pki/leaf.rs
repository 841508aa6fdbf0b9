// SPDX-License-Identifier: Apache-2.0
//! What a leaf certificate is to say: wanted, not made.

use std::fmt;
use std::net::IpAddr;

/// A leaf certificate as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The subject's common name: the user, or the server's name for people.
    pub name: String,
    /// The subject's organisation: the user's group.
    pub organization: Option<String>,
    /// Which side of a connection it is for.
    pub usage: Usage,
    /// What the server is called; more in a certificate is no misfit.
    pub names: Vec<San>,
}

impl Leaf {
    /// Returns the client certificate of a user in a group.
    pub fn client(name: &str, organization: Option<&str>) -> Self {
        Self {
            name: name.to_owned(),
            organization: organization.map(str::to_owned),
            usage: Usage::Client,
            names: Vec::new(),
        }
    }

    /// Returns the certificate that kubelet is known by: system:node:NAME in system:nodes.
    pub fn kubelet(node: &str) -> Self {
        Self::client(&format!("system:node:{node}"), Some("system:nodes"))
    }
}

/// The extended key usages of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// TLS client.
    Client,
    /// TLS server.
    Server,
    /// Both: what etcd's members are to each other.
    Both,
}

impl Usage {
    /// Returns whether it includes TLS server.
    pub fn serves(self) -> bool {
        self != Self::Client
    }

    /// Returns whether it includes TLS client.
    pub fn calls(self) -> bool {
        self != Self::Server
    }
}

/// A subject alternative name. An address is never written as a DNS name: Go and rustls would not find it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum San {
    /// `kubernetes.default.svc`.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

impl San {
    /// Returns the name that a text is: an address if it can be read as one.
    pub fn of(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Dns(text.to_owned()), Self::Ip)
    }
}

impl fmt::Display for San {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => formatter.write_str(name),
            Self::Ip(address) => address.fmt(formatter),
        }
    }
}
