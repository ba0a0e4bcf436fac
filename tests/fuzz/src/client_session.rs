//! The client's machine between a server that says anything and an application that does anything in its right.
//!
//! An input is a sequence of operations: a byte that says which, and its arguments.

use std::collections::BTreeMap;
use std::time::Duration;

use trill_proto::codec::{Reader, Truncated};
use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::{FIRST_CREDIT_BYTES, MAX_CREDIT_BYTES, MIN_BUFFER_BYTES};
use trill_proto::message::{
    End, EndReason, Error, GoodbyeReason, ListEnd, Message, PREAMBLE, Ping, Pong, Song, Start, Started, Welcome,
};
use trill_proto::session::Busy;
use trill_proto::session::client::{Client, Event, Identity, PlayRequest};
use trill_proto::time::Instant;

use crate::wire::{Observer, Said};

/// What can happen; the arguments are in brackets.
pub mod operation {
    /// The server sends these bytes. [count, bytes]
    pub const RECEIVE: u8 = 0;
    /// The server sends its preamble.
    pub const RECEIVE_PREAMBLE: u8 = 1;
    /// The server sends WELCOME. [most credit, 32 bits]
    pub const RECEIVE_WELCOME: u8 = 2;
    /// The server sends SONG and LIST-END. [request]
    pub const RECEIVE_SONGS: u8 = 3;
    /// The server sends STARTED. [stream, size and position, 32 bits each, content tag, 8 bits]
    pub const RECEIVE_STARTED: u8 = 4;
    /// The server sends DATA. [stream, length, 16 bits]
    pub const RECEIVE_DATA: u8 = 5;
    /// The server sends END. [stream, reason]
    pub const RECEIVE_END: u8 = 6;
    /// The server sends ERROR. [id, code, 16 bits]
    pub const RECEIVE_ERROR: u8 = 7;
    /// The server sends PING and PONG. [token, 32 bits]
    pub const RECEIVE_PING: u8 = 8;
    /// Time goes by. [milliseconds, 16 bits, and how often to double them]
    pub const WAIT: u8 = 9;
    /// The application asks for a list. [at most]
    pub const LIST: u8 = 10;
    /// The application asks about a song. [song]
    pub const INFO: u8 = 11;
    /// The application plays. [song, kind of start, position, content tag, KiB of buffer, KiB of it in use]
    pub const PLAY: u8 = 12;
    /// The application stops.
    pub const STOP: u8 = 13;
    /// The application takes bytes out of its buffer. [stream, count, 16 bits]
    pub const RELEASE: u8 = 14;
    /// The application wants a sign of life.
    pub const PING: u8 = 15;
    /// The application has had enough.
    pub const GOODBYE: u8 = 16;
    /// What is to be said is said.
    pub const TRANSMIT: u8 = 17;
}

/// What this client takes, in bytes: what a board says.
const CONTROL: usize = 512;

/// Whether the machine keeps the protocol's rules whatever happens, in whatever order.
///
/// # Panics
/// If it does not.
pub fn check(input: &[u8]) {
    let mut run = Run::new();
    let mut script = Reader::new(input);
    while !script.is_empty() {
        if run.perform(&mut script).is_err() {
            break; // the last operation lacks its arguments
        }
        run.check_state();
    }
    run.finish();
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Pending,
    Current,
    Over,
}

/// What is known of a stream from outside.
#[derive(Debug)]
struct Stream {
    state: State,
    first_credit: u32,
    granted: u64,
    received: u64,
    released: u64,
    occupied: u64,
    capacity: u64,
    is_asked_for: bool,
}

struct Run {
    now: Instant,
    client: Client<CONTROL>,
    observer: Observer<512>,
    streams: BTreeMap<u32, Stream>,
    /// The last id that was given out, and the last that was seen on the wire.
    last_id: u32,
    last_id_said: u32,
    max_credit: u64,
    is_greeted: bool,
    /// GOODBYE or an ERROR was said, after which nothing may be.
    has_parted: bool,
    /// The session was over, and what it had to say was said.
    is_done: bool,
}

