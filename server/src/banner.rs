//! What the server prints when it starts, for people and for programs that start it.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use trill_proto::limits::DEFAULT_PORT;

use crate::address::{self, Address};

/// Addresses that are shown at most. Further ones are usually bridges and tunnels.
const MAX_SHOWN: usize = 4;

/// Printed as soon as clients can connect.
pub fn listening(address: SocketAddr) -> String {
    format!("listening on {}\n", Address::of(address).with_port(address.port()))
}

/// Printed if no directory was given.
pub fn built_in(songs: usize) -> String {
    format!("serving {songs} built-in songs; to serve your own: trill-server DIR\n")
}

/// Logged when clients can connect: the largest number of clients at once.
pub fn capacity(clients: usize) -> String {
    format!("room for {clients} client{}", plural(clients == 1))
}

/// Printed after the first scan: the number of songs and the command to type on a client. `addresses` are those of this
/// machine.
pub fn ready(songs: u32, bound: SocketAddr, addresses: &[Address]) -> String {
    let mut text = format!("ready, {songs} song{}\n", plural(songs == 1));
    if bound.ip().is_loopback() {
        let _ = writeln!(text, "on this machine type:     trill {bound}\nother machines cannot connect");
        return text;
    }
    let shown = shown(Address::of(bound), addresses);
    for (index, address) in shown.iter().enumerate() {
        let lead = if index == 0 { "on another machine type: " } else { "                     or: " };
        let _ = writeln!(text, "{lead} trill {}", server(address, bound.port()));
    }
    if shown.iter().any(|address| address.is_link_local() && address.ip().is_ipv6()) {
        text.push_str("after the %, use the other machine's interface\n");
    }
    text.push_str("open to everybody on the network: there is no password\n");
    text
}

/// The addresses of this machine except loopback. Empty if the system does not report them.
pub fn addresses_of_this_machine() -> Vec<Address> {
    address::of_this_machine()
}

/// The best of the `addresses`: IPv4 is shorter to type, and link-local addresses work only on one link.
fn shown(bound: Address, addresses: &[Address]) -> Vec<Address> {
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let is_reachable = |address: &&Address| address.ip().is_ipv4() || bound.ip().is_ipv6();
    let kind = |address: &Address| (address.is_link_local(), address.ip().is_ipv6());
    let Some(best) = addresses.iter().filter(is_reachable).map(kind).min() else { return Vec::new() };
    addresses.iter().filter(|address| kind(address) == best).take(MAX_SHOWN).cloned().collect()
}

/// A server's address as `trill` takes it.
fn server(address: &Address, port: u16) -> String {
    match address.ip() {
        _ if port != DEFAULT_PORT => address.with_port(port),
        IpAddr::V4(_) => address.to_string(),
        IpAddr::V6(_) => format!("[{address}]"),
    }
}

const fn plural(is_one: bool) -> &'static str {
    if is_one { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 3] = ["192.168.1.5", "10.0.0.7", "2001:db8::5"];

    #[track_caller]
    fn check(songs: u32, bound: &str, addresses: &[&str], expected: &str) {
        let addresses: Vec<_> = addresses.iter().map(|address| Address::parse(address)).collect();
        assert_eq!(ready(songs, bound.parse().unwrap(), &addresses), expected, "{bound}");
    }

    #[test]
    fn one_client_is_singular() {
        let lines = ["room for 0 clients", "room for 1 client", "room for 2 clients"];
        assert_eq!([0, 1, 2].map(capacity), lines);
    }

    #[test]
    fn every_address_is_shown_without_the_default_port() {
        check(
            3,
            "[::]:7455",
            &ALL,
            "ready, 3 songs\n\
             on another machine type:  trill 192.168.1.5\n\
             \x20                    or:  trill 10.0.0.7\n\
             open to everybody on the network: there is no password\n",
        );
    }

    #[test]
    fn one_address_alone_and_another_port() {
        check(
            1,
            "10.0.0.7:80",
            &ALL,
            "ready, 1 song\n\
             on another machine type:  trill 10.0.0.7:80\n\
             open to everybody on the network: there is no password\n",
        );
    }

    #[test]
    fn ipv6_where_there_is_nothing_else() {
        check(
            0,
            "[::]:7455",
            &ALL[2..],
            "ready, 0 songs\n\
             on another machine type:  trill [2001:db8::5]\n\
             open to everybody on the network: there is no password\n",
        );
    }

    #[test]
    fn link_local_where_there_is_nothing_else() {
        let (v4, v6) = ("169.254.7.8", ["fe80::5%eth0", "fe80::5%wlan0"]);
        check(
            0,
            "[::]:7455",
            &[v6[0], v4],
            "ready, 0 songs\n\
             on another machine type:  trill 169.254.7.8\n\
             open to everybody on the network: there is no password\n",
        );
        check(
            0,
            "[::]:80",
            &v6,
            "ready, 0 songs\n\
             on another machine type:  trill [fe80::5%eth0]:80\n\
             \x20                    or:  trill [fe80::5%wlan0]:80\n\
             after the %, use the other machine's interface\n\
             open to everybody on the network: there is no password\n",
        );
    }

    #[test]
    fn loopback_is_for_this_machine() {
        check(
            2,
            "127.0.0.1:40000",
            &ALL,
            "ready, 2 songs\non this machine type:     trill 127.0.0.1:40000\nother machines cannot connect\n",
        );
    }
}
