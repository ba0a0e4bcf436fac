//! The server's machine, one for each connection.
//!
//! ```text
//!            preamble          HELLO              welcome()
//! Preamble ───────────▶ Hello ────────▶ Welcome ───────────▶ Open ──▶ Closed
//!     │ other bytes        │ 5 s                               │ GOODBYE, ERROR, silence
//!     └────────────────────┴───────────────────────────────────┴──────────▶ Closed
//!
//! a stream:  Event::Play → start() ─▶ sending ─▶ END finished, stopped, replaced, failed
//!                        → refuse_play() ─▶ ERROR; the stream before it goes on
//! ```
//!
//! The machine says which bytes of a song to send, but never touches them: [`poll_data`](Server::poll_data) gives a
//! frame header and a range of the song.

mod frame_sizer;
mod handling;
mod rate_limiter;
mod streams;

use super::OutboxFull;
use crate::error::{ErrorCode, SessionError};
use crate::frame::FrameReader;
use crate::ids::{RequestId, StreamId};
use crate::limits::{HEADER_BYTES, MAX_CLIENT_CONTROL_BYTES, MAX_CONTROL_BYTES};
use crate::message::{
    Encode, End, EndReason, Error, Goodbye, GoodbyeReason, Hello, Info, List, ListEnd, Play, Song, Started, Welcome,
};
use crate::time::Instant;
use core::time::Duration;
use handling::{Core, Phase};

