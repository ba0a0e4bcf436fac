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
//! The machine says which bytes of a song to send, and never touches them: [`poll_data`](Server::poll_data) gives a
//! frame header and a range of the song.

mod frame_sizer;
mod handling;
mod rate_limiter;

use super::OutboxFull;
use super::liveness::{Liveness, LivenessTimeouts};
use super::outbox::Outbox;
use crate::error::{ErrorCode, Refusal, SessionError};
use crate::frame::FrameReader;
use crate::ids::{RequestId, StreamId};
use crate::limits::{
    HEADER_BYTES, HELLO_DEADLINE, MAX_CLIENT_CONTROL_BYTES, MAX_CONTROL_BYTES, MAX_CREDIT_BYTES, MIN_CONTROL_BYTES,
    PREAMBLE_BYTES,
};
use crate::message::{
    Encode, End, EndReason, Error, Goodbye, GoodbyeReason, Header, Hello, Info, List, ListEnd, MessageType, PREAMBLE,
    Play, Song, Started, Welcome, refusal,
};
use crate::time::Instant;
use core::time::Duration;
use frame_sizer::FrameSizer;
use handling::Session;
use heapless::Vec;
use rate_limiter::RateLimiter;

/// What the client wants. Borrows from the machine or from the input, so act on it before the next call.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// Answer with [`welcome`](Server::welcome), [`reject`](Server::reject) or [`goodbye`](Server::goodbye).
    Hello(Hello<'a>),
    /// Answer with [`song`](Server::song)s, at most [`MAX_LIST_PAGE_BYTES`](crate::limits::MAX_LIST_PAGE_BYTES) of
    /// frames, and one [`list_end`](Server::list_end).
    List(List),
    /// Answer with one [`song`](Server::song) or [`refuse_info`](Server::refuse_info).
    Info(Info),
    /// Answer with [`start`](Server::start) or [`refuse_play`](Server::refuse_play).
    Play(Play),
    /// The stream was stopped; its END waits to be transmitted.
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

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Preamble,
    Hello,
    Welcome,
    Open,
    Closed,
}

/// The stream that is being sent.
#[derive(Debug)]
struct Sending {
    id: StreamId,
    position: u64,
    end: u64,
    credit: u32,
}

/// A PLAY that the application has not answered.
#[derive(Debug)]
struct Offered {
    id: StreamId,
    credit: u32,
}

/// Room for the largest SONG, or for what a PLAY brings about.
const OUTBOX_BYTES: usize = HEADER_BYTES + MAX_CONTROL_BYTES;

/// Room that handling one more frame may need.
const REPLY_BYTES: usize = 64;

/// A server's side of one connection.
#[derive(Debug)]
pub struct Server {
    phase: Phase,
    opened: Instant,
    preamble: Vec<u8, PREAMBLE_BYTES>,
    reader: FrameReader<MAX_CLIENT_CONTROL_BYTES>,
    outbox: Outbox<OUTBOX_BYTES>,
    liveness: Liveness,
    rate_limiter: RateLimiter,
    frame_sizer: FrameSizer,
    client_max_control: usize,
    /// Most credit that may be outstanding, as WELCOME said.
    max_credit: u32,
    last_stream: u32,
    offered: Option<Offered>,
    sending: Option<Sending>,
}

