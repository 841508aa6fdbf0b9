// SPDX-License-Identifier: Apache-2.0
//! Links, addresses and routes of the machine, looked at and removed by rtnetlink(7). It makes no link and no route:
//! texts that the system applies at every boot do.

mod netlink;

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, route::RouteScope};

use crate::links::{Link, Links, Route, Way};
use netlink::Conversation;

/// What the kernel would not do or tell.
#[derive(Debug, thiserror::Error)]
#[error("can't {action}")]
pub struct LinksError {
    /// `list links`, `delete link cni0`, ...
    pub action: String,
    /// Why not.
    #[source]
    pub source: io::Error,
}

impl LinksError {
    fn at(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self { action, source }
    }
}

/// Looks at all links, their addresses, and the routes of the main table.
///
/// # Errors
/// When the kernel does not answer.
pub fn look() -> Result<Links, LinksError> {
    let mut kernel = Conversation::open().map_err(LinksError::at("ask for links"))?;
    let mut links = links(&mut kernel).map_err(LinksError::at("list links"))?;
    addresses(&mut kernel, &mut links).map_err(LinksError::at("list addresses"))?;
    let routes = routes(&mut kernel, &links).map_err(LinksError::at("list routes"))?;
    Ok(Links { links, routes })
}

/// Returns how packets to `address` leave the machine; none when there is no route.
///
/// Where the address is the machine's own, the answer is the link that holds it, not the loopback that such packets take.
///
/// # Errors
/// When the kernel does not answer.
pub fn way_to(address: IpAddr) -> Result<Option<Way>, LinksError> {
    let failed = |source| LinksError::at(format!("ask for the route to {address}"))(source);
    let mut kernel = Conversation::open().map_err(failed)?;
    let answer = match kernel.ask(Message::GetRoute(route_request(address))) {
        Ok(answer) => answer,
        Err(error) if is_unreachable(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut all = links(&mut kernel).map_err(failed)?;
    addresses(&mut kernel, &mut all).map_err(failed)?;
    Ok(answer.iter().find_map(|message| way(message, &all)))
}

/// Deletes a link, with its addresses and routes; one that is not there is no error.
///
/// # Errors
/// When the kernel refuses.
pub fn delete_link(name: &str) -> Result<(), LinksError> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    delete(Message::DelLink(message)).map_err(LinksError::at(format!("delete link {name}")))
}

/// Deletes a route of the main table; one that is not there is no error.
///
/// # Errors
/// When the kernel refuses.
pub fn delete_route(route: &Route) -> Result<(), LinksError> {
    let mut message = RouteMessage::default();
    message.header = header(route.destination.addr(), route.destination.prefix_len());
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    // rtnetlink(7): nothing of these means any of them.
    message.header.scope = RouteScope::NoWhere;
    message.attributes.push(RouteAttribute::Destination(route.destination.network().into()));
    message.attributes.push(RouteAttribute::Priority(route.metric));
    if let Some(gateway) = route.gateway {
        message.attributes.push(RouteAttribute::Gateway(gateway.into()));
    }
    delete(Message::DelRoute(message))
        .map_err(LinksError::at(format!("delete the route to {}", route.destination)))
}

fn delete(message: Message) -> io::Result<()> {
    match Conversation::open()?.tell(message) {
        Err(error) if is_missing(&error) => Ok(()),
        other => other,
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(nix::libc::ENODEV | nix::libc::ESRCH))
}

fn is_unreachable(error: &io::Error) -> bool {
    let unreachable = [
        nix::libc::ENETUNREACH,
        nix::libc::EHOSTUNREACH,
        nix::libc::ENETDOWN,
        nix::libc::EACCES,
        nix::libc::EINVAL,
    ];
    error.raw_os_error().is_some_and(|code| unreachable.contains(&code))
}

fn links(kernel: &mut Conversation) -> io::Result<Vec<Link>> {
    let answer = kernel.list(Message::GetLink(LinkMessage::default()))?;
    let links = answer.iter().filter_map(|message| match message {
        Message::NewLink(link) => Some(link_of(link)),
        _ => None,
    });
    Ok(links.collect())
}

fn link_of(message: &LinkMessage) -> Link {
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        kind: None,
        mtu: 0,
        is_up: message.header.flags.contains(LinkFlags::Up),
        addresses: Vec::new(),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::LinkInfo(infos) => link.kind = infos.iter().find_map(kind_of),
            _ => {}
        }
    }
    link
}

