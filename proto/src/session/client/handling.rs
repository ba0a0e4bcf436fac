//! What a client does with what the server sent.

use super::{Event, Pending, Phase, Stream};
use crate::error::{Malformed, SessionError};
use crate::frame::Part;
use crate::ids::StreamId;
use crate::limits::{FIRST_CREDIT_BYTES, VERSION};
use crate::message::{End, EndReason, Error, Goodbye, Header, Kind, ListEnd, Ping, Pong, Song, Started, Welcome};
use crate::session::liveness::Liveness;
use crate::time::Instant;
use crate::window::Path;

/// The machine without its reader, from which parts of frames are borrowed while they are handled.
pub(super) struct Session<'m> {
    pub(super) phase: &'m mut Phase,
    pub(super) liveness: &'m mut Liveness,
    pub(super) path: &'m mut Path,
    pub(super) hello_sent: Option<Instant>,
    pub(super) last_id: u32,
    pub(super) last_started: &'m mut u32,
    pub(super) current: &'m mut Option<Stream>,
    pub(super) pending: &'m mut Pending,
}

impl Session<'_> {
    pub(super) fn handle_part<'a>(&mut self, now: Instant, part: Part<'a>) -> Result<Option<Event<'a>>, SessionError> {
        match part {
            Part::Control { kind, header, payload } => {
                self.handle_control(now, kind, header, payload).map_err(|fault| fault.at(kind))
            }
            Part::DataBegins { id, length } => self.expect_data(StreamId(id), length).map(|()| None),
            Part::Data { id, bytes } => self.handle_data(now, StreamId(id), bytes),
            Part::Ignored => Ok(None),
        }
    }

    fn handle_control<'a>(
        &mut self,
        now: Instant,
        kind: Kind,
        header: Header,
        payload: &'a [u8],
    ) -> Result<Option<Event<'a>>, Fault> {
        let id = header.id;
        let is_in_place = match kind {
            Kind::Welcome => *self.phase == Phase::Welcome,
            Kind::Error | Kind::Goodbye => true,
            _ => *self.phase == Phase::Open,
        };
        if !is_in_place {
            return Err(Fault::Unexpected);
        }
        match kind {
            Kind::Welcome => self.handle_welcome(now, Welcome::decode(payload)?).map(Some),
            Kind::Song => Ok(Some(Event::Song(Song::decode(id, header.flags, payload)?))),
            Kind::ListEnd => Ok(Some(Event::ListEnd(ListEnd::decode(id, payload)?))),
            Kind::Started => self.handle_started(now, Started::decode(id, payload)?),
            Kind::End => self.handle_end(End::decode(id, payload)?),
            Kind::Error => self.handle_error(Error::decode(id, payload)?).map(Some),
            Kind::Goodbye => {
                let reason = Goodbye::decode(payload)?.reason;
                *self.phase = Phase::Closed;
                Ok(Some(Event::Goodbye(reason)))
            }
            Kind::Ping => {
                self.liveness.on_ping(now, Ping::decode(payload)?);
                Ok(None)
            }
            Kind::Pong => {
                if let Some(measured) = self.liveness.on_pong(now, Pong::decode(payload)?) {
                    self.path.on_round_trip(measured);
                }
                Ok(None)
            }
            Kind::Hello | Kind::List | Kind::Info | Kind::Play | Kind::Credit | Kind::Stop => Err(Fault::Unexpected),
            // The reader hands on the one in pieces and skips the other, so neither comes here.
            Kind::Data | Kind::Notice => Err(Fault::Unexpected),
        }
    }

    fn handle_welcome<'a>(&mut self, now: Instant, welcome: Welcome<'a>) -> Result<Event<'a>, Fault> {
        if welcome.version != VERSION {
            return Err(Fault::Session(SessionError::Version { lowest: welcome.version, highest: welcome.version }));
        }
        if let Some(sent) = self.hello_sent {
            self.path.on_round_trip(now.saturating_since(sent));
        }
        self.path.on_max_credit(welcome.max_credit);
        *self.phase = Phase::Open;
        Ok(Event::Welcome(welcome))
    }

    fn handle_started<'a>(&mut self, now: Instant, started: Started) -> Result<Option<Event<'a>>, Fault> {
        self.check_known(started.stream)?;
        if started.stream.0 <= *self.last_started {
            return Err(Fault::Unexpected);
        }
        *self.last_started = started.stream.0;
        let Some(mut stream) = self.take_pending(started.stream) else {
            return Ok(None); // it was stopped
        };
        if stream.resume.is_some_and(|asked| asked != (started.position, started.content_tag)) {
            return Err(Fault::Unexpected);
        }
        // Opening the file takes time too, so this can only be too long; the smallest counts.
        self.path.on_round_trip(now.saturating_since(stream.asked));
        self.path.pause();
        stream.expected = started.size_bytes - started.position;
        *self.current = Some(stream);
        Ok(Some(Event::Started(started)))
    }

    fn expect_data(&mut self, id: StreamId, length: u16) -> Result<(), SessionError> {
        if *self.phase != Phase::Open {
            return Err(SessionError::Unexpected(Kind::Data));
        }
        self.check_known(id).map_err(|fault| fault.at(Kind::Data))?;
        if self.pending.iter().any(|stream| stream.id == id) {
            return Err(SessionError::Unexpected(Kind::Data));
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
        stream.received += bytes.len() as u64;
        // Not before the first credit has come: a slow processor is to decode by then, not to receive.
        if (u64::from(FIRST_CREDIT_BYTES)..=stream.window.capacity().into()).contains(&stream.received) {
            self.path.on_average(stream.received, now.saturating_since(stream.asked));
        }
        self.path.on_data(now, bytes.len() as u64, stream.window.outstanding() == 0);
        Ok(Some(Event::Data { stream: id, bytes }))
    }

    fn handle_end<'a>(&mut self, end: End) -> Result<Option<Event<'a>>, Fault> {
        self.check_known(end.stream)?;
        let is_this = |stream: &mut Stream| stream.id == end.stream;
        let Some(ended) = self.current.take_if(is_this).or_else(|| self.take_pending(end.stream)) else {
            return Ok(None);
        };
        if end.reason == EndReason::Finished && ended.remaining() > 0 {
            return Err(Fault::Unexpected);
        }
        Ok(Some(Event::Ended { stream: end.stream, reason: end.reason }))
    }

    fn handle_error<'a>(&mut self, error: Error<'a>) -> Result<Event<'a>, Fault> {
        if error.code.is_fatal() {
            *self.phase = Phase::Closed;
            return Ok(Event::Failed(error));
        }
        if *self.phase != Phase::Open {
            return Err(Fault::Unexpected); // nothing is answered before HELLO
        }
        let _ = self.current.take_if(|stream| stream.id.0 == error.id);
        let _ = self.take_pending(StreamId(error.id));
        Ok(Event::Failed(error))
    }

    fn take_pending(&mut self, id: StreamId) -> Option<Stream> {
        let place = self.pending.iter().position(|stream| stream.id == id)?;
        Some(self.pending.remove(place))
    }

    /// A stream that was never asked for cannot be answered.
    const fn check_known(&self, id: StreamId) -> Result<(), Fault> {
        if id.0 == 0 || id.0 > self.last_id { Err(Fault::Session(SessionError::StreamId)) } else { Ok(()) }
    }
}

/// What is wrong with a control frame, before its kind is added.
enum Fault {
    Malformed,
    Unexpected,
    Session(SessionError),
}

impl From<Malformed> for Fault {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl Fault {
    const fn at(self, kind: Kind) -> SessionError {
        match self {
            Self::Malformed => SessionError::Malformed(kind),
            Self::Unexpected => SessionError::Unexpected(kind),
            Self::Session(error) => error,
        }
    }
}
