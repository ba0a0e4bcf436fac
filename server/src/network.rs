//! Which clients count as coming from the same place.

use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or the network that a site gets for its IPv6 machines: each of these can take any address in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

/// Bits of an IPv6 address that name a machine within its network (RFC 4291, 2.5.4).
const MACHINE_BITS: u32 = 64;

impl Network {
    /// The network of a client. A client that comes by IPv4 is the same whether the socket knows IPv6 or not.
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            // Neighbours without a router have the same network; their addresses are their own.
            IpAddr::V6(v6) if !v6.is_unicast_link_local() && !v6.is_loopback() => {
                Ipv6Addr::from_bits(v6.to_bits() >> MACHINE_BITS << MACHINE_BITS).into()
            }
            address => address,
        })
    }

    /// Whether it is this machine.
    pub(crate) const fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_of_one_site_are_one() {
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
