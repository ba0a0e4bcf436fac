//! What a server does with what the client sent.

use super::frame_sizer::FrameSizer;
use super::rate_limiter::RateLimiter;
use super::{Event, OUTBOX_BYTES, Offered, Outbox, Phase, Sending};
use crate::error::{Malformed, SessionError};
use crate::frame::Part;
use crate::limits::{MAX_CONTROL_BYTES, MIN_DATA_BYTES, VERSION};
use crate::message::{Credit, End, EndReason, Error, Goodbye, Hello, Info, List, MessageType, Ping, Play, Pong, Stop};
use crate::session::liveness::Liveness;
use crate::time::Instant;

/// The machine without its reader, from which parts of frames are borrowed while they are handled.
pub(super) struct Session<'m> {
    pub(super) phase: &'m mut Phase,
    pub(super) outbox: &'m mut Outbox<OUTBOX_BYTES>,
    pub(super) liveness: &'m mut Liveness,
    pub(super) rate_limiter: &'m mut RateLimiter,
    pub(super) frame_sizer: &'m mut FrameSizer,
    pub(super) client_max_control: &'m mut usize,
    pub(super) max_credit: u32,
    pub(super) last_stream: &'m mut u32,
    pub(super) offered: &'m mut Option<Offered>,
    pub(super) sending: &'m mut Option<Sending>,
}

impl Session<'_> {
    pub(super) fn handle_part<'a>(&mut self, now: Instant, part: Part<'a>) -> Result<Option<Event<'a>>, SessionError> {
        let (kind, header, payload) = match part {
            Part::Control { kind, header, payload } => (kind, header, payload),
            Part::Ignored => {
                self.rate_limiter.take(now);
                return Ok(None);
            }
            Part::DataBegins { .. } | Part::Data { .. } => return Err(SessionError::Unexpected(MessageType::Data)),
        };
        let is_in_place = match kind {
            MessageType::Hello => *self.phase == Phase::Hello,
            MessageType::Error | MessageType::Goodbye => true,
            _ => *self.phase == Phase::Open,
        };
        if !is_in_place {
            return Err(SessionError::Unexpected(kind));
        }
        if kind != MessageType::Credit {
            self.rate_limiter.take(now);
        }
        let malformed = |_: Malformed| SessionError::Malformed(kind);
        let id = header.id;
        match kind {
            MessageType::Hello => self.handle_hello(Hello::decode(payload).map_err(malformed)?).map(Some),
            MessageType::List => Ok(Some(Event::List(List::decode(id, payload).map_err(malformed)?))),
            MessageType::Info => Ok(Some(Event::Info(Info::decode(id, payload).map_err(malformed)?))),
            MessageType::Play => self.handle_play(Play::decode(id, payload).map_err(malformed)?).map(Some),
            MessageType::Credit => {
                self.handle_credit(now, Credit::decode(id, payload).map_err(malformed)?).map(|()| None)
            }
            MessageType::Stop => Ok(self.handle_stop(Stop::decode(id, payload).map_err(malformed)?)),
            MessageType::Ping => {
                self.liveness.on_ping(now, Ping::decode(payload).map_err(malformed)?);
                Ok(None)
            }
            MessageType::Pong => Pong::decode(payload).map_err(malformed).map(|_| None),
            MessageType::Goodbye => {
                let reason = Goodbye::decode(payload).map_err(malformed)?.reason;
                *self.phase = Phase::Closed;
                Ok(Some(Event::Goodbye(reason)))
            }
            MessageType::Error => {
                let error = Error::decode(id, payload).map_err(malformed)?;
                *self.phase = Phase::Closed;
                Ok(Some(Event::Failed(error)))
            }
            MessageType::Welcome
            | MessageType::Song
            | MessageType::ListEnd
            | MessageType::Started
            | MessageType::Data
            | MessageType::End
            | MessageType::Notice => Err(SessionError::Unexpected(kind)),
        }
    }

    fn handle_hello<'a>(&mut self, hello: Hello<'a>) -> Result<Event<'a>, SessionError> {
        if !(hello.lowest_version..=hello.highest_version).contains(&VERSION) {
            return Err(SessionError::Version { lowest: hello.lowest_version, highest: hello.highest_version });
        }
        *self.client_max_control = usize::from(hello.max_control).min(MAX_CONTROL_BYTES);
        *self.phase = Phase::Welcome;
        Ok(Event::Hello(hello))
    }

    fn handle_play<'a>(&mut self, play: Play) -> Result<Event<'a>, SessionError> {
        if play.stream.0 <= *self.last_stream {
            return Err(SessionError::StreamId);
        }
        if play.credit > self.max_credit {
            return Err(SessionError::Credit);
        }
        *self.last_stream = play.stream.0;
        if let Some(overtaken) = self.offered.take() {
            // There is room: `handle_input` made sure of it.
            let _ = self.outbox.push(&End { stream: overtaken.id, reason: EndReason::Replaced });
        }
        *self.offered = Some(Offered { id: play.stream, credit: play.credit });
        Ok(Event::Play(play))
    }

    /// Credit for a stream that has ended is ignored: it crossed the END on its way. It counts as a command, as credit does
    /// that is too small to be worth a frame. All other credit is limited by [`MAX_CREDIT_BYTES`].
    ///
    /// [`MAX_CREDIT_BYTES`]: crate::limits::MAX_CREDIT_BYTES
    fn handle_credit(&mut self, now: Instant, credit: Credit) -> Result<(), SessionError> {
        if credit.stream.0 == 0 || credit.stream.0 > *self.last_stream {
            return Err(SessionError::StreamId);
        }
        let sending = self.sending.as_mut().filter(|sending| sending.id == credit.stream).map(|it| &mut it.credit);
        let is_sending = sending.is_some();
        let offered = self.offered.as_mut().filter(|offered| offered.id == credit.stream).map(|it| &mut it.credit);
        let outstanding = sending.or(offered);
        if outstanding.is_none() || credit.more < MIN_DATA_BYTES {
            self.rate_limiter.take(now);
        }
        if let Some(outstanding) = outstanding {
            let sum = outstanding.checked_add(credit.more).filter(|sum| *sum <= self.max_credit);
            *outstanding = sum.ok_or(SessionError::Credit)?;
            if is_sending {
                self.frame_sizer.on_credit(now, credit.more);
            }
        }
        Ok(())
    }

    fn handle_stop<'a>(&mut self, stop: Stop) -> Option<Event<'a>> {
        let is_sending = self.sending.take_if(|sending| sending.id == stop.stream).is_some();
        let is_offered = self.offered.take_if(|offered| offered.id == stop.stream).is_some();
        if !is_sending && !is_offered {
            return None; // it ended by itself, and the STOP crossed its END
        }
        // There is room: `handle_input` made sure of it.
        let _ = self.outbox.push(&End { stream: stop.stream, reason: EndReason::Stopped });
        Some(Event::Stopped(stop.stream))
    }
}
