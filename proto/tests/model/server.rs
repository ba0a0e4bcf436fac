//! The server's machine and the application that uses it, beside the model of both.

#[path = "server/model.rs"]
mod model;
#[path = "server/operation.rs"]
mod operation;

pub(crate) use operation::{Amount, Answer, Id, Line, Operation, operation};

use crate::wire::{Opening, Output, Said};
use model::{Model, Phase, REJECTION, started};
use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{
    Credit, Error, Goodbye, GoodbyeReason, Header, Hello, Info, List, ListEnd, Message, MessageType, PREAMBLE, Ping,
    Play, Pong, Song, Start, Stop, Welcome,
};
use trill_proto::session::OutboxFull;
use trill_proto::session::server::Server;
use trill_proto::time::Instant;

/// The longest control payload that a server takes.
const TAKES: u16 = 512;

/// Does all of it to a machine and to its model, which must agree after each.
pub(crate) fn check(opening: Opening, operations: &[Operation]) {
    let mut both = Both::new();
    if opening >= Opening::Preamble {
        both.hear(&Said::Preamble(PREAMBLE), usize::MAX);
    }
    if opening == Opening::Whole {
        let answer = Answer::Welcome { max_credit: 20_000 };
        both.do_all(&Operation::Hears { line: Line::Hello { versions: (1, 1), answer }, piece: usize::MAX });
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
    machine: Server,
    model: Model,
    last_request: u32,
}

impl Both {
    fn new() -> Self {
        let now = Instant::from_micros(1_000_000);
        Self { now, machine: Server::new(now), model: Model::new(now), last_request: 1_000_000 }
    }

    fn do_all(&mut self, operation: &Operation) {
        let is_of_application =
            matches!(operation, Operation::Starts { .. } | Operation::Refuses(_) | Operation::Fails(_));
        if is_of_application && self.model.phase != Phase::Open {
            return; // it has nobody to answer
        }
        match operation {
            Operation::Hears { line, piece } => self.hear_line(line, *piece),
            Operation::Transmits => self.transmit(),
            Operation::SendsData { at_most } => {
                self.transmit();
                self.send_data(*at_most);
            }
            Operation::SendsAllData => {
                self.transmit();
                while self.model.sendable() > 0 {
                    self.send_data(usize::MAX);
                }
                assert_eq!(self.machine.poll_data(usize::MAX), None, "more than there is credit for");
            }
            Operation::Starts { whose, size_bytes } => {
                let Some(id) = self.id(*whose) else { return };
                let started = started(StreamId(id), *size_bytes);
                self.attempt(|machine| machine.start(&started));
                self.model.start(&started);
            }
            Operation::Refuses(id) => {
                let Some(id) = self.id(*id) else { return };
                self.attempt(|machine| machine.refuse_play(StreamId(id), ErrorCode::NO_SUCH_SONG, "gone"));
                self.model.refuse_play(id);
            }
            Operation::Fails(id) => {
                let Some(id) = self.id(*id) else { return };
                self.attempt(|machine| machine.fail(StreamId(id)));
                self.model.fail(id);
            }
            Operation::KeepsAlive => {
                self.machine.keep_alive(self.now);
                self.model.ping_due = Some(self.now.as_micros());
            }
            Operation::Waits(wait) => {
                self.transmit();
                self.now = wait.end(self.now, self.model.deadline());
                assert_eq!(self.machine.handle_timeout(self.now), self.model.notice_time(self.now));
            }
            Operation::SaysGoodbye => {
                self.transmit();
                self.machine.goodbye(GoodbyeReason::Restarting);
                self.model.say_goodbye();
            }
        }
    }

    fn hear_line(&mut self, line: &Line, piece: usize) {
        let said = match line {
            Line::Other(said) => Some(said.clone()),
            line => self.message(line).map(Said::Message),
        };
        let Some(said) = said else { return };
        let is_open = self.model.phase == Phase::Open;
        let is_welcome = self.hear(&said, piece) && self.model.phase == Phase::Open;
        match line {
            Line::Hello { answer, .. } if is_welcome && !is_open => self.answer_hello(*answer),
            Line::List if is_welcome => self.answer_list(),
            Line::Info { is_known } if is_welcome => self.answer_info(*is_known),
            _ => {}
        }
    }

    /// The message of a line; `None` if there is no stream that it could be about.
    fn message(&mut self, line: &Line) -> Option<Message<'static>> {
        let (song, first) = (SongId(1), SongId(1));
        Some(match *line {
            Line::Hello { versions: (lowest_version, highest_version), .. } => {
                Message::Hello(Hello { lowest_version, highest_version, ..Hello::default() })
            }
            Line::List => Message::List(List { request: self.next_request(), first, at_most: 2, search: None }),
            Line::Info { .. } => Message::Info(Info { request: self.next_request(), song }),
            Line::Play { id, credit } => {
                let (id, credit) = (self.id(id)?, self.amount(credit, 0));
                Message::Play(Play { stream: StreamId(id), song, start: Start::Time(0), content_tag: 0, credit })
            }
            Line::Credit { id, more } => {
                let id = self.id(id)?;
                let granted = self.model.credit_of(id).map_or(0, |credit| *credit);
                Message::Credit(Credit { stream: StreamId(id), more: self.amount(more, granted) })
            }
            Line::Stop(id) => Message::Stop(Stop { stream: StreamId(self.id(id)?) }),
            Line::Ping(token) => Message::Ping(Ping { token }),
            Line::Pong => Message::Pong(Pong { token: 1, received_us: 2, sent_us: 3 }),
            Line::Goodbye => Message::Goodbye(Goodbye { reason: GoodbyeReason::Other(200) }),
            Line::Error => Message::Error(Error { id: 9, code: ErrorCode(999), text: "enough" }),
            Line::Other(_) => return None,
        })
    }

    /// Lets both hear this; whether it was all right.
    fn hear(&mut self, said: &Said, piece: usize) -> bool {
        let bytes = said.bytes();
        let mut rest = bytes.as_slice();
        let mut heard = Ok(None);
        while !rest.is_empty() && heard.is_ok() {
            let offered = &rest[..piece.min(rest.len())];
            let (taken, event) = match self.machine.handle_input(self.now, offered) {
                Ok((taken, event)) => (taken, event.map(|event| format!("{event:?}"))),
                Err(error) => {
                    heard = Err(error);
                    break;
                }
            };
            if taken == 0 {
                assert!(!self.model.said.is_empty(), "no room, and nothing waits to be transmitted");
                self.transmit();
                continue;
            }
            rest = &rest[taken..];
            assert!(event.is_none() || rest.is_empty(), "{event:?} before the last byte of {said:?}");
            heard = Ok(event);
        }
        let expected = self.model.hear(self.now, said).map(|event| event.map(|event| format!("{event:?}")));
        assert_eq!(heard, expected, "{said:?}");
        heard.is_ok()
    }

    fn answer_hello(&mut self, answer: Answer) {
        match answer {
            Answer::Welcome { max_credit } => {
                let welcome = Welcome { max_credit, ..Welcome::new() };
                assert_eq!(self.machine.welcome(&welcome), Ok(()), "there is room after HELLO");
            }
            Answer::Reject => self.machine.reject(REJECTION.code, REJECTION.text),
            Answer::Goodbye => self.machine.goodbye(GoodbyeReason::Restarting),
        }
        self.model.answer_hello(answer);
    }

    fn answer_list(&mut self) {
        let request = RequestId(self.last_request);
        for number in 1..=2 {
            self.say_song(Song { request, song: SongId(number), title: "Nocturne", ..Song::default() });
        }
        let end = ListEnd { request, total: 2, next: None, generation: 1 };
        self.attempt(|machine| machine.list_end(&end));
        self.model.say(Message::ListEnd(end));
    }

    fn answer_info(&mut self, is_known: bool) {
        let request = RequestId(self.last_request);
        if is_known {
            return self.say_song(Song { request, song: SongId(1), title: "Nocturne", ..Song::default() });
        }
        self.attempt(|machine| machine.refuse_info(request, ErrorCode::NO_SUCH_SONG, "gone"));
        self.model.refuse_info(request.0);
    }

    fn say_song(&mut self, song: Song<'static>) {
        self.attempt(|machine| machine.song(&song).map(drop));
        self.model.say(Message::Song(song));
    }

    /// Does what needs room in the output, of which there is enough once that was transmitted.
    fn attempt(&mut self, act: impl Fn(&mut Server) -> Result<(), OutboxFull>) {
        if act(&mut self.machine) == Err(OutboxFull) {
            assert!(!self.model.said.is_empty(), "no room, and nothing waits to be transmitted");
            self.transmit();
            assert_eq!(act(&mut self.machine), Ok(()), "no room, though nothing waits any more");
        }
    }

    fn transmit(&mut self) {
        let mut bytes = Vec::new();
        while let Some(more) = self.machine.poll_transmit(self.now) {
            bytes.extend_from_slice(more);
        }
        assert_eq!(Output::parse(&bytes), self.model.transmit(self.now));
    }

    /// How long a frame is, below what may be sent, is the machine's choice.
    fn send_data(&mut self, at_most: usize) {
        const MIN_DATA_BYTES: u64 = 1_024;
        let possible = self.model.sendable().min(at_most as u64);
        let Some(frame) = self.machine.poll_data(at_most) else {
            return assert_eq!(possible, 0, "there is credit, and no DATA");
        };
        let sending = self.model.sending.as_mut().expect("DATA of no stream");
        let length = frame.length as u64;
        assert!((possible.min(MIN_DATA_BYTES)..=possible).contains(&length), "{length} bytes of {possible}");
        let header =
            Header { kind: MessageType::Data.to_byte(), flags: 0, length: frame.length as u16, id: sending.id };
        assert_eq!(frame.header, header.encode());
        assert_eq!((frame.stream.0, frame.position), (sending.id, sending.position));
        sending.position += length;
        sending.credit -= length;
    }

    fn compare(&self) {
        let (machine, model) = (&self.machine, &self.model);
        assert_eq!(machine.is_open(), model.phase == Phase::Open);
        assert_eq!(machine.is_closed(), model.phase == Phase::Closed);
        assert_eq!(machine.expects_hello(), model.phase == Phase::Hello);
        assert_eq!(machine.current_stream().map(|id| id.0), model.sending.as_ref().map(|sending| sending.id));
        assert_eq!(machine.has_data(), model.sendable() > 0);
        assert!(machine.next_data_bytes() as u64 <= model.sendable());
        assert_eq!(machine.poll_timeout(), model.deadline());
    }

    fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }

    fn id(&self, id: Id) -> Option<u32> {
        let Model { last_stream, offered, sending, .. } = &self.model;
        match id {
            Id::Zero => Some(0),
            Id::Sending => sending.as_ref().map(|sending| sending.id),
            Id::Offered => offered.map(|(id, _)| id),
            Id::Last => Some(*last_stream),
            Id::Older => last_stream.checked_sub(1),
            Id::New(after) => Some(last_stream + after),
        }
    }

    fn amount(&self, amount: Amount, granted: u64) -> u32 {
        let left = u32::try_from(self.model.max_credit - granted).expect("credit has 32 bits");
        match amount {
            Amount::Bytes(bytes) => bytes.min(left),
            Amount::All => left,
            Amount::OneTooMany => left + 1,
            Amount::Largest => u32::MAX,
        }
    }
}
