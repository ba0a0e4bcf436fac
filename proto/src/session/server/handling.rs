//! What a server does with what the client sent, and with time.

use super::rate_limiter::RateLimiter;
use super::streams::Streams;
use super::{Event, OUTBOX_BYTES, REPLY_BYTES};
use crate::error::{Refusal, SessionError};
use crate::frame::{ControlFrame, Part};
use crate::limits::{HELLO_DEADLINE, MAX_CONTROL_BYTES, MIN_CONTROL_BYTES, VERSION};
use crate::message::{
    Credit, Encode, End, EndReason, Error, Goodbye, Hello, MAGIC, MessageType, PREAMBLE, Ping, Play, Pong, Stop,
    refusal,
};
use crate::session::OutboxFull;
use crate::session::liveness::{Liveness, LivenessTimeouts};
use crate::session::outbox::Outbox;
use crate::session::preamble::PreambleReader;
use crate::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    Preamble,
    Hello,
    Welcome,
    Open,
    Closed,
}

/// The machine without its reader, from which parts of frames are borrowed while they are handled.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) phase: Phase,
    opened: Instant,
    preamble: PreambleReader,
    pub(super) outbox: Outbox<OUTBOX_BYTES>,
    pub(super) liveness: Liveness,
    pub(super) rate_limiter: RateLimiter,
    /// Largest control payload that the client takes, in bytes.
    pub(super) client_max_control: usize,
    pub(super) streams: Streams,
}

