//! The client's machine between a server that says anything and an application that does anything in its right.
//!
//! An input is a sequence of operations: a byte that says which, and its arguments.

mod ledger;

use std::collections::BTreeMap;
use std::time::Duration;

use trill_proto::codec::{Reader, Truncated};
use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::{FIRST_CREDIT_BYTES, MIN_BUFFER_BYTES};
use trill_proto::message::{
    End, EndReason, Error, GoodbyeReason, ListEnd, Message, PREAMBLE, Ping, Pong, Song, Start, Started, Welcome,
};
use trill_proto::session::OutboxFull;
use trill_proto::session::client::{Client, Identity, PlayRequest};
use trill_proto::time::Instant;

use ledger::{Ledger, State};

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
    /// The application has had enough.
    pub const GOODBYE: u8 = 15;
    /// What is to be said is said.
    pub const TRANSMIT: u8 = 16;
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
    while !script.is_empty() && run.perform(&mut script).is_ok() {
        run.check_state();
    }
    run.finish();
}

struct Run {
    now: Instant,
    client: Client<CONTROL>,
    ledger: Ledger,
    /// The song that was asked for under an id, or `None` for a list, so that most answers are right ones.
    asked: BTreeMap<u32, Option<SongId>>,
    /// The session was over, and what it had to say was said.
    is_done: bool,
}

impl Run {
    fn new() -> Self {
        let now = Instant::from_micros(1_000_000);
        let identity = Identity { name: "fuzz", nonce: [7; 16], roles: 0 };
        Self { now, client: Client::new(now, &identity), ledger: Ledger::new(), asked: BTreeMap::new(), is_done: false }
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
                let asked = self.asked.get(&request.0).copied().flatten();
                let song = asked.unwrap_or(SongId(1));
                self.hear(&Message::Song(Song { request, song, title: "a song", ..Song::default() }));
                if asked.is_none() {
                    self.hear(&Message::ListEnd(ListEnd { request, total: 1, next: None, generation: 1 }));
                }
            }
            operation::RECEIVE_STARTED => {
                let stream = StreamId(script.u8()?.into());
                let (size, position) = (u64::from(script.u32()?.max(1)), u64::from(script.u32()?));
                let content_tag = u64::from(script.u8()?.max(1));
                self.hear(&Message::Started(Started {
                    stream,
                    song: self.asked.get(&stream.0).copied().flatten().unwrap_or_default(),
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
                self.note_id(request, None);
            }
            operation::INFO => {
                let song = SongId(script.u8()?.into());
                let request = self.client.info(song).map(|request| request.0);
                self.note_id(request, Some(song));
            }
            operation::PLAY => self.play(script)?,
            operation::STOP => {
                if self.client.stop().is_ok() {
                    self.ledger.book.note_stop();
                }
            }
            operation::RELEASE => {
                let (id, count) = (script.u8()?.into(), u64::from(script.u16()?));
                if let Some(count) = self.ledger.book.release(id, count) {
                    let is_due = self.client.release(StreamId(id), count as usize);
                    assert!(!is_due || self.client.current_stream() == Some(StreamId(id)));
                }
            }
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
        let asked = self.client.play(self.now, &wanted).map(|stream| stream.0);
        if let Ok(id) = asked {
            self.ledger.book.note_play(id, &wanted);
        }
        self.note_id(asked, Some(song));
        Ok(())
    }

    fn note_id(&mut self, id: Result<u32, OutboxFull>, song: Option<SongId>) {
        match id {
            Ok(id) => {
                assert!(!self.client.is_closed());
                self.ledger.book.note_id(id);
                self.asked.insert(id, song);
            }
            Err(OutboxFull) if self.client.is_closed() => {}
            Err(OutboxFull) => self.transmit(), // and after that there is room, unless too many requests have no answer
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
        let data_bytes = if let Message::Data(_, bytes) = message { bytes.len() } else { 0 };
        let mut frame = vec![0; 1_024 + data_bytes];
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
                    self.ledger.book.note_event(event);
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
            self.ledger.say(bytes);
        }
        self.is_done |= was_closed;
    }

    // ── the end ──

    fn check_state(&self) {
        let is_closed = self.client.is_closed();
        assert_eq!(self.client.poll_timeout().is_none(), is_closed);
        assert!(!(is_closed && self.client.is_open()));
        if !is_closed {
            let current = self.client.current_stream().map(|stream| stream.0);
            assert_eq!(current, self.ledger.book.in_state(State::Current).next());
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
}
