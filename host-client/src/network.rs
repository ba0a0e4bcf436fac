//! The connection to a server: one socket, two threads, one session machine between them.
//!
//! ```text
//!              commands: list, info, play, stop
//!                         │            (any thread)
//!                 ┌───────▼────────┐
//!   socket ──────▶│ Mutex<Session> │──condvar──▶ writer thread ──▶ socket
//!   reader thread └───────┬────────┘             (and the clock)
//!                         ├─▶ DATA: straight into the compressed buffer
//!                         └─▶ everything else: an Event
//! ```
//!
//! Everything that changes the machine collects at once what it wants to say, so the writer copies bytes out of the
//! lock and writes them without it. A [`Connection`] is used once: when it ends there is exactly one
//! [`Event::Closed`], and whoever wants to go on opens another.

mod connect;
mod event;
mod session;

use std::fmt;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use embedded_io::Write;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::Start;
use trill_proto::session::client::OUTBOX_BYTES;
use trill_proto::time;
use trill_proto::transport::blocking::{Received, receive};
use trill_proto::transport::std_io::StdIo;

use crate::buffer::{Buffer, Delivery, Join, Supplier, Ticket};
use crate::options::ServerAddress;

pub use connect::ConnectError;
pub use event::{CloseReason, Event, Refusal, Song};
use session::Session;

/// How long to try one address of a server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that takes nothing for so long is gone: what a client says fits into any socket's buffer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a server that was told what it did wrong has to read that, before the connection is closed under it.
const LINGER: Duration = Duration::from_millis(500);

/// Bytes read from the socket at once.
const READ_BYTES: usize = 64 * 1024;

/// How this run of the program introduces itself, on every connection alike.
#[derive(Clone, Debug)]
pub struct Identity {
    /// For the server's log.
    pub name: String,
    /// Random.
    pub nonce: [u8; 16],
}

/// A PLAY to send.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Names the answer.
    pub ticket: Ticket,
    /// The song.
    pub song: SongId,
    /// Where to begin. [`Start::Resume`] goes on with a song that is in the buffer under the same ticket.
    pub start: Start,
    /// The content tag that the song must have, or 0 for any.
    pub content_tag: u64,
    /// How it comes into the buffer.
    pub join: Join,
    /// When the user asked for it; `None` if it follows by itself.
    pub asked: Option<Instant>,
}

/// Whom to tell an [`Event`]. Called under the connection's lock: it must only pass the event on.
pub type Notify = Box<dyn Fn(Event) + Send + Sync>;

/// One connection to a server.
pub struct Connection {
    socket: TcpStream,
    epoch: Instant,
    buffer: Arc<Buffer>,
    notify: Notify,
    session: Mutex<Session>,
    wake_writer: Condvar,
}

impl Connection {
    /// Connects. Nothing is said or heard before [`start`](Self::start).
    ///
    /// Blocks while the name is looked up and its addresses are tried side by side, for some seconds.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], if nothing answers at the address.
    pub fn open(
        address: &ServerAddress,
        identity: &Identity,
        buffer: Arc<Buffer>,
        notify: Notify,
    ) -> Result<Arc<Self>, ConnectError> {
        let socket = connect::connect(address, CONNECT_TIMEOUT)?;
        let prepared = socket.set_nodelay(true).and_then(|()| socket.set_write_timeout(Some(WRITE_TIMEOUT)));
        prepared.map_err(|error| ConnectError::local(address, &error))?;
        Ok(Arc::new(Self {
            socket,
            epoch: Instant::now(),
            buffer,
            notify,
            session: Mutex::new(Session::new(time::Instant::from_micros(0), identity)),
            wake_writer: Condvar::new(),
        }))
    }

    /// Introduces itself and begins to listen. [`Event::Welcome`] follows, or [`Event::Closed`]: possibly before this
    /// returns, so make the connection known to whoever is notified before. Call it once.
    pub fn start(self: &Arc<Self>) {
        let (reading, writing) = (self.clone(), self.clone());
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| thread::Builder::new().name(name.into()).spawn(run);
        let started = spawn("network writer", Box::new(move || writing.write()))
            .and_then(|_| spawn("network reader", Box::new(move || reading.read())));
        if let Err(error) = started {
            self.close();
            (self.notify)(Event::Closed(CloseReason::Lost(error.kind())));
        }
    }

    // ── commands ──

    /// Asks for at most `at_most` songs from `first` on: [`Event::Page`] or [`Event::RequestRefused`]. `None` when the
    /// connection is over, as [`Event::Closed`] tells, or when too many requests wait for their answers.
    pub fn list(&self, first: SongId, at_most: u32) -> Option<RequestId> {
        self.command(|session, _| session.list(first, at_most))
    }

    /// Asks for one song's particulars: [`Event::Info`] or [`Event::RequestRefused`]. `None` as for
    /// [`list`](Self::list).
    pub fn info(&self, song: SongId) -> Option<RequestId> {
        self.command(|session, _| session.info(song))
    }

    /// Asks for a song: [`Event::Started`] and [`Event::Ended`], or [`Event::PlayRefused`]. The one before plays on
    /// until it starts, and so do others that were asked for.
    pub fn play(self: &Arc<Self>, ask: &Ask) {
        self.command(|session, now| {
            session.play(now, ask, &self.buffer, &|stream| self.supplier(stream), &self.notify)
        });
    }

    /// Ends every song, and drops what is buffered. No event of any of them follows.
    pub fn stop(&self) {
        self.command(|session, _| {
            session.stop();
            // Under the lock, so that no STARTED comes in between.
            self.buffer.clear();
        });
    }

