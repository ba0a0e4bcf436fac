//! One client's connection, served by a thread of its own.
//!
//! ```text
//!          ┌──────────────────────────────────────────────────────────┐
//!          ▼                                                          │
//!    must it close? ─▶ write what is due ─▶ has input? ─yes─▶ answer it ─┐
//!          ▲                                  │ no                       │
//!          │                         credit for data? ─yes─▶ write one DATA frame
//!          │                                  │ no                       │
//!          └────────── wait for input until the next time-out ◀──────────┘
//! ```
//!
//! A PLAY goes through the modules in this order:
//!
//! ```text
//! read ──Request──▶ requests ──▶ prepare ──PreparedSong──▶ stream ──DATA──▶ client
//! ```
//!
//! A command takes effect between two DATA frames. An idle connection costs nothing. A client that sends thousands of
//! commands is served one per millisecond on average.
//!
//! An answer may have to wait for a disk. Meanwhile the client's music goes on, and CREDIT and STOP take effect. Other
//! requests wait in a queue.

pub(crate) mod buffer_pool;
mod prepare;
mod read;
mod requests;
mod socket;
mod stream;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use embedded_io::Write;
use log::Level;
use trill_proto::error::{ErrorCode, Refusal};
use trill_proto::message::{GoodbyeReason, refusal};
use trill_proto::session::server::Server as Session;
use trill_proto::transport::blocking::transmit_server;

use crate::address::Address;
use crate::clients::ClientEntry;
use crate::close::{CloseReason, lingering_close};
use crate::server::Shared;
use buffer_pool::SMALL_BUFFER_BYTES;
use read::Input;
use requests::{LIST_ANSWER_BYTES, PAGE_BYTES};
use socket::Socket;
use stream::SongStream;

/// How long a full server waits for the HELLO of a client that may replace its own connection.
const FULL_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a client may take to read the last frames and close.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// The heap memory of a connection at most: itself, its client's name, its queue of requests, and an answer or a payload
/// that its client does not read.
pub(crate) const MAX_HEAP_BYTES: u64 = {
    let list_bytes = LIST_ANSWER_BYTES + PAGE_BYTES;
    let unsent = if list_bytes > SMALL_BUFFER_BYTES { list_bytes } else { SMALL_BUFFER_BYTES };
    (size_of::<Connection>() + 1_024 + read::MAX_QUEUE_BYTES + unsent) as u64
};

/// A connection and its client.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    entry: ClientEntry,
    socket: Socket,
    session: Session,
    /// The client in the log: its address, and its name after HELLO.
    client: String,
    is_active: bool,
    /// Since when all slots have been taken and the answer to the preamble is delayed.
    full_since: Option<Instant>,
    input: Input,
    stream: SongStream,
}

impl Connection {
    /// Call this on the listener's thread: so each connection's stack commits two pages, not three.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub(crate) fn new(shared: Arc<Shared>, entry: ClientEntry, peer: SocketAddr) -> io::Result<Box<Self>> {
        let socket = Socket::new(Arc::clone(entry.handle()))?;
        let session = Session::new(shared.clock.now());
        Ok(Box::new(Self {
            shared,
            entry,
            socket,
            session,
            client: Address::of(peer).with_port(peer.port()),
            is_active: false,
            full_since: None,
            input: Input::default(),
            stream: SongStream::default(),
        }))
    }

    /// Serves the client until the connection closes.
    pub(crate) fn serve(mut self: Box<Self>) {
        let reason = loop {
            if let Err(reason) = self.step() {
                break reason;
            }
        };
        self.log_close(reason);
        self.close(reason);
    }

    fn step(&mut self) -> Result<(), CloseReason> {
        self.check_open()?;
        self.transmit()?;
        self.stream.close_unless(self.session.current_stream());
        if self.has_data() && !self.has_input()? {
            self.send_data()?;
        } else {
            self.read_unless_queued(self.wait_time())?;
            while let Some(request) = self.next_request()? {
                self.answer(request)?;
            }
        }
        Ok(self.session.handle_timeout(self.shared.clock.now())?)
    }

    /// # Errors
    /// The reason for which another thread wants this connection to close.
    fn check_open(&self) -> Result<(), CloseReason> {
        self.entry.handle().close_reason().map_or(Ok(()), Err)
    }

    /// Writes the control frames that are due. The answer to a preamble takes a slot, and is delayed while all are taken.
    fn transmit(&mut self) -> Result<(), CloseReason> {
        if self.session.expects_hello() && !self.entry.take_slot() {
            let since = *self.full_since.get_or_insert_with(Instant::now);
            return if since.elapsed() < FULL_TIMEOUT { Ok(()) } else { Err(CloseReason::Full) };
        }
        Ok(transmit_server(&mut self.session, self.shared.clock.now(), &mut self.socket.writer())?)
    }

    /// The time until something is due without input.
    fn wait_time(&self) -> Duration {
        let now = self.shared.clock.now();
        let mut wait = self.session.poll_timeout().map_or(Duration::ZERO, |at| at.saturating_since(now));
        if self.session.has_data() {
            wait = wait.min(self.stream.retry_delay());
        }
        let full_since = self.full_since.filter(|_| self.session.expects_hello());
        full_since.map_or(wait, |since| wait.min(FULL_TIMEOUT.saturating_sub(since.elapsed())))
    }

    /// Sends the last frames, if any are due, and waits until the client has them.
    fn close(&mut self, reason: CloseReason) {
        self.stream = SongStream::default(); // closes the file
        match reason {
            CloseReason::Goodbye | CloseReason::ClosedByClient | CloseReason::ClientError(_) => return,
            CloseReason::Lost(_) | CloseReason::UnfinishedFrame | CloseReason::NoHello => return,
            CloseReason::Superseded => self.session.goodbye(GoodbyeReason::Superseded),
            CloseReason::ShuttingDown => self.session.goodbye(GoodbyeReason::Restarting),
            CloseReason::TooManyFromAddress(_) => {
                self.session.reject(ErrorCode::TOO_MANY_CLIENTS, &reason.to_string());
            }
            CloseReason::SessionError(_) | CloseReason::Full => {}
        }
        let mut writer = self.socket.last_writer();
        let written = match reason {
            CloseReason::Full => writer.write_all(&refusal(Refusal::Busy)),
            _ => transmit_server(&mut self.session, self.shared.clock.now(), &mut writer),
        };
        if written.is_ok() {
            lingering_close(self.entry.handle().stream(), Instant::now() + LINGER_TIMEOUT);
        }
    }

    fn log_close(&self, reason: CloseReason) {
        let client = &self.client;
        match reason {
            _ if self.is_active => self.log(Level::Info, format_args!("{client} left: {reason}")),
            CloseReason::SessionError(_) | CloseReason::Full | CloseReason::TooManyFromAddress(_) => {
                log::debug!("{client} was refused: {reason}");
            }
            // For example a port scanner.
            _ => log::debug!("{client} left before HELLO: {reason}"),
        }
    }

    /// Logs a line about the client, unless there are too many such lines.
    fn log(&self, level: Level, line: fmt::Arguments<'_>) {
        self.shared.client_log.write(level, self.entry.network(), line);
    }
}