/// What the client wants. Borrows from the machine or from the input, so act on it before the next call.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// Answer with [`welcome`](Server::welcome), [`reject`](Server::reject) or [`goodbye`](Server::goodbye).
    Hello(Hello<'a>),
    /// Answer with [`song`](Server::song)s, at most [`MAX_LIST_PAGE_BYTES`](crate::limits::MAX_LIST_PAGE_BYTES) of
    /// frames, and one [`list_end`](Server::list_end).
    List(List<'a>),
    /// Answer with one [`song`](Server::song) or [`refuse_info`](Server::refuse_info).
    Info(Info),
    /// Answer with [`start`](Server::start) or [`refuse_play`](Server::refuse_play).
    Play(Play),
    /// The stream was stopped. Its END waits to be transmitted.
    Stopped(StreamId),
    /// The client gave up: the session is over.
    Failed(Error<'a>),
    /// The client closes the connection: the session is over.
    Goodbye(GoodbyeReason),
}

/// The next DATA frame: write the header, then `length` bytes of the song from `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct DataFrame {
    /// The frame's header.
    pub header: [u8; HEADER_BYTES],
    /// The stream.
    pub stream: StreamId,
    /// Byte position in the song, counted from its first audio frame.
    pub position: u64,
    /// Payload length in bytes.
    pub length: usize,
}

/// Room for the longest control frame. With less, the songs of a list would take more turns.
const OUTBOX_BYTES: usize = HEADER_BYTES + MAX_CONTROL_BYTES;

/// Room for the reply to one more frame: at most an ERROR.
const REPLY_BYTES: usize = Error::MAX_FRAME_BYTES;

/// A server's side of one connection.
#[derive(Debug)]
pub struct Server {
    /// Apart from the core, which handles the frames that are borrowed from it.
    reader: FrameReader<MAX_CLIENT_CONTROL_BYTES>,
    core: Core,
}

impl Server {
    /// The server's side of a connection that was just accepted.
    pub const fn new(now: Instant) -> Self {
        Self { reader: FrameReader::new(), core: Core::new(now) }
    }

    // ── getters ──

    /// Whether HELLO was answered and the connection was not closed since.
    pub fn is_open(&self) -> bool {
        self.core.phase == Phase::Open
    }

    /// Whether the session is over: transmit once more, then close the connection.
    pub fn is_closed(&self) -> bool {
        self.core.phase == Phase::Closed
    }

    /// Whether the client's preamble is good and its HELLO due. The caller may delay the preamble reply until HELLO
    /// arrives; most clients send HELLO without waiting for it.
    pub fn expects_hello(&self) -> bool {
        self.core.phase == Phase::Hello
    }

    /// The stream that is being sent.
    pub fn current_stream(&self) -> Option<StreamId> {
        self.core.streams.sending()
    }

    /// Whether this PLAY still needs an answer: it was neither stopped nor overtaken by another.
    pub fn is_awaited(&self, stream: StreamId) -> bool {
        self.core.streams.is_offered(stream)
    }

    /// Whether [`poll_data`](Self::poll_data) has something to send.
    pub fn has_data(&self) -> bool {
        self.next_data_bytes() > 0
    }

    /// Payload bytes of the next DATA frame, if it is given enough room; 0 if there is nothing to send.
    pub fn next_data_bytes(&self) -> usize {
        if self.is_open() { self.core.streams.next_data_bytes() } else { 0 }
    }

    /// How long no input is taken because the client has sent too many commands. Its earlier requests are served meanwhile.
    pub fn input_pause(&self, now: Instant) -> Option<Duration> {
        self.core.rate_limiter.pause(now)
    }

    // ── events ──

    /// Takes bytes off the front of `input`, which came from the client.
    ///
    /// Returns how many were taken and the event that they complete, if any. Call again with the rest until nothing is
    /// left. None of a non-empty input is taken in these cases:
    /// - Replies fill the output: transmit first.
    /// - The client sends too many commands: wait for [`input_pause`](Self::input_pause), and read nothing meanwhile.
    /// - HELLO has not been answered.
    ///
    /// # Errors
    /// What the client did wrong. Transmit once more, then close the connection.
    pub fn handle_input<'a>(
        &'a mut self,
        now: Instant,
        input: &'a [u8],
    ) -> Result<(usize, Option<Event<'a>>), SessionError> {
        let Self { reader, core } = self;
        if !core.takes_input(now) {
            return Ok((0, None));
        }
        if !input.is_empty() {
            core.liveness.on_received(now);
        }
        let greeted = match core.phase {
            Phase::Closed => return Ok((input.len(), None)),
            Phase::Preamble => core.handle_preamble(input)?,
            Phase::Hello | Phase::Welcome | Phase::Open => 0,
        };
        let frames = input.get(greeted..).unwrap_or_default();
        match reader.read(frames) {
            Ok((taken, Some(part))) => core.handle_part(now, part).map(|event| (greeted + taken, event)),
            Ok((taken, None)) => Ok((greeted + taken, None)),
            Err(error) => {
                core.close(error);
                Err(error)
            }
        }
    }

    /// Does what is due at `now`: gives up on a client that does not say HELLO or is silent, and PINGs it before.
    ///
    /// # Errors
    /// [`SessionError::HelloTimeout`] and [`SessionError::Silent`]: transmit once more, then close the connection.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        self.core.handle_timeout(now)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, if nothing happens before; `None` when the session
    /// is over.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.core.poll_timeout()
    }

    // ── answers: after the end of the session they do nothing ──

    /// Answers HELLO.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    pub fn welcome(&mut self, welcome: &Welcome<'_>) -> Result<(), OutboxFull> {
        let core = &mut self.core;
        core.say(welcome)?;
        core.streams.set_max_credit(welcome.max_credit);
        if core.phase == Phase::Welcome {
            core.phase = Phase::Open;
        }
        Ok(())
    }

    /// Sends a song's particulars, with its texts cut to what the client takes. Returns the frame's length in bytes.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    pub fn song(&mut self, song: &Song<'_>) -> Result<usize, OutboxFull> {
        let core = &mut self.core;
        let before = core.outbox.room();
        core.say(&song.fitted(core.client_max_control))?;
        Ok(before - core.outbox.room())
    }

    /// Ends the answer to a LIST.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    pub fn list_end(&mut self, end: &ListEnd) -> Result<(), OutboxFull> {
        self.core.say(end)
    }

    /// Answers PLAY: from now on [`poll_data`](Self::poll_data) yields this stream. The stream before it ends.
    ///
    /// Does nothing if the stream is not the one that was asked for last, or was stopped since.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    pub fn start(&mut self, started: &Started) -> Result<(), OutboxFull> {
        let core = &mut self.core;
        if core.outbox.room() < End::MAX_FRAME_BYTES + Started::MAX_FRAME_BYTES {
            return Err(OutboxFull);
        }
        if core.streams.is_offered(started.stream) {
            if let Some(replaced) = core.streams.start(started) {
                core.say(&replaced)?;
            }
            core.say(started)?;
        }
        Ok(())
    }

    /// Answers INFO with an ERROR that concerns nothing else.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    pub fn refuse_info(&mut self, request: RequestId, code: ErrorCode, text: &str) -> Result<(), OutboxFull> {
        self.core.say(&Error { id: request.0, code, text })
    }

    /// Answers PLAY with an ERROR that concerns nothing else. Does nothing for a PLAY that was stopped or overtaken by
    /// another: it has its END.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    pub fn refuse_play(&mut self, stream: StreamId, code: ErrorCode, text: &str) -> Result<(), OutboxFull> {
        if self.is_awaited(stream) {
            self.core.say(&Error { id: stream.0, code, text })?;
            self.core.streams.refuse();
        }
        Ok(())
    }

    /// Ends the stream because the rest of the song cannot be read. The frame that [`poll_data`](Self::poll_data) gave last
    /// must not be sent.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    pub fn fail(&mut self, stream: StreamId) -> Result<(), OutboxFull> {
        if self.current_stream() == Some(stream) {
            self.core.say(&End { stream, reason: EndReason::Failed })?;
            self.core.streams.fail();
        }
        Ok(())
    }

    /// Sends a PING, so that a client that waits for a slow answer sees that the server is there.
    pub fn keep_alive(&mut self, now: Instant) {
        self.core.liveness.ask(now);
    }

    /// Ends the session with an ERROR that says why. Transmit once more, then close the connection.
    pub fn reject(&mut self, code: ErrorCode, text: &str) {
        // There is room right after HELLO; later a full outbox goes out without it, and closing says the same.
        let _ = self.core.say(&Error { id: 0, code, text });
        self.core.phase = Phase::Closed;
    }

    /// Ends the session. Transmit once more, then close the connection.
    pub fn goodbye(&mut self, reason: GoodbyeReason) {
        if matches!(self.core.phase, Phase::Welcome | Phase::Open) {
            // Best effort: a full outbox goes out without a goodbye, and closing says the same.
            let _ = self.core.say(&Goodbye { reason });
        }
        self.core.phase = Phase::Closed;
    }

    /// Counts an answer that was much work as further commands: as many as the client may send in `time`. Takes effect before
    /// the next input.
    pub fn charge(&mut self, now: Instant, time: Duration) {
        self.core.rate_limiter.charge(now, time);
    }

    // ── output ──

    /// The next control bytes. Send all of them before anything else. `None` when there are none.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<&[u8]> {
        self.core.poll_transmit(now)
    }

    /// The next DATA frame, of at most `at_most` payload bytes. Commands go first, so call it when
    /// [`poll_transmit`](Self::poll_transmit) has nothing and no input waits. The frame counts as sent, unless
    /// [`fail`](Self::fail) or [`take_back`](Self::take_back) follows.
    pub fn poll_data(&mut self, at_most: usize) -> Option<DataFrame> {
        let length = u16::try_from(self.next_data_bytes().min(at_most)).ok().filter(|length| *length > 0)?;
        self.core.streams.take_data(length)
    }

    /// Takes back the frame that [`poll_data`](Self::poll_data) gave last, because its bytes cannot be read now. `poll_data`
    /// gives it again.
    pub fn take_back(&mut self, frame: &DataFrame) {
        self.core.streams.take_back(frame);
    }
}

#[cfg(test)]
mod tests;
