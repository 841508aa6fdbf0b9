// SPDX-License-Identifier: Apache-2.0
//! A way from a port of this machine's loopback into a segment: QEMU without a machine, whose user network is on the
//! switch. It takes an address of the segment and needs no root.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use ipnet::Ipv4Net;

use super::call::{escaped, words};

/// A way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The switch's socket.
    pub switch: PathBuf,
    /// The segment.
    pub segment: Ipv4Net,
    /// The address that it takes; two gateways have two.
    pub address: Ipv4Addr,
    /// An address for a name server, which QEMU wants and which answers nobody.
    pub resolver: Ipv4Addr,
    /// The port of the loopback.
    pub port: u16,
    /// Where it leads to.
    pub target: SocketAddrV4,
}

impl Gateway {
    /// Returns QEMU's arguments.
    pub fn arguments(&self) -> Vec<String> {
        let Self { segment, address, resolver, port, target, .. } = self;
        let switch = escaped(&self.switch);
        // restrict: nothing of the segment gets out that way.
        let way = format!(
            "user,id=way,net={segment},host={address},dns={resolver},restrict=on,\
             hostfwd=tcp:127.0.0.1:{port}-{target}"
        );
        let fixed = ["-machine", "none", "-nodefaults", "-display", "none"].map(str::to_owned);
        [
            fixed.into(),
            words("-netdev", format!("stream,id=switch,server=off,addr.type=unix,addr.path={switch}")),
            words("-netdev", way),
            words("-netdev", "hubport,id=hub-switch,hubid=0,netdev=switch"),
            words("-netdev", "hubport,id=hub-way,hubid=0,netdev=way"),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_leads_one_port_to_one_place_and_nothing_out() {
        let gateway = Gateway {
            switch: "/s,1".into(),
            segment: "10.0.2.0/24".parse().unwrap(),
            address: [10, 0, 2, 1].into(),
            resolver: [10, 0, 2, 3].into(),
            port: 4711,
            target: "10.0.2.10:6443".parse().unwrap(),
        };
        let words = gateway.arguments().join(" ");
        let way = "user,id=way,net=10.0.2.0/24,host=10.0.2.1,dns=10.0.2.3,restrict=on,\
            hostfwd=tcp:127.0.0.1:4711-10.0.2.10:6443";
        assert!(words.contains(way), "{words}");
        assert!(words.contains("addr.path=/s,,1 "), "{words}");
    }
}
