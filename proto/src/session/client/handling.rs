//! What a client does with what the server sent, and with time.

use super::deadline::Deadline;
use super::requests::Requests;
use super::stream::{Pending, Stream};
use super::{Event, OUTBOX_BYTES};
use crate::error::{Refusal, SessionError};
use crate::frame::{ControlFrame, Part};
use crate::ids::StreamId;
use crate::limits::{ANSWER_TIMEOUT, HEADER_BYTES, STALL_CLOSE_AFTER, STALL_PING_AFTER, VERSION};
use crate::message::{
    Credit, Encode, End, EndReason, Error, Goodbye, Hello, MAGIC, MessageType, PREAMBLE, Ping, Pong, REFUSAL_MAGIC,
    Started, Welcome,
};
use crate::session::OutboxFull;
use crate::session::liveness::{Liveness, LivenessTimeouts};
use crate::session::outbox::Outbox;
use crate::session::preamble::PreambleReader;
use crate::time::Instant;
use crate::window::Path;
use core::time::Duration;

#[derive(Debug, PartialEq)]
pub(super) enum Phase {
    Preamble,
    Welcome,
    Open,
    Closed,
}

/// Room for what may be due at once: a CREDIT, a PING and a PONG.
pub(super) const DUE_BYTES: usize = Credit::MAX_FRAME_BYTES + Ping::MAX_FRAME_BYTES + Pong::MAX_FRAME_BYTES;

/// A wake-up that is this late shows that this machine was asleep, not that the server was slow.
const ASLEEP: Duration = Duration::from_secs(1);

/// The machine without its reader, from which parts of frames are borrowed while they are handled.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) phase: Phase,
    preamble: PreambleReader,
    pub(super) outbox: Outbox<OUTBOX_BYTES>,
    pub(super) liveness: Liveness,
    pub(super) path: Path,
    hello_sent: Option<Instant>,
    /// When WELCOME came; `None` again once the server is at fault.
    pub(super) opened: Option<Instant>,
    /// Something that is asked waits to be transmitted.
    pub(super) is_asking: bool,
    /// When the first request was sent after which nothing has come.
    asked: Option<Instant>,
    /// The last stream or request id given out: they share one sequence.
    pub(super) last_id: u32,
    /// The last id given to a stream.
    pub(super) last_stream: u32,
    /// The last stream that the server has started. It starts each once, in their order.
    last_started: u32,
    pub(super) requests: Requests,
    /// The request or stream that has waited longest for its answer, and its deadline.
    awaited: Option<(u32, Deadline)>,
    pub(super) current: Option<Stream>,
    pub(super) pending: Pending,
    /// Bytes of music that have come.
    pub(super) received: u64,
}

impl Core {
    pub(super) fn new(now: Instant, hello: &Hello<'_>) -> Self {
        let mut outbox = Outbox::new();
        outbox.push_bytes(&PREAMBLE).and_then(|()| outbox.push(hello)).expect("both fit into an empty outbox");
        Self {
            phase: Phase::Preamble,
            preamble: PreambleReader::new(),
            outbox,
            liveness: Liveness::new(now),
            path: Path::default(),
            hello_sent: None,
            opened: None,
            is_asking: false,
            asked: None,
            last_id: 0,
            last_stream: 0,
            last_started: 0,
            requests: Requests::default(),
            awaited: None,
            current: None,
            pending: Pending::new(),
            received: 0,
        }
    }

    /// Ends the session and leaves an ERROR for the server, if it is to be told.
    pub(super) fn close(&mut self, error: SessionError) {
        self.phase = Phase::Closed;
        if error != SessionError::Silent {
            self.opened = None;
        }
        if let Some(code) = error.code() {
            let _ = self.outbox.push(&Error { id: 0, code, text: "" });
        }
    }

    /// The id of the next stream or request. A session that is over, or out of ids, has none.
    pub(super) fn next_id(&self) -> Result<u32, OutboxFull> {
        self.last_id.checked_add(1).filter(|_| self.phase != Phase::Closed).ok_or(OutboxFull)
    }