impl Server {
    /// The server's side of a connection that was just accepted.
    pub const fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Preamble,
            opened: now,
            preamble: Vec::new(),
            reader: FrameReader::new(),
            outbox: Outbox::new(),
            liveness: Liveness::new(now),
            rate_limiter: RateLimiter::new(now),
            frame_sizer: FrameSizer::new(),
            client_max_control: MIN_CONTROL_BYTES,
            max_credit: MAX_CREDIT_BYTES,
            last_stream: 0,
            offered: None,
            sending: None,
        }
    }

    // ── getters ──

    /// Whether HELLO was answered and the connection was not closed since.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether the session is over: transmit once more, then close the connection.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether the client's preamble is good and its HELLO due. The answer to the preamble, which then waits to be
    /// transmitted, may be held back until HELLO shows who it is: most clients say it without waiting.
    pub fn expects_hello(&self) -> bool {
        self.phase == Phase::Hello
    }

    /// The stream that is being sent.
    pub fn current_stream(&self) -> Option<StreamId> {
        self.sending.as_ref().map(|sending| sending.id)
    }

    /// Whether this PLAY still wants an answer: it was neither stopped nor overtaken by another.
    pub fn is_awaited(&self, stream: StreamId) -> bool {
        self.offered.as_ref().is_some_and(|offered| offered.id == stream)
    }

    /// Whether [`poll_data`](Self::poll_data) has something to send.
    pub fn has_data(&self) -> bool {
        self.next_data_bytes() > 0
    }

    /// Payload bytes of the DATA frame that comes next, if it is given room enough; 0 if there is nothing to send.
    pub fn next_data_bytes(&self) -> usize {
        let Some(sending) = self.sending.as_ref().filter(|_| self.phase == Phase::Open) else { return 0 };
        let granted = u64::from(sending.credit.min(self.frame_sizer.frame_bytes()));
        let left = sending.end.saturating_sub(sending.position);
        usize::try_from(granted.min(left)).unwrap_or(usize::MAX)
    }

    /// How long no input is taken, if the client sends more commands than it should. What it has asked for goes on.
    pub fn input_pause(&self, now: Instant) -> Option<Duration> {
        self.rate_limiter.pause(now)
    }

    // ── events ──

    /// Takes bytes off the front of `input`, which came from the client.
    ///
    /// Returns how many were taken and the event that they complete, if any. Call again with the rest until nothing is
    /// left. When nothing of a non-empty input was taken, replies fill the output: transmit first; or the client sends
    /// more commands than it should: wait for [`input_pause`](Self::input_pause), and read nothing meanwhile; or HELLO has
    /// not been answered.
    ///
    /// # Errors
    /// What the client did wrong. Transmit once more, then close the connection.
    pub fn handle_input<'a>(
        &'a mut self,
        now: Instant,
        input: &'a [u8],
    ) -> Result<(usize, Option<Event<'a>>), SessionError> {
        // Nothing is said before WELCOME, so nothing may be asked.
        if self.outbox.room() < REPLY_BYTES || self.input_pause(now).is_some() || self.phase == Phase::Welcome {
            return Ok((0, None));
        }
        if !input.is_empty() {
            self.liveness.on_received(now);
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
        let Self { phase, reader, outbox, liveness, rate_limiter, frame_sizer, .. } = self;
        let Self { client_max_control, max_credit, last_stream, offered, sending, .. } = self;
        let mut session = Session {
            phase: &mut *phase,
            outbox: &mut *outbox,
            liveness,
            rate_limiter,
            frame_sizer,
            client_max_control,
            max_credit: *max_credit,
            last_stream,
            offered,
            sending,
        };
        let handled = reader.read(frames).and_then(|(taken, part)| {
            Ok((greeted + taken, part.map_or(Ok(None), |part| session.handle_part(now, part))?))
        });
        handled.inspect_err(|error| close(phase, outbox, *error))
    }

    /// Does what is due at `now`: gives up on a client that does not say HELLO or is silent, PINGs it before.
    ///
    /// # Errors
    /// [`SessionError::HelloTimeout`] and [`SessionError::Silent`]: transmit once more, then close the connection.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        let checked = match self.phase {
            Phase::Closed => Ok(()),
            Phase::Preamble | Phase::Hello if now >= self.opened + HELLO_DEADLINE => Err(SessionError::HelloTimeout),
            Phase::Preamble | Phase::Hello => Ok(()),
            Phase::Welcome | Phase::Open => self.liveness.handle_timeout(now, LivenessTimeouts::NORMAL),
        };
        self.or_close(checked)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, if nothing happens before; `None` when the session
    /// is over.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Closed => None,
            Phase::Preamble | Phase::Hello => Some(self.opened + HELLO_DEADLINE),
            Phase::Welcome | Phase::Open => Some(self.liveness.poll_timeout(LivenessTimeouts::NORMAL)),
        }
    }

    // ── answers: after the end of the session they do nothing ──

    /// Answers HELLO.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    pub fn welcome(&mut self, welcome: &Welcome<'_>) -> Result<(), OutboxFull> {
        self.say(welcome)?;
        self.max_credit = welcome.max_credit;
        if self.phase == Phase::Welcome {
            self.phase = Phase::Open;
        }
        Ok(())
    }

    /// Sends a song's particulars, its texts cut to what the client takes. Returns the frame's length in bytes.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    pub fn song(&mut self, song: &Song<'_>) -> Result<usize, OutboxFull> {
        let before = self.outbox.room();
        self.say(&song.fitted(self.client_max_control))?;
        Ok(before - self.outbox.room())
    }

    /// Ends the answer to a LIST.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    pub fn list_end(&mut self, end: &ListEnd) -> Result<(), OutboxFull> {
        self.say(end)
    }

    /// Answers PLAY: from now on [`poll_data`](Self::poll_data) yields this stream. The stream before it ends.
    ///
    /// Does nothing if the stream is not the one that was asked for last, or was stopped since.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    pub fn start(&mut self, started: &Started) -> Result<(), OutboxFull> {
        const NEEDED: usize = 2 * HEADER_BYTES + 1 + 72;
        if self.outbox.room() < NEEDED {
            return Err(OutboxFull);
        }
        let Some(offered) = self.offered.take_if(|offered| offered.id == started.stream) else { return Ok(()) };
        if let Some(replaced) = self.sending.take() {
            self.say(&End { stream: replaced.id, reason: EndReason::Replaced })?;
        }
        self.say(started)?;
        self.frame_sizer.start(offered.credit);
        self.sending = Some(Sending {
            id: offered.id,
            position: started.position,
            end: started.size_bytes,
            credit: offered.credit,
        });
        Ok(())
    }

    /// Answers INFO with an ERROR that concerns nothing else.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    pub fn refuse_info(&mut self, request: RequestId, code: ErrorCode, text: &str) -> Result<(), OutboxFull> {
        self.say(&Error { id: request.0, code, text })
    }

    /// Answers PLAY with an ERROR that concerns nothing else. Does nothing for a PLAY that was stopped or overtaken by
    /// another: that has its END.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    pub fn refuse_play(&mut self, stream: StreamId, code: ErrorCode, text: &str) -> Result<(), OutboxFull> {
        if self.is_awaited(stream) {
            self.say(&Error { id: stream.0, code, text })?;
            self.offered = None;
        }
        Ok(())
    }

    /// The song cannot be read on: ends the stream, instead of the frame that [`poll_data`](Self::poll_data) gave last.
    ///
    /// # Errors
    /// [`OutboxFull`] if the output must be transmitted first.
    pub fn fail(&mut self, stream: StreamId) -> Result<(), OutboxFull> {
        if self.current_stream() == Some(stream) {
            self.say(&End { stream, reason: EndReason::Failed })?;
            self.sending = None;
        }
        Ok(())
    }

    /// Sends a PING, so that a client that waits for a slow answer sees that the server is there.
    pub fn keep_alive(&mut self, now: Instant) {
        self.liveness.ask(now);
    }

    /// Ends the session with an ERROR that says why. Transmit once more, then close the connection.
    pub fn reject(&mut self, code: ErrorCode, text: &str) {
        // There is room right after HELLO; later a full outbox goes out without it, and closing says the same.
        let _ = self.say(&Error { id: 0, code, text });
        self.phase = Phase::Closed;
    }

    /// Ends the session. Transmit once more, then close the connection.
    pub fn goodbye(&mut self, reason: GoodbyeReason) {
        if matches!(self.phase, Phase::Welcome | Phase::Open) {
            // Best effort: a full outbox goes out without a goodbye, and closing says the same.
            let _ = self.outbox.push(&Goodbye { reason });
        }
        self.phase = Phase::Closed;
    }

    // ── output ──

    /// The next control bytes to send, all of them, before anything else is sent. `None` when there are none.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<&[u8]> {
        self.frame_sizer.on_transmit(now);
        if self.phase == Phase::Open && self.outbox.room() >= 2 * REPLY_BYTES {
            if let Some(ping) = self.liveness.take_ping() {
                let _ = self.outbox.push(&ping);
            }
            if let Some(pong) = self.liveness.take_pong(now) {
                let _ = self.outbox.push(&pong);
            }
            if let Some(done) = self.sending.take_if(|sending| sending.position >= sending.end) {
                let _ = self.outbox.push(&End { stream: done.id, reason: EndReason::Finished });
            }
        }
        (!self.outbox.is_empty()).then(|| self.outbox.take())
    }

    /// The next DATA frame, of at most `at_most` payload bytes, for when [`poll_transmit`](Self::poll_transmit) has
    /// nothing and no input waits: commands go first. Counts as sent, unless [`fail`](Self::fail) or
    /// [`take_back`](Self::take_back) follows.
    pub fn poll_data(&mut self, at_most: usize) -> Option<DataFrame> {
        let length = u16::try_from(self.next_data_bytes().min(at_most)).ok().filter(|length| *length > 0)?;
        let sending = self.sending.as_mut()?;
        let header = Header { kind: MessageType::Data.to_byte(), flags: 0, length, id: sending.id.0 }.encode();
        let frame = DataFrame { header, stream: sending.id, position: sending.position, length: usize::from(length) };
        sending.position += u64::from(length);
        sending.credit -= u32::from(length);
        self.frame_sizer.on_frame(length.into(), sending.credit > 0 && sending.position < sending.end);
        Some(frame)
    }

    /// Takes back the frame that [`poll_data`](Self::poll_data) gave last: its bytes cannot be read now. It is given again.
    pub fn take_back(&mut self, frame: &DataFrame) {
        if let Some(sending) = self.sending.as_mut().filter(|sending| sending.id == frame.stream) {
            sending.position = frame.position;
            sending.credit = sending.credit.saturating_add(u32::try_from(frame.length).unwrap_or(u32::MAX));
        }
    }

    /// Adds to the output, unless the last word has been said.
    fn say(&mut self, message: &impl Encode) -> Result<(), OutboxFull> {
        if self.phase == Phase::Closed { Ok(()) } else { self.outbox.push(message) }
    }

    fn read_preamble(&mut self, input: &[u8]) -> Result<usize, SessionError> {
        let missing = PREAMBLE_BYTES - self.preamble.len();
        let taken = input.get(..missing).unwrap_or(input);
        let _ = self.preamble.extend_from_slice(taken);
        if self.preamble.iter().zip(PREAMBLE).take(4).any(|(got, wanted)| *got != wanted) {
            let _ = self.outbox.push_bytes(&refusal(Refusal::NotTrill));
            return Err(SessionError::NotTrill);
        }
        if self.preamble.is_full() {
            if self.preamble.get(4..6) != Some(&[0, 0]) {
                let _ = self.outbox.push_bytes(&refusal(Refusal::Mode));
                return Err(SessionError::Refused(Refusal::Mode));
            }
            let _ = self.outbox.push_bytes(&PREAMBLE);
            self.phase = Phase::Hello;
        }
        Ok(taken.len())
    }

    fn or_close<T>(&mut self, result: Result<T, SessionError>) -> Result<T, SessionError> {
        result.inspect_err(|error| close(&mut self.phase, &mut self.outbox, *error))
    }
}

