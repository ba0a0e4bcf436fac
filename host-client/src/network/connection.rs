//! One connection: its thread, and its state under the player's lock.

use std::io::{self, Read, Write};
use std::mem;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use trill_player::command::Selection;
use trill_player::{self as player, Refused, TimedOut};
use trill_proto::error::SessionError;
use trill_proto::session::client::OUTBOX_BYTES;
use trill_proto::time::Instant;

use super::{CloseReason, Closed, Event, Network, ServerError, Song};
use crate::shared::{Player, State};
use crate::ui::text::clean;

/// A server that reads nothing for this long is gone, because the client's output fits into any socket's buffer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the connection stays open after the session's end, so that the server can read an ERROR or GOODBYE.
const LINGER: Duration = Duration::from_millis(500);

/// Bytes per read from the socket.
const READ_BYTES: usize = 64 * 1024;

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);

/// The state of the connection that all threads share under the player's lock.
pub(crate) struct ConnectionState {
    socket: Arc<TcpStream>,
    /// Wakes the network thread.
    waker: Waker,
    /// Until when the network thread waits; `None` while it runs.
    waits_until: Option<Instant>,
    /// Bytes that the socket has not taken.
    unsent: Vec<u8>,
    /// Since when the socket takes no bytes.
    blocked_since: Option<Instant>,
    /// The socket can no longer be read, or no longer be written.
    is_broken: bool,
    ending: Option<Ending>,
}

/// The end of the session. The connection is open until the output is written.
struct Ending {
    reason: CloseReason,
    /// When the connection is closed at the latest.
    close_at: Instant,
}

impl ConnectionState {
    /// Whether the session ends with an ERROR to the server. A silent server gets none, because it would not read it.
    fn ends_with_error(&self) -> bool {
        let Some(Ending { reason: CloseReason::Session(error), .. }) = self.ending else { return false };
        error.code().is_some() && error != SessionError::Silent
    }

