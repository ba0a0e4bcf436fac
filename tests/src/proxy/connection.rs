//! One proxied connection: a thread that owns both sockets and moves bytes between them.

use super::link::{Link, Output};
use super::{Conditions, Direction, Fault, SOCKET_BUFFER_BYTES, Script};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A proxied connection from the test's view: its traffic, and an entry for faults.
#[derive(Debug)]
pub(super) struct Connection {
    traffic: [Mutex<Traffic>; 2],
    /// `None` once the connection has ended.
    inlet: Mutex<Option<Inlet>>,
    accepted_at: Instant,
    cut_at: OnceLock<Instant>,
}

/// The entry for faults.
#[derive(Debug)]
struct Inlet {
    faults: Vec<(Direction, Fault)>,
    /// A byte on this socket wakes the thread.
    wake: UnixStream,
}

/// The traffic in one direction.
///
/// The lock is held from before a write until its count is updated, so a receiver of bytes always finds them counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    /// Bytes read from the sender.
    pub(super) received: u64,
    /// Bytes written to the receiver.
    pub(super) forwarded: u64,
    /// The received bytes, if recorded. The forwarded ones come first.
    pub(super) recorded: Option<Vec<u8>>,
}

impl Connection {
    /// Starts to forward between `client` and `server`.
    pub(super) fn start(
        client: TcpStream,
        server: TcpStream,
        conditions: [Conditions; 2],
        script: &Script,
        recording: bool,
    ) -> Arc<Self> {
        let now = Instant::now();
        let (wake, woken) = UnixStream::pair().expect("the system has free descriptors");
        let traffic = Traffic { recorded: recording.then(Vec::new), ..Traffic::default() };
        let connection = Arc::new(Self {
            traffic: [Mutex::new(traffic.clone()), Mutex::new(traffic)],
            inlet: Mutex::new(Some(Inlet { faults: Vec::new(), wake })),
            accepted_at: now,
            cut_at: OnceLock::new(),
        });
        let link = |direction| Link::new(conditions[direction as usize], script.of(direction), now);
        let pump = Pump {
            client,
            server,
            woken,
            halves: Direction::BOTH.map(|direction| Half {
                link: link(direction),
                sender: Sender::Open,
                closed: false,
            }),
            connection: Arc::clone(&connection),
        };
        thread::spawn(move || pump.run());
        connection
    }

    pub(super) fn inject(&self, direction: Direction, fault: Fault) {
        let mut inlet = self.inlet();
        let Some(Inlet { faults, wake }) = &mut *inlet else { return };
        faults.push((direction, fault));
        // Fails only if the thread has panicked; then the fault does not matter.
        wake.write_all(&[0]).ok();
    }

    pub(super) fn is_open(&self) -> bool {
        self.inlet().is_some()
    }

    fn inlet(&self) -> MutexGuard<'_, Option<Inlet>> {
        // After a panic elsewhere the faults are still complete.
        self.inlet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn accepted_at(&self) -> Instant {
        self.accepted_at
    }

    pub(super) fn cut_at(&self) -> Option<Instant> {
        self.cut_at.get().copied()
    }

