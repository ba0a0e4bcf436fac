//! Finds the servers that announce themselves on the local network (DNS-SD, RFC 6763).
//!
//! Each search has a thread of its own, which ends with it. Nothing that is found is kept. What the network says is not
//! trusted: there is a limit to everything, and [`Found::name`] is clean text.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use mdns_sd::{IfKind, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent};
use trill_proto::SERVICE_TYPE;

use crate::ui::text::clean;

/// How long to search for a name that DNS may know, too. mdns-sd delays the query by up to 50 ms, and a server its answer by
/// up to 120 ms (RFC 6762, sections 5.2 and 6).
pub const SHORT: Duration = Duration::from_millis(300);

/// How long to search for a server that must be on the network. A server answers once a second (RFC 6762, section 6), so the
/// first query has no answer if another client has just asked. mdns-sd repeats it after a second.
pub const LONG: Duration = Duration::from_millis(1_500);

/// How long a search for a name waits for more answers after one that fits: the longest delay of a server's answer.
const NAME_SETTLED: Duration = Duration::from_millis(120);

/// How long to search for all servers. A sleeping wireless interface may take some tenths of a second.
const ALL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a search for all servers waits for more answers after the last: until the second query is answered.
const ALL_SETTLED: Duration = Duration::from_millis(1_300);

/// The longest name (RFC 6763, section 4.1.1).
pub const MAX_NAME_BYTES: usize = 63;

/// Servers that are found at most.
const MAX_SERVERS: usize = 256;

/// Addresses of a server that are tried at most.
const MAX_ADDRESSES: usize = 16;

/// A server that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The name under which it is announced. If several servers chose the same name, it ends in a number: `attic (2)`.
    pub name: String,
    /// The best address first. Never empty.
    pub addresses: Vec<SocketAddr>,
}

impl Found {
    /// The best address.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Whether this is its name, or the name that the server chose.
    pub fn is_named(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.name.to_lowercase() == name || base_name(&self.name).to_lowercase() == name
    }

    fn new(service: &ResolvedService) -> Option<Self> {
        let mut addresses: Vec<_> =
            service.addresses.iter().filter_map(|ip| socket_address(ip, service.port)).take(MAX_ADDRESSES).collect();
        addresses.sort_by_key(|address| (is_link_local(address.ip()), address.is_ipv6(), *address));
        let name = instance(&service.fullname)?;
        (!addresses.is_empty() && service.port != 0).then_some(Self { name, addresses })
    }
}

/// Searches for all servers, for 2 s at most. Returns them by name.
pub fn find_all() -> Vec<Found> {
    search(ALL_TIMEOUT, ALL_SETTLED, |_| true)
}

/// Searches for any servers, for at most [`LONG`].
pub fn find_soon() -> Vec<Found> {
    search(LONG, SHORT, |_| true)
}

/// Searches for the servers that have or chose `name`.
pub fn find_named(name: &str, timeout: Duration) -> Vec<Found> {
    let servers = search(timeout, NAME_SETTLED, |found| found.is_named(name));
    if servers.is_empty() || servers.iter().any(|found| found.name.to_lowercase() == name.to_lowercase()) {
        return servers;
    }
    // A server with a number means that there is or was one without.
    search(LONG, LONG, |found| found.is_named(name))
}

/// Searches for the server that is announced under `name`.
pub fn find_instance(name: &str, timeout: Duration) -> Vec<Found> {
    search(timeout, NAME_SETTLED, |found| found.name == name)
}

/// Collects the servers that are wanted, until `timeout`, or until nothing more is heard for `settled`. A machine without
/// multicast finds none.
fn search(timeout: Duration, settled: Duration, is_wanted: impl Fn(&Found) -> bool) -> Vec<Found> {
    let Ok(daemon) = ServiceDaemon::new() else { return Vec::new() };
    let mut servers: Vec<Found> = Vec::new();
    // A server is announced on this machine's other interfaces, too.
    let _ = daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6]);
    if let Ok(events) = daemon.browse(SERVICE_TYPE) {
        let mut until = Instant::now() + timeout;
        while let Ok(event) = events.recv_deadline(until) {
            match event {
                ServiceEvent::ServiceResolved(service) => {
                    let Some(found) = Found::new(&service).filter(&is_wanted) else { continue };
                    servers.retain(|server| server.name != found.name);
                    if servers.len() < MAX_SERVERS {
                        servers.push(found);
                    }
                    until = until.min(Instant::now() + settled);
                }
                ServiceEvent::ServiceRemoved(_, fullname) => {
                    let name = instance(&fullname);
                    servers.retain(|server| Some(&server.name) != name.as_ref());
                }
                _ => {}
            }
        }
    }
    // The thread ends by itself.
    let _ = daemon.shutdown();
    servers.sort_by_key(|server| server.name.to_lowercase());
    servers
}

/// The clean name of an instance: `attic` of `attic._trill._tcp.local.`. A backslash protects a dot within the name.
fn instance(fullname: &str) -> Option<String> {
    let at = fullname.len().checked_sub(SERVICE_TYPE.len() + 1)?;
    let (escaped, service) = fullname.split_at_checked(at)?;
    let is_complete = service.strip_prefix('.').is_some_and(|service| service.eq_ignore_ascii_case(SERVICE_TYPE));
    let mut chars = escaped.chars();
    let mut name = String::new();
    while let Some(char) = chars.next() {
        name.extend(if char == '\\' { chars.next() } else { Some(char) });
    }
    let name = clean(&name).trim().to_owned();
    (is_complete && !name.is_empty()).then_some(name)
}

/// The name that a server chose: `attic` of `attic (2)`.
fn base_name(name: &str) -> &str {
    let numbered = name.strip_suffix(')').and_then(|rest| rest.rsplit_once(" ("));
    match numbered {
        Some((base, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => base,
        _ => name,
    }
}

fn socket_address(ip: &ScopedIp, port: u16) -> Option<SocketAddr> {
    match ip {
        ScopedIp::V4(v4) => Some((*v4.addr(), port).into()),
        ScopedIp::V6(v6) if v6.addr().is_unicast_link_local() => {
            Some(SocketAddrV6::new(*v6.addr(), port, 0, v6.scope_id().index).into())
        }
        ScopedIp::V6(v6) => Some((*v6.addr(), port).into()),
        _ => None,
    }
}

const fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_instance_is_clean() {
        let check = |fullname: &str, expected| assert_eq!(instance(fullname).as_deref(), expected, "{fullname}");
        check("attic._trill._tcp.local.", Some("attic"));
        check("Attic (2)._Trill._TCP.local.", Some("Attic (2)"));
        check(r"St\. Mary\\1._trill._tcp.local.", Some(r"St. Mary\1"));
        check("a\u{1b}]2;x\u{7}\u{202e}b._trill._tcp.local.", Some("ab"));
        for other in
            ["", "_trill._tcp.local.", "._trill._tcp.local.", "attic._http._tcp.local.", "ü", "\\._trill._tcp.local."]
        {
            check(other, None);
        }
    }

    #[test]
    fn a_number_is_no_part_of_the_name_that_was_chosen() {
        for (name, expected) in [
            ("attic", "attic"),
            ("attic (2)", "attic"),
            ("attic (old)", "attic (old)"),
            ("attic ()", "attic ()"),
            ("attic (2) (3)", "attic (2)"),
            ("(2)", "(2)"),
        ] {
            assert_eq!(base_name(name), expected);
        }
    }
}
