//! A bad network between two programs: a TCP proxy on the loopback address that delays, throttles, cuts up, freezes
//! and breaks connections.
//!
//! # The path it imitates
//!
//! Each direction of each connection is a bottleneck with a bounded queue, then a long wire.
//!
//! ```text
//!             kernel buffer    queue ≤ queue_bytes     wire: delay        kernel buffer
//!  sender ──▶ ░░░░░░░░░ ──▶ ▓▓▓▓▓▓▓▓▓▓▓▓▓ ──rate──▶ ················ ──▶ ░░░░░░░░░ ──▶ receiver
//! ```
//!
//! * A byte leaves the queue when the bytes before it have left at [`Conditions::rate`], and arrives
//!   [`Conditions::delay`] later. In both directions together this is the round-trip.
//! * When the queue is full the proxy stops reading, so the sender's TCP stops too, as it does on a real path, where
//!   a full queue means lost segments and a smaller window. The kernel's buffers in front of and behind the proxy are
//!   set to [`SOCKET_BUFFER_BYTES`], because by themselves they would swallow megabytes and hide all back-pressure.
//! * Nothing is lost or reordered: TCP repairs that, and its repair looks like a pause, which is
//!   [`Fault::Freeze`].
//! * Connecting is not delayed: the kernel accepts at once. A handshake costs no round-trip here.
//!
//! # What it can do to either direction
//!
//! | to happen | is |
//! |---|---|
//! | delay, rate limit, a queue of any length | [`Conditions`] |
//! | bytes one by one, or in pieces, with pauses | [`Shape::Pieces`] |
//! | bytes held back until many go out together | [`Shape::Coalesced`] |
//! | a path that goes dead, for a while or for ever | [`Fault::Freeze`], [`Fault::Thaw`] |
//! | one direction ends, the other goes on | [`Fault::HalfClose`] |
//! | both end, in order or by a reset | [`Fault::Close`], [`Fault::Reset`] |
//! | any of these after so many bytes | [`Script`], also at random from a seed |
//! | nobody there; a server that has moved | [`Proxy::refuse`], [`Proxy::redirect`] |
//!
//! # Use
//!
//! Start a [`Proxy`] in front of a server, connect to its [`address`](Proxy::address), and change the weather with
//! [`Proxy::set`] and [`Proxy::inject`] or by a [`Script`] that strikes at given bytes of every connection, or of one
//! connection each. Counters and recordings tell what passed.
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

/// What the kernel may buffer on each side of the proxy; it doubles the figure.
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
    /// Both.
    pub const BOTH: [Self; 2] = [Self::ToServer, Self::ToClient];
}

/// How a link treats the bytes that enter it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// How long a byte travels once it has left the queue.
    pub delay: Duration,
    /// Bits a second; `None` is as fast as the machine.
    pub rate: Option<u64>,
    /// How many bytes may wait in front of the bottleneck before the sender is held back.
    pub queue_bytes: usize,
    /// In which pieces bytes are handed to the receiver.
    pub shape: Shape,
}

impl Conditions {
    /// No delay, no limit, whole pieces. The queue is as large as one of a home router.
    pub const PERFECT: Self =
        Self { delay: Duration::ZERO, rate: None, queue_bytes: 64 * 1024, shape: Shape::AsItComes };

    /// A path of `round_trip` (half of it in each direction) and `rate` bits a second.
    pub const fn path(round_trip: Duration, rate: u64) -> Self {
        Self { delay: Duration::from_nanos(round_trip.as_nanos() as u64 / 2), rate: Some(rate), ..Self::PERFECT }
    }
}

/// In which pieces bytes reach the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As they came.
    AsItComes,
    /// At most `bytes` at once, each piece `gap` after the one before. Without a gap each piece is a segment of its
    /// own, but a receiver that is slower than the proxy reads several together.
    Pieces {
        /// Bytes a piece.
        bytes: usize,
        /// Pause between two pieces.
        gap: Duration,
    },
    /// Held until `bytes` have come together or the first has waited for `within`.
    Coalesced {
        /// Bytes to collect.
        bytes: usize,
        /// How long the first byte waits at most.
        within: Duration,
    },
}

/// Something that happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Other conditions from now on, for the bytes that enter the link after this.
    Change(Conditions),
    /// Nothing passes for this long; `Duration::MAX` is until [`Fault::Thaw`].
    Freeze(Duration),
    /// Ends a freeze.
    Thaw,
    /// The receiver reads the end of the stream; what the sender still sends is thrown away.
    HalfClose,
    /// Both ends read the end of the stream. What was on the way is lost.
    Close,
    /// Both ends get a reset (RST). What was on the way is lost.
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

