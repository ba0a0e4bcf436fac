//! The connection to a server: a socket and two threads that share the [player](crate::shared).
//!
//! ```text
//!   connect thread ─▶ socket ──▶ reader thread ──▶ ┌────────┐
//!                                                  │ Shared │ ──▶ Event, for the app
//!                     socket ◀── writer thread ◀── └────────┘
//!                                (and the clock)
//! ```
//!
//! The player's output is collected under its lock and written without it. Every attempt to connect ends with exactly one
//! [`Event::Unreachable`] or [`Event::Closed`]. The next attempt begins after that.

mod connect;
mod event;

use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::Sender;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use embedded_io::Write;
use trill_player::{self as player, Refused, ServerAddress, TimedOut};
use trill_proto::error::SessionError;
use trill_proto::session::client;
use trill_proto::session::client::OUTBOX_BYTES;
use trill_proto::transport::blocking::{Received, receive};
use trill_proto::transport::std_io::StdIo;

use crate::app;
use crate::shared::{Player, Shared, State};

pub use connect::ConnectError;
pub use event::{CloseReason, Closed, Event, ServerError, Song};

/// Time limit for one address of a server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that reads nothing for this long is gone, because the client's output fits into any socket's buffer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the connection stays open after an ERROR, so that the server can read it.
const LINGER: Duration = Duration::from_millis(500);

/// Bytes per read from the socket.
const READ_BYTES: usize = 64 * 1024;

/// The client's identity, the same on every connection of a run.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The name for the server's log.
    pub name: String,
    /// A random number.
    pub nonce: [u8; 16],
}

/// Makes connections to one server.
#[derive(Clone)]
pub struct Network {
    /// The server.
    pub server: ServerAddress<String>,
    /// This client.
    pub identity: Identity,
    /// The player.
    pub shared: Arc<Shared>,
    /// Receives all events.
    pub events: Sender<app::Event>,
}

/// The state of one connection that its two threads share, beside the player's.
#[derive(Default)]
pub(crate) struct ConnectionState {
    /// The number of the connection. The writer of an old connection may still run beside a new one.
    number: u64,
    /// Bytes to write.
    pub(crate) output: Vec<u8>,
    /// Why the connection ended; set once.
    ending: Option<CloseReason>,
    /// The writer has finished.
    is_written: bool,
    /// The reader has finished.
    is_read: bool,
}

impl ConnectionState {
    /// Whether the connection ends with an ERROR to the server. A silent server gets none, because it would not read it.
    fn ends_with_error(&self) -> bool {
        let Some(CloseReason::Session(error)) = self.ending else { return false };
        error.code().is_some() && error != SessionError::Silent
    }

    /// Whether all bytes were given to the operating system and, after an ERROR, the server had time to read it.
    fn is_finished(&self) -> bool {
        self.is_written && (self.is_read || !self.ends_with_error())
    }
}

impl State {
    /// Ends the connection. The first reason counts.
    fn end(&mut self, reason: CloseReason) {
        // After its own error the machine has ended already. It does not know what the threads found.
        self.player.goodbye();
        self.connection.ending.get_or_insert(reason);
    }
}

impl Network {
    /// Starts a thread that tries to connect.
    pub fn connect(&self) {
        self.shared.with(|player, _| player.begin_attempt());
        let network = self.clone();
        let connect = move || match network.open() {
            Ok(connection) => connection.start(),
            Err(error) => network.fail(error),
        };
        if let Err(error) = thread::Builder::new().name("connect".into()).spawn(connect) {
            self.fail(ConnectError::local(&self.server, &error));
        }
    }

    /// Ends an open connection with GOODBYE, and waits at most `at_most` until it is written.
    pub fn close(&self, at_most: Duration) {
        let mut state = self.shared.lock();
        if state.connection.number == 0 || state.connection.is_read {
            return;
        }
        state.end(CloseReason::Done);
        state.collect(self.shared.now());
        self.shared.network.notify_all();
        let is_open = |state: &mut State| !state.connection.is_finished();
        drop(self.shared.network.wait_timeout_while(state, at_most, is_open));
    }

    /// Reports that the attempt to connect failed.
    fn fail(&self, error: ConnectError) {
        self.shared.with(|player, now| {
            let mut unanswered = Vec::new();
            let _ = player.handle_disconnected(now, None, |refused| unanswered.push(refused));
            self.notify(Event::Unreachable(error, unanswered));
        });
    }