    /// Says goodbye and closes the connection. Returns at once; the threads do it.
    pub fn close(&self) {
        let mut session = self.lock();
        session.close(self.now());
        drop(session);
        self.wake_writer.notify_all();
    }

    /// Waits until what was said last, by [`close`](Self::close) or because of an error, is out, at most so long.
    pub fn wait_until_closed(&self, at_most: Duration) {
        let is_open = |session: &mut Session| !session.is_finished();
        drop(self.wake_writer.wait_timeout_while(self.lock(), at_most, is_open));
    }

    /// Whether it was of use, so that the next may be tried at once.
    pub fn was_useful(&self) -> bool {
        self.lock().was_useful(self.now())
    }

    fn command<T>(&self, run: impl FnOnce(&mut Session, time::Instant) -> T) -> T {
        let mut session = self.lock();
        let now = self.now();
        let result = run(&mut session, now);
        session.collect(now);
        drop(session);
        self.wake_writer.notify_all();
        result
    }

    // ── threads ──

    fn read(self: &Arc<Self>) {
        let mut input = vec![0; READ_BYTES];
        let mut socket = StdIo(&self.socket);
        loop {
            let taken = match receive(&mut socket, &mut input) {
                Ok(Received::Bytes(count)) => self.take(&input[..count]),
                Ok(Received::Nothing) => Ok(()),
                Ok(Received::Closed) => Err(CloseReason::Ended),
                Err(error) => Err(CloseReason::Lost(error.0.kind())),
            };
            let Err(reason) = taken else { continue };
            let is_wrong = matches!(reason, CloseReason::Session(_));
            let is_told = self.end(reason);
            // After an ERROR the rest is read and dropped: to close while bytes wait would destroy it on its way.
            if !(is_wrong && is_told) {
                break;
            }
        }
        let mut session = self.lock();
        session.set_read();
        if let Some(reason) = session.ending() {
            (self.notify)(Event::Closed(reason));
        }
        drop(session);
        self.wake_writer.notify_all();
    }

    /// The session is over, for this reason if for no other before it. Returns whether the server is told by an ERROR.
    fn end(&self, reason: CloseReason) -> bool {
        let mut session = self.lock();
        session.end(reason);
        session.collect(self.now());
        self.wake_writer.notify_all();
        session.ends_with_error()
    }

    /// Hands what was read to the machine, and what it makes of it to whom it concerns.
    fn take(self: &Arc<Self>, input: &[u8]) -> Result<(), CloseReason> {
        let mut session = self.lock();
        let now = self.now();
        let due = session.poll_timeout();
        let taken = session.take(now, input, &self.buffer, &|stream| self.supplier(stream), &self.notify);
        session.collect(now);
        // The writer keeps the time. It waits for what was due before this.
        let wakes = session.has_output() || session.poll_timeout() < due;
        drop(session);
        if wakes {
            self.wake_writer.notify_all();
        }
        taken
    }

    fn supplier(self: &Arc<Self>, stream: StreamId) -> Arc<dyn Supplier> {
        Arc::new(Stream { connection: self.clone(), stream })
    }

    fn write(&self) {
        let mut socket = StdIo(&self.socket);
        let mut output = Vec::with_capacity(OUTBOX_BYTES);
        while self.next_output(&mut output) {
            if let Err(error) = socket.write_all(&output) {
                self.end(CloseReason::lost_writing(&error.0));
                break;
            }
        }
        let mut session = self.lock();
        session.set_written();
        self.wake_writer.notify_all();
        if session.ends_with_error() {
            let _ = self.socket.shutdown(Shutdown::Write);
            let is_heard = |session: &mut Session| !session.is_read();
            drop(self.wake_writer.wait_timeout_while(session, LINGER, is_heard));
        } else {
            drop(session);
        }
        // Wakes the reader, if it is not what ended this. A socket that is gone cannot be shut down: as well.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Waits for bytes to write, which take the place of those in `output`, and keeps the machine's time meanwhile. Returns
    /// `false` when the session is over.
    fn next_output(&self, output: &mut Vec<u8>) -> bool {
        let mut session = self.lock();
        loop {
            let now = self.now();
            session.handle_timeout(now);
            session.collect(now);
            if session.has_output() {
                session.swap_output(output);
                return true;
            }
            let Some(due) = session.poll_timeout() else { return false };
            let wait = due.saturating_since(now);
            session = match self.wake_writer.wait_timeout(session, wait) {
                Ok((session, _)) => session,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// The system's clock that never goes back. On Linux and macOS it stands still while a laptop sleeps, so that the
    /// connection seems as fresh as before until something is due on it; elsewhere it jumps, which the machine takes for
    /// silence, and asks for a sign of life before it gives up. Either way a dead connection shows within seconds of its use.
    fn now(&self) -> time::Instant {
        let micros = self.epoch.elapsed().as_micros();
        time::Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, Session> {
        // A machine that panicked would be a bug; the other thread goes on to close the connection.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// One stream of a connection, as the buffer knows it.
struct Stream {
    connection: Arc<Connection>,
    stream: StreamId,
}

impl Supplier for Stream {
    fn release(&self, bytes: usize) {
        let mut session = self.connection.lock();
        if session.release(self.stream, bytes) {
            session.collect(self.connection.now());
            drop(session);
            self.connection.wake_writer.notify_all();
        }
    }

    fn delivery(&self) -> Delivery {
        let session = self.connection.lock();
        session.delivery(self.connection.now())
    }
}