impl Run {
    fn new() -> Self {
        let now = Instant::from_micros(1_000_000);
        let identity = Identity { name: "fuzz", nonce: [7; 16], roles: 0 };
        Self {
            now,
            client: Client::new(now, &identity),
            observer: Observer::new(),
            streams: BTreeMap::new(),
            last_id: 0,
            last_id_said: 0,
            max_credit: u64::from(MAX_CREDIT_BYTES),
            is_greeted: false,
            has_parted: false,
            is_done: false,
        }
    }

    fn perform(&mut self, script: &mut Reader<'_>) -> Result<(), Truncated> {
        match script.u8()? % (operation::TRANSMIT + 1) {
            operation::RECEIVE => {
                let count = script.u8()?;
                self.receive(script.bytes(usize::from(count))?);
            }
            operation::RECEIVE_PREAMBLE => self.receive(&PREAMBLE),
            operation::RECEIVE_WELCOME => {
                let max_credit = script.u32()?.max(FIRST_CREDIT_BYTES);
                self.hear(&Message::Welcome(Welcome { max_credit, server_name: "attic", ..Welcome::new() }));
            }
            operation::RECEIVE_SONGS => {
                let request = RequestId(script.u8()?.into());
                self.hear(&Message::Song(Song { request, title: "a song", ..Song::default() }));
                self.hear(&Message::ListEnd(ListEnd { request, total: 1, next: None, generation: 1 }));
            }
            operation::RECEIVE_STARTED => {
                let stream = StreamId(script.u8()?.into());
                let (size, position) = (u64::from(script.u32()?.max(1)), u64::from(script.u32()?));
                let content_tag = u64::from(script.u8()?.max(1));
                self.hear(&Message::Started(Started {
                    stream,
                    content_tag,
                    position: position.min(size),
                    size_bytes: size,
                    rate: 44_100,
                    channels: 2,
                    ..Started::default()
                }));
            }
            operation::RECEIVE_DATA => {
                let (stream, length) = (script.u8()?, script.u16()?);
                self.hear(&Message::Data(stream.into(), &vec![0xff; usize::from(length)]));
            }
            operation::RECEIVE_END => {
                let (stream, reason) = (StreamId(script.u8()?.into()), script.u8()?);
                let reason = EndReason::ALL[usize::from(reason) % EndReason::ALL.len()].1;
                self.hear(&Message::End(End { stream, reason }));
            }
            operation::RECEIVE_ERROR => {
                let (id, code) = (script.u8()?.into(), ErrorCode(script.u16()?));
                self.hear(&Message::Error(Error { id, code, text: "no" }));
            }
            operation::RECEIVE_PING => {
                let token = script.u32()?.into();
                self.hear(&Message::Ping(Ping { token }));
                self.hear(&Message::Pong(Pong { token, received_us: 1, sent_us: 2 }));
            }
            operation::WAIT => {
                let (millis, doublings) = (u64::from(script.u16()?), script.u8()? % 24);
                self.wait(Duration::from_millis(millis << doublings));
            }
            operation::LIST => {
                let at_most = script.u8()?.into();
                let request = self.client.list(SongId(1), at_most).map(|request| request.0);
                self.note_id(request);
            }
            operation::INFO => {
                let song = SongId(script.u8()?.into());
                let request = self.client.info(song).map(|request| request.0);
                self.note_id(request);
            }
            operation::PLAY => self.play(script)?,
            operation::STOP => {
                if self.client.stop().is_ok() {
                    self.streams.values_mut().for_each(|stream| stream.state = State::Over);
                }
            }
            operation::RELEASE => {
                let (id, count) = (script.u8()?.into(), u64::from(script.u16()?));
                if let Some(stream) = self.streams.get_mut(&id) {
                    let count = count.min(stream.occupied + stream.received - stream.released);
                    stream.released += count;
                    let is_due = self.client.release(StreamId(id), count as usize);
                    assert!(!is_due || self.client.current_stream() == Some(StreamId(id)));
                }
            }
            operation::PING => self.client.ping(self.now),
            operation::GOODBYE => self.client.goodbye(GoodbyeReason::Done),
            _ => self.transmit(),
        }
        Ok(())
    }

