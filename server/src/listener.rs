//! Listens, and gives each connection a thread.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::Level;
use socket2::{Domain, Protocol, Socket, Type};
use trill_proto::limits::DEFAULT_PORT;

use crate::address::{self, Address};
use crate::connection::Connection;
use crate::network::Network;
use crate::porter::Porter;
use crate::registry::Membership;
use crate::server::Shared;
use crate::threads;

/// Connections that may wait in the kernel to be accepted: a whole house that reconnects at once.
const BACKLOG: i32 = 1_024;

/// Commands that wait to be read. Linux takes twice what it is told, for its own use (socket(7)).
pub(crate) const RECEIVE_BUFFER_BYTES: usize = 8 * 1_024;

/// Bytes on their way to a client. Two seconds of round-trip at 320 kbit/s need 80 KB, and the kernel takes twice this.
pub(crate) const SEND_BUFFER_BYTES: usize = 64 * 1_024;

/// How long to wait after a failure to accept, at first and at most: usually there are no descriptors left, and only
/// clients that leave make some free.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How often the log says that connections cannot be accepted.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// How long the connection may take that wakes the listener when it is to stop.
const WAKE_PATIENCE: Duration = Duration::from_millis(100);

/// Opens a socket that listens on `address`, or else on every address of the machine, IPv4 and IPv6.
///
/// # Errors
/// [`BindError`], if the address cannot be had.
pub(crate) fn bind(address: Option<SocketAddr>) -> Result<TcpListener, BindError> {
    let any_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT));
    let any_v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT));
    let bound = match address.map(address::with_zone) {
        Some(address) => (address, listen(address)),
        None => match listen(any_v6) {
            // A machine without IPv6.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => (any_v4, listen(any_v4)),
            bound => (any_v6, bound),
        },
    };
    let (address, bound) = bound;
    bound.map_err(|cause| BindError { address, cause })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // Start again while connections of the last run linger. On Windows it would mean to take the port from others.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    // Connections inherit these. Left to itself, the kernel may take megabytes for each, as it sees fit.
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The address cannot be listened on. `Display` gives one line.
#[derive(Debug)]
pub struct BindError {
    address: SocketAddr,
    cause: io::Error,
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, cause } = self;
        let shown = Address::of(*address);
        match cause.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "port {} is taken: another server may be running; --listen chooses a port", address.port())
            }
            io::ErrorKind::AddrNotAvailable => write!(f, "{shown} is not an address of this machine"),
            io::ErrorKind::PermissionDenied => {
                write!(f, "no permission to listen on {}", shown.with_port(address.port()))
            }
            _ if address::lacks_zone(address) => {
                write!(f, "{shown} needs the interface that it belongs to, such as {}%eth0", address.ip())
            }
            _ => write!(f, "cannot listen on {}: {cause}", shown.with_port(address.port())),
        }
    }
}

/// The accepting side of a server.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    porter: Porter,
    is_stopped: Mutex<bool>,
    stopped: Condvar,
}

impl Listener {
    /// # Errors
    /// When there are no threads left.
    pub(crate) fn new(socket: TcpListener) -> io::Result<Self> {
        Ok(Self { socket, porter: Porter::start()?, is_stopped: Mutex::new(false), stopped: Condvar::new() })
    }

    /// Accepts connections until [`stop`](Self::stop) is called.
    pub(crate) fn accept_until_stopped(&self, shared: &Arc<Shared>) {
        let mut backoff = None;
        let mut complained = None;
        let mut is_complaint_in_force = false;
        loop {
            let accepted = self.socket.accept();
            if self.waits_or_is_stopped(Duration::ZERO) {
                return;
            }
            match accepted {
                Ok((stream, peer)) => {
                    backoff = None;
                    if std::mem::take(&mut is_complaint_in_force) {
                        log::info!("connections are accepted again");
                    }
                    self.receive(shared, stream, peer);
                }
                // The client was gone before it was accepted.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {
                }
                Err(error) => {
                    let (first, longest) = BACKOFF;
                    let pause = backoff.map_or(first, |last: Duration| (last * 2).min(longest));
                    backoff = Some(pause);
                    if complained.is_none_or(|at: Instant| at.elapsed() >= COMPLAINT_INTERVAL) {
                        complained = Some(Instant::now());
                        is_complaint_in_force = true;
                        log::warn!("cannot accept connections: {error}");
                    }
                    if self.waits_or_is_stopped(pause) {
                        return;
                    }
                }
            }
        }
    }

    /// Makes [`accept_until_stopped`](Self::accept_until_stopped) return. Returns whether that is certain.
    pub(crate) fn stop(&self) -> bool {
        *self.is_stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stopped.notify_all();
        // Nothing but a connection ends `accept` on every system. Where this one fails for want of descriptors,
        // `accept` fails too, and the listener is in the pause after that.
        let connect = |address| TcpStream::connect_timeout(&reachable(address), WAKE_PATIENCE);
        self.socket.local_addr().and_then(connect).is_ok()
    }

    /// Waits for `pause`, unless the listener is stopped meanwhile. Returns whether it is.
    fn waits_or_is_stopped(&self, pause: Duration) -> bool {
        let is_stopped = self.is_stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.stopped.wait_timeout_while(is_stopped, pause, |is_stopped| !*is_stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn receive(&self, shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
        let membership = match shared.registry.admit(stream, peer.ip()) {
            Ok(membership) => membership,
            Err(stream) => {
                log::debug!("{} was turned away: all places are taken", Address::of(peer).with_port(peer.port()));
                return self.porter.turn_away(stream);
            }
        };
        let link = Arc::clone(membership.link());
        if let Err(error) = spawn(shared, membership, peer) {
            let client = Address::of(peer).with_port(peer.port());
            let line = format_args!("{client} was turned away: no thread for it: {error}");
            shared.client_log.write(Level::Warn, Network::of(peer.ip()), line);
            // The thread's share of it went with the thread.
            if let Some(link) = Arc::into_inner(link) {
                self.porter.turn_away(link.into_stream());
            }
        }
    }
}

/// Starts the one thread of a connection.
fn spawn(shared: &Arc<Shared>, membership: Membership, peer: SocketAddr) -> io::Result<()> {
    let name = format!("client {}", membership.id());
    match Connection::accept(Arc::clone(shared), membership, peer) {
        Ok(connection) => threads::spawn(&name, move || connection.serve()).map(drop),
        Err(error) => {
            log::debug!("{peer}: {error}");
            Ok(())
        }
    }
}

/// Where to connect to reach a socket that is bound to `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let mut reachable = address; // with the zone
    reachable.set_ip(ip);
    reachable
}
