//! A bad network between two programs: a TCP proxy on the loopback address that delays, throttles, fragments, freezes
//! and breaks connections.
//!
//! # The simulated path
//!
//! Each direction of each connection is a bottleneck with a bounded queue, then a long wire.
//!
//! ```text
//!             kernel buffer    queue ≤ queue_bytes     wire: delay        kernel buffer
//!  sender ──▶ ░░░░░░░░░ ──▶ ▓▓▓▓▓▓▓▓▓▓▓▓▓ ──rate──▶ ················ ──▶ ░░░░░░░░░ ──▶ receiver
//! ```
//!
//! * A byte leaves the queue when all bytes before it have left at [`Conditions::rate`], and arrives
//!   [`Conditions::delay`] later. The delays of both directions add up to the round-trip time.
//! * When the queue is full the proxy stops reading, so the sender's TCP stops too. On a real path a full queue has the
//!   same effect through lost segments and a smaller window. The kernel's buffers on both sides of the proxy are set to
//!   [`SOCKET_BUFFER_BYTES`]. Otherwise they would absorb megabytes and hide all back-pressure.
//! * Nothing is lost or reordered. TCP would repair that, and its repair looks like a pause: use [`Fault::Freeze`].
//! * Connecting is not delayed: the kernel accepts at once, without a round-trip.
//!
//! # Faults of either direction
//!
//! | effect | API |
//! |---|---|
//! | delay, rate limit, queue size | [`Conditions`] |
//! | single bytes or fragments, with pauses | [`Shape::Pieces`] |
//! | bytes held back and sent together | [`Shape::Coalesced`] |
//! | a dead path, temporary or permanent | [`Fault::Freeze`], [`Fault::Thaw`] |
//! | one direction ends, the other continues | [`Fault::HalfClose`] |
//! | both directions end, in order or by a reset | [`Fault::Close`], [`Fault::Reset`] |
//! | any fault at a given byte, or at a random one | [`Script`] |
//! | a server that is down or has moved | [`Proxy::refuse`], [`Proxy::redirect`] |
//!
//! # Use
//!
//! Start a [`Proxy`] in front of a server and connect to its [`address`](Proxy::address). Change the conditions with
//! [`Proxy::set`] and [`Proxy::inject`], or with a [`Script`] of faults at given bytes of every connection or of one
//! connection each. Counters and recordings show the traffic.
//!
//! ```
//! use std::time::Duration;
//! use trill_tests::proxy::{Conditions, Direction, Fault, Proxy, Script, Shape};
//! use trill_tests::raw::{Ending, RawConnection, RawListener};
//!
//! const DEADLINE: Duration = Duration::from_secs(20);
//! let server = RawListener::bind();
//! let one_by_one = Shape::Pieces { bytes: 1, gap: Duration::ZERO };
//! let conditions = Conditions { shape: one_by_one, ..Conditions::path(Duration::from_millis(20), 1_000_000) };
//! let script = Script::cut(Direction::ToClient, 5, Fault::Close);
//! let proxy = Proxy::scripted(server.address(), conditions, script);
//!
//! let mut client = RawConnection::connect(proxy.address());
//! let mut accepted = server.accept(DEADLINE);
//! accepted.send(b"hello, world");
//! assert_eq!(client.receive_to_end(DEADLINE), (b"hello".to_vec(), Ending::EndOfStream));
//! assert_eq!(proxy.recorded(0, Direction::ToClient), b"hello");
//! assert_eq!(proxy.sent(0, Direction::ToClient), b"hello, world");
//! ```

mod connection;
mod link;
mod script;

pub use script::{Script, Step};

use connection::Connection;
use rustix::event::{PollFd, PollFlags, poll};
use socket2::{Domain, Socket, Type};
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The kernel's buffer size on each side of the proxy. The kernel doubles the value.
pub const SOCKET_BUFFER_BYTES: usize = 16 * 1024;

/// A direction through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client, which connected to the proxy, to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

impl Direction {
    /// Both directions.
    pub const BOTH: [Self; 2] = [Self::ToServer, Self::ToClient];
}

/// How a link treats the bytes that enter it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Travel time of a byte after the queue.
    pub delay: Duration,
    /// Bits per second; `None` for no limit.
    pub rate: Option<u64>,
    /// Size of the queue before the bottleneck. When it is full, the sender is held back.
    pub queue_bytes: usize,
    /// How bytes are grouped for the receiver.
    pub shape: Shape,
}