/// Ends the session and leaves an ERROR for the client, if that is to be told.
fn close(phase: &mut Phase, outbox: &mut Outbox<OUTBOX_BYTES>, error: SessionError) {
    let is_greeted = core::mem::replace(phase, Phase::Closed) != Phase::Preamble;
    if !is_greeted && error == SessionError::HelloTimeout {
        // Before the preamble there are no frames.
        let _ = outbox.push_bytes(&refusal(Refusal::NotTrill));
        return;
    }
    if let Some(code) = error.code() {
        let _ = outbox.push(&Error { id: 0, code, text: "" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SongId;
    use crate::limits::{COMMAND_BURST, MIN_DATA_BYTES};
    use crate::message::{Credit, Start, Stop};

    const NOW: Instant = Instant::from_micros(0);

    /// Gives the machine this message, and welcomes a client that says HELLO.
    fn hear(server: &mut Server, message: &impl Encode) {
        let mut wire = [0; 128];
        let length = message.encode(&mut wire).expect("fits");
        let (taken, event) = server.handle_input(NOW, &wire[..length]).expect("a good message");
        assert_eq!(taken, length);
        if let Some(Event::Hello(_)) = event {
            server.welcome(&Welcome::new()).expect("room");
        }
    }

    #[test]
    fn hello_is_expected_from_the_last_byte_of_the_preamble_on() {
        let mut server = Server::new(NOW);
        for byte in PREAMBLE {
            assert!(!server.expects_hello());
            assert_eq!(server.handle_input(NOW, &[byte]), Ok((1, None)));
        }
        assert!(server.expects_hello());
        assert_eq!(server.poll_transmit(NOW), Some(&PREAMBLE[..]));
        hear(&mut server, &Hello::default());
        assert!(!server.expects_hello());
    }

    #[test]
    fn a_client_that_sends_too_many_commands_is_not_read_for_a_while() {
        let mut server = Server::new(NOW);
        assert_eq!(server.handle_input(NOW, &PREAMBLE), Ok((PREAMBLE_BYTES, None)));
        hear(&mut server, &Hello::default());
        let mut stop = [0; HEADER_BYTES];
        Stop { stream: StreamId(1) }.encode(&mut stop).expect("fits");
        let taken_at = |server: &mut Server, now| server.handle_input(now, &stop).map(|(taken, _)| taken);
        for _ in 1..COMMAND_BURST {
            assert_eq!(taken_at(&mut server, NOW), Ok(HEADER_BYTES));
        }
        let millis = |count| NOW + Duration::from_millis(count);
        assert_eq!(taken_at(&mut server, NOW), Ok(0));
        assert_eq!(server.input_pause(NOW), Some(Duration::from_millis(1)));
        assert_eq!(taken_at(&mut server, millis(1)), Ok(HEADER_BYTES));
        assert_eq!(taken_at(&mut server, millis(1)), Ok(0));
        assert_eq!(taken_at(&mut server, millis(2)), Ok(HEADER_BYTES));
        // Whoever waits has the whole burst again.
        for _ in 0..COMMAND_BURST {
            assert_eq!(taken_at(&mut server, millis(60_000)), Ok(HEADER_BYTES));
        }
    }

    /// Sends the frame until the machine takes no more, and checks how often that was.
    #[track_caller]
    fn check_burst(server: &mut Server, frame: &[u8], expected: usize) {
        let is_taken = |_: &usize| {
            let mut taken = 0;
            while let Ok((more @ 1.., _)) = server.handle_input(NOW, &frame[taken..]) {
                taken += more;
            }
            taken > 0
        };
        assert_eq!((0..=expected).take_while(is_taken).count(), expected, "{frame:02x?}");
    }

    #[test]
    fn frames_without_effect_count_as_commands() {
        // What HELLO, PLAY and STOP leave of the burst.
        let burst = COMMAND_BURST as usize;
        let (stream, song, start) = (StreamId(1), SongId(1), Start::Time(0));
        let playing = || {
            let mut server = Server::new(NOW);
            assert_eq!(server.handle_input(NOW, &PREAMBLE), Ok((PREAMBLE_BYTES, None)));
            hear(&mut server, &Hello::default());
            hear(&mut server, &Play { stream, song, start, content_tag: 0, credit: 0 });
            server.start(&Started { stream, song, size_bytes: 1 << 30, ..Started::default() }).expect("room");
            server
        };
        let credit = |more: u32| {
            let mut frame = [0; HEADER_BYTES + 4];
            Credit { stream, more }.encode(&mut frame).expect("fits");
            frame
        };
        check_burst(&mut playing(), &credit(0), burst - 2);
        check_burst(&mut playing(), &credit(MIN_DATA_BYTES - 1), burst - 2);
        // An unknown type, and NOTICE.
        check_burst(&mut playing(), &[0x85, 0, 0, 0, 0, 0, 0, 0], burst - 2);
        check_burst(&mut playing(), &[0x81, 0, 0, 3, 0, 0, 0, 0, 1, 2, 3], burst - 2);
        let mut stopped = playing();
        hear(&mut stopped, &Stop { stream });
        let _ = stopped.poll_transmit(NOW);
        check_burst(&mut stopped, &credit(1 << 20), burst - 3);

        // Credit that is worth a frame is free. Its sum is limited.
        let mut free = playing();
        for _ in 0..2 * burst {
            let frame = credit(MIN_DATA_BYTES);
            assert_eq!(free.handle_input(NOW, &frame), Ok((frame.len(), None)));
        }
        assert_eq!(free.input_pause(NOW), None);
    }

    #[test]
    fn the_length_of_the_next_data_frame_is_known_before_it_is_taken() {
        let mut server = Server::new(NOW);
        assert_eq!(server.handle_input(NOW, &PREAMBLE), Ok((PREAMBLE_BYTES, None)));
        hear(&mut server, &Hello::default());
        let (stream, song, start) = (StreamId(1), SongId(1), Start::Time(0));
        hear(&mut server, &Play { stream, song, start, content_tag: 0, credit: 5_000 });
        assert_eq!(server.next_data_bytes(), 0);
        server.start(&Started { stream, song, size_bytes: 6_000, ..Started::default() }).expect("room");
        for expected in [4_096, 904] {
            assert_eq!(server.next_data_bytes(), expected);
            assert_eq!(server.poll_data(usize::MAX).map(|frame| frame.length), Some(expected));
        }
        assert!(!server.has_data());
    }

    #[test]
    fn an_answer_after_goodbye_is_not_sent() {
        let mut server = Server::new(NOW);
        assert_eq!(server.handle_input(NOW, &PREAMBLE), Ok((PREAMBLE_BYTES, None)));
        hear(&mut server, &Hello::default());
        let request = RequestId(1);
        hear(&mut server, &List { request, first: SongId(1), at_most: 9 });
        server.goodbye(GoodbyeReason::Restarting);
        assert_eq!(server.song(&Song { request, ..Song::default() }), Ok(0));
        let said = server.poll_transmit(NOW).expect("preamble, WELCOME, GOODBYE");
        assert!(said.ends_with(&[0x09, 0, 0, 1, 0, 0, 0, 0, 2]), "{said:02x?}");
        assert_eq!(server.list_end(&ListEnd { request, total: 1, next: None, generation: 1 }), Ok(()));
        assert_eq!(server.poll_transmit(NOW), None);
    }

    #[test]
    fn nothing_is_said_after_the_last_word() {
        let mut server = Server::new(NOW);
        assert_eq!(server.handle_input(NOW, &PREAMBLE), Ok((PREAMBLE_BYTES, None)));
        hear(&mut server, &Hello::default());
        server.goodbye(GoodbyeReason::Restarting);
        server.reject(ErrorCode::TOO_MANY_CLIENTS, "");
        let said = server.poll_transmit(NOW).expect("preamble, WELCOME, GOODBYE");
        assert!(said.ends_with(&[0x09, 0, 0, 1, 0, 0, 0, 0, 2]), "{said:02x?}");
    }

    #[test]
    fn a_play_that_was_overtaken_has_its_end_and_no_error() {
        let mut server = Server::new(NOW);
        assert_eq!(server.handle_input(NOW, &PREAMBLE), Ok((PREAMBLE_BYTES, None)));
        hear(&mut server, &Hello::default());
        for stream in [StreamId(1), StreamId(2)] {
            hear(&mut server, &Play { stream, song: SongId(1), start: Start::Time(0), content_tag: 0, credit: 1 });
        }
        assert_eq!(server.refuse_play(StreamId(1), ErrorCode::NO_SUCH_SONG, ""), Ok(()));
        let said = server.poll_transmit(NOW).expect("preamble, WELCOME, END");
        assert!(said.ends_with(&[0x16, 0, 0, 1, 0, 0, 0, 1, 3]), "{said:02x?}");
    }

    #[test]
    fn what_follows_hello_waits_for_its_answer() {
        let mut server = Server::new(NOW);
        assert_eq!(server.handle_input(NOW, &PREAMBLE), Ok((PREAMBLE_BYTES, None)));
        let (mut hello, mut list) = ([0; 64], [0; 16]);
        let length = Hello::default().encode(&mut hello).expect("fits");
        List { request: RequestId(1), first: SongId(1), at_most: 9 }.encode(&mut list).expect("fits");
        assert!(matches!(server.handle_input(NOW, &hello[..length]), Ok((_, Some(Event::Hello(_))))));
        assert_eq!(server.handle_input(NOW, &list), Ok((0, None)));
        server.welcome(&Welcome::new()).expect("room");
        assert!(matches!(server.handle_input(NOW, &list), Ok((16, Some(Event::List(_))))));
    }
}
