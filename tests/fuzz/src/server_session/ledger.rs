//! What the wire shows of a server's session, held to the protocol's rules.

use std::collections::{BTreeMap, VecDeque};

use trill_proto::error::ErrorCode;
use trill_proto::limits::{MAX_CONTROL_BYTES, MIN_CONTROL_BYTES, MIN_DATA_BYTES, PREAMBLE_BYTES};
use trill_proto::message::{EndReason, Message, PREAMBLE, Play};

use crate::wire::{Observer, Said};

/// Everything that was heard and said.
pub(super) struct Ledger {
    heard: Heard,
    said: Observer<MAX_CONTROL_BYTES>,
    book: Book,
}

/// The client's side, as far as the server has taken it.
struct Heard {
    /// Frames that count as commands whatever came before.
    commands: u32,
    /// CREDITs that count as commands if their stream has ended.
    credits: u32,
    /// Then its frames are read along.
    preamble_taken: usize,
    observer: Observer<512>,
}

/// What follows from it.
struct Book {
    streams: BTreeMap<u32, Stream>,
    /// What was asked and not answered, in this order; several may have the same id.
    requests: VecDeque<Request>,
    client_max_control: usize,
    is_welcomed: bool,
    /// GOODBYE or an ERROR was said, after which nothing may be.
    has_parted: bool,
}

/// What has one answer, by its id.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Request {
    List(u32),
    Info(u32),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Offered,
    Started,
    Over,
}

#[derive(Debug)]
struct Stream {
    state: State,
    granted: u64,
    /// Bytes of the song before what is sent.
    skipped: u64,
    sent: u64,
    expected: u64,
}

impl Ledger {
    pub(super) const fn new() -> Self {
        Self {
            heard: Heard { commands: 0, credits: 0, preamble_taken: 0, observer: Observer::new() },
            said: Observer::new(),
            book: Book {
                streams: BTreeMap::new(),
                requests: VecDeque::new(),
                client_max_control: MIN_CONTROL_BYTES,
                is_welcomed: false,
                has_parted: false,
            },
        }
    }

    /// The server took these bytes from the client.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        let Heard { commands, credits, preamble_taken, observer } = &mut self.heard;
        let preamble_bytes = (PREAMBLE_BYTES - *preamble_taken).min(bytes.len());
        *preamble_taken += preamble_bytes;
        if preamble_bytes > 0 && *preamble_taken == PREAMBLE_BYTES {
            // Its reserved bytes may have been anything.
            observer.read(&PREAMBLE, |_| {});
        }
        observer.read(&bytes[preamble_bytes..], |said| {
            *commands += 1;
            let Said::Message(Message::Credit(credit), _) = said else { return };
            // Whether its stream has ended inside the server is not known here.
            if credit.more >= MIN_DATA_BYTES {
                *commands -= 1;
                *credits += 1;
            }
            if let Some(stream) = self.book.streams.get_mut(&credit.stream.0) {
                stream.granted += u64::from(credit.more);
            }
        });
    }

    /// The server understood a HELLO.
    pub(super) const fn hear_hello(&mut self, max_control: usize) {
        self.book.client_max_control = max_control;
    }

    /// The server understood a question that has one answer.
    pub(super) fn hear_request(&mut self, request: Request) {
        self.book.requests.push_back(request);
    }

    /// The server understood a PLAY.
    pub(super) fn hear_play(&mut self, play: &Play) {
        let last = self.book.streams.last_key_value().map_or(0, |(last, _)| *last);
        assert!(play.stream.0 > last, "stream {} after {last}", play.stream);
        let granted = play.credit.into();
        let stream = Stream { state: State::Offered, granted, skipped: 0, sent: 0, expected: 0 };
        self.book.streams.insert(play.stream.0, stream);
    }

    /// The server says this.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        self.said.read(bytes, |said| self.book.note(said));
    }

    /// Frames that were taken and count against what a client may send.
    pub(super) const fn commands(&self) -> u32 {
        self.heard.commands
    }

    /// The same, with those that count only if their stream has ended.
    pub(super) const fn most_commands(&self) -> u32 {
        self.heard.commands + self.heard.credits
    }

    /// Where the bytes of the stream's next DATA are in its song.
    pub(super) fn next_position(&self, stream: u32) -> u64 {
        self.book.streams.get(&stream).map_or(0, |stream| stream.skipped + stream.sent)
    }

    /// Every PLAY has had its END or ERROR, and every question its answer.
    pub(super) fn check_that_all_is_over(&self) {
        let open = self.book.streams.iter().find(|(_, stream)| stream.state != State::Over);
        assert!(open.is_none(), "a PLAY without END or ERROR: {open:?}");
        assert!(self.book.requests.is_empty(), "no answer to {:?}", self.book.requests);
    }
}

impl Book {
    fn note(&mut self, said: Said<'_>) {
        assert!(!self.has_parted, "{said:?} after the last word");
        let (message, length) = match said {
            Said::Message(message, length) => (message, length),
            Said::Data { stream, length } => return self.note_data(stream, u64::from(length)),
            Said::Ignored => return,
        };
        assert!(length <= self.client_max_control, "{message:?} is too long for this client");
        let is_welcome = matches!(message, Message::Welcome(_));
        assert!(self.is_welcomed != is_welcome || is_last(&message), "{message:?} in the wrong place");
        match message {
            Message::Welcome(_) => self.is_welcomed = true,
            Message::Song(song) if self.requests.front() == Some(&Request::List(song.request.0)) => {}
            Message::Song(song) => self.answer(Request::Info(song.request.0)),
            Message::ListEnd(end) => self.answer(Request::List(end.request.0)),
            Message::Started(started) => {
                assert!(self.streams.values().all(|stream| stream.state != State::Started), "two streams at once");
                let stream = self.stream(started.stream.0);
                assert_eq!(stream.state, State::Offered, "{started:?}");
                (stream.state, stream.skipped) = (State::Started, started.position);
                stream.expected = started.size_bytes - started.position;
            }
            Message::End(end) => {
                let stream = self.stream(end.stream.0);
                assert!(stream.state != State::Over, "{end:?}, a second time");
                let is_whole = stream.state == State::Started && stream.sent == stream.expected;
                assert!(end.reason != EndReason::Finished || is_whole, "{end:?}: {stream:?}");
                stream.state = State::Over;
            }
            Message::Error(error) if error.id == 0 => self.has_parted = true,
            // That is what a PLAY is refused with here, and nothing else.
            Message::Error(error) if error.code == ErrorCode::SONG_GONE => {
                let stream = self.stream(error.id);
                assert_eq!(stream.state, State::Offered, "{error:?}");
                stream.state = State::Over;
            }
            Message::Error(error) => self.answer(Request::Info(error.id)),
            Message::Goodbye(_) => self.has_parted = true,
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("a server does not say {other:?}"),
        }
    }

    fn note_data(&mut self, stream: u32, length: u64) {
        let stream = self.stream(stream);
        stream.sent += length;
        assert!(stream.state == State::Started && stream.sent <= stream.expected, "{stream:?}");
        assert!(stream.sent <= stream.granted, "more is sent than was granted: {stream:?}");
    }

    fn stream(&mut self, id: u32) -> &mut Stream {
        self.streams.get_mut(&id).expect("a stream that was asked for")
    }

    fn answer(&mut self, request: Request) {
        assert_eq!(self.requests.pop_front(), Some(request), "an answer to something else than was asked");
    }
}

/// What may come instead of WELCOME.
fn is_last(message: &Message<'_>) -> bool {
    matches!(message, Message::Error(error) if error.id == 0) || matches!(message, Message::Goodbye(_))
}
