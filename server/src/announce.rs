//! Announces the server on the local network by DNS-SD (RFC 6763), so that clients find it by its name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mdns_sd::{DaemonEvent, IfKind, Receiver, ServiceDaemon, ServiceInfo};
use trill_proto::SERVICE_TYPE;
use trill_proto::text::visible;

use crate::spawn_thread;

/// Longest name to announce, in bytes. A DNS label has 63, and mDNS may append a number to a name that is taken.
const MAX_INSTANCE_BYTES: usize = 57;

/// Longest part of the host's name that is used in the name of the address records.
const MAX_HOST_BYTES: usize = 40;

/// How long the goodbye at the end may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(200);

/// The announcement of a server. It answers the queries of clients until it [ends](Self::end).
pub struct Announcement {
    daemon: ServiceDaemon,
}

impl Announcement {
    /// Announces the server `name` of the machine `host` that listens on `address`. Logs a name that is taken, because the
    /// server is then announced under another.
    ///
    /// `None` if no other machine can connect to `address`.
    ///
    /// # Errors
    /// The system has no threads left, or its network does not know multicast.
    pub fn start(name: &str, host: &str, address: SocketAddr) -> Result<Option<Self>, Box<dyn std::error::Error>> {
        if address.ip().to_canonical().is_loopback() {
            return Ok(None);
        }
        let daemon = ServiceDaemon::new()?;
        let announcement = Self { daemon };
        let Self { daemon } = &announcement;
        daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        let events = daemon.monitor()?;
        daemon.register(service(name, host, address)?)?;
        spawn_thread("announce", move || log_events(&events))?;
        Ok(Some(announcement))
    }

    /// Tells clients that the server is gone.
    pub fn end(self) {
        if let Ok(ended) = self.daemon.shutdown() {
            let _ = ended.recv_timeout(GOODBYE_TIMEOUT); // clients notice it anyway
        }
    }
}

/// The records of the server.
fn service(name: &str, host: &str, address: SocketAddr) -> mdns_sd::Result<ServiceInfo> {
    let port = address.port();
    // An unencrypted server. Clients that know keys read this.
    let properties = [("key", "0")];
    let (ip, interfaces) = match address.ip().to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => (None, IfKind::IPv4),
        IpAddr::V6(ip) if ip.is_unspecified() => (None, IfKind::All),
        ip => (Some(ip), IfKind::Addr(ip)),
    };
    let addresses: Vec<IpAddr> = ip.into_iter().collect();
    let new =
        ServiceInfo::new(SERVICE_TYPE, &instance(name), &host_name(host, port), &*addresses, port, &properties[..])?;
    let mut service = if ip.is_none() { new.enable_addr_auto() } else { new };
    service.set_interfaces(vec![interfaces]);
    Ok(service)
}

/// The name that clients find. mdns-sd takes the part before a dot for the whole name when the name is taken, so it has none.
fn instance(name: &str) -> String {
    let name = visible(name).map(|char| if char == '.' { '-' } else { char }).collect::<String>();
    let name = name.trim();
    let name = &name[..name.floor_char_boundary(MAX_INSTANCE_BYTES)];
    if name.is_empty() { "trill".to_owned() } else { name.to_owned() }
}

/// The name of the address records. It differs from the machine's own name, which may belong to another mDNS responder, and
/// from the names of further servers on this machine.
fn host_name(host: &str, port: u16) -> String {
    let host: String = host.chars().filter(|char| char.is_ascii_alphanumeric()).take(MAX_HOST_BYTES).collect();
    format!("trill-{host}-{port}.local.").to_lowercase()
}

fn log_events(events: &Receiver<DaemonEvent>) {
    // A change is reported for each interface.
    let mut logged = String::new();
    // The sender is gone when the announcement has ended.
    while let Ok(event) = events.recv() {
        match event {
            DaemonEvent::NameChange(change) if change.new_name.ends_with(SERVICE_TYPE) && change.new_name != logged => {
                let name = change.new_name.strip_suffix(SERVICE_TYPE).unwrap_or_default().trim_end_matches('.');
                log::warn!("another server on the network has this name; clients find this one as {name:?}");
                logged = change.new_name;
            }
            DaemonEvent::Error(error) => log::debug!("announcing: {error}"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_label() {
        assert_eq!(instance("attic"), "attic");
        assert_eq!(instance("St. Mary\u{1b}[2J"), "St- Mary");
        assert_eq!(instance(" \n"), "trill");
        let long = "ü".repeat(32);
        assert_eq!(instance(&long), "ü".repeat(28));
    }

    #[test]
    fn the_host_of_each_server_has_a_name_of_its_own() {
        assert_eq!(host_name("Attic", 7455), "trill-attic-7455.local.");
        assert_eq!(host_name("", 80), "trill--80.local.");
        assert!(host_name(&"x".repeat(64), 65_535).len() < 63);
    }

    #[test]
    fn a_server_of_this_machine_alone_is_not_announced() {
        for address in ["127.0.0.1:7455", "[::1]:7455", "[::ffff:127.0.0.1]:7455"] {
            let announced = Announcement::start("attic", "attic", address.parse().unwrap());
            assert!(announced.is_ok_and(|announcement| announcement.is_none()), "{address}");
        }
    }

    #[test]
    fn every_address_or_one_is_announced() {
        let service = |address: &str| service("attic", "host", address.parse().unwrap()).unwrap();
        assert!(service("0.0.0.0:80").is_addr_auto() && service("[::]:80").is_addr_auto());
        let one = service("[::ffff:10.0.0.1]:80");
        assert_eq!((one.is_addr_auto(), one.get_addresses().len(), one.get_port()), (false, 1, 80));
        assert_eq!(one.get_fullname(), "attic._trill._tcp.local.");
    }
}