    pub(super) fn next_request(&self) -> Result<u32, OutboxFull> {
        if self.requests.is_full() { Err(OutboxFull) } else { self.next_id() }
    }

    // ── input ──

    pub(super) fn on_received(&mut self, now: Instant) {
        self.notice_sleep(now);
        self.liveness.on_received(now);
        self.asked = None;
    }

    /// Takes what `input` has of the preamble; returns how many bytes that is.
    pub(super) fn handle_preamble(&mut self, now: Instant, input: &[u8]) -> Result<usize, SessionError> {
        if !input.is_empty() {
            self.on_received(now);
        }
        self.read_preamble(input).inspect_err(|error| self.close(*error))
    }

    fn read_preamble(&mut self, input: &[u8]) -> Result<usize, SessionError> {
        let taken = self.preamble.read(input);
        if !self.preamble.may_start_with(MAGIC) && !self.preamble.may_start_with(REFUSAL_MAGIC) {
            return Err(SessionError::NotTrill);
        }
        match self.preamble.bytes() {
            [b'T', b'R', b'N', b'O', reason, _, _, _] => Err(SessionError::Refused(Refusal::from_byte(*reason))),
            [b'T', b'R', b'I', b'L', 0, 0, _, _] => {
                self.phase = Phase::Welcome;
                Ok(taken)
            }
            [b'T', b'R', b'I', b'L', _, _, _, _] => Err(SessionError::NotTrill),
            _ => Ok(taken),
        }
    }

