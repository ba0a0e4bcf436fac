//! Addresses of machines as people write them, and the networks that they belong to.
//!
//! A link-local IPv6 address needs its interface as a zone (RFC 4007). The system numbers interfaces; people see and type
//! their names.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// An IP address with its zone, if it has one. `Display` gives `10.0.0.1`, `2001:db8::1` or `fe80::1%eth0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    ip: IpAddr,
    zone: Option<String>,
}

impl Address {
    /// The address of a socket. An IPv4 address on an IPv6 socket is shown as IPv4.
    pub fn of(address: SocketAddr) -> Self {
        let zone = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(name_of(v6.scope_id())),
            _ => None,
        };
        Self { ip: address.ip().to_canonical(), zone }
    }

    /// The address of an interface of this machine.
    fn of_interface(interface: &if_addrs::Interface) -> Self {
        let zone = is_link_local_v6(interface.ip()).then(|| zone_of(interface));
        Self { ip: interface.ip(), zone }
    }

    /// Without the zone.
    pub(crate) const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Whether it is reachable from the same link only.
    pub(crate) fn is_link_local(&self) -> bool {
        match self.ip {
            IpAddr::V4(v4) => v4.is_link_local(),
            ip => is_link_local_v6(ip),
        }
    }

    /// `10.0.0.1:80` or `[fe80::1%eth0]:80`.
    pub fn with_port(&self, port: u16) -> String {
        match self.ip {
            IpAddr::V4(v4) => format!("{v4}:{port}"),
            IpAddr::V6(_) => format!("[{self}]:{port}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            Some(zone) => write!(f, "{}%{zone}", self.ip),
            None => self.ip.fmt(f),
        }
    }
}

/// Where a client comes from, to count clients of one origin: an IPv4 address, or the network of an IPv6 site, whose
/// machines can take any address in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

/// Bits of an IPv6 address that identify an interface within its network (RFC 4291, 2.5.4).
const INTERFACE_BITS: u32 = 64;

impl Network {
    /// The network of a client. An IPv4 client has the same one on an IPv6 socket.
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            // All link-local addresses have one network, but each machine has its own address.
            IpAddr::V6(v6) if !v6.is_unicast_link_local() && !v6.is_loopback() => {
                Ipv6Addr::from_bits(v6.to_bits() >> INTERFACE_BITS << INTERFACE_BITS).into()
            }
            address => address,
        })
    }

    /// Whether the client runs on this machine.
    pub(crate) const fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }
}

/// The addresses of this machine except loopback, link-local ones last. Empty if the system does not report them.
pub(crate) fn of_this_machine() -> Vec<Address> {
    let interfaces = interfaces();
    let up = interfaces.iter().filter(|interface| interface.is_oper_up() && !interface.is_loopback());
    let (near, far): (Vec<_>, Vec<_>) = up.map(Address::of_interface).partition(Address::is_link_local);
    [far, near].concat()
}

/// Reads `[fe80::1%eth0]:80`, `[fe80::1%eth0]` or `fe80::1%eth0`. The port defaults to `default_port`. `None` if the
/// text has another form or the machine has no such interface.
pub(crate) fn parse_with_zone(text: &str, default_port: u16) -> Option<SocketAddr> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => (text, ""),
    };
    let port =
        port.strip_prefix(':').map_or_else(|| port.is_empty().then_some(default_port), |port| port.parse().ok())?;
    let (ip, zone) = host.split_once('%')?;
    let mut address = std::net::SocketAddrV6::new(ip.parse().ok()?, port, 0, 0);
    address.set_scope_id(zone.parse().ok().or_else(|| number_of(zone))?);
    Some(address.into())
}

/// Adds the zone to an address that lacks one, if exactly one interface of this machine has the address.
pub(crate) fn with_zone(address: SocketAddr) -> SocketAddr {
    let SocketAddr::V6(mut v6) = address else { return address };
    if lacks_zone(&address) {
        let interfaces = interfaces();
        let mut numbers = interfaces.iter().filter(|it| it.ip() == address.ip()).filter_map(|it| it.index);
        if let (Some(number), None) = (numbers.next(), numbers.next()) {
            v6.set_scope_id(number);
        }
    }
    v6.into()
}