impl Conditions {
    /// No delay, no limit, no fragments. The queue is as large as a home router's.
    pub const PERFECT: Self =
        Self { delay: Duration::ZERO, rate: None, queue_bytes: 64 * 1024, shape: Shape::AsItComes };

    /// A path with this round-trip time (half in each direction) and `rate` in bits per second.
    pub const fn path(round_trip: Duration, rate: u64) -> Self {
        Self { delay: Duration::from_nanos(round_trip.as_nanos() as u64 / 2), rate: Some(rate), ..Self::PERFECT }
    }
}

/// How bytes are grouped for the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As they arrived.
    AsItComes,
    /// At most `bytes` at once, with `gap` between fragments. Without a gap each fragment is a segment of its own, but
    /// a slow receiver reads several together.
    Pieces {
        /// Largest fragment in bytes.
        bytes: usize,
        /// Pause between fragments.
        gap: Duration,
    },
    /// Held back until `bytes` have arrived or the first has waited for `within`.
    Coalesced {
        /// Number of bytes to collect.
        bytes: usize,
        /// Longest wait of the first byte.
        within: Duration,
    },
}

/// A fault of a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// New conditions for the bytes that enter the link from now on.
    Change(Conditions),
    /// Nothing passes for this time; `Duration::MAX` lasts until [`Fault::Thaw`].
    Freeze(Duration),
    /// Ends a freeze.
    Thaw,
    /// The receiver reads the end of the stream. Later data of the sender is dropped.
    HalfClose,
    /// Both ends read the end of the stream. Data in flight is lost.
    Close,
    /// Both ends get a reset (RST). Data in flight is lost.
    Reset,
}

/// A running proxy. Dropping it resets its connections and closes its port.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: UnixStream,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    recording: bool,
}

/// The test's settings for new connections.
#[derive(Debug)]
struct State {
    upstream: SocketAddr,
    refusing: bool,
    conditions: [Conditions; 2],
    /// The script of every connection after `in_turn` is used up.
    script: Script,
    /// The scripts of the next connections, one each.
    in_turn: VecDeque<Script>,
    connections: Vec<Arc<Connection>>,
}

impl Proxy {
    /// Starts a proxy in front of `upstream`, with the same conditions in both directions.
    pub fn start(upstream: SocketAddr, conditions: Conditions) -> Self {
        Self::launch(upstream, conditions, Script::default(), Vec::new(), false)
    }

    /// Starts a proxy like [`Self::start`] that copies every byte: see [`Self::recorded`].
    pub fn recording(upstream: SocketAddr, conditions: Conditions) -> Self {
        Self::launch(upstream, conditions, Script::default(), Vec::new(), true)
    }

    /// Starts a proxy like [`Self::recording`] with faults at given bytes of every connection.
    pub fn scripted(upstream: SocketAddr, conditions: Conditions, script: Script) -> Self {
        Self::launch(upstream, conditions, script, Vec::new(), true)
    }

    /// Starts a proxy like [`Self::recording`] with one script per connection, in order of acceptance. Later
    /// connections have no faults.
    pub fn scripted_in_turn(upstream: SocketAddr, conditions: Conditions, scripts: Vec<Script>) -> Self {
        Self::launch(upstream, conditions, Script::default(), scripts, true)
    }

