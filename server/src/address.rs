//! Addresses of machines, as people write them: a link-local IPv6 address has the interface that it belongs to as its zone,
//! because without one nobody can connect to it (RFC 4007).
//!
//! The system numbers its interfaces. People see and type their names.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// An IP address with its zone, if it has one. `Display` gives `10.0.0.1`, `2001:db8::1` or `fe80::1%eth0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    ip: IpAddr,
    zone: Option<String>,
}

impl Address {
    /// The address of a socket. An IPv4 address is shown as one, whatever kind of socket it comes from.
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

    /// Whether only machines on the same link can reach it.
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

/// The addresses by which others reach this machine, those that only machines on the same link reach last.
///
/// Sends nothing. Empty if the system does not tell.
pub(crate) fn of_this_machine() -> Vec<Address> {
    let interfaces = interfaces();
    let up = interfaces.iter().filter(|interface| interface.is_oper_up() && !interface.is_loopback());
    let (near, far): (Vec<_>, Vec<_>) = up.map(Address::of_interface).partition(Address::is_link_local);
    [far, near].concat()
}

/// Reads `[fe80::1%eth0]:80`, `[fe80::1%eth0]` or `fe80::1%eth0`. The port is `default_port` if none is given. `None` if the
/// text is not of this form or the machine has no such interface.
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

/// Adds the zone to an address that needs one, if the address is one of this machine's and of one interface only.
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

/// Whether an address says nothing without the zone that it does not have.
pub(crate) fn lacks_zone(address: &SocketAddr) -> bool {
    matches!(address, SocketAddr::V6(v6) if v6.scope_id() == 0 && is_link_local_v6(address.ip()))
}

fn is_link_local_v6(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// The zone in the text of an address, if this machine has no such interface.
pub(crate) fn unknown_zone(text: &str) -> Option<&str> {
    let (ip, rest) = text.split_once('%')?;
    let zone = rest.split(']').next().filter(|zone| !zone.is_empty())?;
    let is_address = ip.trim_start_matches('[').parse::<std::net::Ipv6Addr>().is_ok();
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

/// How a zone is written: Windows takes numbers only.
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
    /// For tests: an address as it is shown.
    pub(crate) fn parse(text: &str) -> Self {
        let (ip, zone) = text.split_once('%').map_or((text, None), |(ip, zone)| (ip, Some(zone.to_owned())));
        Self { ip: ip.parse().unwrap(), zone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The interface that every machine has.
    fn loopback() -> if_addrs::Interface {
        interfaces().into_iter().find(if_addrs::Interface::is_loopback).unwrap()
    }

    #[test]
    fn a_zone_has_the_name_of_its_interface() {
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
    fn an_interface_that_is_gone_is_a_number() {
        let shown = Address::of("[fe80::1%4294967295]:80".parse().unwrap());
        assert_eq!(shown.with_port(80), "[fe80::1%4294967295]:80");
    }

    #[test]
    fn what_has_no_zone_is_shown_without_one() {
        let shown = |text: &str| Address::of(text.parse().unwrap()).with_port(1);
        assert_eq!(shown("10.0.0.1:80"), "10.0.0.1:1");
        assert_eq!(shown("[::ffff:10.0.0.1]:80"), "10.0.0.1:1");
        assert_eq!(shown("[2001:db8::1]:80"), "[2001:db8::1]:1");
    }

    #[test]
    fn other_texts_are_not_taken() {
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
}
