//! What `wire-format.md` says of a client, in a few numbers and sets.

use super::TAKES;
use crate::wire::{Output, Said, code_of, encode};
use std::time::Duration;
use trill_proto::error::{ErrorCode, Refusal, SessionError};
use trill_proto::ids::StreamId;
use trill_proto::limits::PREAMBLE_BYTES;
use trill_proto::message::{
    Credit, End, EndReason, Error, Goodbye, GoodbyeReason, Hello, Message, MessageType, PREAMBLE, Ping, Play, Pong,
    Start, Started, Stop,
};
use trill_proto::session::client::{Event, Identity, PlayRequest};
use trill_proto::time::Instant;

const PING_AFTER: Duration = Duration::from_secs(15);
const CLOSE_AFTER_PING: Duration = Duration::from_secs(15);
const STALL_PING_AFTER: Duration = Duration::from_secs(1);
const STALL_CLOSE_AFTER: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const DATA_TIMEOUT: Duration = Duration::from_secs(10);

/// What a byte of what is due earns: 1,000 bytes in a second.
const BYTE_TIME: Duration = Duration::from_millis(1);

/// A wake-up that is this much too late says that the client was asleep.
const ASLEEP: Duration = Duration::from_secs(1);

const ASSUMED_ROUND_TRIP: Duration = Duration::from_millis(50);

/// The first credit, and what may always be outstanding.
const FLOOR: u64 = 16_384;

/// PLAYs that a client keeps in mind before it stops the oldest that does not go on with what is heard.
const MOST_PENDING: usize = 4;
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Phase {
    Preamble,
    Welcome,
    Open,
    Closed,
}

/// A request without an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question {
    /// About this song.
    Info(u32),
    /// The last song that has come, and how many may still come.
    List { last: u32, left: u32 },
}

#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    /// Of the buffer.
    capacity: u64,
    /// Bytes in the buffer.
    pub(crate) held: u64,
    /// Bytes granted and not received.
    pub(crate) credit: u64,
    /// Bytes to come before the song's end.
    pub(crate) left: u64,
    /// The position at which it must start.
    pub(crate) resumes_at: Option<u64>,
    asked: Instant,
    /// When credit was given last while there was none.
    granted: Instant,
    /// When more of it must have come, if there is credit.
    due: Instant,
}

impl Stream {
    fn free(&self) -> u64 {
        self.capacity.saturating_sub(self.held)
    }

    /// What a CREDIT shall grant now, 0 for none; `None` where that depends on the path.
    fn credit_due(&self) -> Option<u64> {
        if self.capacity > FLOOR {
            return None;
        }
        let more = self.free().min(self.left).saturating_sub(self.credit);
        let is_rest = self.credit + more == self.left;
        Some(if more >= self.capacity / 4 || is_rest { more } else { 0 })
    }
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) phase: Phase,
    last_heard: Instant,
    /// A PING went out because nothing was heard; nothing has been since.
    pinged: Option<Instant>,
    pub(crate) ping_due: Option<u64>,
    pong_due: Option<(u64, Instant)>,
    hello_sent: Option<Instant>,
    round_trip: Option<Duration>,
    /// A question waits to be transmitted.
    pub(crate) has_question: bool,
    /// When the first one was, if nothing was heard since.
    asked: Option<Instant>,
    pub(crate) last_id: u32,
    last_stream: u32,
    last_started: u32,
    max_credit: u64,
    pub(crate) requests: Vec<(u32, Question)>,
    /// What waits longest for an answer, and until when.
    awaited: Option<(u32, Instant)>,
    /// The token of the last PING.
    pub(crate) pinged_with: Option<u64>,
    pub(crate) current: Option<Stream>,
    pub(crate) pending: Vec<Stream>,
    pub(crate) said: Vec<Vec<u8>>,
    /// The last words may not have fitted behind what was waiting.
    pub(crate) last_words_may_be_lost: bool,
}

pub(crate) const IDENTITY: Identity<'_> = Identity { name: "model", nonce: [7; 16], roles: 0 };

/// What every song has, and every resumed stream asks for.
pub(crate) const TAG: u64 = 0x7a9;

