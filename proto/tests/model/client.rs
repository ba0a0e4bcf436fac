//! The client's machine and the application that uses it, beside the model of both.

#[path = "client/model.rs"]
mod model;
#[path = "client/operation.rs"]
mod operation;

pub(crate) use operation::{Amount, Id, Line, Operation, operation};

use crate::wire::{Opening, Output, Said};
use model::{IDENTITY, Model, Phase, Question, TAG};
use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{
    End, Error, Goodbye, GoodbyeReason, Header, Info, List, ListEnd, Message, MessageType, PREAMBLE, Ping, Pong, Song,
    Start, Started, Welcome,
};
use trill_proto::session::OutboxFull;
use trill_proto::session::client::{Client, Event, MAX_REQUESTS, PlayRequest};
use trill_proto::time::Instant;

/// The longest control payload that the client under test takes.
const TAKES: u16 = 256;

/// Does all of it to a machine and to its model, which must agree after each.
pub(crate) fn check(opening: Opening, operations: &[Operation]) {
    let mut both = Both::new();
    if opening >= Opening::Preamble {
        both.transmit();
        both.hear(&Said::Preamble(PREAMBLE), usize::MAX);
    }
    if opening == Opening::Whole {
        both.do_all(&Operation::Hears { line: Line::Welcome { version: 1, max_credit: 20_000 }, piece: usize::MAX });
    }
    for operation in operations {
        both.do_all(operation);
        both.compare();
    }
    both.transmit();
    both.compare();
}

struct Both {
    now: Instant,
    machine: Client<{ TAKES as usize }>,
    model: Model,
}

impl Both {
    fn new() -> Self {
        let now = Instant::from_micros(1_000_000);
        Self { now, machine: Client::new(now, &IDENTITY), model: Model::new(now) }
    }

    fn do_all(&mut self, operation: &Operation) {
        match operation {
            Operation::Hears { line, piece } => {
                if let Some(said) = self.said(line) {
                    self.hear(&said, *piece);
                }
            }
            Operation::Transmits => self.transmit(),
            Operation::Lists => {
                let asked = self.attempt_request(|machine, _| machine.list(SongId(1), 9));
                if let Some(request) = self.ask(asked.map(|request| request.0), Question::List { last: 0, left: 9 }) {
                    self.model.say(Message::List(List {
                        request: RequestId(request),
                        first: SongId(1),
                        at_most: 9,
                        search: None,
                    }));
                }
            }
            Operation::AsksInfo => {
                let asked = self.attempt_request(|machine, _| machine.info(SongId(3)));
                if let Some(request) = self.ask(asked.map(|request| request.0), Question::Info(3)) {
                    self.model.say(Message::Info(Info { request: RequestId(request), song: SongId(3) }));
                }
            }
            Operation::Plays { capacity, occupied, resumes } => {
                let (start, content_tag) = if *resumes { (Start::Resume(99), TAG) } else { (Start::Time(0), 0) };
                let (capacity, occupied) = (*capacity, *occupied);
                let wanted = PlayRequest { song: SongId(3), start, content_tag, capacity, occupied };
                if let Some(stream) = self.attempt(|machine, now| machine.play(now, &wanted)) {
                    self.model.play(self.now, &wanted);
                    assert_eq!(stream.0, self.model.last_id);
                }
            }
            Operation::Stops => {
                if self.attempt(|machine, _| machine.stop()).is_some() {
                    self.model.stop();
                }
            }
            Operation::Releases { whose, bytes } => self.release(*whose, *bytes),
            Operation::Waits(wait) => {
                self.transmit();
                self.now = wait.end(self.now, self.model.deadline());
                assert_eq!(self.machine.handle_timeout(self.now), self.model.notice_time(self.now));
            }
            Operation::SaysGoodbye => {
                self.transmit();
                self.machine.goodbye(GoodbyeReason::Done);
                self.model.say_goodbye();
            }
        }
    }

