//! The client's machine.
//!
//! ```text
//!            preamble                 WELCOME
//! Preamble ───────────▶ Welcome ───────────────▶ Open ──▶ Closed
//!     │ refusal             │ ERROR                │ GOODBYE, ERROR, silence
//!     └─────────────────────┴──────────────────────┴──────────▶ Closed
//!
//! a stream:    play()            STARTED            END
//!        none ────────▶ pending ─────────▶ current ─────▶ none
//!                          │ ERROR: the stream before it plays on
//! ```
//!
//! A PLAY does not end the stream before it until its STARTED comes, so a wrong song number leaves the music alone.
//! From STARTED on, or from [`stop`](Client::stop) on, bytes of any other stream are dropped unread. Several PLAYs may be
//! pending: each may start, and each that starts takes the place of the one before.

mod deadline;
mod handling;
mod requests;
mod stream;

pub use requests::MAX_REQUESTS;

use super::OutboxFull;
use crate::error::SessionError;
use crate::frame::FrameReader;
use crate::ids::{RequestId, SongId, StreamId};
use crate::limits::{MAX_CONTROL_BYTES, MIN_BUFFER_BYTES, MIN_CONTROL_BYTES, PREAMBLE_BYTES, VERSION};
use crate::message::{
    Encode, EndReason, Error, Goodbye, GoodbyeReason, Hello, Info, List, ListEnd, Play, Search, Song, Start, Started,
    Stop, Welcome,
};
use crate::retry::{USEFUL_BYTES, USEFUL_TIME};
use crate::scale::{micros, mul_div};
use crate::time::Instant;
use core::time::Duration;
use handling::{Core, DUE_BYTES, Phase};
use stream::{MAX_PENDING, Stream};

/// How a client introduces itself.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The client's name, for the server's log; cut to 64 bytes.
    pub name: &'a str,
    /// Random bytes, the same for every connection of this run of the client.
    pub nonce: [u8; 16],
    /// Role bits; 0 in version 1.
    pub roles: u16,
}

/// What to play.
#[derive(Clone, Copy, Debug)]
pub struct PlayRequest {
    /// The song.
    pub song: SongId,
    /// Where to begin.
    pub start: Start,
    /// The content tag that the song must have, or 0 for any.
    pub content_tag: u64,
    /// Size of the buffer that the stream fills, in bytes.
    pub capacity: u32,
    /// Bytes in the buffer that stay when the stream starts: the rest of the song before it, or the part of this song
    /// that came before a cut. [`release`](Client::release) them as if they were the stream's. 0 if the stream replaces
    /// what is there.
    pub occupied: u32,
}

