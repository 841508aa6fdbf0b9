// SPDX-License-Identifier: Apache-2.0
//! Links, addresses and routes of the machine, looked at and removed by rtnetlink(7). It makes no link and no route:
//! texts that the system applies at every boot do.

mod netlink;

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::DecodeError;
use netlink_packet_route::address::AddressMessageBuffer;
use netlink_packet_route::link::LinkMessageBuffer;
use netlink_packet_route::route::{RouteMessageBuffer, RouteNextHopBuffer};
use nix::libc;

use crate::links::{Link, Links, Route, Way};
use netlink::{Attributes, Conversation, Message};

/// Sizes of `struct ifinfomsg`, `ifaddrmsg` and `rtmsg` (rtnetlink(7)).
const LINK_BYTES: usize = 16;
const ADDRESS_BYTES: usize = 8;
const ROUTE_BYTES: usize = 12;

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
    let answer = match kernel.ask(&route_request(address)) {
        Ok(answer) => answer,
        Err(error) if is_unreachable(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut all = links(&mut kernel).map_err(failed)?;
    addresses(&mut kernel, &mut all).map_err(failed)?;
    for message in &answer {
        if let Some(way) = way(message, &all).map_err(|error| failed(io::Error::other(error)))? {
            return Ok(Some(way));
        }
    }
    Ok(None)
}

/// Deletes a link, with its addresses and routes; one that is not there is no error.
///
/// # Errors
/// When the kernel refuses.
pub fn delete_link(name: &str) -> Result<(), LinksError> {
    let mut message = Message::new(libc::RTM_DELLINK, vec![0; LINK_BYTES]);
    message.add(libc::IFLA_IFNAME, &[name.as_bytes(), b"\0"].concat());
    delete(&message).map_err(LinksError::at(format!("delete link {name}")))
}

/// Deletes a route of the main table; one that is not there is no error.
///
/// # Errors
/// When the kernel refuses.
pub fn delete_route(route: &Route) -> Result<(), LinksError> {
    // rtnetlink(7): no protocol, kind or scope means any of them.
    let place = (libc::RT_TABLE_MAIN, libc::RT_SCOPE_NOWHERE);
    let mut message =
        route_message(libc::RTM_DELROUTE, route.destination.network(), place, route.destination.prefix_len());
    message.add(libc::RTA_PRIORITY, &route.metric.to_ne_bytes());
    if let Some(gateway) = route.gateway {
        message.add(libc::RTA_GATEWAY, &octets(gateway));
    }
    delete(&message).map_err(LinksError::at(format!("delete the route to {}", route.destination)))
}

fn delete(message: &Message) -> io::Result<()> {
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
    let answer = kernel.list(&Message::new(libc::RTM_GETLINK, vec![0; LINK_BYTES]))?;
    let links = answer.iter().filter(|message| message.kind == libc::RTM_NEWLINK).map(link_of);
    links.collect::<Result<_, _>>().map_err(io::Error::other)
}

fn link_of(message: &Message) -> Result<Link, DecodeError> {
    let told = LinkMessageBuffer::new_checked(message.payload.as_slice())?;
    let attributes = Attributes::of(told.attributes())?;
    let info = attributes.nested(libc::IFLA_LINKINFO)?;
    Ok(Link {
        index: told.link_index(),
        name: attributes.text(libc::IFLA_IFNAME)?.unwrap_or_default(),
        kind: info.text(libc::IFLA_INFO_KIND)?,
        mtu: attributes.number(libc::IFLA_MTU)?.unwrap_or_default(),
        is_up: told.flags() & libc::IFF_UP.cast_unsigned() != 0,
        addresses: Vec::new(),
    })
}

fn addresses(kernel: &mut Conversation, links: &mut [Link]) -> io::Result<()> {
    for message in kernel.list(&Message::new(libc::RTM_GETADDR, vec![0; ADDRESS_BYTES]))? {
        let (index, address) = address_of(&message).map_err(io::Error::other)?;
        if let Some(link) = links.iter_mut().find(|link| link.index == index) {
            link.addresses.extend(address);
        }
    }
    Ok(())
}

/// Returns the index of the link as well.
fn address_of(message: &Message) -> Result<(u32, Option<IpNet>), DecodeError> {
    let told = AddressMessageBuffer::new_checked(message.payload.as_slice())?;
    if message.kind != libc::RTM_NEWADDR || !is_ip(told.family()) {
        return Ok((told.index(), None));
    }
    let attributes = Attributes::of(told.attributes())?;
    // On a point-to-point link the address is the other end, and the local one the own.
    let address = attributes.ip(libc::IFA_LOCAL)?.or(attributes.ip(libc::IFA_ADDRESS)?);
    Ok((told.index(), address.and_then(|address| IpNet::new(address, told.prefix_len()).ok())))
}

fn routes(kernel: &mut Conversation, links: &[Link]) -> io::Result<Vec<Route>> {
    let answer = kernel.list(&Message::new(libc::RTM_GETROUTE, vec![0; ROUTE_BYTES]))?;
    let mut routes = Vec::new();
    for message in answer.iter().filter(|message| message.kind == libc::RTM_NEWROUTE) {
        routes.extend(routes_of(message, links).map_err(io::Error::other)?);
    }
    Ok(routes)
}

/// Returns one route for each next hop of a message, where it is about the main table.
fn routes_of(message: &Message, links: &[Link]) -> Result<Vec<Route>, DecodeError> {
    let told = RouteMessageBuffer::new_checked(message.payload.as_slice())?;
    let kinds = [libc::RTN_UNICAST, libc::RTN_BLACKHOLE, libc::RTN_UNREACHABLE, libc::RTN_PROHIBIT];
    if told.table() != libc::RT_TABLE_MAIN || !kinds.contains(&told.kind()) || !is_ip(told.address_family()) {
        return Ok(Vec::new());
    }
    let attributes = Attributes::of(told.attributes())?;
    let any = if i32::from(told.address_family()) == libc::AF_INET { [0; 4].into() } else { [0; 16].into() };
    let destination = attributes.ip(libc::RTA_DST)?.unwrap_or(any);
    let Ok(destination) = IpNet::new(destination, told.destination_prefix_length()) else {
        return Ok(Vec::new());
    };
    let metric = attributes.number(libc::RTA_PRIORITY)?.unwrap_or_default();
    let route = Route { destination, gateway: attributes.ip(libc::RTA_GATEWAY)?, device: None, metric };
    if told.kind() != libc::RTN_UNICAST {
        // IPv6 hangs them on the loopback link.
        return Ok(vec![route]);
    }
    if let Some(hops) = attributes.bytes(libc::RTA_MULTIPATH) {
        return spread(&route, hops, links);
    }
    let device = attributes.number(libc::RTA_OIF)?.and_then(|index| name_of(links, index));
    Ok(vec![Route { device, ..route }])
}

/// Next hops follow each other, each with its length (rtnetlink(7), `struct rtnexthop`).
fn spread(route: &Route, mut hops: &[u8], links: &[Link]) -> Result<Vec<Route>, DecodeError> {
    let mut routes = Vec::new();
    while !hops.is_empty() {
        let hop = RouteNextHopBuffer::new_checked(hops)?;
        let gateway = Attributes::of(hop.attributes())?.ip(libc::RTA_GATEWAY)?;
        routes.push(Route { gateway, device: name_of(links, hop.interface_index()), ..route.clone() });
        hops = hops.get(usize::from(hop.length()).next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(routes)
}

fn is_ip(family: u8) -> bool {
    [libc::AF_INET, libc::AF_INET6].contains(&family.into())
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().into(),
        IpAddr::V6(address) => address.octets().into(),
    }
}

fn route_request(address: IpAddr) -> Message {
    route_message(libc::RTM_GETROUTE, address, (0, 0), if address.is_ipv4() { 32 } else { 128 })
}

fn route_message(kind: u16, destination: IpAddr, (table, scope): (u8, u8), prefix_len: u8) -> Message {
    let mut header = vec![0; ROUTE_BYTES];
    let family = if destination.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut fields = RouteMessageBuffer::new(&mut header);
    fields.set_address_family(family as u8);
    fields.set_destination_prefix_length(prefix_len);
    fields.set_table(table);
    fields.set_scope(scope);
    let mut message = Message::new(kind, header);
    message.add(libc::RTA_DST, &octets(destination));
    message
}

fn way(message: &Message, links: &[Link]) -> Result<Option<Way>, DecodeError> {
    if message.kind != libc::RTM_NEWROUTE {
        return Ok(None);
    }
    let told = RouteMessageBuffer::new_checked(message.payload.as_slice())?;
    let attributes = Attributes::of(told.attributes())?;
    let Some(source) = attributes.ip(libc::RTA_PREFSRC)? else { return Ok(None) };
    let index = attributes.number(libc::RTA_OIF)?;
    let is_it = |link: &&Link| match told.kind() {
        libc::RTN_LOCAL => link.addresses.iter().any(|address| address.addr() == source),
        _ => Some(link.index) == index,
    };
    let link = links.iter().find(is_it);
    Ok(link.map(|link| Way { device: link.name.clone(), mtu: link.mtu, source }))
}

fn name_of(links: &[Link], index: u32) -> Option<String> {
    links.iter().find(|link| link.index == index).map(|link| link.name.clone())
}