    /// Sends bytes until the socket takes no more.
    fn send(&mut self, now: Instant) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match (&*self.socket).write(&self.unsent) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.unsent.drain(..count);
                    self.blocked_since = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked_since.get_or_insert(now);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl State {
    /// Ends the session, if there is a connection. The first reason counts.
    pub(super) fn end(&mut self, reason: CloseReason, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        // After its own error the session machine has ended already. It does not know the errors of the socket.
        self.player.goodbye();
        connection.ending.get_or_insert(Ending { reason, close_at: now + LINGER });
    }

    /// Ends the session because the socket failed.
    fn break_off(&mut self, reason: CloseReason, now: Instant) {
        self.end(reason, now);
        if let Some(connection) = &mut self.connection {
            connection.is_broken = true;
        }
    }

    /// Sends the player's output, as much as the socket takes without waiting, and wakes the network thread if it would
    /// wake too late.
    pub(crate) fn transmit(&mut self, now: Instant) {
        if let Err(error) = self.send_output(now) {
            self.break_off(CloseReason::Lost(error.kind()), now);
        }
        if self.player.is_closed() {
            self.end(CloseReason::Ended, now);
        }
        let due = self.due();
        if let Some(connection) = &mut self.connection
            && connection.waits_until.take_if(|until| due.is_none_or(|due| due < *until)).is_some()
        {
            // It cannot fail: the thread that reads the waker's queue keeps it empty.
            let _ = connection.waker.wake();
        }
    }

    /// Collects the player's output only while the socket takes it. The player merges its answers to a server that does not
    /// read them.
    fn send_output(&mut self, now: Instant) -> io::Result<()> {
        let Self { player, connection: Some(connection), .. } = self else { return Ok(()) };
        connection.send(now)?;
        while connection.unsent.is_empty() && !connection.is_broken {
            while connection.unsent.len() < OUTBOX_BYTES
                && let Some(bytes) = player.poll_transmit(now)
            {
                connection.unsent.extend_from_slice(bytes);
            }
            if connection.unsent.is_empty() {
                break;
            }
            connection.send(now)?;
        }
        Ok(())
    }

    /// When the network thread has something to do at the latest; `None` if the connection is to be closed.
    fn due(&self) -> Option<Instant> {
        let connection = self.connection.as_ref()?;
        let write_by = connection.blocked_since.map(|since| since + WRITE_TIMEOUT);
        match &connection.ending {
            None => [self.player.poll_timeout(), write_by].into_iter().flatten().min(),
            Some(_) if connection.is_broken => None,
            Some(_) if connection.unsent.is_empty() && !connection.ends_with_error() => None,
            Some(ending) => Some(ending.close_at),
        }
    }

    /// Ends the session if the server is silent or reads nothing.
    fn handle_timeout(&mut self, now: Instant) {
        let Some(ConnectionState { ending: None, blocked_since, .. }) = &self.connection else { return };
        if blocked_since.is_some_and(|since| now >= since + WRITE_TIMEOUT) {
            return self.break_off(CloseReason::Lost(io::ErrorKind::TimedOut), now);
        }
        if let Err(timed_out) = self.player.handle_timeout(now) {
            let reason = match timed_out {
                TimedOut::NoWelcome => CloseReason::NoWelcome,
                TimedOut::Session(error) => CloseReason::Session(error),
            };
            self.end(reason, now);
        }
    }
}

/// The network thread of a connection.
pub(super) struct Connection {
    network: Network,
    socket: Arc<TcpStream>,
    poll: Poll,
    /// The songs of a page that is not complete.
    page: Vec<Song>,
}

impl Connection {
    /// Prepares `socket`.
    pub(super) fn new(network: Network, socket: std::net::TcpStream) -> io::Result<(Self, ConnectionState)> {
        socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(socket);
        let poll = Poll::new()?;
        poll.registry().register(&mut socket, SOCKET, Interest::READABLE | Interest::WRITABLE)?;
        let socket = Arc::new(socket);
        let state = ConnectionState {
            socket: socket.clone(),
            waker: Waker::new(poll.registry(), WAKER)?,
            waits_until: None,
            unsent: Vec::with_capacity(OUTBOX_BYTES),
            blocked_since: None,
            is_broken: false,
            ending: None,
        };
        Ok((Self { network, socket, poll, page: Vec::new() }, state))
    }

    /// Reads, and handles the player's timeouts, until the connection ends.
    pub(super) fn run(mut self) {
        let mut input = vec![0; READ_BYTES];
        let mut events = Events::with_capacity(2);
        let mut is_readable = false;
        while let Some(at_most) = self.prepare_to_wait() {
            if !is_readable {
                is_readable = self.wait(&mut events, at_most);
            }
            if is_readable {
                is_readable = self.receive(&mut input);
            }
        }
        self.disconnect(&mut input);
    }

