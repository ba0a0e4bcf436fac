//! What the application and the wire see of a client's session, held to the protocol's rules.

use std::collections::BTreeMap;

use trill_proto::limits::{FIRST_CREDIT_BYTES, MAX_CREDIT_BYTES};
use trill_proto::message::{Credit, Message, Start};
use trill_proto::session::client::{Event, PlayRequest};

use super::CONTROL;
use crate::wire::{Observer, Said};

/// Everything that was asked for, said and heard.
pub(super) struct Ledger {
    said: Observer<512>,
    pub(super) book: Book,
}

/// What follows from it.
pub(super) struct Book {
    streams: BTreeMap<u32, Stream>,
    /// The last id that was given out, and the last that was seen on the wire.
    last_id: u32,
    last_id_said: u32,
    max_credit: u64,
    is_greeted: bool,
    /// GOODBYE or an ERROR was said, after which nothing may be.
    has_parted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum State {
    Pending,
    Current,
    Over,
}

#[derive(Debug)]
struct Stream {
    state: State,
    first_credit: u32,
    granted: u64,
    received: u64,
    released: u64,
    occupied: u64,
    capacity: u64,
    is_resumed: bool,
    is_asked_for: bool,
}

impl Stream {
    /// Bytes granted that have not come.
    const fn outstanding(&self) -> u64 {
        self.granted - self.received
    }

    /// Bytes in the application's buffer.
    const fn held(&self) -> u64 {
        self.occupied + self.received - self.released
    }
}

impl Ledger {
    pub(super) const fn new() -> Self {
        let book = Book {
            streams: BTreeMap::new(),
            last_id: 0,
            last_id_said: 0,
            max_credit: MAX_CREDIT_BYTES as u64,
            is_greeted: false,
            has_parted: false,
        };
        Self { said: Observer::new(), book }
    }

    /// The client says this.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        self.said.read(bytes, |said| self.book.note_said(said));
    }
}

impl Book {
    // ── the application ──

    /// The client gave out an id.
    pub(super) fn note_id(&mut self, id: u32) {
        assert!(id > self.last_id, "id {id} after {}", self.last_id);
        self.last_id = id;
    }

    /// The client took a wish to play.
    pub(super) fn note_play(&mut self, id: u32, wanted: &PlayRequest) {
        let pending: Vec<u32> = self.in_state(State::Pending).collect();
        // Of more than four that are not answered the oldest is given up that does not go on with what is heard.
        if let [oldest, _, _, _] = pending[..] {
            let given_up = pending.into_iter().find(|id| !self.streams[id].is_resumed).unwrap_or(oldest);
            self.stream(given_up).state = State::Over;
        }
        let first_credit = wanted.capacity.saturating_sub(wanted.occupied).min(FIRST_CREDIT_BYTES);
        let stream = Stream {
            state: State::Pending,
            first_credit,
            granted: first_credit.into(),
            received: 0,
            released: 0,
            occupied: wanted.occupied.into(),
            capacity: wanted.capacity.into(),
            is_resumed: matches!(wanted.start, Start::Resume(_)),
            is_asked_for: false,
        };
        self.streams.insert(id, stream);
    }

    /// The client took a wish to stop.
    pub(super) fn note_stop(&mut self) {
        self.streams.values_mut().for_each(|stream| stream.state = State::Over);
    }

    /// The application takes up to `count` bytes out of the buffer of a stream; returns how many there are.
    pub(super) fn release(&mut self, id: u32, count: u64) -> Option<u64> {
        let stream = self.streams.get_mut(&id)?;
        let count = count.min(stream.held());
        stream.released += count;
        Some(count)
    }

    /// Streams in this state, in the order in which they were asked for.
    pub(super) fn in_state(&self, state: State) -> impl Iterator<Item = u32> {
        self.streams.iter().filter(move |(_, stream)| stream.state == state).map(|(id, _)| *id)
    }

    /// The client tells of this.
    pub(super) fn note_event(&mut self, event: Option<Event<'_>>) {
        match event {
            Some(Event::Welcome(welcome)) => self.max_credit = u64::from(welcome.max_credit),
            Some(Event::Started(started)) => {
                for stream in self.streams.values_mut().filter(|stream| stream.state == State::Current) {
                    stream.state = State::Over;
                }
                let stream = self.stream(started.stream.0);
                assert_eq!(stream.state, State::Pending, "{started:?}");
                stream.state = State::Current;
            }
            Some(Event::Data { stream, bytes }) => {
                let stream = self.stream(stream.0);
                stream.received += bytes.len() as u64;
                assert!(stream.state == State::Current && !bytes.is_empty(), "{stream:?}");
                assert!(stream.received <= stream.granted, "more than was granted: {stream:?}");
            }
            Some(Event::Ended { stream, .. }) => {
                let stream = self.stream(stream.0);
                assert_ne!(stream.state, State::Over, "it ends a second time");
                stream.state = State::Over;
            }
            Some(Event::Failed(error)) if !error.code.is_fatal() => {
                self.streams.entry(error.id).and_modify(|stream| stream.state = State::Over);
            }
            Some(Event::Song(_) | Event::ListEnd(_) | Event::Failed(_) | Event::Goodbye(_)) | None => {}
        }
    }

    // ── the wire ──

    fn note_said(&mut self, said: Said<'_>) {
        assert!(!self.has_parted, "{said:?} after the last word");
        let Said::Message(message, _) = said else { panic!("a client sends no DATA") };
        assert!(self.is_greeted != matches!(message, Message::Hello(_)), "{message:?} in the wrong place");
        match message {
            Message::Hello(hello) => self.is_greeted = usize::from(hello.max_control) == CONTROL,
            Message::List(list) => self.note_id_said(list.request.0),
            Message::Info(info) => self.note_id_said(info.request.0),
            Message::Play(play) => {
                self.note_id_said(play.stream.0);
                let stream = self.stream(play.stream.0);
                assert!(play.credit == stream.first_credit && !stream.is_asked_for, "{play:?}: {stream:?}");
                stream.is_asked_for = true;
            }
            Message::Credit(credit) => self.note_credit(&credit),
            Message::Stop(stop) => {
                let stream = self.stream(stop.stream.0);
                assert!(stream.is_asked_for && stream.state == State::Over, "{stop:?}: {stream:?}");
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Goodbye(_) => self.has_parted = true,
            Message::Error(error) => self.has_parted = error.id == 0,
            other => panic!("a client does not say {other:?}"),
        }
    }

    fn note_credit(&mut self, credit: &Credit) {
        let max_credit = self.max_credit;
        let stream = self.stream(credit.stream.0);
        assert!(stream.state == State::Current && credit.more > 0, "{credit:?}: {stream:?}");
        stream.granted += u64::from(credit.more);
        assert!(stream.outstanding() + stream.held() <= stream.capacity, "more than there is room for: {stream:?}");
        assert!(stream.outstanding() <= max_credit, "more than the server takes: {stream:?}");
    }

    fn note_id_said(&mut self, id: u32) {
        assert!(id > self.last_id_said && id <= self.last_id, "id {id} after {}", self.last_id_said);
        self.last_id_said = id;
    }

    fn stream(&mut self, id: u32) -> &mut Stream {
        self.streams.get_mut(&id).expect("a stream that was asked for")
    }
}