/// What happened. Borrows from the machine or from the input, so act on it before the next call.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// The connection is open.
    Welcome(Welcome<'a>),
    /// A song, in answer to [`list`](Client::list) or [`info`](Client::info).
    Song(Song<'a>),
    /// The page is complete.
    ListEnd(ListEnd),
    /// A stream that was asked for begins. The one before it is over; drop what is buffered of it.
    Started(Started),
    /// Bytes of the current stream, in order. They count as buffered until [`release`](Client::release)d.
    Data {
        /// The stream.
        stream: StreamId,
        /// At least one byte.
        bytes: &'a [u8],
    },
    /// The current or a pending stream is over. The application may play what is buffered of it.
    Ended {
        /// The stream.
        stream: StreamId,
        /// Why.
        reason: EndReason,
    },
    /// A request, a stream or, if the code [is fatal](crate::error::ErrorCode::is_fatal), the connection failed.
    Failed(Error<'a>),
    /// The server closes the connection.
    Goodbye(GoodbyeReason),
}

/// The most that [`Client::poll_transmit`] gives at once, in bytes: room for the preamble, HELLO, and as many commands
/// as may wait for their answers. A long search takes the room of several commands.
pub const OUTBOX_BYTES: usize = PREAMBLE_BYTES
    + Hello::MAX_FRAME_BYTES
    + MAX_REQUESTS * List::FRAME_BYTES_WITHOUT_SEARCH
    + MAX_PENDING * Play::MAX_FRAME_BYTES
    + DUE_BYTES;

/// A client's side of one connection. `CONTROL` is the largest control payload it takes, in bytes: at least 256.
#[derive(Debug)]
pub struct Client<const CONTROL: usize = MAX_CONTROL_BYTES> {
    /// Apart from the core, which handles the frames that are borrowed from it.
    reader: FrameReader<CONTROL>,
    core: Core,
}

impl<const CONTROL: usize> Client<CONTROL> {
    /// A client on a connection that was just opened. Preamble and HELLO wait to be transmitted; commands may follow
    /// at once.
    pub fn new(now: Instant, identity: &Identity<'_>) -> Self {
        const { assert!(CONTROL >= MIN_CONTROL_BYTES && CONTROL <= u16::MAX as usize) };
        let hello = Hello {
            lowest_version: VERSION,
            highest_version: VERSION,
            max_control: CONTROL as u16,
            features: 0,
            roles: identity.roles,
            nonce: identity.nonce,
            name: identity.name,
        };
        Self { reader: FrameReader::new(), core: Core::new(now, &hello) }
    }

    // ── getters ──

    /// Whether WELCOME came and the connection was not closed since.
    pub fn is_open(&self) -> bool {
        self.core.phase == Phase::Open
    }

    /// Whether the session is over.
    pub fn is_closed(&self) -> bool {
        self.core.phase == Phase::Closed
    }

    /// The stream whose bytes are taken now.
    pub fn current_stream(&self) -> Option<StreamId> {
        self.core.current.as_ref().map(|stream| stream.id)
    }

    /// The smallest round-trip measured on this connection, or an assumption.
    pub fn round_trip(&self) -> Duration {
        self.core.path.round_trip()
    }

    /// The rate at which the server delivers, in bytes per second. Before it has been measured, a lower bound.
    pub fn delivery_rate(&self, now: Instant) -> u64 {
        let since_asked =
            self.core.current.as_ref().map_or(0, |stream| {
                mul_div(stream.received, 1_000_000, micros(now.saturating_since(stream.asked)).max(1))
            });
        since_asked.max(self.core.path.bytes_per_second(now))
    }

    /// Whether this connection brought music, or was open for a while and did not end through the server's fault. If
    /// so, try the next connection at once.
    pub fn was_useful(&self, now: Instant) -> bool {
        let has_lasted = self.core.opened.is_some_and(|opened| now.saturating_since(opened) >= USEFUL_TIME);
        self.core.received >= USEFUL_BYTES || has_lasted
    }

    // ── events ──

    /// Takes bytes off the front of `input`, which came from the server.
    ///
    /// Returns how many were taken, at least one, and the event that they complete, if any. Call again with the rest
    /// until nothing is left.
    ///
    /// # Errors
    /// What the server did wrong. Transmit once more, then close the connection.
    pub fn handle_input<'a>(
        &'a mut self,
        now: Instant,
        input: &'a [u8],
    ) -> Result<(usize, Option<Event<'a>>), SessionError> {
        let Self { reader, core } = self;
        let greeted = match core.phase {
            Phase::Closed => return Ok((input.len(), None)),
            Phase::Preamble => core.handle_preamble(now, input)?,
            Phase::Welcome | Phase::Open => 0,
        };
        let frames = input.get(greeted..).unwrap_or_default();
        if !input.is_empty() {
            core.on_received(now);
        }
        match reader.read(frames) {
            Ok((taken, Some(part))) => core.handle_part(now, part).map(|event| (greeted + taken, event)),
            Ok((taken, None)) => Ok((greeted + taken, None)),
            Err(error) => {
                core.close(error);
                Err(error)
            }
        }
    }

    /// Does what is due at `now`: PINGs a silent server, and gives up on a server that is dead or does not send what is due.
    ///
    /// # Errors
    /// [`SessionError::Silent`], [`SessionError::Unanswered`] and [`SessionError::Stalled`]: transmit once more, then
    /// build a new connection.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        self.core.handle_timeout(now).inspect_err(|error| self.core.close(*error))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, if nothing happens before; `None` when the session
    /// is over. May change with every other call.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.core.phase != Phase::Closed).then(|| self.core.poll_timeout())
    }

    // ── commands ──

    /// Asks for at most `at_most` songs in the order of their ids, from `first` on: [`Event::Song`]s, then
    /// [`Event::ListEnd`].
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first, or [`MAX_REQUESTS`] requests have no answer.
    pub fn list(&mut self, first: SongId, at_most: u32) -> Result<RequestId, OutboxFull> {
        self.ask_for_page(first, at_most, None)
    }

    /// Asks for at most `at_most` songs that match a query, in library order: [`Event::Song`]s, then [`Event::ListEnd`].
    /// The page begins at the song `first`, which the end of the page before has named as the next. If `first` is 0 or has
    /// left the library, it begins at the rank in `search`.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first, or [`MAX_REQUESTS`] requests have no answer.
    pub fn search(&mut self, search: Search<'_>, first: SongId, at_most: u32) -> Result<RequestId, OutboxFull> {
        self.ask_for_page(first, at_most, Some(search))
    }

    fn ask_for_page(
        &mut self,
        first: SongId,
        at_most: u32,
        search: Option<Search<'_>>,
    ) -> Result<RequestId, OutboxFull> {
        let core = &mut self.core;
        let request = RequestId(core.next_request()?);
        let list = List { request, first, at_most, search };
        core.outbox.push(&list)?;
        core.requests.push_list(&list)?;
        (core.last_id, core.is_asking) = (request.0, true);
        Ok(request)
    }

    /// Asks for one song's particulars: an [`Event::Song`], or [`Event::Failed`].
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first, or [`MAX_REQUESTS`] requests have no answer.
    pub fn info(&mut self, song: SongId) -> Result<RequestId, OutboxFull> {
        let core = &mut self.core;
        let request = RequestId(core.next_request()?);
        core.outbox.push(&Info { request, song })?;
        core.requests.push_info(request, song)?;
        (core.last_id, core.is_asking) = (request.0, true);
        Ok(request)
    }

    /// Asks for a song: [`Event::Started`] and [`Event::Data`], or [`Event::Failed`], which leaves the current stream
    /// as it is. When four PLAYs wait for an answer, the oldest that does not go on with what is heard is stopped.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    ///
    /// # Panics
    /// If the capacity is below [`MIN_BUFFER_BYTES`]: music would stop and never go on.
    pub fn play(&mut self, now: Instant, wanted: &PlayRequest) -> Result<StreamId, OutboxFull> {
        assert!(wanted.capacity >= MIN_BUFFER_BYTES, "a buffer of {} bytes is too small", wanted.capacity);
        let core = &mut self.core;
        if core.outbox.room() < Stop::MAX_FRAME_BYTES + Play::MAX_FRAME_BYTES {
            return Err(OutboxFull);
        }
        let id = StreamId(core.next_id()?);
        if core.pending.is_full() {
            let place = core.pending.iter().position(|stream| !stream.is_resumed()).unwrap_or(0);
            let oldest = core.pending.remove(place);
            core.outbox.push(&Stop { stream: oldest.id })?;
        }
        let stream = Stream::new(now, id, wanted);
        core.outbox.push(&Play {
            stream: id,
            song: wanted.song,
            start: wanted.start,
            content_tag: wanted.content_tag,
            credit: stream.window.outstanding(),
        })?;
        (core.last_id, core.last_stream, core.is_asking) = (id.0, id.0, true);
        core.pending.push(stream).map_err(|_| OutboxFull)?;
        Ok(id)
    }

    /// Ends the current and every pending stream. None of their events follows. After the end of the session the server
    /// is not told.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first; nothing has ended then.
    pub fn stop(&mut self) -> Result<(), OutboxFull> {
        let is_over = self.is_closed();
        let core = &mut self.core;
        if core.outbox.room() < Stop::MAX_FRAME_BYTES * (1 + core.pending.len()) {
            return Err(OutboxFull);
        }
        for stream in core.current.take().iter().chain(&core.pending).filter(|_| !is_over) {
            core.outbox.push(&Stop { stream: stream.id })?;
        }
        core.pending.clear();
        core.path.pause();
        Ok(())
    }

    /// The application has taken `bytes` out of the buffer that this stream fills. Returns whether that makes a CREDIT
    /// due.
    pub fn release(&mut self, stream: StreamId, bytes: usize) -> bool {
        let Core { pending, current, path, .. } = &mut self.core;
        if let Some(pending) = pending.iter_mut().find(|pending| pending.id == stream) {
            pending.window.release(bytes);
            return false;
        }
        let Some(current) = current.as_mut().filter(|current| current.id == stream) else { return false };
        current.window.release(bytes);
        current.window.due(path, current.remaining()) > 0
    }

    /// Says goodbye. Transmit once more, then close the connection.
    pub fn goodbye(&mut self, reason: GoodbyeReason) {
        if !self.is_closed() {
            // Best effort: a full outbox goes out without a goodbye, and closing says the same.
            let _ = self.core.outbox.push(&Goodbye { reason });
            self.core.phase = Phase::Closed;
        }
    }

    // ── output ──

    /// The next bytes to send, at most [`OUTBOX_BYTES`]. Send all of them before anything else. `None` when there are none.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<&[u8]> {
        self.core.poll_transmit(now)
    }
}

#[cfg(test)]
mod tests;