    /// What a line says; nothing if there is no stream that it could be about.
    fn said(&self, line: &Line) -> Option<Said> {
        Some(Said::Message(match line {
            Line::Welcome { version, max_credit } => {
                Message::Welcome(Welcome { version: *version, max_credit: *max_credit, ..Welcome::new() })
            }
            Line::Song { is_asked, step } => {
                let (request, song) = self.request(*is_asked, *step);
                Message::Song(Song { request, song, title: "Nocturne", ..Song::default() })
            }
            Line::ListEnd { is_asked, step } => {
                let (request, next) = self.request(*is_asked, step.unwrap_or(0));
                Message::ListEnd(ListEnd { request, total: 1, next: step.map(|_| next), generation: 1 })
            }
            Line::Started { id, size_bytes, resumes_right } => {
                Message::Started(self.started(self.id(*id)?, *size_bytes, *resumes_right))
            }
            Line::Data { id, length } => return Some(self.data(self.id(*id)?, *length)),
            Line::End { id, reason } => Message::End(End { stream: StreamId(self.id(*id)?), reason: *reason }),
            Line::Error { id, code } => Message::Error(Error { id: self.id(*id)?, code: ErrorCode(*code), text: "no" }),
            Line::Ping(token) => Message::Ping(Ping { token: *token }),
            Line::Pong { micros_ago } => {
                let last = self.model.pinged_with.unwrap_or(u64::MAX);
                let token = micros_ago.map_or(last, |ago| self.now.as_micros().saturating_sub(ago));
                Message::Pong(Pong { token, received_us: 0, sent_us: 0 })
            }
            Line::Goodbye => Message::Goodbye(Goodbye { reason: GoodbyeReason::Restarting }),
            Line::Other(said) => return Some(said.clone()),
        }))
    }

    /// The request that has waited longest, or one that nobody made, and a song for it: the one asked for if `step` is not 0,
    /// or that many after the last one.
    fn request(&self, is_asked: bool, step: u32) -> (RequestId, SongId) {
        match self.model.requests.first().filter(|_| is_asked) {
            Some((id, Question::Info(song))) => (RequestId(*id), SongId(if step == 0 { song + 1 } else { *song })),
            Some((id, Question::List { last, .. })) => (RequestId(*id), SongId((last + step).max(1))),
            None => (RequestId(9_999), SongId(1)),
        }
    }

    fn started(&self, id: u32, size_bytes: u64, resumes_right: bool) -> Started {
        let resumes_at = self.model.pending.iter().find(|stream| stream.id == id).and_then(|stream| stream.resumes_at);
        let position = match resumes_at {
            Some(position) if resumes_right => position,
            Some(position) => position + 1,
            None => 0,
        };
        let (rate, channels) = if size_bytes == 0 { (0, 0) } else { (44_100, 2) };
        let song = SongId(3);
        let started =
            Started { stream: StreamId(id), song, content_tag: TAG, size_bytes, rate, channels, ..Started::default() };
        if position == 0 {
            return started;
        }
        Started { position, size_bytes: size_bytes + position, rate: 44_100, channels: 2, ..started }
    }

    fn data(&self, id: u32, length: Amount) -> Said {
        let current = self.model.current.as_ref().filter(|stream| stream.id == id);
        let possible = current.map_or(100, |stream| stream.credit.min(stream.left));
        let length = match length {
            Amount::Bytes(bytes) => u64::from(bytes).min(possible),
            Amount::All => possible,
            Amount::AllButOne => possible.saturating_sub(1),
            Amount::OneTooMany => possible + 1,
        };
        static BYTES: [u8; 65_535] = [0xa5; 65_535];
        let length = usize::try_from(length.clamp(1, 65_535)).expect("one frame");
        Said::Message(Message::Data(id, &BYTES[..length]))
    }

    fn hear(&mut self, said: &Said, piece: usize) {
        let bytes = said.bytes();
        let mut rest = bytes.as_slice();
        let (mut heard, mut delivered) = (Ok(None), 0);
        while !rest.is_empty() && heard.is_ok() {
            heard = match self.machine.handle_input(self.now, &rest[..piece.min(rest.len())]) {
                Ok((taken, event)) => {
                    rest = &rest[taken..];
                    match event {
                        Some(Event::Data { stream, bytes }) => {
                            assert_eq!(Some(stream.0), self.model.current.as_ref().map(|stream| stream.id));
                            delivered += bytes.len();
                            Ok(None)
                        }
                        event => {
                            assert!(event.is_none() || rest.is_empty(), "{event:?} before the last byte of {said:?}");
                            Ok(event.map(|event| format!("{event:?}")))
                        }
                    }
                }
                Err(error) => Err(error),
            };
        }
        let credit_before = self.model.current.as_ref().map_or(0, |stream| stream.credit);
        let expected = self.model.hear(self.now, said).map(|event| event.map(|event| format!("{event:?}")));
        assert_eq!(heard, expected, "{said:?}");
        if let Said::Message(Message::Data(..)) = said {
            let credit_after = self.model.current.as_ref().map_or(0, |stream| stream.credit);
            assert_eq!(delivered as u64, credit_before - credit_after, "{said:?}");
        }
    }

