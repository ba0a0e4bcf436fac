//! What the wire shows of a server's session, held to the protocol's rules.

use std::collections::BTreeMap;

use trill_proto::error::ErrorCode;
use trill_proto::limits::{MAX_CONTROL_BYTES, MIN_CONTROL_BYTES, PREAMBLE_BYTES};
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
    /// Then its frames are read along.
    preamble_taken: usize,
    observer: Observer<512>,
}

/// What follows from it.
struct Book {
    streams: BTreeMap<u32, Stream>,
    /// Requests that were made and not answered; several may have the same id.
    requests: Vec<u32>,
    client_max_control: usize,
    is_welcomed: bool,
    /// GOODBYE or an ERROR was said, after which nothing may be.
    has_parted: bool,
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
    sent: u64,
    expected: u64,
}

impl Ledger {
    pub(super) const fn new() -> Self {
        Self {
            heard: Heard { preamble_taken: 0, observer: Observer::new() },
            said: Observer::new(),
            book: Book {
                streams: BTreeMap::new(),
                requests: Vec::new(),
                client_max_control: MIN_CONTROL_BYTES,
                is_welcomed: false,
                has_parted: false,
            },
        }
    }

    /// The server took these bytes from the client.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        let Heard { preamble_taken, observer } = &mut self.heard;
        let preamble_bytes = (PREAMBLE_BYTES - *preamble_taken).min(bytes.len());
        *preamble_taken += preamble_bytes;
        if preamble_bytes > 0 && *preamble_taken == PREAMBLE_BYTES {
            // Its reserved bytes may have been anything.
            observer.read(&PREAMBLE, |_| {});
        }
        observer.read(&bytes[preamble_bytes..], |said| {
            if let Said::Message(Message::Credit(credit), _) = said
                && let Some(stream) = self.book.streams.get_mut(&credit.stream.0)
            {
                stream.granted += u64::from(credit.more);
            }
        });
    }

    /// The server understood a HELLO.
    pub(super) const fn hear_hello(&mut self, max_control: usize) {
        self.book.client_max_control = max_control;
    }

    /// The server understood a question that has one answer.
    pub(super) fn hear_request(&mut self, id: u32) {
        self.book.requests.push(id);
    }

    /// The server understood a PLAY.
    pub(super) fn hear_play(&mut self, play: &Play) {
        let last = self.book.streams.last_key_value().map_or(0, |(last, _)| *last);
        assert!(play.stream.0 > last, "stream {} after {last}", play.stream);
        let stream = Stream { state: State::Offered, granted: play.credit.into(), sent: 0, expected: 0 };
        self.book.streams.insert(play.stream.0, stream);
    }

    /// The server says this.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        self.said.read(bytes, |said| self.book.note(said));
    }

    /// Every PLAY has had its END or ERROR.
    pub(super) fn check_that_all_is_over(&self) {
        let open = self.book.streams.iter().find(|(_, stream)| stream.state != State::Over);
        assert!(open.is_none(), "a PLAY without END or ERROR: {open:?}");
    }
}

impl Book {
    fn note(&mut self, said: Said<'_>) {
        assert!(!self.has_parted, "{said:?} after the last word");
        let (message, length) = match said {
            Said::Message(message, length) => (message, length),
            Said::Data { stream, length } => return self.note_data(stream, u64::from(length)),
        };
        assert!(length <= self.client_max_control, "{message:?} is too long for this client");
        let is_welcome = matches!(message, Message::Welcome(_));
        assert!(self.is_welcomed != is_welcome || is_last(&message), "{message:?} in the wrong place");
        match message {
            Message::Welcome(_) => self.is_welcomed = true,
            Message::Song(song) => assert!(self.requests.contains(&song.request.0), "{song:?} for nobody"),
            Message::ListEnd(end) => self.answer(end.request.0),
            Message::Started(started) => {
                assert!(self.streams.values().all(|stream| stream.state != State::Started), "two streams at once");
                let stream = self.stream(started.stream.0);
                assert_eq!(stream.state, State::Offered, "{started:?}");
                (stream.state, stream.expected) = (State::Started, started.size_bytes - started.position);
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
            Message::Error(error) => self.answer(error.id),
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

    fn answer(&mut self, request: u32) {
        let place = self.requests.iter().position(|&asked| asked == request).expect("an answer to a question");
        self.requests.swap_remove(place);
    }
}

/// What may come instead of WELCOME.
fn is_last(message: &Message<'_>) -> bool {
    matches!(message, Message::Error(error) if error.id == 0) || matches!(message, Message::Goodbye(_))
}
