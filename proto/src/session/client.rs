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

mod handling;

use super::Busy;
use super::liveness::{Liveness, Patience};
use super::outbox::Outbox;
use crate::error::{Refusal, SessionError};
use crate::frame::FrameReader;
use crate::ids::{RequestId, SongId, StreamId};
use crate::limits::{
    HEADER_BYTES, MAX_CONTROL_BYTES, MIN_BUFFER_BYTES, MIN_CONTROL_BYTES, PREAMBLE_BYTES, STALL_CLOSE_AFTER,
    STALL_PING_AFTER, VERSION,
};
use crate::message::{
    Credit, EndReason, Error, Goodbye, GoodbyeReason, Hello, Info, List, ListEnd, MAGIC, PREAMBLE, Play, REFUSAL_MAGIC,
    Song, Start, Started, Stop, Welcome,
};
use crate::scale::{micros, scaled};
use crate::time::Instant;
use crate::window::{Path, Window};
use core::time::Duration;
use handling::Session;
use heapless::Vec;

/// How a client introduces itself.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// How it calls itself, for the server's log; cut to 64 bytes.
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
    /// Bytes in the buffer that stay there when the stream starts: of a song that it follows, or goes on with.
    /// [`release`](Client::release) them as if they were the stream's. 0 if the stream takes the place of what is there.
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
    /// A stream that was asked for begins: the one before is over, and whatever of it is buffered is to go.
    Started(Started),
    /// Bytes of the current stream, in order. They count as buffered until [`release`](Client::release)d.
    Data {
        /// The stream.
        stream: StreamId,
        /// At least one byte.
        bytes: &'a [u8],
    },
    /// The current or a pending stream is over. What is buffered of it may be played out.
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

#[derive(Debug, PartialEq)]
enum Phase {
    Preamble,
    Welcome,
    Open,
    Closed,
}

#[derive(Debug)]
struct Stream {
    id: StreamId,
    window: Window,
    /// The position and content tag with which it must start, if it goes on with one that was cut.
    resume: Option<(u64, u64)>,
    asked: Instant,
    /// When credit was last granted after all of it had been used up: from then on data is due.
    waiting_since: Instant,
    received: u64,
    /// Bytes from the stream's first to the song's end; known from STARTED on.
    expected: u64,
}

impl Stream {
    const fn remaining(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }
}

/// PLAYs that have not been answered. When one more is sent, the oldest is stopped that does not go on with what is heard.
type Pending = Vec<Stream, 4>;

/// The most that [`Client::poll_transmit`] gives at once, in bytes: room for preamble and HELLO, or for a handful of
/// commands.
pub const OUTBOX_BYTES: usize = 384;

/// A client's side of one connection. `CONTROL` is the largest control payload it takes, in bytes: at least 256.
#[derive(Debug)]
pub struct Client<const CONTROL: usize = MAX_CONTROL_BYTES> {
    phase: Phase,
    preamble: Vec<u8, PREAMBLE_BYTES>,
    reader: FrameReader<CONTROL>,
    outbox: Outbox<OUTBOX_BYTES>,
    liveness: Liveness,
    path: Path,
    hello_sent: Option<Instant>,
    /// Something that is asked waits to be transmitted.
    is_asking: bool,
    /// When something was asked first, if the server has not shown since that it is there.
    asked: Option<Instant>,
    /// The last stream or request id given out: they share one sequence.
    last_id: u32,
    /// The last stream that the server has started: it starts them in their order, and each once.
    last_started: u32,
    current: Option<Stream>,
    /// In the order in which they were asked for.
    pending: Pending,
}