    // ── the application ──

    fn play(&mut self, script: &mut Reader<'_>) -> Result<(), Truncated> {
        let (song, kind, position) = (SongId(script.u8()?.into()), script.u8()?, u64::from(script.u8()?));
        let content_tag = script.u8()?.into();
        let capacity = (u32::from(script.u8()?) * 1_024).max(MIN_BUFFER_BYTES);
        let occupied = u32::from(script.u8()?) * 1_024;
        let start = if kind.is_multiple_of(2) { Start::Time(position) } else { Start::Resume(position) };
        let wanted = PlayRequest { song, start, content_tag, capacity, occupied };
        let pending: Vec<u32> = self.in_state(State::Pending).collect();
        let asked = self.client.play(self.now, &wanted).map(|stream| stream.0);
        if let Ok(id) = asked {
            // Of more than four that are not answered the oldest is given up.
            if let [oldest, _, _, _] = pending[..] {
                self.over(oldest);
            }
            let first_credit = capacity.saturating_sub(occupied).min(FIRST_CREDIT_BYTES);
            let stream = Stream {
                state: State::Pending,
                first_credit,
                granted: first_credit.into(),
                received: 0,
                released: 0,
                occupied: occupied.into(),
                capacity: capacity.into(),
                is_asked_for: false,
            };
            self.streams.insert(id, stream);
        }
        self.note_id(asked);
        Ok(())
    }

    fn note_id(&mut self, id: Result<u32, Busy>) {
        match id {
            Ok(id) => {
                assert!(id > self.last_id && !self.client.is_closed(), "id {id} after {}", self.last_id);
                self.last_id = id;
            }
            Err(Busy) if self.client.is_closed() => {}
            Err(Busy) => self.transmit(), // and after that there is room
        }
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
        match self.client.handle_timeout(self.now) {
            Ok(()) => {
                let is_later = self.client.poll_timeout().is_none_or(|timeout| timeout > self.now);
                assert!(is_later, "a time-out that is due right after it was handled");
            }
            Err(_) => assert!(self.client.is_closed()),
        }
    }

    // ── the wire ──

