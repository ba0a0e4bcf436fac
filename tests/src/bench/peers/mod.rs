//! The programs that Trill is compared with, from Debian. Each runs on its own port and stops when its guard is
//! dropped.

pub mod icecast;
pub mod mpd;
pub mod nginx;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// A free address: not every program reports a port chosen by the kernel.
pub(super) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback address has a free port");
    listener.local_addr().expect("a listener has an address")
}