    /// Looks up the name and tries its addresses. Blocks for up to some seconds.
    fn open(&self) -> Result<Connection, ConnectError> {
        let socket = connect::connect(&self.server, CONNECT_TIMEOUT)?;
        let prepared = socket.set_nodelay(true).and_then(|()| socket.set_write_timeout(Some(WRITE_TIMEOUT)));
        prepared.map_err(|error| ConnectError::local(&self.server, &error))?;
        let Identity { name, nonce } = &self.identity;
        let mut state = self.shared.lock();
        let number = state.connection.number + 1;
        state.connection =
            ConnectionState { number, output: Vec::with_capacity(OUTBOX_BYTES), ..ConnectionState::default() };
        let identity = client::Identity { name, nonce: *nonce, roles: 0 };
        state.player.handle_connected(self.shared.now(), &identity);
        drop(state);
        Ok(Connection { network: self.clone(), socket, number })
    }

    fn notify(&self, event: Event) {
        // The receiver is gone when the program ends.
        let _ = self.events.send(app::Event::Network(event));
    }
}

/// One connection to a server, shared by its two threads.
struct Connection {
    network: Network,
    socket: TcpStream,
    number: u64,
}

impl Connection {
    /// Starts the writer thread and reads on this thread until the connection ends.
    fn start(self) {
        let reading = Arc::new(self);
        let writing = reading.clone();
        let spawned = thread::Builder::new().name("network writer".into()).spawn(move || writing.write());
        if let Err(error) = spawned {
            reading.end(CloseReason::Lost(error.kind()));
        }
        reading.read();
    }

    fn read(&self) {
        let mut input = vec![0; READ_BYTES];
        let mut page = Vec::new();
        let mut socket = StdIo(&self.socket);
        loop {
            let taken = match receive(&mut socket, &mut input) {
                Ok(Received::Bytes(count)) => self.handle_bytes(&input[..count], &mut page),
                Ok(Received::Nothing) => Ok(()),
                Ok(Received::Closed) => Err(CloseReason::Ended),
                Err(error) => Err(CloseReason::Lost(error.0.kind())),
            };
            let Err(reason) = taken else { continue };
            let is_wrong = matches!(reason, CloseReason::Session(_));
            let is_told = self.end(reason);
            // After an ERROR, read and drop the rest: closing with unread bytes would reset the connection before the server
            // reads the ERROR.
            if !(is_wrong && is_told) {
                break;
            }
        }
        self.disconnect();
    }

    /// Passes received bytes to the player and the resulting events to the app.
    fn handle_bytes(&self, mut input: &[u8], page: &mut Vec<Song>) -> Result<(), CloseReason> {
        let shared = &self.network.shared;
        let mut state = shared.lock();
        if state.connection.ending.is_some() {
            return Ok(());
        }
        let now = shared.now();
        let due = state.player.poll_timeout();
        // What commands in the app's queue may wait for.
        let is_at_rest = |player: &Player| (player.is_silent(), player.is_settled());
        let before = is_at_rest(&state.player);
        let mut result = Ok(());
        while !input.is_empty() && result.is_ok() {
            match state.player.handle_input(now, input) {
                Ok((taken, event)) => {
                    let is_page = matches!(event, Some(player::Event::PageEnd(..)));
                    result = event.map_or(Ok(()), |event| self.report(event, page));
                    if is_page {
                        // Request the next page when this one is on the screen, so that pages do not pile up.
                        state.player.set_room(0);
                    }
                    input = &input[taken..];
                }
                Err(error) => result = Err(error.into()),
            }
        }
        if is_at_rest(&state.player) != before {
            self.network.notify(Event::Settled);
        }
        if let Err(reason) = &result {
            // Under the same lock, so that the writer knows why it closes the connection.
            state.end(reason.clone());
        }
        state.collect(now);
        // The writer handles timeouts and waits for the old deadline, so wake it for an earlier one.
        let wakes = !state.connection.output.is_empty() || state.player.poll_timeout() < due;
        shared.settle(state);
        if wakes {
            shared.network.notify_all();
        }
        result
    }