    fn hear(&mut self, message: &Message<'_>) {
        let mut frame = vec![0; 70_000];
        let length = message.encode(&mut frame).expect("there is room for any frame");
        self.receive(&frame[..length]);
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let was_closed = self.client.is_closed();
            let taken = match self.client.handle_input(self.now, bytes) {
                Ok((taken, event)) => {
                    assert!((1..=bytes.len()).contains(&taken), "took {taken} of {}", bytes.len());
                    assert!(!was_closed || (event.is_none() && taken == bytes.len()), "{event:?} after the end");
                    note_event(&mut self.streams, &mut self.max_credit, event);
                    taken
                }
                Err(_) => {
                    assert!(self.client.is_closed() && !was_closed);
                    return;
                }
            };
            bytes = &bytes[taken..];
        }
    }

    fn transmit(&mut self) {
        let was_closed = self.client.is_closed();
        while let Some(bytes) = self.client.poll_transmit(self.now) {
            assert!(!self.is_done, "{bytes:02x?} after the last word");
            let bytes = bytes.to_vec();
            let mut observer = std::mem::replace(&mut self.observer, Observer::new());
            observer.read(&bytes, |said| self.note_said(said));
            self.observer = observer;
        }
        self.is_done |= was_closed;
    }

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
                let stream = self.streams.get_mut(&play.stream.0).expect("a PLAY that was asked for");
                assert!(play.credit == stream.first_credit && !stream.is_asked_for);
                stream.is_asked_for = true;
            }
            Message::Credit(credit) => {
                let stream = self.streams.get_mut(&credit.stream.0).expect("credit for a stream that was asked for");
                assert!(stream.state == State::Current && credit.more > 0, "{credit:?} for {stream:?}");
                stream.granted += u64::from(credit.more);
                let outstanding = stream.granted - stream.received;
                let held = stream.occupied + stream.received - stream.released;
                assert!(outstanding + held <= stream.capacity, "more is granted than there is room for: {stream:?}");
                assert!(outstanding <= self.max_credit, "more is granted than the server takes: {stream:?}");
            }
            Message::Stop(stop) => {
                let stream = &self.streams[&stop.stream.0];
                assert!(stream.is_asked_for && stream.state == State::Over);
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Goodbye(_) => self.has_parted = true,
            Message::Error(error) => self.has_parted = error.id == 0,
            other => panic!("a client does not say {other:?}"),
        }
    }

    fn note_id_said(&mut self, id: u32) {
        assert!(id > self.last_id_said && id <= self.last_id, "id {id} after {}", self.last_id_said);
        self.last_id_said = id;
    }

    // ── the end ──

    fn check_state(&self) {
        let is_closed = self.client.is_closed();
        assert_eq!(self.client.poll_timeout().is_none(), is_closed);
        assert!(!(is_closed && self.client.is_open()));
        if !is_closed {
            assert_eq!(self.client.current_stream().map(|stream| stream.0), self.in_state(State::Current).next());
            assert_eq!(self.client.pending_stream().map(|stream| stream.0), self.in_state(State::Pending).last());
        }
        if let Some(stream) = self.client.current_stream() {
            let stream = &self.streams[&stream.0];
            assert_eq!(u64::from(self.client.outstanding_credit()), stream.granted - stream.received);
        }
    }

    /// A server that says nothing more is given up, after a word or two.
    fn finish(&mut self) {
        self.transmit();
        for _ in 0..3 {
            let Some(timeout) = self.client.poll_timeout() else { break };
            self.wait(timeout.saturating_since(self.now));
            self.transmit();
        }
        assert!(self.client.is_closed(), "a silent server is waited for for ever");
        self.transmit();
        assert!(self.is_done && self.client.stop().is_ok());
        self.transmit();
        self.check_state();
    }

    fn in_state(&self, state: State) -> impl Iterator<Item = u32> {
        self.streams.iter().filter(move |(_, stream)| stream.state == state).map(|(id, _)| *id)
    }

    fn over(&mut self, id: u32) {
        self.streams.entry(id).and_modify(|stream| stream.state = State::Over);
    }
}

fn note_event(streams: &mut BTreeMap<u32, Stream>, max_credit: &mut u64, event: Option<Event<'_>>) {
    let mut end = |id: u32, is_certain: bool| match streams.get_mut(&id) {
        Some(stream) if stream.state != State::Over => stream.state = State::Over,
        _ => assert!(!is_certain, "stream {id} ended, which was over"),
    };
    match event {
        Some(Event::Welcome(welcome)) => *max_credit = u64::from(welcome.max_credit),
        Some(Event::Started(started)) => {
            for stream in streams.values_mut().filter(|stream| stream.state == State::Current) {
                stream.state = State::Over;
            }
            let stream = streams.get_mut(&started.stream.0).expect("a stream that was asked for");
            assert_eq!(stream.state, State::Pending);
            stream.state = State::Current;
        }
        Some(Event::Data { stream, bytes }) => {
            let stream = streams.get_mut(&stream.0).expect("a stream that was asked for");
            stream.received += bytes.len() as u64;
            assert!(stream.state == State::Current && !bytes.is_empty());
            assert!(stream.received <= stream.granted, "{} bytes too many", stream.received - stream.granted);
        }
        Some(Event::Ended { stream, .. }) => end(stream.0, true),
        Some(Event::Failed(error)) if !error.code.is_fatal() => end(error.id, false),
        Some(Event::Song(_) | Event::ListEnd(_) | Event::Failed(_) | Event::Goodbye(_)) | None => {}
    }
}