    pub(super) fn handle_part<'a>(&mut self, now: Instant, part: Part<'a>) -> Result<Option<Event<'a>>, SessionError> {
        let handled = match part {
            Part::Control(frame) => self.handle_control(now, &frame),
            Part::DataBegins { id, length } => self.expect_data(StreamId(id), length).map(|()| None),
            Part::Data { id, bytes } => self.handle_data(now, StreamId(id), bytes),
            Part::Ignored => Ok(None),
        };
        self.await_oldest(now);
        handled.inspect_err(|error| self.close(*error))
    }

    fn handle_control<'a>(
        &mut self,
        now: Instant,
        frame: &ControlFrame<'a>,
    ) -> Result<Option<Event<'a>>, SessionError> {
        let is_in_place = match frame.kind {
            MessageType::Welcome => self.phase == Phase::Welcome,
            MessageType::Error | MessageType::Goodbye => true,
            _ => self.phase == Phase::Open,
        };
        if !is_in_place {
            return Err(SessionError::Unexpected(frame.kind));
        }
        match frame.kind {
            MessageType::Welcome => self.handle_welcome(now, frame.decode()?).map(Some),
            MessageType::Song => {
                let song = frame.decode()?;
                self.requests.on_song(&song, frame.payload.len())?;
                if let Some((_, deadline)) = self.awaited.as_mut().filter(|(awaited, _)| *awaited == song.request.0) {
                    deadline.on_bytes(now, HEADER_BYTES + frame.payload.len(), ANSWER_TIMEOUT);
                }
                Ok(Some(Event::Song(song)))
            }
            MessageType::ListEnd => {
                let end = frame.decode()?;
                self.requests.on_list_end(&end)?;
                Ok(Some(Event::ListEnd(end)))
            }
            MessageType::Started => self.handle_started(now, frame.decode()?),
            MessageType::End => self.handle_end(frame.decode()?),
            MessageType::Error => self.handle_error(frame.decode()?).map(Some),
            MessageType::Goodbye => {
                let goodbye: Goodbye = frame.decode()?;
                self.phase = Phase::Closed;
                Ok(Some(Event::Goodbye(goodbye.reason)))
            }
            MessageType::Ping => {
                self.liveness.on_ping(now, frame.decode()?);
                Ok(None)
            }
            MessageType::Pong => {
                if let Some(measured) = self.liveness.on_pong(now, frame.decode()?) {
                    self.path.on_round_trip(measured);
                }
                Ok(None)
            }
            _ => Err(SessionError::Unexpected(frame.kind)),
        }
    }

    fn handle_welcome<'a>(&mut self, now: Instant, welcome: Welcome<'a>) -> Result<Event<'a>, SessionError> {
        if welcome.version != VERSION {
            return Err(SessionError::Version { lowest: welcome.version, highest: welcome.version });
        }
        if let Some(sent) = self.hello_sent {
            self.path.on_round_trip(now.saturating_since(sent));
        }
        self.path.on_max_credit(welcome.max_credit);
        (self.phase, self.opened) = (Phase::Open, Some(now));
        Ok(Event::Welcome(welcome))
    }

    fn handle_started<'a>(&mut self, now: Instant, started: Started) -> Result<Option<Event<'a>>, SessionError> {
        self.check_known(started.stream)?;
        if started.stream.0 <= self.last_started {
            return Err(SessionError::Unexpected(MessageType::Started));
        }
        self.last_started = started.stream.0;
        let Some(mut stream) = self.take_pending(started.stream) else {
            return Ok(None); // it was stopped
        };
        // Opening the file takes time too, so this can only be too long; the smallest counts.
        self.path.on_round_trip(now.saturating_since(stream.asked));
        self.path.pause();
        stream.start(now, &started, &self.path)?;
        self.current = Some(stream);
        Ok(Some(Event::Started(started)))
    }

    fn expect_data(&mut self, id: StreamId, length: u16) -> Result<(), SessionError> {
        if self.phase != Phase::Open {
            return Err(SessionError::Unexpected(MessageType::Data));
        }
        self.check_known(id)?;
        if self.pending.iter().any(|stream| stream.id == id) {
            return Err(SessionError::Unexpected(MessageType::Data));
        }
        let Some(stream) = self.current.as_ref().filter(|stream| stream.id == id) else { return Ok(()) };
        if u32::from(length) > stream.window.outstanding() || u64::from(length) > stream.remaining() {
            return Err(SessionError::Credit);
        }
        Ok(())
    }

    fn handle_data<'a>(
        &mut self,
        now: Instant,
        id: StreamId,
        bytes: &'a [u8],
    ) -> Result<Option<Event<'a>>, SessionError> {
        let Some(stream) = self.current.as_mut().filter(|stream| stream.id == id) else { return Ok(None) };
        if !stream.window.on_data(bytes.len()) {
            return Err(SessionError::Credit);
        }
        stream.on_data(now, bytes.len(), &self.path);
        self.received += bytes.len() as u64;
        self.path.on_data(now, bytes.len() as u32, stream.window.outstanding());
        Ok(Some(Event::Data { stream: id, bytes }))
    }

    fn handle_end<'a>(&mut self, end: End) -> Result<Option<Event<'a>>, SessionError> {
        self.check_known(end.stream)?;
        let is_this = |stream: &mut Stream| stream.id == end.stream;
        let Some(ended) = self.current.take_if(is_this).or_else(|| self.take_pending(end.stream)) else {
            return Ok(None);
        };
        if end.reason == EndReason::Finished && ended.remaining() > 0 {
            return Err(SessionError::Unexpected(MessageType::End));
        }
        Ok(Some(Event::Ended { stream: end.stream, reason: end.reason }))
    }

    fn handle_error<'a>(&mut self, error: Error<'a>) -> Result<Event<'a>, SessionError> {
        if error.code.is_fatal() {
            self.phase = Phase::Closed;
            return Ok(Event::Failed(error));
        }
        if self.phase != Phase::Open {
            return Err(SessionError::Unexpected(MessageType::Error)); // nothing is answered before HELLO
        }
        if error.id > self.last_id {
            return Err(SessionError::Unexpected(MessageType::Error)); // nothing has that id
        }
        self.requests.on_error(error.id);
        let _ = self.current.take_if(|stream| stream.id.0 == error.id);
        let _ = self.take_pending(StreamId(error.id));
        Ok(Event::Failed(error))
    }

    fn take_pending(&mut self, id: StreamId) -> Option<Stream> {
        let place = self.pending.iter().position(|stream| stream.id == id)?;
        Some(self.pending.remove(place))
    }

    /// A stream that was never asked for cannot be answered. An answered request may have had a smaller id: requests are
    /// forgotten with their answers, and late messages of old streams are legal.
    fn check_known(&self, id: StreamId) -> Result<(), SessionError> {
        let was_played = (1..=self.last_stream).contains(&id.0) && !self.requests.is_waiting(id.0);
        if was_played { Ok(()) } else { Err(SessionError::StreamId) }
    }

    // ── time ──

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        if self.phase == Phase::Closed {
            return Ok(());
        }
        self.notice_sleep(now);
        self.liveness.handle_timeout(now, self.liveness_timeouts())?;
        match self.deadlines() {
            // Liveness gives up on a silent server, and does so sooner.
            _ if self.liveness.is_silent() => Ok(()),
            [Some(answer), _] if now >= answer => Err(SessionError::Unanswered),
            [_, Some(data)] if now >= data => Err(SessionError::Stalled),
            _ => Ok(()),
        }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        let deadlines = self.deadlines().into_iter().flatten().filter(|_| !self.liveness.is_silent());
        deadlines.fold(self.liveness.poll_timeout(self.liveness_timeouts()), Instant::min)
    }

    /// When the next answer must be complete, and when more data must have come.
    fn deadlines(&self) -> [Option<Instant>; 2] {
        let waiting = self.current.as_ref().filter(|stream| stream.is_waiting());
        [self.awaited.map(|(_, deadline)| deadline.at()), waiting.map(|stream| stream.deadline.at())]
    }

    /// After a sleep, all deadlines begin anew. The machine was awake when it last received something, so a deadline
    /// that passed before that stays passed.
    fn notice_sleep(&mut self, now: Instant) {
        if now >= self.liveness.last_received() + ASLEEP && now >= self.poll_timeout() + ASLEEP {
            self.renew_deadlines(now);
        }
    }

    fn renew_deadlines(&mut self, now: Instant) {
        self.awaited = None;
        self.await_oldest(now);
        if let Some(stream) = &mut self.current {
            stream.renew_deadline(now, &self.path);
        }
    }

    /// Answers come in the order of the requests, so the time for one begins when the one before it has come.
    fn await_oldest(&mut self, now: Instant) {
        let asked = [self.requests.oldest(), self.pending.first().map(|stream| stream.id.0)];
        let oldest = asked.into_iter().flatten().min().filter(|_| self.phase == Phase::Open);
        if self.awaited.map(|(id, _)| id) != oldest {
            self.awaited = oldest.map(|id| (id, Deadline::new(now, ANSWER_TIMEOUT)));
        }
    }

    /// While data or an answer is due, silence shows a dead path much sooner.
    fn liveness_timeouts(&self) -> LivenessTimeouts {
        let since = match (self.current.as_ref().filter(|stream| stream.is_waiting()), self.asked) {
            (Some(stream), _) => stream.waiting_since,
            (None, Some(asked)) if self.phase == Phase::Open => asked,
            _ => return LivenessTimeouts::NORMAL,
        };
        LivenessTimeouts {
            since,
            ping_after: STALL_PING_AFTER.max(self.path.round_trip() * 4),
            close_after: STALL_CLOSE_AFTER.max(self.path.round_trip() * 4),
        }
    }

    // ── output ──

    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<&[u8]> {
        self.queue_what_is_due(now);
        self.await_oldest(now);
        if let Phase::Preamble | Phase::Welcome = self.phase {
            self.hello_sent.get_or_insert(now);
        }
        if core::mem::take(&mut self.is_asking) {
            self.asked.get_or_insert(now);
        }
        (!self.outbox.is_empty()).then(|| self.outbox.take())
    }

    fn queue_what_is_due(&mut self, now: Instant) {
        if self.phase != Phase::Open || self.outbox.room() < DUE_BYTES {
            return; // after the next transmission
        }
        if let Some(current) = &mut self.current {
            let remaining = current.remaining();
            let was_used_up = current.window.outstanding() == 0;
            if let Some(more) = current.window.grant(&self.path, remaining) {
                if was_used_up {
                    current.wait_for_data(now, &self.path);
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
}