impl<const CONTROL: usize> Client<CONTROL> {
    /// A client on a connection that was just opened. Preamble and HELLO wait to be transmitted; commands may follow
    /// at once.
    pub fn new(now: Instant, identity: &Identity<'_>) -> Self {
        const { assert!(CONTROL >= MIN_CONTROL_BYTES && CONTROL <= u16::MAX as usize) };
        let mut outbox = Outbox::new();
        let hello = Hello {
            lowest_version: VERSION,
            highest_version: VERSION,
            max_control: CONTROL as u16,
            features: 0,
            roles: identity.roles,
            nonce: identity.nonce,
            name: identity.name,
        };
        outbox.push_bytes(&PREAMBLE).and_then(|()| outbox.push(&hello)).expect("both fit into an empty outbox");
        Self {
            phase: Phase::Preamble,
            preamble: Vec::new(),
            reader: FrameReader::new(),
            outbox,
            liveness: Liveness::new(now),
            path: Path::default(),
            hello_sent: None,
            is_asking: false,
            asked: None,
            last_id: 0,
            last_started: 0,
            current: None,
            pending: Pending::new(),
        }
    }

    // ── getters ──

    /// Whether WELCOME came and the connection was not closed since.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether the session is over.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// The stream whose bytes are taken now.
    pub fn current_stream(&self) -> Option<StreamId> {
        self.current.as_ref().map(|stream| stream.id)
    }

    /// The stream that was asked for last, if it has not started.
    pub fn pending_stream(&self) -> Option<StreamId> {
        self.pending.last().map(|stream| stream.id)
    }

    /// Whether this stream was asked for and has neither started nor been given up.
    pub fn is_pending(&self, stream: StreamId) -> bool {
        self.pending.iter().any(|pending| pending.id == stream)
    }

    /// Credit outstanding on the current stream, in bytes.
    pub fn outstanding_credit(&self) -> u32 {
        self.current.as_ref().map_or(0, |stream| stream.window.outstanding())
    }

    /// The smallest round-trip measured on this connection, or an assumption.
    pub fn round_trip(&self) -> Duration {
        self.path.round_trip()
    }

    /// The rate at which the server delivers, in bytes per second: as measured, or until then at least this much.
    pub fn delivery_rate(&self, now: Instant) -> u64 {
        let since_asked = self
            .current
            .as_ref()
            .map_or(0, |stream| scaled(stream.received, 1_000_000, micros(now.saturating_since(stream.asked)).max(1)));
        since_asked.max(self.path.bytes_per_second())
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
        if !input.is_empty() {
            self.liveness.on_received(now);
            self.asked = None;
        }
        let greeted = match self.phase {
            Phase::Closed => return Ok((input.len(), None)),
            Phase::Preamble => {
                let taken = self.read_preamble(input);
                self.or_close(taken)?
            }
            _ => 0,
        };
        let frames = input.get(greeted..).unwrap_or_default();
        let Self { phase, outbox, reader, liveness, path, hello_sent, last_id, last_started, current, pending, .. } =
            self;
        let (hello_sent, last_id) = (*hello_sent, *last_id);
        let mut session = Session { phase, liveness, path, hello_sent, last_id, last_started, current, pending };
        let handled = reader.read(frames).and_then(|(taken, part)| {
            Ok((greeted + taken, part.map_or(Ok(None), |part| session.handle_part(now, part))?))
        });
        handled.inspect_err(|error| close(phase, outbox, *error))
    }