impl Core {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Preamble,
            opened: now,
            preamble: PreambleReader::new(),
            outbox: Outbox::new(),
            liveness: Liveness::new(now),
            rate_limiter: RateLimiter::new(now),
            client_max_control: MIN_CONTROL_BYTES,
            streams: Streams::new(),
        }
    }

    /// Adds to the output, unless the session is over.
    pub(super) fn say(&mut self, message: &impl Encode) -> Result<(), OutboxFull> {
        if self.phase == Phase::Closed { Ok(()) } else { self.outbox.push(message) }
    }

    /// Ends the session and leaves an ERROR for the client, if it is to be told.
    pub(super) fn close(&mut self, error: SessionError) {
        let is_greeted = core::mem::replace(&mut self.phase, Phase::Closed) != Phase::Preamble;
        if !is_greeted && error == SessionError::HelloTimeout {
            // Before the preamble there are no frames.
            let _ = self.outbox.push_bytes(&refusal(Refusal::NotTrill));
        } else if let Some(code) = error.code() {
            let _ = self.outbox.push(&Error { id: 0, code, text: "" });
        }
    }

    // ── input ──

    /// Whether input can be taken now. It waits for room in the output, for the rate limiter, and for the answer to HELLO:
    /// the server says nothing before WELCOME.
    pub(super) fn takes_input(&mut self, now: Instant) -> bool {
        self.outbox.room() >= REPLY_BYTES && self.rate_limiter.pause(now).is_none() && self.phase != Phase::Welcome
    }

    /// Takes what `input` has of the preamble; returns how many bytes that is.
    pub(super) fn handle_preamble(&mut self, input: &[u8]) -> Result<usize, SessionError> {
        self.read_preamble(input).inspect_err(|error| self.close(*error))
    }

    fn read_preamble(&mut self, input: &[u8]) -> Result<usize, SessionError> {
        let taken = self.preamble.read(input);
        if !self.preamble.may_start_with(MAGIC) {
            let _ = self.outbox.push_bytes(&refusal(Refusal::NotTrill));
            return Err(SessionError::NotTrill);
        }
        match self.preamble.bytes() {
            [_, _, _, _, 0, 0, _, _] => {
                let _ = self.outbox.push_bytes(&PREAMBLE);
                self.phase = Phase::Hello;
            }
            [_, _, _, _, _, _, _, _] => {
                let _ = self.outbox.push_bytes(&refusal(Refusal::Mode));
                return Err(SessionError::Refused(Refusal::Mode));
            }
            _ => {}
        }
        Ok(taken)
    }

    pub(super) fn handle_part<'a>(&mut self, now: Instant, part: Part<'a>) -> Result<Option<Event<'a>>, SessionError> {
        let handled = match part {
            Part::Control(frame) => self.handle_control(now, &frame),
            Part::Ignored => {
                self.rate_limiter.take(now);
                Ok(None)
            }
            Part::DataBegins { .. } | Part::Data { .. } => Err(SessionError::Unexpected(MessageType::Data)),
        };
        handled.inspect_err(|error| self.close(*error))
    }

    fn handle_control<'a>(
        &mut self,
        now: Instant,
        frame: &ControlFrame<'a>,
    ) -> Result<Option<Event<'a>>, SessionError> {
        let is_in_place = match frame.kind {
            MessageType::Hello => self.phase == Phase::Hello,
            MessageType::Error | MessageType::Goodbye => true,
            _ => self.phase == Phase::Open,
        };
        if !is_in_place {
            return Err(SessionError::Unexpected(frame.kind));
        }
        if frame.kind != MessageType::Credit {
            self.rate_limiter.take(now);
        }
        match frame.kind {
            MessageType::Hello => self.handle_hello(frame.decode()?).map(Some),
            MessageType::List => Ok(Some(Event::List(frame.decode()?))),
            MessageType::Info => Ok(Some(Event::Info(frame.decode()?))),
            MessageType::Play => self.handle_play(frame.decode()?).map(Some),
            MessageType::Credit => self.handle_credit(now, frame.decode()?).map(|()| None),
            MessageType::Stop => Ok(self.handle_stop(frame.decode()?)),
            MessageType::Ping => {
                self.liveness.on_ping(now, frame.decode()?);
                Ok(None)
            }
            MessageType::Pong => frame.decode::<Pong>().map(|_| None),
            MessageType::Goodbye => {
                let goodbye: Goodbye = frame.decode()?;
                self.phase = Phase::Closed;
                Ok(Some(Event::Goodbye(goodbye.reason)))
            }
            MessageType::Error => {
                let error = frame.decode()?;
                self.phase = Phase::Closed;
                Ok(Some(Event::Failed(error)))
            }
            _ => Err(SessionError::Unexpected(frame.kind)),
        }
    }

    fn handle_hello<'a>(&mut self, hello: Hello<'a>) -> Result<Event<'a>, SessionError> {
        if !(hello.lowest_version..=hello.highest_version).contains(&VERSION) {
            return Err(SessionError::Version { lowest: hello.lowest_version, highest: hello.highest_version });
        }
        self.client_max_control = usize::from(hello.max_control).min(MAX_CONTROL_BYTES);
        self.phase = Phase::Welcome;
        Ok(Event::Hello(hello))
    }

    fn handle_play<'a>(&mut self, play: Play) -> Result<Event<'a>, SessionError> {
        if let Some(overtaken) = self.streams.on_play(&play)? {
            // There is room: `takes_input` made sure of it.
            let _ = self.outbox.push(&overtaken);
        }
        Ok(Event::Play(play))
    }

    /// Credit that is of no use counts as a command. All other credit is limited by its sum.
    fn handle_credit(&mut self, now: Instant, credit: Credit) -> Result<(), SessionError> {
        if !self.streams.on_credit(now, credit)? {
            self.rate_limiter.take(now);
        }
        Ok(())
    }

    fn handle_stop<'a>(&mut self, stop: Stop) -> Option<Event<'a>> {
        if !self.streams.on_stop(stop.stream) {
            return None;
        }
        // There is room: `takes_input` made sure of it.
        let _ = self.outbox.push(&End { stream: stop.stream, reason: EndReason::Stopped });
        Some(Event::Stopped(stop.stream))
    }

    // ── time ──

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        let checked = match self.phase {
            Phase::Closed => Ok(()),
            Phase::Preamble | Phase::Hello if now >= self.opened + HELLO_DEADLINE => Err(SessionError::HelloTimeout),
            Phase::Preamble | Phase::Hello => Ok(()),
            Phase::Welcome | Phase::Open => self.liveness.handle_timeout(now, LivenessTimeouts::NORMAL),
        };
        checked.inspect_err(|error| self.close(*error))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Closed => None,
            Phase::Preamble | Phase::Hello => Some(self.opened + HELLO_DEADLINE),
            Phase::Welcome | Phase::Open => Some(self.liveness.poll_timeout(LivenessTimeouts::NORMAL)),
        }
    }

    // ── output ──

    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<&[u8]> {
        const DUE_BYTES: usize = Ping::MAX_FRAME_BYTES + Pong::MAX_FRAME_BYTES + End::MAX_FRAME_BYTES;
        self.streams.on_transmit(now);
        if self.phase == Phase::Open && self.outbox.room() >= DUE_BYTES {
            if let Some(ping) = self.liveness.take_ping() {
                let _ = self.outbox.push(&ping);
            }
            if let Some(pong) = self.liveness.take_pong(now) {
                let _ = self.outbox.push(&pong);
            }
            if let Some(end) = self.streams.take_finished() {
                let _ = self.outbox.push(&end);
            }
        }
        (!self.outbox.is_empty()).then(|| self.outbox.take())
    }
}
