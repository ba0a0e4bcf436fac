//! The server's machine between a client that says anything and an application that answers in any order.
//!
//! An input is a sequence of operations: a byte that says which, and its arguments.

mod ledger;

use std::collections::VecDeque;
use std::time::Duration;

use trill_proto::codec::{Reader, Truncated};
use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::{
    COMMAND_BURST, COMMAND_TIME, FIRST_CREDIT_BYTES, HEADER_BYTES, MAX_CONTROL_BYTES, MAX_CREDIT_BYTES,
};
use trill_proto::message::{
    Credit, Goodbye, GoodbyeReason, Hello, Info, List, ListEnd, Message, PREAMBLE, Ping, Play, Song, Start, Started,
    Stop, Welcome,
};
use trill_proto::session::server::{Event, Server};
use trill_proto::time::Instant;

use ledger::{Ledger, Request};

/// What can happen; the arguments are in brackets.
pub mod operation {
    /// The client sends these bytes. [count, bytes]
    pub const RECEIVE: u8 = 0;
    /// The client sends its preamble.
    pub const RECEIVE_PREAMBLE: u8 = 1;
    /// The client sends HELLO. [highest version, largest control payload, 16 bits]
    pub const RECEIVE_HELLO: u8 = 2;
    /// The client sends LIST. [request, at most]
    pub const RECEIVE_LIST: u8 = 3;
    /// The client sends INFO. [request, song]
    pub const RECEIVE_INFO: u8 = 4;
    /// The client sends PLAY. [stream, song, credit, 32 bits]
    pub const RECEIVE_PLAY: u8 = 5;
    /// The client sends CREDIT. [stream, more, 32 bits]
    pub const RECEIVE_CREDIT: u8 = 6;
    /// The client sends STOP. [stream]
    pub const RECEIVE_STOP: u8 = 7;
    /// The client sends PING. [token, 32 bits]
    pub const RECEIVE_PING: u8 = 8;
    /// The client sends GOODBYE. [reason]
    pub const RECEIVE_GOODBYE: u8 = 9;
    /// Time goes by. [milliseconds, 16 bits, and how often to double them]
    pub const WAIT: u8 = 10;
    /// The application answers the oldest question. [how: even as asked, odd with a refusal, or with one SONG more of a
    /// LIST; size of a song, 32 bits]
    pub const ANSWER: u8 = 11;
    /// The song that is being sent cannot be read on.
    pub const FAIL: u8 = 12;
    /// The application wants the client to know that it is there.
    pub const KEEP_ALIVE: u8 = 13;
    /// The application has had enough. [reason]
    pub const GOODBYE: u8 = 14;
    /// What is to be said is said.
    pub const TRANSMIT: u8 = 15;
    /// The same, and DATA. [at most, 16 bits]
    pub const TRANSMIT_DATA: u8 = 16;
    /// The client sends STOP again and again, until it is held back. [stream, how often, 16 bits]
    pub const RECEIVE_STOPS: u8 = 17;
}

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

/// What the application has to answer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Question {
    Hello { max_control: usize },
    List(List),
    Info(Info),
    Play(Play),
}

fn question(event: Event<'_>) -> Option<Question> {
    Some(match event {
        Event::Hello(hello) => Question::Hello { max_control: usize::from(hello.max_control).min(MAX_CONTROL_BYTES) },
        Event::List(list) => Question::List(list),
        Event::Info(info) => Question::Info(info),
        Event::Play(play) => Question::Play(play),
        Event::Stopped(_) | Event::Failed(_) | Event::Goodbye(_) => return None,
    })
}

struct Run {
    opened: Instant,
    now: Instant,
    server: Server,
    /// What has arrived and the machine has not taken.
    inbox: VecDeque<u8>,
    questions: VecDeque<Question>,
    ledger: Ledger,
    /// The session was over, and what it had to say was said.
    is_done: bool,
}

impl Run {
    fn new() -> Self {
        let now = Instant::from_micros(1_000_000);
        Self {
            opened: now,
            now,
            server: Server::new(now),
            inbox: VecDeque::new(),
            questions: VecDeque::new(),
            ledger: Ledger::new(),
            is_done: false,
        }
    }

