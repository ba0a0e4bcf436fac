//! Listens, and gives each connection a thread. Refuses connections that the server has no room for.

use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::Level;
use socket2::{Domain, Protocol, Socket, Type};
use trill_proto::error::Refusal;
use trill_proto::limits::DEFAULT_PORT;
use trill_proto::message::refusal;

use crate::address::{self, Address, Network};
use crate::clients::ClientEntry;
use crate::close::lingering_close;
use crate::connection::Connection;
use crate::server::Shared;
use crate::spawn_thread;

/// Connections that may wait in the kernel to be accepted, for example when all clients reconnect at once.
const BACKLOG: i32 = 1_024;

/// Receive buffer of a socket, for commands. Linux doubles this for its own use (socket(7)).
pub(crate) const RECEIVE_BUFFER_BYTES: usize = 8 * 1_024;

/// Send buffer of a socket. A round-trip of two seconds at 320 kbit/s needs 80 KB; Linux doubles this size, too.
pub(crate) const SEND_BUFFER_BYTES: usize = 64 * 1_024;

/// The first and the longest pause after a failed accept. Usually no descriptors are left until clients leave.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Connections that may wait for their lingering close. Further ones are closed at once and may lose their refusal.
const MAX_REFUSED: usize = 64;

/// How long a client may take to read its refusal and close.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a failure to accept is logged.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// How long the connection that wakes the listener at its end may take.
const WAKE_TIMEOUT: Duration = Duration::from_millis(100);

/// Opens a socket that listens on `address`, or on every IPv4 and IPv6 address of the machine.
///
/// # Errors
/// [`BindError`] if the system does not allow it.
pub(crate) fn bind(address: Option<SocketAddr>) -> Result<TcpListener, BindError> {
    let any_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT));
    let any_v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT));
    let bound = match address.map(address::with_zone) {
        Some(address) => (address, listen(address)),
        None => match listen(any_v6) {
            // The machine has no IPv6.
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
    // Allows a restart while old connections linger. On Windows it would allow taking the port from another program.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    // Connections inherit these. By default the kernel may use megabytes for each.
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The server cannot listen on an address. `Display` gives one line.
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
                write!(f, "{shown} needs its interface, such as {}%eth0", address.ip())
            }
            _ => write!(f, "cannot listen on {}: {cause}", shown.with_port(address.port())),
        }
    }
}

/// The accepting side of a server.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    refuser: Refuser,
    is_stopped: Mutex<bool>,
    stopped: Condvar,
}

impl Listener {
    /// # Errors
    /// When there are no threads left.
    pub(crate) fn new(socket: TcpListener) -> io::Result<Self> {
        Ok(Self { socket, refuser: Refuser::start()?, is_stopped: Mutex::new(false), stopped: Condvar::new() })
    }

    /// Accepts connections until [`stop`](Self::stop) is called.
    pub(crate) fn accept_until_stopped(&self, shared: &Arc<Shared>) {
        let mut backoff = None;
        let mut warned_at = None;
        let mut is_failing = false;
        loop {
            let accepted = self.socket.accept();
            if self.wait_or_stop(Duration::ZERO) {
                return;
            }
            match accepted {
                Ok((stream, peer)) => {
                    backoff = None;
                    if std::mem::take(&mut is_failing) {
                        log::info!("connections are accepted again");
                    }
                    self.admit(shared, stream, peer);
                }
                // The client was gone before it was accepted.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {
                }
                Err(error) => {
                    let (first, longest) = BACKOFF;
                    let pause = backoff.map_or(first, |last: Duration| (last * 2).min(longest));
                    backoff = Some(pause);
                    if warned_at.is_none_or(|at: Instant| at.elapsed() >= WARNING_INTERVAL) {
                        warned_at = Some(Instant::now());
                        is_failing = true;
                        log::warn!("cannot accept connections: {error}");
                    }
                    if self.wait_or_stop(pause) {
                        return;
                    }
                }
            }
        }
    }

    /// Makes [`accept_until_stopped`](Self::accept_until_stopped) return. Returns whether it certainly will.
    pub(crate) fn stop(&self) -> bool {
        *self.is_stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stopped.notify_all();
        // Only a connection ends `accept` on every system. If this one fails for lack of descriptors, `accept` fails, too, and
        // the listener is in the pause after that.
        let connect = |address| TcpStream::connect_timeout(&reachable(address), WAKE_TIMEOUT);
        self.socket.local_addr().and_then(connect).is_ok()
    }

    /// Waits for `pause` or until the listener is stopped. Returns whether it is stopped.
    fn wait_or_stop(&self, pause: Duration) -> bool {
        let is_stopped = self.is_stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.stopped.wait_timeout_while(is_stopped, pause, |is_stopped| !*is_stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn admit(&self, shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
        let entry = match shared.clients.register(stream, peer.ip()) {
            Ok(entry) => entry,
            Err(stream) => {
                log::debug!("{} was refused: all places are taken", Address::of(peer).with_port(peer.port()));
                return self.refuser.refuse(stream);
            }
        };
        let handle = Arc::clone(entry.handle());
        if let Err(error) = start(shared, entry, peer) {
            let client = Address::of(peer).with_port(peer.port());
            let line = format_args!("{client} was refused: cannot start a thread: {error}");
            shared.client_log.write(Level::Warn, Network::of(peer.ip()), line);
            // The thread that did not start has dropped its handle.
            if let Some(handle) = Arc::into_inner(handle) {
                self.refuser.refuse(handle.into_stream());
            }
        }
    }
}

/// Starts the thread of a connection.
fn start(shared: &Arc<Shared>, entry: ClientEntry, peer: SocketAddr) -> io::Result<()> {
    let name = format!("client {}", entry.id());
    match Connection::new(Arc::clone(shared), entry, peer) {
        Ok(connection) => spawn_thread(&name, move || connection.serve()).map(drop),
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

/// A handle to the thread that closes refused connections: so a refused client cannot block the listener and needs no thread of
/// its own. The thread ends when the handle is dropped.
#[derive(Debug)]
pub(crate) struct Refuser {
    queue: SyncSender<(TcpStream, Instant)>,
}

impl Refuser {
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start() -> io::Result<Self> {
        let (queue, refused) = sync_channel(MAX_REFUSED);
        spawn_thread("refuse", move || close_all(&refused))?;
        Ok(Self { queue })
    }

    /// Tells the client that the server is busy, and closes the connection. Does not block.
    pub(crate) fn refuse(&self, stream: TcpStream) {
        // Eight bytes always fit into the empty send buffer of a new connection.
        let written = stream.set_nonblocking(true).and_then(|()| (&stream).write_all(&refusal(Refusal::Busy)));
        if written.and_then(|()| stream.set_nonblocking(false)).is_ok() {
            let _ = self.queue.try_send((stream, Instant::now() + REFUSAL_TIMEOUT));
        }
    }
}

/// The deadlines start at the refusal, so clients that do not close delay each other by one time-out at most.
fn close_all(refused: &Receiver<(TcpStream, Instant)>) {
    for (stream, deadline) in refused {
        lingering_close(&stream, deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn every_client_reads_its_refusal_while_others_do_not_close() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let refuser = Refuser::start().unwrap();
        let connect = || {
            let client = TcpStream::connect(address).unwrap();
            (&client).write_all(&[b'x'; 2_000]).unwrap();
            refuser.refuse(listener.accept().unwrap().0);
            client
        };
        let _lazy: Vec<_> = (0..10).map(|_| connect()).collect();
        let mut answer = Vec::new();
        connect().read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"TRNO\x03\x01\0\0");
    }
}