    fn launch(
        upstream: SocketAddr,
        conditions: Conditions,
        script: Script,
        in_turn: Vec<Script>,
        recording: bool,
    ) -> Self {
        let listener = listen().expect("the loopback address has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let (conditions, in_turn) = ([conditions; 2], in_turn.into());
        let state = State { upstream, refusing: false, conditions, script, in_turn, connections: Vec::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), recording });
        let (stop, stopped) = UnixStream::pair().expect("the system has free descriptors");
        let accepting = Arc::clone(&shared);
        let accepting = thread::spawn(move || accept_until(&stopped, &listener, &accepting));
        Self { address, shared, stop, accepting: Some(accepting) }
    }

    /// The address to connect to instead of the server's.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes one direction of all current and future connections.
    pub fn set(&self, direction: Direction, conditions: Conditions) {
        self.shared.lock().conditions[direction as usize] = conditions;
        self.inject(direction, Fault::Change(conditions));
    }

    /// Injects a fault into one direction of all current connections.
    pub fn inject(&self, direction: Direction, fault: Fault) {
        for connection in &self.shared.lock().connections {
            connection.inject(direction, fault);
        }
    }

    /// Injects a fault into both directions of all current connections.
    pub fn inject_both(&self, fault: Fault) {
        Direction::BOTH.into_iter().for_each(|direction| self.inject(direction, fault));
    }

    /// Resets new connections (`true`), as when the server is down but its machine is up.
    pub fn refuse(&self, refusing: bool) {
        self.shared.lock().refusing = refusing;
    }

    /// Forwards new connections to another address, for a restarted server.
    pub fn redirect(&self, upstream: SocketAddr) {
        self.shared.lock().upstream = upstream;
    }

    /// Number of accepted connections, without refused ones.
    pub fn accepted(&self) -> usize {
        self.shared.lock().connections.len()
    }

    /// Number of open connections.
    pub fn open(&self) -> usize {
        self.shared.lock().connections.iter().filter(|connection| connection.is_open()).count()
    }

    /// Bytes that entered the proxy in a direction, over all connections.
    pub fn received(&self, direction: Direction) -> u64 {
        self.shared.lock().connections.iter().map(|connection| connection.traffic(direction).received).sum()
    }

    /// Bytes delivered in a direction, over all connections.
    pub fn forwarded(&self, direction: Direction) -> u64 {
        self.shared.lock().connections.iter().map(|connection| connection.traffic(direction).forwarded).sum()
    }

    /// A copy of all bytes delivered to the receiver by connection `index`, counted from 0 in order of acceptance.
    ///
    /// # Panics
    /// When the connection does not exist, or the proxy does not record.
    #[track_caller]
    pub fn recorded(&self, index: usize, direction: Direction) -> Vec<u8> {
        let mut sent = self.sent(index, direction);
        sent.truncate(self.shared.lock().connections[index].traffic(direction).forwarded as usize);
        sent
    }

    /// A copy of all bytes that the sender of connection `index` sent: those of [`Self::recorded`] and the lost ones.
    /// Excludes bytes that a reset destroyed before the proxy.
    ///
    /// # Panics
    /// As [`Self::recorded`].
    #[track_caller]
    pub fn sent(&self, index: usize, direction: Direction) -> Vec<u8> {
        let recorded = self.shared.lock().connections[index].traffic(direction).recorded.clone();
        recorded.expect("a proxy started with Proxy::start does not record")
    }

    /// When connection `index` was accepted.
    ///
    /// # Panics
    /// When the connection does not exist.
    #[track_caller]
    pub fn accepted_at(&self, index: usize) -> Instant {
        self.shared.lock().connections[index].accepted_at()
    }

    /// When a fault first ended a direction of connection `index`, if any did.
    ///
    /// # Panics
    /// When the connection does not exist.
    #[track_caller]
    pub fn cut_at(&self, index: usize) -> Option<Instant> {
        self.shared.lock().connections[index].cut_at()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Shutting down the pair wakes the accepting thread, so that it can be joined.
        self.stop.shutdown(std::net::Shutdown::Both).ok();
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
        self.inject_both(Fault::Reset);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // After a panic elsewhere the settings are still consistent: each is set in one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a port with a small receive buffer, which connections inherit. After the handshake it would be too late.
fn listen() -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

fn connect(upstream: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(upstream), Type::STREAM, None)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.connect(&upstream.into())?;
    Ok(socket.into())
}

fn accept_until(stopped: &UnixStream, listener: &TcpListener, shared: &Shared) {
    loop {
        let mut ready = [PollFd::new(stopped, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
        // After a signal nothing is ready, and the next round waits again.
        if poll(&mut ready, None).is_ok() && !ready[0].revents().is_empty() {
            return;
        }
        if ready[1].revents().contains(PollFlags::IN)
            && let Ok((client, _)) = listener.accept()
        {
            admit(client, shared);
        }
    }
}

/// Connects a client to the server, or resets it if the server is unreachable.
fn admit(client: TcpStream, shared: &Shared) {
    let mut state = shared.lock();
    let server = match state.refusing {
        true => Err(io::ErrorKind::ConnectionRefused.into()),
        false => connect(state.upstream),
    };
    match server {
        Ok(server) => {
            let script = state.in_turn.pop_front().unwrap_or_else(|| state.script.clone());
            let connection = Connection::start(client, server, state.conditions, &script, shared.recording);
            state.connections.push(connection);
        }
        Err(_) => connection::reset(client),
    }
}

#[cfg(test)]
mod tests;