    /// Does what is due at `now`: PINGs a silent server, and gives up on a dead one.
    ///
    /// # Errors
    /// [`SessionError::Silent`]: transmit once more, then build a new connection.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        if self.phase == Phase::Closed {
            return Ok(());
        }
        let patience = self.patience();
        let checked = self.liveness.handle_timeout(now, patience);
        self.or_close(checked)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, if nothing happens before; `None` when the session
    /// is over. May change with every other call.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.phase != Phase::Closed).then(|| self.liveness.poll_timeout(self.patience()))
    }

    // ── commands ──

    /// Asks for at most `at_most` songs from `first` on: [`Event::Song`]s, then [`Event::ListEnd`].
    ///
    /// # Errors
    /// [`Busy`] if the output must be transmitted first.
    pub fn list(&mut self, first: SongId, at_most: u32) -> Result<RequestId, Busy> {
        let request = RequestId(self.next_id()?);
        self.outbox.push(&List { request, first, at_most })?;
        (self.last_id, self.is_asking) = (request.0, true);
        Ok(request)
    }

    /// Asks for one song's particulars: an [`Event::Song`], or [`Event::Failed`].
    ///
    /// # Errors
    /// [`Busy`] if the output must be transmitted first.
    pub fn info(&mut self, song: SongId) -> Result<RequestId, Busy> {
        let request = RequestId(self.next_id()?);
        self.outbox.push(&Info { request, song })?;
        (self.last_id, self.is_asking) = (request.0, true);
        Ok(request)
    }

    /// Asks for a song: [`Event::Started`] and [`Event::Data`], or [`Event::Failed`], which leaves the current stream
    /// as it is.
    ///
    /// # Errors
    /// [`Busy`] if the output must be transmitted first.
    ///
    /// # Panics
    /// If the capacity is below [`MIN_BUFFER_BYTES`]: music would stop and never go on.
    pub fn play(&mut self, now: Instant, wanted: &PlayRequest) -> Result<StreamId, Busy> {
        const NEEDED: usize = 2 * HEADER_BYTES + 28;
        assert!(wanted.capacity >= MIN_BUFFER_BYTES, "a buffer of {} bytes is too small", wanted.capacity);
        if self.outbox.room() < NEEDED {
            return Err(Busy);
        }
        let id = StreamId(self.next_id()?);
        let window = Window::new(wanted.capacity, wanted.occupied);
        if self.pending.is_full() {
            let place = self.pending.iter().position(|stream| stream.resume.is_none()).unwrap_or(0);
            let oldest = self.pending.remove(place);
            self.outbox.push(&Stop { stream: oldest.id })?;
        }
        self.outbox.push(&Play {
            stream: id,
            song: wanted.song,
            start: wanted.start,
            content_tag: wanted.content_tag,
            credit: window.outstanding(),
        })?;
        (self.last_id, self.is_asking) = (id.0, true);
        let resume = match wanted.start {
            Start::Time(_) => None,
            Start::Resume(position) => Some((position, wanted.content_tag)),
        };
        let stream = Stream { id, window, resume, asked: now, waiting_since: now, received: 0, expected: u64::MAX };
        self.pending.push(stream).map_err(|_| Busy)?;
        Ok(id)
    }

    /// Ends the current and every pending stream. No event of any of them follows. After the end of the session nothing is
    /// said about it.
    ///
    /// # Errors
    /// [`Busy`] if the output must be transmitted first; nothing has ended then.
    pub fn stop(&mut self) -> Result<(), Busy> {
        if self.outbox.room() < HEADER_BYTES * (1 + self.pending.len()) {
            return Err(Busy);
        }
        let is_over = self.is_closed();
        for stream in self.current.take().iter().chain(&self.pending).filter(|_| !is_over) {
            self.outbox.push(&Stop { stream: stream.id })?;
        }
        self.pending.clear();
        self.path.pause();
        Ok(())
    }

    /// The application has taken `bytes` out of the buffer that this stream fills. Returns whether that makes a CREDIT
    /// due.
    pub fn release(&mut self, stream: StreamId, bytes: usize) -> bool {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.id == stream) {
            pending.window.release(bytes);
            return false;
        }
        let Some(current) = self.current.as_mut().filter(|current| current.id == stream) else { return false };
        current.window.release(bytes);
        current.window.due(&self.path, current.remaining()) > 0
    }

    /// Asks the server for a sign of life now, which also measures the round-trip.
    pub fn ping(&mut self, now: Instant) {
        self.liveness.ask(now);
    }

    /// Says goodbye. Transmit once more, then close the connection.
    pub fn goodbye(&mut self, reason: GoodbyeReason) {
        if self.phase != Phase::Closed {
            // Best effort: a full outbox goes out without a goodbye, and closing says the same.
            let _ = self.outbox.push(&Goodbye { reason });
            self.phase = Phase::Closed;
        }
    }

    // ── output ──

    /// The next bytes to send, at most [`OUTBOX_BYTES`], all of them, before anything else is sent. `None` when there is nothing to say now.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<&[u8]> {
        self.queue_what_is_due(now);
        if let Phase::Preamble | Phase::Welcome = self.phase {
            self.hello_sent.get_or_insert(now);
        }
        if core::mem::take(&mut self.is_asking) {
            self.asked.get_or_insert(now);
        }
        (!self.outbox.is_empty()).then(|| self.outbox.take())
    }

    fn queue_what_is_due(&mut self, now: Instant) {
        const LARGEST: usize = HEADER_BYTES + 24;
        if self.phase != Phase::Open || self.outbox.room() < 3 * LARGEST {
            return; // after what is waiting
        }
        if let Some(current) = &mut self.current {
            let remaining = current.remaining();
            let was_used_up = current.window.outstanding() == 0;
            if let Some(more) = current.window.grant(&self.path, remaining) {
                if was_used_up {
                    current.waiting_since = now;
                }
                let _ = self.outbox.push(&Credit { stream: current.id, more });
            }
        }
        if let Some(ping) = self.liveness.take_ping() {
            let _ = self.outbox.push(&ping);
        }
        if let Some(pong) = self.liveness.take_pong(now) {
            let _ = self.outbox.push(&pong);
        }
    }

    /// The id of the next stream or request. A session that is over, or out of ids, has none.
    fn next_id(&self) -> Result<u32, Busy> {
        self.last_id.checked_add(1).filter(|_| self.phase != Phase::Closed).ok_or(Busy)
    }

    /// With data or an answer on its way, silence shows a dead path much sooner than without.
    fn patience(&self) -> Patience {
        let is_waiting = |stream: &&Stream| stream.window.outstanding() > 0 && stream.remaining() > 0;
        let since = match (self.current.as_ref().filter(is_waiting), self.asked) {
            (Some(stream), _) => stream.waiting_since,
            (None, Some(asked)) if self.phase == Phase::Open => asked,
            _ => return Patience::NORMAL,
        };
        Patience {
            since,
            ping_after: STALL_PING_AFTER.max(self.path.round_trip() * 4),
            close_after: STALL_CLOSE_AFTER.max(self.path.round_trip() * 4),
        }
    }

    fn read_preamble(&mut self, input: &[u8]) -> Result<usize, SessionError> {
        let missing = PREAMBLE_BYTES - self.preamble.len();
        let taken = input.get(..missing).unwrap_or(input);
        let _ = self.preamble.extend_from_slice(taken);
        let is_prefix_of = |magic: [u8; 4]| self.preamble.iter().zip(magic).all(|(got, wanted)| *got == wanted);
        if !is_prefix_of(MAGIC) && !is_prefix_of(REFUSAL_MAGIC) {
            return Err(SessionError::NotTrill);
        }
        match self.preamble.as_slice() {
            [b'T', b'R', b'N', b'O', reason, _, _, _] => Err(SessionError::Refused(Refusal::from_byte(*reason))),
            [b'T', b'R', b'I', b'L', 0, 0, _, _] => {
                self.phase = Phase::Welcome;
                Ok(taken.len())
            }
            [b'T', b'R', b'I', b'L', _, _, _, _] => Err(SessionError::NotTrill),
            _ => Ok(taken.len()),
        }
    }

    fn or_close<T>(&mut self, result: Result<T, SessionError>) -> Result<T, SessionError> {
        result.inspect_err(|error| close(&mut self.phase, &mut self.outbox, *error))
    }
}

/// Ends the session and leaves an ERROR for the server, if that is to be told.
fn close(phase: &mut Phase, outbox: &mut Outbox<OUTBOX_BYTES>, error: SessionError) {
    *phase = Phase::Closed;
    if let Some(code) = error.code() {
        let _ = outbox.push(&Error { id: 0, code, text: "" });
    }
}

#[cfg(test)]
mod tests;