    /// Gives a command for which there must be room once the output was transmitted; `None` if the session is over.
    fn attempt<T>(
        &mut self,
        command: impl Fn(&mut Client<{ TAKES as usize }>, Instant) -> Result<T, OutboxFull>,
    ) -> Option<T> {
        if self.model.phase == Phase::Closed {
            return None;
        }
        let first = command(&mut self.machine, self.now);
        Some(first.unwrap_or_else(|_| {
            assert!(!self.model.said.is_empty(), "no room, and nothing waits to be transmitted");
            self.transmit();
            command(&mut self.machine, self.now).expect("room, for nothing waits any more")
        }))
    }

    /// As [`attempt`](Self::attempt), for a request that may be one too many.
    fn attempt_request<T>(
        &mut self,
        command: impl Fn(&mut Client<{ TAKES as usize }>, Instant) -> Result<T, OutboxFull>,
    ) -> Option<T> {
        if self.model.requests.len() < MAX_REQUESTS {
            return self.attempt(command);
        }
        assert!(command(&mut self.machine, self.now).is_err(), "more requests than a client keeps in mind");
        None
    }

    fn ask(&mut self, request: Option<u32>, question: Question) -> Option<u32> {
        request.inspect(|request| {
            self.model.last_id += 1;
            self.model.has_question = true;
            self.model.requests.push((*request, question));
            assert_eq!(*request, self.model.last_id);
        })
    }

    fn release(&mut self, whose: Id, bytes: Amount) {
        let Some(id) = self.id(whose) else { return };
        let held = self.model.open_streams().find(|stream| stream.id == id).map_or(0, |stream| stream.held);
        let bytes = match bytes {
            Amount::Bytes(bytes) => u64::from(bytes).min(held),
            Amount::All => held,
            Amount::AllButOne => held.saturating_sub(1),
            Amount::OneTooMany => held + 1,
        };
        let is_due = self.machine.release(StreamId(id), usize::try_from(bytes).expect("a small buffer"));
        let expected = self.model.release(id, bytes);
        assert!(expected.is_none_or(|expected| expected == is_due), "CREDIT due: {is_due}");
    }

    fn transmit(&mut self) {
        let mut bytes = Vec::new();
        while let Some(more) = self.machine.poll_transmit(self.now) {
            bytes.extend_from_slice(more);
        }
        let mut output = Output::parse(&bytes);
        let granted = output.messages.iter().filter_map(|message| credit_in(message)).sum();
        let may_be_lost = std::mem::take(&mut self.model.last_words_may_be_lost);
        let expected = self.model.transmit(self.now, granted);
        if may_be_lost && output.messages.len() + 1 == expected.messages.len() {
            output.messages.extend(expected.messages.last().cloned());
        }
        assert_eq!(output, expected);
    }

    fn compare(&self) {
        let (machine, model) = (&self.machine, &self.model);
        assert_eq!(machine.is_open(), model.phase == Phase::Open);
        assert_eq!(machine.is_closed(), model.phase == Phase::Closed);
        assert_eq!(machine.current_stream().map(|id| id.0), model.current.as_ref().map(|stream| stream.id));
        assert_eq!(machine.round_trip(), model.round_trip());
        assert_eq!(machine.poll_timeout(), model.deadline());
    }

    fn id(&self, id: Id) -> Option<u32> {
        let Model { last_id, current, pending, .. } = &self.model;
        match id {
            Id::Zero => Some(0),
            Id::Current => current.as_ref().map(|stream| stream.id),
            Id::Oldest => pending.first().map(|stream| stream.id),
            Id::Newest => pending.last().map(|stream| stream.id),
            Id::Last => Some(*last_id),
            Id::Older => last_id.checked_sub(1),
            Id::Unused => Some(last_id + 1),
        }
    }
}

/// The bytes that a CREDIT grants.
fn credit_in(frame: &[u8]) -> Option<u64> {
    let header = Header::decode(*frame.first_chunk()?);
    let is_credit = header.kind == MessageType::Credit.to_byte() && header.length == 4;
    is_credit.then(|| frame[8..12].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}