    /// Reports an event to the app.
    ///
    /// # Errors
    ///
    /// The reason why the server ends the connection, if it does.
    fn report(&self, event: player::Event<'_>, page: &mut Vec<Song>) -> Result<(), CloseReason> {
        self.network.notify(match event {
            player::Event::Connected(welcome) => Event::Connected {
                server_name: welcome.server_name.to_owned(),
                song_count: (welcome.generation != 0).then_some(welcome.song_count),
            },
            player::Event::Reconnected => Event::Reconnected,
            player::Event::Listed(song) => {
                page.push(Song::from(&song));
                return Ok(());
            }
            player::Event::PageEnd(end, total) => Event::Page { songs: std::mem::take(page), end, total },
            player::Event::Info(song) => Event::Info(Song::from(&song)),
            player::Event::Title(song) => Event::Title(Song::from(&song)),
            player::Event::Started(started) => Event::Started(started),
            player::Event::EndedEarly(song) => Event::EndedEarly(song),
            player::Event::Refused(refused, error) => {
                if refused == Refused::List {
                    // Songs of a page that has no end.
                    page.clear();
                }
                Event::Refused(refused, ServerError::from(&error))
            }
            player::Event::Edge(song, direction) => Event::Edge(song, direction),
            player::Event::NoSongs(playlist) => Event::NoSongs(playlist),
            player::Event::Failed(error) => return Err(CloseReason::Peer(ServerError::from(&error))),
            player::Event::Goodbye(reason) => return Err(CloseReason::Goodbye(reason)),
        });
        Ok(())
    }

    /// Ends the connection; the first reason counts. Returns whether it ends with an ERROR to the server.
    fn end(&self, reason: CloseReason) -> bool {
        let Some(mut state) = self.lock() else { return false };
        state.end(reason);
        state.collect(self.network.shared.now());
        self.network.shared.network.notify_all();
        state.connection.ends_with_error()
    }

    /// Reports the end of the connection to the player and the app, together with the questions that get no answer.
    fn disconnect(&self) {
        let shared = &self.network.shared;
        let mut state = shared.lock();
        state.connection.is_read = true;
        let State { player, connection, .. } = &mut *state;
        let reason = connection.ending.clone().unwrap_or(CloseReason::Ended);
        let now = shared.now();
        let (was_open, was_useful) = (player.was_open(), player.was_useful(now));
        let mut unanswered = Vec::new();
        let error = if let CloseReason::Session(error) = reason { Some(error) } else { None };
        let news = player.handle_disconnected(now, error, |refused| unanswered.push(refused));
        self.network.notify(Event::Closed(Closed { reason, news, was_open, was_useful, unanswered }));
        shared.settle(state);
        shared.network.notify_all();
    }

    fn write(&self) {
        let shared = &self.network.shared;
        let mut socket = StdIo(&self.socket);
        let mut output = Vec::with_capacity(OUTBOX_BYTES);
        while self.next_output(&mut output) {
            if let Err(error) = socket.write_all(&output) {
                self.end(CloseReason::lost_writing(&error.0));
                break;
            }
        }
        if let Some(mut state) = self.lock() {
            state.connection.is_written = true;
            shared.network.notify_all();
            if state.connection.ends_with_error() {
                let _ = self.socket.shutdown(Shutdown::Write);
                let is_heard = |state: &mut State| state.connection.number == self.number && !state.connection.is_read;
                drop(shared.network.wait_timeout_while(state, LINGER, is_heard));
            }
        }
        // Wakes the reader if it still reads. On a broken socket this fails, which does no harm.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Waits for bytes to write and puts them into `output`. Handles the player's timeouts meanwhile. Returns `false` when
    /// the connection has ended.
    fn next_output(&self, output: &mut Vec<u8>) -> bool {
        let shared = &self.network.shared;
        let Some(mut state) = self.lock() else { return false };
        loop {
            let now = shared.now();
            if let Err(timed_out) = state.player.handle_timeout(now) {
                state.end(match timed_out {
                    TimedOut::NoWelcome => CloseReason::NoWelcome,
                    TimedOut::Session(error) => CloseReason::Session(error),
                });
            }
            state.collect(now);
            if !state.connection.output.is_empty() {
                state.swap_output(output);
                return true;
            }
            let Some(due) = state.player.poll_timeout().filter(|_| state.connection.ending.is_none()) else {
                return false;
            };
            let waited = shared.network.wait_timeout(state, due.saturating_since(now));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.connection.number != self.number {
                return false;
            }
        }
    }

    /// Locks the state. `None` if there is a newer connection.
    fn lock(&self) -> Option<MutexGuard<'_, State>> {
        Some(self.network.shared.lock()).filter(|state| state.connection.number == self.number)
    }
}