/// Whether an address is ambiguous because it lacks a zone.
pub(crate) fn lacks_zone(address: &SocketAddr) -> bool {
    matches!(address, SocketAddr::V6(v6) if v6.scope_id() == 0 && is_link_local_v6(address.ip()))
}

fn is_link_local_v6(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// The zone of an address in text form, if this machine has no such interface.
pub(crate) fn unknown_zone(text: &str) -> Option<&str> {
    let (ip, rest) = text.split_once('%')?;
    let zone = rest.split(']').next().filter(|zone| !zone.is_empty())?;
    let is_address = ip.trim_start_matches('[').parse::<Ipv6Addr>().is_ok();
    (is_address && zone.parse::<u32>().is_err() && number_of(zone).is_none()).then_some(zone)
}

/// The name of an interface; its number if it has none.
fn name_of(number: u32) -> String {
    let interface = interfaces().into_iter().find(|interface| interface.index == Some(number));
    interface.map_or_else(|| number.to_string(), |interface| zone_of(&interface))
}

fn number_of(name: &str) -> Option<u32> {
    interfaces().into_iter().find(|interface| interface.name == name)?.index
}

/// The text of a zone. Windows takes only numbers.
fn zone_of(interface: &if_addrs::Interface) -> String {
    match interface.index {
        Some(number) if cfg!(windows) => number.to_string(),
        _ => interface.name.clone(),
    }
}

fn interfaces() -> Vec<if_addrs::Interface> {
    if_addrs::get_if_addrs().unwrap_or_default()
}

#[cfg(test)]
impl Address {
    /// Parses an address as it is shown.
    pub(crate) fn parse(text: &str) -> Self {
        let (ip, zone) = text.split_once('%').map_or((text, None), |(ip, zone)| (ip, Some(zone.to_owned())));
        Self { ip: ip.parse().unwrap(), zone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every machine has this interface.
    fn loopback() -> if_addrs::Interface {
        interfaces().into_iter().find(if_addrs::Interface::is_loopback).unwrap()
    }

    #[test]
    fn a_zone_is_shown_as_the_name_of_its_interface() {
        let loopback = loopback();
        let address: SocketAddr = format!("[fe80::1%{}]:80", loopback.index.unwrap()).parse().unwrap();
        let shown = Address::of(address);
        assert_eq!(shown.to_string(), format!("fe80::1%{}", zone_of(&loopback)));
        assert_eq!(parse_with_zone(&shown.with_port(80), 7455), Some(address));
        let mut with_default_port = address;
        with_default_port.set_port(7455);
        assert_eq!(parse_with_zone(&shown.to_string(), 7455), Some(with_default_port));
        assert_eq!(parse_with_zone(&format!("[{shown}]"), 7455), Some(with_default_port));
    }

    #[test]
    fn an_interface_that_is_gone_is_shown_as_a_number() {
        let shown = Address::of("[fe80::1%4294967295]:80".parse().unwrap());
        assert_eq!(shown.with_port(80), "[fe80::1%4294967295]:80");
    }

    #[test]
    fn other_addresses_are_shown_without_a_zone() {
        let shown = |text: &str| Address::of(text.parse().unwrap()).with_port(1);
        assert_eq!(shown("10.0.0.1:80"), "10.0.0.1:1");
        assert_eq!(shown("[::ffff:10.0.0.1]:80"), "10.0.0.1:1");
        assert_eq!(shown("[2001:db8::1]:80"), "[2001:db8::1]:1");
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in [
            "fe80::1",
            "[fe80::1]:80",
            "fe80::1%",
            "[fe80::1%no such]:80",
            "[fe80::1%1]80",
            "[fe80::1%1]:x",
            "10.0.0.1%1",
        ] {
            assert_eq!(parse_with_zone(text, 7455), None, "{text}");
        }
    }

    #[test]
    fn machines_of_one_ipv6_site_share_a_network() {
        let of = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("fe80::1"), of("fe80::2"));
        assert!(of("::1").is_loopback() && of("127.0.0.9").is_loopback() && of("::ffff:127.0.0.1").is_loopback());
        assert!(!of("::2").is_loopback() && !of("fe80::1").is_loopback());
    }
}