/// What the test sets and new connections start with.
#[derive(Debug)]
struct State {
    upstream: SocketAddr,
    refusing: bool,
    conditions: [Conditions; 2],
    /// Of every connection, once those in turn are used up.
    script: Script,
    /// Of the next connections, one each.
    in_turn: VecDeque<Script>,
    connections: Vec<Arc<Connection>>,
}

impl Proxy {
    /// Starts a proxy in front of `upstream`, with the same conditions in both directions.
    pub fn start(upstream: SocketAddr, conditions: Conditions) -> Self {
        Self::launch(upstream, conditions, Script::default(), Vec::new(), false)
    }

    /// As [`Self::start`], and keeps a copy of every byte that passes: see [`Self::recorded`].
    pub fn recording(upstream: SocketAddr, conditions: Conditions) -> Self {
        Self::launch(upstream, conditions, Script::default(), Vec::new(), true)
    }

    /// As [`Self::recording`], with faults that strike every connection at given bytes.
    pub fn scripted(upstream: SocketAddr, conditions: Conditions, script: Script) -> Self {
        Self::launch(upstream, conditions, script, Vec::new(), true)
    }

    /// As [`Self::recording`], with a script for each connection in order of acceptance. Those after the last script
    /// are left alone.
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

    /// Changes one direction of all connections, those to come included.
    pub fn set(&self, direction: Direction, conditions: Conditions) {
        self.shared.lock().conditions[direction as usize] = conditions;
        self.inject(direction, Fault::Change(conditions));
    }

    /// Lets something happen now to one direction of all connections that are alive.
    pub fn inject(&self, direction: Direction, fault: Fault) {
        for connection in &self.shared.lock().connections {
            connection.inject(direction, fault);
        }
    }

    /// Lets something happen now to both directions of all connections that are alive.
    pub fn inject_both(&self, fault: Fault) {
        Direction::BOTH.into_iter().for_each(|direction| self.inject(direction, fault));
    }

    /// Resets new connections at once (`true`), as when the server's machine is up but the server is not.
    pub fn refuse(&self, refusing: bool) {
        self.shared.lock().refusing = refusing;
    }

    /// Sends new connections to another address: a server that was started again.
    pub fn redirect(&self, upstream: SocketAddr) {
        self.shared.lock().upstream = upstream;
    }

    /// How many connections have been accepted since the start, refused ones not counted.
    pub fn accepted(&self) -> usize {
        self.shared.lock().connections.len()
    }

    /// How many of them are still open.
    pub fn open(&self) -> usize {
        self.shared.lock().connections.iter().filter(|connection| connection.is_open()).count()
    }

    /// How many bytes have entered the proxy in a direction, over all connections.
    pub fn received(&self, direction: Direction) -> u64 {
        self.shared.lock().connections.iter().map(|connection| connection.traffic(direction).received).sum()
    }

    /// How many bytes have been handed to the receiver in a direction, over all connections.
    pub fn forwarded(&self, direction: Direction) -> u64 {
        self.shared.lock().connections.iter().map(|connection| connection.traffic(direction).forwarded).sum()
    }

    /// A copy of all bytes handed to the receiver by connection `index`, counted from 0 in order of acceptance.
    ///
    /// # Panics
    /// When there is no such connection, or the proxy does not record.
    #[track_caller]
    pub fn recorded(&self, index: usize, direction: Direction) -> Vec<u8> {
        let mut sent = self.sent(index, direction);
        sent.truncate(self.shared.lock().connections[index].traffic(direction).forwarded as usize);
        sent
    }

    /// A copy of all bytes that the sender of connection `index` sent: those of [`Self::recorded`], and those that were
    /// lost after them. What a reset destroys before it has entered the proxy is not known.
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
    /// When there is no such connection.
    #[track_caller]
    pub fn accepted_at(&self, index: usize) -> Instant {
        self.shared.lock().connections[index].accepted_at()
    }

    /// When a fault first ended a direction of connection `index`, if one has.
    ///
    /// # Panics
    /// When there is no such connection.
    #[track_caller]
    pub fn cut_at(&self, index: usize) -> Option<Instant> {
        self.shared.lock().connections[index].cut_at()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Shut down, the pair wakes the accepting thread, which can then be waited for.
        self.stop.shutdown(std::net::Shutdown::Both).ok();
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
        self.inject_both(Fault::Reset);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves consistent settings: each is set in one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a port whose connections inherit a small receive buffer: after the handshake it is too late.
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
        // Interrupted by a signal: nothing is ready, and the next round waits again.
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

/// Connects a client to the server, or resets it when that is not possible.
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