fn kind_of(info: &LinkInfo) -> Option<String> {
    match info {
        LinkInfo::Kind(kind) => Some(kind.to_string()),
        _ => None,
    }
}

fn addresses(kernel: &mut Conversation, links: &mut [Link]) -> io::Result<()> {
    for message in kernel.list(Message::GetAddress(AddressMessage::default()))? {
        let Message::NewAddress(message) = message else { continue };
        let Some(link) = links.iter_mut().find(|link| link.index == message.header.index) else { continue };
        link.addresses.extend(address_of(&message));
    }
    Ok(())
}

fn address_of(message: &AddressMessage) -> Option<IpNet> {
    // On a point-to-point link `Address` is the other end, and `Local` the own one.
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let address = local.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })?;
    IpNet::new(address, message.header.prefix_len).ok()
}

fn routes(kernel: &mut Conversation, links: &[Link]) -> io::Result<Vec<Route>> {
    let answer = kernel.list(Message::GetRoute(RouteMessage::default()))?;
    let routes = answer.iter().flat_map(|message| match message {
        Message::NewRoute(route) => routes_of(route, links),
        _ => Vec::new(),
    });
    Ok(routes.collect())
}

/// Returns one route for each next hop of a message, where it is about the main table.
fn routes_of(message: &RouteMessage, links: &[Link]) -> Vec<Route> {
    let kinds = [RouteType::Unicast, RouteType::BlackHole, RouteType::Unreachable, RouteType::Prohibit];
    if message.header.table != RouteHeader::RT_TABLE_MAIN || !kinds.contains(&message.header.kind) {
        return Vec::new();
    }
    let Some(destination) = destination_of(message) else { return Vec::new() };
    let mut route = Route { destination, gateway: None, device: None, metric: 0 };
    let mut hops = Vec::new();
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Gateway(gateway) => route.gateway = ip(gateway),
            RouteAttribute::Oif(index) => route.device = name_of(links, *index),
            RouteAttribute::Priority(metric) => route.metric = *metric,
            RouteAttribute::MultiPath(all) => hops.clone_from(all),
            _ => {}
        }
    }
    if message.header.kind != RouteType::Unicast {
        // IPv6 hangs them on the loopback link.
        return vec![Route { device: None, ..route }];
    }
    if hops.is_empty() {
        return vec![route];
    }
    let spread = hops.iter().map(|hop| {
        let gateway = hop.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Gateway(gateway) => ip(gateway),
            _ => None,
        });
        Route { gateway, device: name_of(links, hop.interface_index), ..route.clone() }
    });
    spread.collect()
}

fn destination_of(message: &RouteMessage) -> Option<IpNet> {
    let any: IpAddr = match message.header.address_family {
        AddressFamily::Inet => [0; 4].into(),
        AddressFamily::Inet6 => [0; 16].into(),
        _ => return None,
    };
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(address) => ip(address),
        _ => None,
    });
    IpNet::new(address.unwrap_or(any), message.header.destination_prefix_length).ok()
}

fn route_request(address: IpAddr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = header(address, if address.is_ipv4() { 32 } else { 128 });
    message.attributes.push(RouteAttribute::Destination(address.into()));
    message
}

fn header(address: IpAddr, prefix_len: u8) -> RouteHeader {
    let address_family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    RouteHeader { address_family, destination_prefix_length: prefix_len, ..RouteHeader::default() }
}

fn way(message: &Message, links: &[Link]) -> Option<Way> {
    let Message::NewRoute(route) = message else { return None };
    let (mut index, mut source) = (None, None);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(found) => index = Some(*found),
            RouteAttribute::PrefSource(found) => source = ip(found),
            _ => {}
        }
    }
    let source = source?;
    let link = match route.header.kind {
        RouteType::Local => {
            links.iter().find(|link| link.addresses.iter().any(|address| address.addr() == source))?
        }
        _ => links.iter().find(|link| Some(link.index) == index)?,
    };
    Some(Way { device: link.name.clone(), mtu: link.mtu, source })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

fn name_of(links: &[Link], index: u32) -> Option<String> {
    links.iter().find(|link| link.index == index).map(|link| link.name.clone())
}