    fn perform(&mut self, script: &mut Reader<'_>) -> Result<(), Truncated> {
        match script.u8()? % (operation::RECEIVE_STOPS + 1) {
            operation::RECEIVE => {
                let count = script.u8()?;
                self.receive(script.bytes(usize::from(count))?);
            }
            operation::RECEIVE_PREAMBLE => self.receive(&PREAMBLE),
            operation::RECEIVE_HELLO => {
                let (highest_version, max_control) = (script.u8()?.max(1), script.u16()?.max(256));
                self.hear(&Message::Hello(Hello { highest_version, max_control, name: "fuzz", ..Hello::default() }));
            }
            operation::RECEIVE_LIST => {
                let (request, at_most) = (RequestId(script.u8()?.max(1).into()), script.u8()?.into());
                self.hear(&Message::List(List { request, first: SongId(1), at_most }));
            }
            operation::RECEIVE_INFO => {
                let (request, song) = (RequestId(script.u8()?.max(1).into()), SongId(script.u8()?.into()));
                self.hear(&Message::Info(Info { request, song }));
            }
            operation::RECEIVE_PLAY => {
                let (stream, song) = (StreamId(script.u8()?.into()), SongId(script.u8()?.into()));
                let (start, credit) = (Start::Time(0), script.u32()?);
                self.hear(&Message::Play(Play { stream, song, start, content_tag: 0, credit }));
            }
            operation::RECEIVE_CREDIT => {
                let (stream, more) = (StreamId(script.u8()?.into()), script.u32()?);
                self.hear(&Message::Credit(Credit { stream, more }));
            }
            operation::RECEIVE_STOP => {
                let stream = StreamId(script.u8()?.into());
                self.hear(&Message::Stop(Stop { stream }));
            }
            operation::RECEIVE_PING => {
                let token = script.u32()?.into();
                self.hear(&Message::Ping(Ping { token }));
            }
            operation::RECEIVE_GOODBYE => {
                let reason = reason(script.u8()?);
                self.hear(&Message::Goodbye(Goodbye { reason }));
            }
            operation::WAIT => {
                let (millis, doublings) = (u64::from(script.u16()?), script.u8()? % 24);
                self.wait(Duration::from_millis(millis << doublings));
            }
            operation::ANSWER => {
                let (how, size) = (script.u8()?, script.u32()?.into());
                self.answer(how, size);
            }
            operation::FAIL => {
                if let Some(stream) = self.server.current_stream()
                    && self.server.fail(stream).is_err()
                {
                    self.transmit();
                }
            }
            operation::KEEP_ALIVE => self.server.keep_alive(self.now),
            operation::GOODBYE => self.server.goodbye(reason(script.u8()?)),
            operation::TRANSMIT => self.transmit(),
            operation::TRANSMIT_DATA => {
                let at_most = script.u16()?;
                let _ = self.transmit_data(at_most.into());
            }
            _ => {
                let (stream, times) = (StreamId(script.u8()?.into()), script.u16()?);
                for _ in 0..times {
                    self.hear(&Message::Stop(Stop { stream }));
                    if !self.inbox.is_empty() || self.server.is_closed() {
                        break; // nothing more is taken of it
                    }
                }
            }
        }
        Ok(())
    }

    // ── the client ──

    fn hear(&mut self, message: &Message<'_>) {
        let mut frame = [0; 1_024];
        let length = message.encode(&mut frame).expect("there is room for any command");
        self.receive(&frame[..length]);
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.inbox.extend(bytes);
        self.take_input();
    }

    /// Gives the machine what has arrived, until it takes no more.
    fn take_input(&mut self) {
        while !self.inbox.is_empty() {
            let input = Vec::from(std::mem::take(&mut self.inbox));
            let was_closed = self.server.is_closed();
            let pause = self.server.input_pause(self.now);
            let Ok((taken, event)) = self.server.handle_input(self.now, &input) else {
                assert!(self.server.is_closed() && !was_closed);
                return;
            };
            assert!(taken <= input.len() && (taken > 0 || event.is_none()));
            self.inbox = input[taken..].to_vec().into();
            if taken == 0 {
                self.check_pause(pause);
                return;
            }
            if was_closed {
                assert!(event.is_none(), "{event:?} after the end");
                continue;
            }
            let question = event.and_then(question);
            self.ledger.hear(&input[..taken]);
            self.check_allowance();
            self.note_question(question);
        }
    }

    /// Only who has sent more commands than one may is held back, and not for longer than one of them takes.
    fn check_pause(&self, pause: Option<Duration>) {
        if let Some(pause) = pause {
            assert!(self.ledger.most_commands() >= COMMAND_BURST && pause <= COMMAND_TIME, "held back for {pause:?}");
        }
    }

    /// More than that is not taken.
    fn check_allowance(&self) {
        let span = self.now.saturating_since(self.opened);
        let allowed = u128::from(COMMAND_BURST) + span.as_micros() / COMMAND_TIME.as_micros();
        assert!(u128::from(self.ledger.commands()) <= allowed, "{} commands in {span:?}", self.ledger.commands());
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
        match self.server.handle_timeout(self.now) {
            Ok(()) => {
                let is_later = self.server.poll_timeout().is_none_or(|timeout| timeout > self.now);
                assert!(is_later, "a time-out that is due right after it was handled");
            }
            Err(_) => assert!(self.server.is_closed()),
        }
        self.take_input();
    }

    // ── the application ──

