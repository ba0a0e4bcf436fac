//! What Trill is measured beside, as it comes from Debian: started for the purpose, on a port of its own, and ended with
//! its guard.

pub mod icecast;
pub mod mpd;
pub mod nginx;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// An address that nobody listens at just now: not every program tells which port it was given.
pub(super) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback address has a free port");
    listener.local_addr().expect("a listener has an address")
}