    /// Does what is due. Returns how long to wait for the next event; `None` when the connection is to be closed.
    fn prepare_to_wait(&self) -> Option<Duration> {
        let mut state = self.network.shared.lock();
        let now = self.network.shared.now();
        state.handle_timeout(now);
        state.transmit(now);
        let due = state.due()?;
        let connection = state.connection.as_mut()?;
        connection.waits_until = Some(due);
        if connection.ends_with_error() && connection.unsent.is_empty() {
            // The server sees the end. It fails on a broken socket, which does no harm.
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        Some(due.saturating_since(now)).filter(|at_most| connection.ending.is_none() || !at_most.is_zero())
    }

    /// Waits for the socket or the waker. Returns whether the socket may have bytes.
    fn wait(&mut self, events: &mut Events, at_most: Duration) -> bool {
        match self.poll.poll(events, Some(at_most)) {
            Ok(()) => events.iter().any(|event| event.token() == SOCKET),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => false,
            Err(error) => {
                self.lose(CloseReason::Lost(error.kind()));
                false
            }
        }
    }

    /// Reads once. Returns whether there may be more.
    fn receive(&mut self, input: &mut [u8]) -> bool {
        let reason = match (&*self.socket).read(input) {
            Ok(0) => CloseReason::Ended,
            Ok(count) => {
                self.handle_bytes(&input[..count]);
                return true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
            Err(error) => CloseReason::Lost(error.kind()),
        };
        self.lose(reason);
        false
    }

    fn lose(&self, reason: CloseReason) {
        self.network.shared.lock().break_off(reason, self.network.shared.now());
    }

    /// Passes received bytes to the player and the resulting events to the app. Drops them after the session's end.
    fn handle_bytes(&mut self, mut input: &[u8]) {
        let Self { network, page, .. } = self;
        let shared = &network.shared;
        let mut state = shared.lock();
        let Some(connection @ ConnectionState { ending: None, .. }) = &mut state.connection else { return };
        connection.waits_until = None;
        let now = shared.now();
        // Commands in the app's queue may wait for a change of these.
        let is_at_rest = |player: &Player| (player.is_silent(), player.is_settled());
        let State { player, events, .. } = &mut *state;
        let before = is_at_rest(player);
        let mut result = Ok(());
        while !input.is_empty() && result.is_ok() {
            match player.handle_input(now, input) {
                Ok((taken, event)) => {
                    let is_page = matches!(event, Some(player::Event::PageEnd(..)));
                    result = event.map_or(Ok(()), |event| collect_event(event, page, events));
                    if is_page {
                        // Request the next page when this one is on the screen, so that pages do not pile up.
                        player.set_page_songs(0);
                    }
                    input = &input[taken..];
                }
                Err(error) => result = Err(error.into()),
            }
        }
        if is_at_rest(player) != before {
            events.push(Event::Settled);
        }
        if let Err(reason) = result {
            state.end(reason, now);
        }
        network.settle(state);
    }

    /// Closes the connection. Reports it to the player and the app, together with the questions that get no answer.
    fn disconnect(&self, input: &mut [u8]) {
        // On a broken socket this fails, which does no harm.
        let _ = self.socket.shutdown(Shutdown::Both);
        // Closing with unread bytes would reset the connection, and the server might not read GOODBYE.
        while matches!((&*self.socket).read(input), Ok(1..)) {}
        let shared = &self.network.shared;
        let mut state = shared.lock();
        let State { player, connection, events, .. } = &mut *state;
        let reason = connection
            .take()
            .and_then(|connection| connection.ending)
            .map_or(CloseReason::Ended, |ending| ending.reason);
        let now = shared.now();
        let (was_open, was_useful) = (player.was_open(), player.was_useful(now));
        let mut unanswered = Vec::new();
        let error = if let CloseReason::Session(error) = reason { Some(error) } else { None };
        let notice = player.handle_disconnected(now, error, |refused| unanswered.push(refused));
        events.push(Event::Closed(Closed { reason, notice, was_open, was_useful, unanswered }));
        self.network.settle(state);
        shared.disconnected.notify_all();
    }
}

/// Adds an event of the player to the app's `events`.
///
/// # Errors
///
/// The reason why the server ends the connection, if it does.
fn collect_event(event: player::Event<'_>, page: &mut Vec<Song>, events: &mut Vec<Event>) -> Result<(), CloseReason> {
    events.push(match event {
        player::Event::Connected(welcome) => Event::Connected {
            server_name: welcome.server_name.to_owned(),
            song_count: (welcome.generation != 0).then_some(welcome.song_count),
        },
        player::Event::Reconnected => Event::Reconnected,
        player::Event::Listed(song) => {
            page.push(Song::from(&song));
            return Ok(());
        }
        player::Event::PageEnd(end, total) => Event::Page { songs: mem::take(page), end, total },
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
        player::Event::NothingFound(selection) => Event::NothingFound(nothing_found(&selection)),
        player::Event::MoreMatches(selection, others) => Event::MoreMatches(others, list_command(&selection)),
        player::Event::Added { source, position, songs, others } => Event::Added { source, position, songs, others },
        // The screen asks for the title of the song heard only.
        player::Event::Following(song) => Event::Following(Song::from(&song)),
        player::Event::Found(song) => Event::Found(Song::from(&song)),
        player::Event::Failed(error) => return Err(CloseReason::Peer(ServerError::from(&error))),
        player::Event::Goodbye(reason) => return Err(CloseReason::Goodbye(reason)),
    });
    Ok(())
}

/// Why a selection plays nothing.
pub(crate) fn nothing_found(selection: &Selection<'_>) -> String {
    let what = match selection {
        Selection::All => return "the server has no songs".to_owned(),
        Selection::Range { first, last } => format!("no songs from {first} to {last}"),
        Selection::Best(words) => format!("no song matches {}", clean(words)),
        Selection::Album(words) => format!("no album matches {}", clean(words)),
        Selection::Artist(words) => format!("no artist matches {}", clean(words)),
        Selection::Song { song, .. } => format!("there is no song {song}"),
        Selection::AlbumOf { album: song, .. } => format!("song {song} has no album"),
        Selection::ArtistOf { artist: song, .. } => format!("song {song} has no artist"),
    };
    format!("{what}; list shows what there is")
}

/// The command that lists what matches a selection.
fn list_command(selection: &Selection<'_>) -> String {
    match selection {
        Selection::Album(words) => format!("albums {}", clean(words)),
        Selection::Artist(words) => format!("artists {}", clean(words)),
        Selection::Best(words) => format!("list {}", clean(words)),
        other => format!("list {other}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use trill_proto::ids::SongId;
    use trill_proto::message::{Message, PREAMBLE, Welcome};
    use trill_tests::messages::encode;
    use trill_tests::raw::{RawConnection, RawListener};

    use super::*;
    use crate::network::Identity;
    use crate::shared::Shared;

    const DEADLINE: Duration = Duration::from_secs(60);

    /// A connection whose socket is full, the server's end of it, and the number of bytes that fill it.
    fn blocked() -> (Connection, RawConnection, usize) {
        let listener = RawListener::bind();
        let network = Network {
            server: crate::server::Server::this_machine(),
            identity: Identity { name: "test".into(), nonce: [1; 16] },
            shared: Shared::new(1, false),
            events: mpsc::channel().0,
        };
        let mut connection = network.prepare(std::net::TcpStream::connect(listener.address()).unwrap()).unwrap();
        let (mut filled, mut events) = (0, Events::with_capacity(2));
        loop {
            let before = filled;
            for size in [64 * 1024, 1] {
                while let Ok(count) = (&*connection.socket).write(&[0; 64 * 1024][..size]) {
                    filled += count;
                }
            }
            if filled == before {
                break;
            }
            // The system moves bytes to the other side, as long as there is room.
            connection.poll.poll(&mut events, Some(Duration::from_millis(500))).unwrap();
        }
        (connection, listener.accept(DEADLINE), filled)
    }

    #[test]
    fn output_that_a_full_socket_refuses_is_sent_when_there_is_room() {
        let (connection, mut server, filled) = blocked();
        let shared = connection.network.shared.clone();
        shared.lock().transmit(shared.now());
        assert!(!shared.lock().connection.as_ref().unwrap().unsent.is_empty());
        let thread = thread::spawn(move || connection.run());
        server.receive(filled, DEADLINE);
        assert_eq!(server.receive(PREAMBLE.len(), DEADLINE), PREAMBLE);
        drop(server);
        thread.join().unwrap();
    }

    #[test]
    fn a_server_that_reads_nothing_blocks_no_command_and_is_given_up() {
        let (connection, mut server, _) = blocked();
        server.send(&[&PREAMBLE[..], &encode(&Message::Welcome(Welcome::new()))].concat());
        let shared = connection.network.shared.clone();
        let thread = thread::spawn(move || connection.run());
        shared.with(|player, now| player.play(now, Selection::Song { song: SongId(3), at: Duration::ZERO }));
        shared.with(|player, _| player.stop()).unwrap();
        thread.join().unwrap();
        let events = shared.take_events();
        let Some(Event::Closed(closed)) = events.last() else { panic!("{events:?}") };
        assert_eq!(closed.reason, CloseReason::Lost(io::ErrorKind::TimedOut));
    }
}