    pub(super) fn traffic(&self, direction: Direction) -> MutexGuard<'_, Traffic> {
        // After a panic elsewhere the counts are still consistent.
        self.traffic[direction as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a socket with a reset instead of an end of stream.
pub(super) fn reset(socket: TcpStream) {
    // Fails only for a dead socket.
    SockRef::from(&socket).set_linger(Some(Duration::ZERO)).ok();
}

/// The state of the thread.
struct Pump {
    client: TcpStream,
    server: TcpStream,
    woken: UnixStream,
    /// By [`Direction`].
    halves: [Half; 2],
    connection: Arc<Connection>,
}

/// One direction.
struct Half {
    link: Link,
    sender: Sender,
    /// Whether the receiver has been sent the end of the stream.
    closed: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Sender {
    Open,
    /// Whether the sender has sent the end of the stream.
    Done,
}

/// The next event for one direction.
#[derive(Default)]
struct Interest {
    readable: bool,
    writable: bool,
    until: Option<Instant>,
}

impl Pump {
    fn run(mut self) {
        // A socket error on one side becomes a reset on the other.
        if self.prepare().and_then(|()| self.pump()).is_err() {
            reset(self.client);
            reset(self.server);
        }
        // The connection's record stays, but its sockets are closed: descriptors would run out.
        *self.connection.inlet() = None;
    }

    fn prepare(&self) -> io::Result<()> {
        self.woken.set_nonblocking(true)?;
        for socket in [&self.client, &self.server] {
            socket.set_nonblocking(true)?;
            // Each write is a segment. Nagle's algorithm must not merge the fragments.
            socket.set_nodelay(true)?;
            SockRef::from(socket).set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
        }
        Ok(())
    }

    /// Forwards until both streams are over. An error resets both.
    fn pump(&mut self) -> io::Result<()> {
        loop {
            self.strike_injected()?;
            let interests = [self.step(Direction::ToServer)?, self.step(Direction::ToClient)?];
            if self.halves.iter().all(|half| half.closed && half.sender == Sender::Done) {
                return Ok(());
            }
            self.wait(&interests);
        }
    }

    /// Applies the faults that the test has injected since the last call.
    fn strike_injected(&mut self) -> io::Result<()> {
        let injected = self.connection.inlet().as_mut().map(|inlet| std::mem::take(&mut inlet.faults));
        let injected = injected.unwrap_or_default();
        injected.into_iter().try_for_each(|(direction, fault)| self.strike(direction, fault))
    }

    fn strike(&mut self, direction: Direction, fault: Fault) -> io::Result<()> {
        if let Fault::HalfClose | Fault::Close | Fault::Reset = fault {
            self.connection.cut_at.get_or_init(Instant::now);
        }
        let link = &mut self.halves[direction as usize].link;
        match fault {
            Fault::Change(conditions) => link.change(conditions),
            Fault::Freeze(length) => link.freeze(Instant::now(), length),
            Fault::Thaw => link.thaw(),
            Fault::HalfClose => self.close(direction),
            // The sockets stay open until both ends have closed. Closing one with unread bytes would cause a reset.
            Fault::Close => Direction::BOTH.into_iter().for_each(|direction| self.close(direction)),
            Fault::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
        }
        Ok(())
    }

    /// Sends the receiver the end of the stream.
    fn close(&mut self, direction: Direction) {
        self.halves[direction as usize].closed = true;
        // Fails only if the receiver is gone, which the other direction notices.
        self.ends(direction).1.shutdown(Shutdown::Write).ok();
    }

    /// Forwards as much as possible in one direction. Returns the next event to wait for.
    fn step(&mut self, direction: Direction) -> io::Result<Interest> {
        let mut interest = Interest::default();
        self.receive(direction, &mut interest)?;
        self.forward(direction, &mut interest)?;
        Ok(interest)
    }

    /// Reads from the sender while there is space.
    fn receive(&mut self, direction: Direction, interest: &mut Interest) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let half = &self.halves[direction as usize];
            if half.sender == Sender::Done {
                return Ok(());
            }
            let now = Instant::now();
            let room = match half.link.room(now) {
                Ok(room) => room,
                // Data after a half-close is read and dropped, so that the sender does not block.
                Err(_) if half.closed => buffer.len(),
                Err(later) => {
                    interest.until = later;
                    return Ok(());
                }
            };
            let (mut sender, _) = self.ends(direction);
            match sender.read(&mut buffer[..room]) {
                Ok(0) => self.halves[direction as usize].sender = Sender::Done,
                Ok(count) => {
                    let mut traffic = self.connection.traffic(direction);
                    traffic.received += count as u64;
                    if let Some(recorded) = &mut traffic.recorded {
                        recorded.extend_from_slice(&buffer[..count]);
                    }
                    drop(traffic);
                    let half = &mut self.halves[direction as usize];
                    if !half.closed {
                        half.link.enter(now, &buffer[..count]);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    interest.readable = true;
                    return Ok(());
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Writes arrived bytes to the receiver.
    fn forward(&mut self, direction: Direction, interest: &mut Interest) -> io::Result<()> {
        loop {
            let half = &mut self.halves[direction as usize];
            if half.closed {
                return Ok(());
            }
            let now = Instant::now();
            let sender_is_done = half.sender == Sender::Done;
            match half.link.poll(now, sender_is_done) {
                Output::Write(count) => {
                    if !self.write(direction, now, count)? {
                        interest.writable = true;
                        return Ok(());
                    }
                }
                Output::Strike(fault) => self.strike(direction, fault)?,
                Output::WaitUntil(later) => {
                    interest.until = Some(interest.until.map_or(later, |until| until.min(later)));
                    return Ok(());
                }
                Output::Wait => {
                    if sender_is_done && half.link.is_empty() {
                        self.close(direction);
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Writes some of the first `count` bytes. Returns false if the receiver would block.
    fn write(&mut self, direction: Direction, now: Instant, count: usize) -> io::Result<bool> {
        let (_, mut receiver) = self.ends(direction);
        let bytes = &self.halves[direction as usize].link.front()[..count];
        let mut traffic = self.connection.traffic(direction);
        let written = match receiver.write(bytes) {
            Ok(written) => written,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(e) => return Err(e),
        };
        traffic.forwarded += written as u64;
        drop(traffic);
        self.halves[direction as usize].link.taken(now, written);
        Ok(true)
    }

    /// Sleeps until a socket is ready, a time has come, or the test injects a fault.
    fn wait(&mut self, interests: &[Interest; 2]) {
        let [to_server, to_client] = interests;
        let flags = |readable, writable| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, readable);
            flags.set(PollFlags::OUT, writable);
            flags
        };
        let mut ready = vec![PollFd::new(&self.woken, PollFlags::IN)];
        // poll(2) reports a hang-up even without requested events, so a socket without interest is left out.
        for (socket, flags) in [
            (&self.client, flags(to_server.readable, to_client.writable)),
            (&self.server, flags(to_client.readable, to_server.writable)),
        ] {
            if !flags.is_empty() {
                ready.push(PollFd::new(socket, flags));
            }
        }
        let until = [to_server.until, to_client.until].into_iter().flatten().min();
        let timeout = until.map(|until| timeout(until.saturating_duration_since(Instant::now())));
        // After a signal the caller checks everything anyway.
        poll(&mut ready, timeout.as_ref()).ok();
        let mut wakes = [0; 64];
        while matches!(self.woken.read(&mut wakes), Ok(1..)) {}
    }

    /// Sender and receiver of a direction.
    fn ends(&self, direction: Direction) -> (&TcpStream, &TcpStream) {
        match direction {
            Direction::ToServer => (&self.client, &self.server),
            Direction::ToClient => (&self.server, &self.client),
        }
    }
}

/// The first wait for a remaining time. Linux may add a thousandth as slack, or half a hundredth for a nice process.
/// For 150 ms that would noticeably lengthen the round-trip. So the last hundredth is a separate wait.
fn timeout(left: Duration) -> Timespec {
    const SHORT: Duration = Duration::from_millis(1);
    let at_once = if left > SHORT { left - left / 100 } else { left };
    Timespec { tv_sec: at_once.as_secs() as i64, tv_nsec: at_once.subsec_nanos().into() }
}
