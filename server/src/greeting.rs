//! What the server says when it starts: to people, on stdout, and to programs that start it.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use trill_proto::limits::DEFAULT_PORT;

/// Addresses that are offered, at most: more than these are bridges and tunnels.
const MAX_OFFERED: usize = 4;

/// Said as soon as clients can connect.
pub fn listening(address: SocketAddr) -> String {
    format!("listening on {address}\n")
}

/// Said when there is no directory to serve.
pub fn demo(songs: usize) -> String {
    format!("serving the {songs} songs that are built in; for your own: trill-server DIR\n")
}

/// Said when the directory was walked: how many songs there are, and what to type to hear them. `addresses` are those
/// of this machine.
pub fn ready(songs: u32, bound: SocketAddr, addresses: &[IpAddr]) -> String {
    let plural = if songs == 1 { "" } else { "s" };
    let mut text = format!("ready, {songs} song{plural}\n");
    if bound.ip().is_loopback() {
        let _ = writeln!(text, "on this machine type:     trill {bound}\nother machines cannot connect");
        return text;
    }
    for (index, address) in offered(bound.ip(), addresses).into_iter().enumerate() {
        let lead = if index == 0 { "on another machine type: " } else { "                     or: " };
        let _ = writeln!(text, "{lead} trill {}", server(address, bound.port()));
    }
    text.push_str("open to everybody on the network: there is no password\n");
    text
}

/// The addresses by which others reach this machine.
///
/// Sends nothing. Empty if the system does not tell.
pub fn addresses_of_this_machine() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let up = interfaces.iter().filter(|interface| interface.is_oper_up());
    up.filter(|interface| !interface.is_loopback() && !interface.is_link_local()).map(if_addrs::Interface::ip).collect()
}

fn offered(bound: IpAddr, addresses: &[IpAddr]) -> Vec<IpAddr> {
    if !bound.is_unspecified() {
        return vec![bound];
    }
    let (mut offered, v6): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| address.is_ipv4());
    // Long to type, so only where there is no other.
    if offered.is_empty() && bound.is_ipv6() {
        offered = v6;
    }
    offered.truncate(MAX_OFFERED);
    offered
}

/// A server as `trill` takes it.
fn server(address: IpAddr, port: u16) -> String {
    match address {
        _ if port != DEFAULT_PORT => SocketAddr::new(address, port).to_string(),
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 3] = ["192.168.1.5", "10.0.0.7", "2001:db8::5"];

    #[track_caller]
    fn check(songs: u32, bound: &str, addresses: &[&str], expected: &str) {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        assert_eq!(ready(songs, bound.parse().unwrap(), &addresses), expected, "{bound}");
    }

    #[test]
    fn every_address_is_offered_without_the_default_port() {
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
    fn loopback_is_for_this_machine() {
        check(
            2,
            "127.0.0.1:40000",
            &ALL,
            "ready, 2 songs\non this machine type:     trill 127.0.0.1:40000\nother machines cannot connect\n",
        );
    }
}