impl Model {
    pub(crate) fn new(now: Instant) -> Self {
        let Identity { name, nonce, roles } = IDENTITY;
        let hello = Hello { max_control: TAKES, name, nonce, roles, ..Hello::default() };
        Self {
            phase: Phase::Preamble,
            last_heard: now,
            pinged: None,
            ping_due: None,
            pong_due: None,
            hello_sent: None,
            round_trip: None,
            has_question: false,
            asked: None,
            last_id: 0,
            last_stream: 0,
            last_started: 0,
            max_credit: 16 << 20,
            requests: Vec::new(),
            awaited: None,
            pinged_with: None,
            current: None,
            pending: Vec::new(),
            said: vec![PREAMBLE.to_vec(), encode(&Message::Hello(hello))],
            last_words_may_be_lost: false,
        }
    }

    pub(crate) fn say(&mut self, message: Message<'_>) {
        self.said.push(encode(&message));
    }

    /// Hears something of the server's; the event that it is, or what is wrong with it. DATA is told apart.
    pub(crate) fn hear(&mut self, now: Instant, said: &Said) -> Result<Option<Event<'static>>, SessionError> {
        if self.phase == Phase::Closed {
            return Ok(None);
        }
        self.notice_sleep(now);
        (self.last_heard, self.pinged, self.asked) = (now, None, None);
        let judged = match (self.phase, said) {
            (Phase::Preamble, Said::Preamble(bytes)) => self.hear_preamble(bytes),
            (Phase::Preamble, _) => Err(SessionError::NotTrill),
            (_, said) => match said.message(|kind| self.expects(kind)) {
                Ok(Some(message)) => self.hear_message(now, message),
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            },
        };
        if self.phase != Phase::Preamble {
            self.await_oldest(now);
        }
        judged.inspect_err(|error| self.close_for(*error))
    }

    fn hear_preamble(&mut self, bytes: &[u8; PREAMBLE_BYTES]) -> Result<Option<Event<'static>>, SessionError> {
        match *bytes {
            PREAMBLE => {
                self.phase = Phase::Welcome;
                Ok(None)
            }
            [b'T', b'R', b'N', b'O', reason, ..] => Err(SessionError::Refused(Refusal::from_byte(reason))),
            _ => Err(SessionError::NotTrill),
        }
    }

    fn expects(&self, kind: MessageType) -> bool {
        use MessageType::{Data, End, Error, Goodbye, ListEnd, Ping, Pong, Song, Started, Welcome};
        match self.phase {
            Phase::Open => matches!(kind, Song | ListEnd | Started | Data | End | Error | Ping | Pong | Goodbye),
            _ => matches!(kind, Welcome | Error | Goodbye),
        }
    }

    fn hear_message(
        &mut self,
        now: Instant,
        message: Message<'static>,
    ) -> Result<Option<Event<'static>>, SessionError> {
        let kind = message.kind();
        match message {
            Message::Welcome(welcome) if welcome.version != 1 => {
                let version = welcome.version;
                Err(SessionError::Version { lowest: version, highest: version })
            }
            Message::Welcome(welcome) => {
                if let Some(sent) = self.hello_sent {
                    self.measure(now, sent);
                }
                (self.phase, self.max_credit) = (Phase::Open, welcome.max_credit.into());
                Ok(Some(Event::Welcome(welcome)))
            }
            Message::Song(song) => {
                let id = song.request.0;
                self.hear_song(id, song.song.0)?;
                if let Some((_, due)) = self.awaited.as_mut().filter(|(awaited, _)| *awaited == id) {
                    let bytes = u32::try_from(encode(&message).len()).expect("a short frame");
                    *due = (*due + BYTE_TIME * bytes).min(now + ANSWER_TIMEOUT);
                }
                Ok(Some(Event::Song(song)))
            }
            Message::ListEnd(end) => {
                self.hear_list_end(end.request.0, end.next.map(|next| next.0))?;
                Ok(Some(Event::ListEnd(end)))
            }
            Message::Started(started) => self.hear_started(now, started),
            Message::Data(id, bytes) => self.hear_data(now, id, bytes.len() as u64),
            Message::End(end) => self.hear_end(end),
            Message::Error(error) if error.code.0 < 256 => {
                self.phase = Phase::Closed;
                Ok(Some(Event::Failed(error)))
            }
            Message::Error(Error { id: 0, .. }) => Err(SessionError::Malformed(kind)),
            Message::Error(error) if self.phase != Phase::Open || error.id > self.last_id => {
                Err(SessionError::Unexpected(kind))
            }
            Message::Error(error) => {
                self.requests.retain(|(id, _)| *id != error.id);
                self.take_open(error.id);
                Ok(Some(Event::Failed(error)))
            }
            Message::Goodbye(Goodbye { reason }) => {
                self.phase = Phase::Closed;
                Ok(Some(Event::Goodbye(reason)))
            }
            Message::Ping(Ping { token }) => {
                self.pong_due = Some((token, now));
                Ok(None)
            }
            Message::Pong(Pong { token, .. }) => {
                if token != 0 && self.pinged_with == Some(token) {
                    self.measure(now, Instant::from_micros(token));
                }
                Ok(None)
            }
            other => panic!("no message of a server's: {other:?}"),
        }
    }

    fn hear_started(&mut self, now: Instant, started: Started) -> Result<Option<Event<'static>>, SessionError> {
        let id = started.stream.0;
        self.check_used(id)?;
        // Requests are answered in their order, so this one has been.
        if id <= self.last_started {
            return Err(SessionError::Unexpected(MessageType::Started));
        }
        self.last_started = id;
        let Some(place) = self.pending.iter().position(|stream| stream.id == id) else {
            return Ok(None); // it was stopped
        };
        let mut stream = self.pending.remove(place);
        if stream.resumes_at.is_some_and(|position| position != started.position) {
            return Err(SessionError::Unexpected(MessageType::Started));
        }
        self.measure(now, stream.asked);
        self.wait_for_data(now, &mut stream);
        stream.left = started.size_bytes - started.position;
        self.current = Some(stream);
        Ok(Some(Event::Started(started)))
    }

    fn hear_song(&mut self, id: u32, song: u32) -> Result<(), SessionError> {
        let place = self.requests.iter().position(|(request, _)| *request == id);
        let place = place.ok_or(SessionError::Unexpected(MessageType::Song))?;
        match &mut self.requests[place].1 {
            Question::Info(asked) if *asked != song => return Err(SessionError::Malformed(MessageType::Song)),
            Question::Info(_) => drop(self.requests.remove(place)),
            Question::List { left: 0, .. } => return Err(SessionError::Unexpected(MessageType::Song)),
            Question::List { last, .. } if song <= *last => return Err(SessionError::Malformed(MessageType::Song)),
            Question::List { last, left } => (*last, *left) = (song, *left - 1),
        }
        Ok(())
    }

    fn hear_list_end(&mut self, id: u32, next: Option<u32>) -> Result<(), SessionError> {
        let place = self.requests.iter().position(|(request, _)| *request == id);
        let place = place.ok_or(SessionError::Unexpected(MessageType::ListEnd))?;
        let (_, Question::List { last, .. }) = self.requests.remove(place) else {
            return Err(SessionError::Unexpected(MessageType::ListEnd));
        };
        // No list asks for 0 songs, so a page with a next one has songs.
        if next.is_some_and(|next| last == 0 || next <= last) {
            Err(SessionError::Malformed(MessageType::ListEnd))
        } else {
            Ok(())
        }
    }

    fn data_patience(&self) -> Duration {
        DATA_TIMEOUT.max(self.round_trip() * 8)
    }

    fn wait_for_data(&self, now: Instant, stream: &mut Stream) {
        stream.due = now + self.data_patience();
    }

    fn hear_data(&mut self, now: Instant, id: u32, length: u64) -> Result<Option<Event<'static>>, SessionError> {
        self.check_used(id)?;
        if self.pending.iter().any(|stream| stream.id == id) {
            return Err(SessionError::Unexpected(MessageType::Data));
        }
        let patience = self.data_patience();
        if let Some(stream) = self.current.as_mut().filter(|stream| stream.id == id) {
            if length > stream.credit.min(stream.left) {
                return Err(SessionError::Credit);
            }
            stream.credit -= length;
            stream.left -= length;
            stream.held += length;
            let earned = BYTE_TIME * u32::try_from(length).expect("one frame");
            stream.due = (stream.due + earned).min(now + patience);
        }
        Ok(None)
    }

    fn hear_end(&mut self, end: End) -> Result<Option<Event<'static>>, SessionError> {
        self.check_used(end.stream.0)?;
        match self.take_open(end.stream.0) {
            None => Ok(None),
            Some(stream) if end.reason == EndReason::Finished && stream.left > 0 => {
                Err(SessionError::Unexpected(MessageType::End))
            }
            Some(_) => Ok(Some(Event::Ended { stream: end.stream, reason: end.reason })),
        }
    }

    fn check_used(&self, id: u32) -> Result<(), SessionError> {
        let is_request = self.requests.iter().any(|(request, _)| *request == id);
        if (1..=self.last_stream).contains(&id) && !is_request { Ok(()) } else { Err(SessionError::StreamId) }
    }

    fn measure(&mut self, now: Instant, since: Instant) {
        let measured = now.saturating_since(since);
        self.round_trip = Some(self.round_trip.map_or(measured, |smallest| smallest.min(measured)));
    }

    pub(crate) fn round_trip(&self) -> Duration {
        self.round_trip.unwrap_or(ASSUMED_ROUND_TRIP)
    }

    fn close_for(&mut self, error: SessionError) {
        self.phase = Phase::Closed;
        if let Some(code) = code_of(error) {
            self.last_words_may_be_lost = !self.said.is_empty();
            self.say(Message::Error(Error { id: 0, code: ErrorCode(code), text: "" }));
        }
    }

    pub(crate) fn open_streams(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.current.iter_mut().chain(&mut self.pending)
    }

    fn take_open(&mut self, id: u32) -> Option<Stream> {
        let place = self.pending.iter().position(|stream| stream.id == id);
        self.current.take_if(|stream| stream.id == id).or_else(|| Some(self.pending.remove(place?)))
    }

    // ── what the application does ──

    pub(crate) fn play(&mut self, now: Instant, wanted: &PlayRequest) {
        if self.pending.len() == MOST_PENDING {
            let oldest = self.pending.iter().position(|stream| stream.resumes_at.is_none()).unwrap_or(0);
            let oldest = self.pending.remove(oldest);
            self.say(Message::Stop(Stop { stream: StreamId(oldest.id) }));
        }
        self.last_id += 1;
        let (capacity, held) = (u64::from(wanted.capacity), u64::from(wanted.occupied));
        let credit = capacity.saturating_sub(held).min(FLOOR);
        let resumes_at = if let Start::Resume(position) = wanted.start { Some(position) } else { None };
        let id = self.last_id;
        self.last_stream = id;
        let (granted, due) = (now, now);
        let left = u64::MAX;
        self.pending.push(Stream { id, capacity, held, credit, left, resumes_at, asked: now, granted, due });
        self.say(Message::Play(Play {
            stream: StreamId(id),
            song: wanted.song,
            start: wanted.start,
            content_tag: wanted.content_tag,
            credit: u32::try_from(credit).expect("no more than the capacity"),
        }));
        self.has_question = true;
    }

    pub(crate) fn stop(&mut self) {
        let ids: Vec<_> = self.open_streams().map(|stream| stream.id).collect();
        for id in ids {
            self.say(Message::Stop(Stop { stream: StreamId(id) }));
        }
        (self.current, self.pending) = (None, Vec::new());
    }

    /// Whether a CREDIT is due then; `None` where that depends on the path.
    pub(crate) fn release(&mut self, id: u32, bytes: u64) -> Option<bool> {
        for stream in self.open_streams().filter(|stream| stream.id == id) {
            stream.held = stream.held.saturating_sub(bytes);
        }
        match self.current.as_ref().filter(|stream| stream.id == id) {
            Some(stream) => stream.credit_due().map(|due| due > 0),
            None => Some(false),
        }
    }

    pub(crate) fn say_goodbye(&mut self) {
        if self.phase != Phase::Closed {
            self.say(Message::Goodbye(Goodbye { reason: GoodbyeReason::Done }));
            self.phase = Phase::Closed;
        }
    }

    // ── what happens by itself ──

    /// Since when something is due, if anything is: data, or else an answer.
    fn waiting_since(&self) -> Option<Instant> {
        let is_due = |stream: &&Stream| stream.credit > 0 && stream.left > 0;
        let data = self.current.as_ref().filter(is_due).map(|stream| stream.granted);
        data.or(self.asked.filter(|_| self.phase == Phase::Open))
    }

    /// What is due first of all that the server owes, unless it is silent: then it is given up for that.
    fn owed(&self) -> [Option<Instant>; 2] {
        let is_due = |stream: &&Stream| stream.credit > 0 && stream.left > 0;
        let data = self.current.as_ref().filter(is_due).map(|stream| stream.due);
        [self.awaited.map(|(_, due)| due), data].map(|due| due.filter(|_| self.pinged.is_none()))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let owed = self.owed().into_iter().flatten().min();
        self.silence_deadline().map(|silence| owed.map_or(silence, |owed| owed.min(silence)))
    }

    fn await_oldest(&mut self, now: Instant) {
        let stream = self.pending.first().map(|stream| stream.id);
        let oldest = self.requests.first().map(|(id, _)| *id).into_iter().chain(stream).min();
        let oldest = oldest.filter(|_| self.phase == Phase::Open);
        if self.awaited.map(|(id, _)| id) != oldest {
            self.awaited = oldest.map(|id| (id, now + ANSWER_TIMEOUT));
        }
    }

    fn silence_deadline(&self) -> Option<Instant> {
        let (since, ping_after, close_after) = match self.waiting_since() {
            None => (self.last_heard, PING_AFTER, CLOSE_AFTER_PING),
            Some(since) => {
                let four_trips = self.round_trip() * 4;
                (since, STALL_PING_AFTER.max(four_trips), STALL_CLOSE_AFTER.max(four_trips))
            }
        };
        let deadline = match self.pinged {
            None => self.last_heard.max(since) + ping_after,
            Some(pinged) => pinged.max(since) + close_after,
        };
        (self.phase != Phase::Closed).then_some(deadline)
    }

    fn notice_sleep(&mut self, now: Instant) {
        let Some(deadline) = self.deadline() else { return };
        if now >= deadline.max(self.last_heard) + ASLEEP {
            self.awaited = None;
            self.await_oldest(now);
            if let Some(mut stream) = self.current.take() {
                self.wait_for_data(now, &mut stream);
                self.current = Some(stream);
            }
        }
    }

    pub(crate) fn notice_time(&mut self, now: Instant) -> Result<(), SessionError> {
        self.notice_sleep(now);
        let Some(silence) = self.silence_deadline() else { return Ok(()) };
        if now >= silence {
            if self.pinged.is_some() {
                return self.give_up(SessionError::Silent);
            }
            (self.pinged, self.ping_due) = (Some(now), Some(now.as_micros()));
        }
        match self.owed() {
            [Some(answer), _] if now >= answer => self.give_up(SessionError::Unanswered),
            [_, Some(data)] if now >= data => self.give_up(SessionError::Stalled),
            _ => Ok(()),
        }
    }

    fn give_up(&mut self, error: SessionError) -> Result<(), SessionError> {
        self.close_for(error);
        Err(error)
    }

    /// All that is to be transmitted now. `is_credited` is what the machine grants where the model does not know.
    pub(crate) fn transmit(&mut self, now: Instant, granted_by_machine: u64) -> Output {
        let mut messages = std::mem::take(&mut self.said);
        let (mut pings, mut pongs) = (Vec::new(), Vec::new());
        if matches!(self.phase, Phase::Preamble | Phase::Welcome) {
            self.hello_sent.get_or_insert(now);
        }
        if std::mem::take(&mut self.has_question) {
            self.asked.get_or_insert(now);
        }
        self.await_oldest(now);
        if self.phase == Phase::Open {
            self.pinged_with = self.ping_due.or(self.pinged_with);
            messages.extend(self.grant(now, granted_by_machine).map(|credit| encode(&Message::Credit(credit))));
            pings.extend(self.ping_due.take().map(|token| encode(&Message::Ping(Ping { token }))));
            pongs.extend(self.pong_due.take().map(|(token, heard)| {
                let (received_us, sent_us) = (heard.as_micros(), now.as_micros());
                encode(&Message::Pong(Pong { token, received_us, sent_us }))
            }));
        }
        Output { messages, pings, pongs }
    }

    fn grant(&mut self, now: Instant, granted_by_machine: u64) -> Option<Credit> {
        let (max_credit, patience) = (self.max_credit, self.data_patience());
        let stream = self.current.as_mut()?;
        let more = stream.credit_due().unwrap_or_else(|| {
            check_grant(stream, max_credit, granted_by_machine);
            granted_by_machine
        });
        if stream.credit == 0 && more > 0 {
            (stream.granted, stream.due) = (now, now + patience);
        }
        stream.credit += more;
        let more = u32::try_from(more).expect("credit has 32 bits");
        (more > 0).then_some(Credit { stream: StreamId(stream.id), more })
    }
}

/// The bounds of a grant that depends on the path.
fn check_grant(stream: &Stream, max_credit: u64, more: u64) {
    let most = stream.free().min(stream.left).min(max_credit);
    let is_rest = stream.credit + more == stream.left;
    assert!(more == 0 || stream.credit + more <= most, "{more} more is too much for {stream:?}");
    assert!(more == 0 || more >= FLOOR / 4 || is_rest, "{more} more is too little for {stream:?}");
    assert!(
        more > 0 || stream.credit > 0 || stream.left == 0 || most < FLOOR.min(stream.left),
        "nothing for {stream:?}"
    );
}