    fn answer(&mut self, how: u8, size: u64) {
        let Some(question) = self.questions.front().copied() else { return };
        let server = &mut self.server;
        let done = match question {
            Question::Hello { .. } if !how.is_multiple_of(2) => {
                server.reject(ErrorCode::TOO_MANY_CLIENTS, "no");
                Ok(())
            }
            Question::Hello { .. } => {
                let max_credit = (size as u32).clamp(FIRST_CREDIT_BYTES, MAX_CREDIT_BYTES);
                server.welcome(&Welcome { max_credit, server_name: "attic", ..Welcome::new() })
            }
            Question::List(List { request, .. }) if !how.is_multiple_of(2) => {
                let text = "ž".repeat(usize::from(how));
                match server.song(&Song { request, song: SongId(1), title: &text, artist: &text, ..Song::default() }) {
                    Ok(bytes) => assert!(bytes <= HEADER_BYTES + MAX_CONTROL_BYTES),
                    Err(_) => self.transmit(),
                }
                return; // it is not the last word about it
            }
            Question::List(List { request, .. }) => {
                server.list_end(&ListEnd { request, total: 1, next: None, generation: 1 })
            }
            Question::Info(Info { request, song }) if how.is_multiple_of(2) => {
                let text = "ž".repeat(usize::from(how));
                server
                    .song(&Song { request, song, title: &text, artist: &text, album: &text, ..Song::default() })
                    .map(drop)
            }
            Question::Info(Info { request, .. }) => server.refuse_info(request, ErrorCode::NO_SUCH_SONG, "no"),
            Question::Play(play) if how.is_multiple_of(2) => server.start(&Started {
                stream: play.stream,
                song: play.song,
                content_tag: 1,
                position: u64::from(how).min(size),
                size_bytes: size,
                rate: if size == 0 { 0 } else { 44_100 },
                channels: if size == 0 { 0 } else { 2 },
                ..Started::default()
            }),
            Question::Play(play) => server.refuse_play(play.stream, ErrorCode::SONG_GONE, "no"),
        };
        match done {
            Ok(()) => drop(self.questions.pop_front()),
            Err(_) => self.transmit(), // and after that there is room
        }
    }

    fn note_question(&mut self, question: Option<Question>) {
        match question {
            Some(Question::Hello { max_control }) => self.ledger.hear_hello(max_control),
            Some(Question::List(list)) => self.ledger.hear_request(Request::List(list.request.0)),
            Some(Question::Info(info)) => self.ledger.hear_request(Request::Info(info.request.0)),
            Some(Question::Play(play)) => self.ledger.hear_play(&play),
            None => {}
        }
        self.questions.extend(question);
    }

    // ── the wire ──

    fn transmit(&mut self) {
        self.flush();
        let is_asked_to_welcome = matches!(self.questions.front(), Some(Question::Hello { .. }));
        let is_paused = self.server.input_pause(self.now).is_some() || is_asked_to_welcome;
        let before = self.inbox.len();
        self.take_input();
        assert!(before == 0 || is_paused || self.inbox.len() < before, "input is not taken, for no reason");
        self.flush();
    }

    fn transmit_data(&mut self, at_most: usize) -> usize {
        self.transmit();
        let expected = self.server.next_data_bytes().min(at_most);
        let Some(frame) = self.server.poll_data(at_most) else {
            assert_eq!(expected, 0, "DATA that was promised");
            return 0;
        };
        assert_eq!((frame.length, Some(frame.stream)), (expected, self.server.current_stream()));
        assert_eq!(frame.position, self.ledger.next_position(frame.stream.0), "other bytes than come next");
        self.ledger.say(&frame.header);
        self.ledger.say(&vec![0xff; frame.length]);
        frame.length
    }

    fn flush(&mut self) {
        let was_closed = self.server.is_closed();
        while let Some(bytes) = self.server.poll_transmit(self.now) {
            assert!(!self.is_done, "{bytes:02x?} after the last word");
            self.ledger.say(bytes);
        }
        self.is_done |= was_closed;
    }

    // ── the end ──

    fn check_state(&self) {
        let is_closed = self.server.is_closed();
        assert_eq!(self.server.poll_timeout().is_none(), is_closed);
        assert!(!(is_closed && (self.server.is_open() || self.server.has_data())));
    }

    /// Once everything is answered, sent and broken off, every PLAY has had its END or ERROR. Then a client that says nothing
    /// more is given up.
    fn finish(&mut self) {
        self.transmit();
        while self.server.is_open() && !(self.questions.is_empty() && self.inbox.is_empty()) {
            self.wait(Duration::from_secs(1));
            self.answer(0, 1_000);
            self.transmit();
        }
        while self.transmit_data(usize::MAX) > 0 {}
        if let Some(stream) = self.server.current_stream() {
            // A STOP would not do: the client may be in the middle of a frame.
            self.server.fail(stream).expect("room, after everything was transmitted");
            self.flush();
        }
        if self.server.is_open() {
            self.ledger.check_that_all_is_over();
        }
        for _ in 0..3 {
            let Some(timeout) = self.server.poll_timeout() else { break };
            self.wait(timeout.saturating_since(self.now));
            self.flush();
        }
        assert!(self.server.is_closed(), "a silent client is waited for for ever");
        self.flush();
        self.flush();
        self.check_state();
    }
}

fn reason(byte: u8) -> GoodbyeReason {
    GoodbyeReason::ALL.get(usize::from(byte)).map_or(GoodbyeReason::Other(byte.max(4)), |(_, reason)| *reason)
}
