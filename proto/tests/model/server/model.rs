//! What `wire-format.md` says of a server, in a few numbers and sets.

use super::operation::Answer;
use crate::wire::{Output, Said, code_of, encode};
use std::time::Duration;
use trill_proto::error::{ErrorCode, Refusal, SessionError};
use trill_proto::ids::StreamId;
use trill_proto::message::{
    End, EndReason, Error, Goodbye, GoodbyeReason, Message, MessageType, PREAMBLE, Ping, Pong, Started, Stop, Welcome,
    refusal,
};
use trill_proto::session::server::Event;
use trill_proto::time::Instant;

const HELLO_DEADLINE: Duration = Duration::from_secs(5);
const PING_AFTER: Duration = Duration::from_secs(15);
const CLOSE_AFTER_PING: Duration = Duration::from_secs(15);
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Phase {
    Preamble,
    Hello,
    Open,
    Closed,
}

#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) id: u32,
    pub(crate) position: u64,
    size_bytes: u64,
    pub(crate) credit: u64,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) phase: Phase,
    opened: Instant,
    last_heard: Instant,
    /// A PING went out because nothing was heard; nothing has been since.
    pinged: Option<Instant>,
    pub(crate) ping_due: Option<u64>,
    pong_due: Option<(u64, Instant)>,
    pub(crate) last_stream: u32,
    pub(crate) max_credit: u64,
    /// The PLAY that is not answered, and its credit.
    pub(crate) offered: Option<(u32, u64)>,
    pub(crate) sending: Option<Sending>,
    /// What is said and not transmitted.
    pub(crate) said: Vec<Vec<u8>>,
}

impl Model {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Preamble,
            opened: now,
            last_heard: now,
            pinged: None,
            ping_due: None,
            pong_due: None,
            last_stream: 0,
            max_credit: 16 << 20,
            offered: None,
            sending: None,
            said: Vec::new(),
        }
    }

    pub(crate) fn say(&mut self, message: Message<'_>) {
        self.said.push(encode(&message));
    }

    fn say_end(&mut self, stream: u32, reason: EndReason) {
        self.say(Message::End(End { stream: StreamId(stream), reason }));
    }

    /// Hears something of the client's; the event that it is, or what is wrong with it.
    pub(crate) fn hear(&mut self, now: Instant, said: &Said) -> Result<Option<Event<'static>>, SessionError> {
        if self.phase == Phase::Closed {
            return Ok(None);
        }
        (self.last_heard, self.pinged) = (now, None);
        let judged = match (self.phase, said) {
            (Phase::Preamble, Said::Preamble(bytes)) => self.hear_preamble(bytes),
            (Phase::Preamble, _) => self.refuse_connection(Refusal::NotTrill, SessionError::NotTrill),
            (_, said) => match said.message(|kind| self.expects(kind)) {
                Ok(Some(message)) => self.hear_message(now, message),
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            },
        };
        judged.inspect_err(|error| self.close_for(*error))
    }

    fn hear_preamble(&mut self, bytes: &[u8; 8]) -> Result<Option<Event<'static>>, SessionError> {
        if bytes[..4] != *b"TRIL" {
            return self.refuse_connection(Refusal::NotTrill, SessionError::NotTrill);
        }
        if bytes[4..6] != [0, 0] {
            return self.refuse_connection(Refusal::Mode, SessionError::Refused(Refusal::Mode));
        }
        self.said.push(PREAMBLE.to_vec());
        self.phase = Phase::Hello;
        Ok(None)
    }

    fn refuse_connection<T>(&mut self, why: Refusal, error: SessionError) -> Result<T, SessionError> {
        self.said.push(refusal(why).to_vec());
        Err(error)
    }

    /// Whether a client may say this now. It may always go.
    fn expects(&self, kind: MessageType) -> bool {
        use MessageType::{Credit, Error, Goodbye, Hello, Info, List, Ping, Play, Pong, Stop};
        match self.phase {
            Phase::Hello => matches!(kind, Hello | Goodbye | Error),
            _ => matches!(kind, List | Info | Play | Credit | Stop | Ping | Pong | Goodbye | Error),
        }
    }

    fn hear_message(
        &mut self,
        now: Instant,
        message: Message<'static>,
    ) -> Result<Option<Event<'static>>, SessionError> {
        Ok(Some(match message {
            Message::Hello(hello) => {
                let (lowest, highest) = (hello.lowest_version, hello.highest_version);
                if lowest > 1 || highest < 1 {
                    return Err(SessionError::Version { lowest, highest });
                }
                // The application answers at once.
                self.phase = Phase::Open;
                Event::Hello(hello)
            }
            Message::List(list) => Event::List(list),
            Message::Info(info) => Event::Info(info),
            Message::Play(play) => {
                if play.stream.0 <= self.last_stream {
                    return Err(SessionError::StreamId);
                }
                if u64::from(play.credit) > self.max_credit {
                    return Err(SessionError::Credit);
                }
                self.last_stream = play.stream.0;
                if let Some((overtaken, _)) = self.offered.replace((play.stream.0, play.credit.into())) {
                    self.say_end(overtaken, EndReason::Replaced);
                }
                Event::Play(play)
            }
            Message::Credit(credit) => {
                if credit.stream.0 == 0 || credit.stream.0 > self.last_stream {
                    return Err(SessionError::StreamId);
                }
                if let Some(granted) = self.credit_of(credit.stream.0) {
                    let sum = *granted + u64::from(credit.more);
                    if sum > self.max_credit {
                        return Err(SessionError::Credit);
                    }
                    *self.credit_of(credit.stream.0).expect("it was there") = sum;
                }
                return Ok(None);
            }
            Message::Stop(Stop { stream }) => {
                if self.credit_of(stream.0).is_none() {
                    return Ok(None);
                }
                self.sending.take_if(|sending| sending.id == stream.0);
                self.offered.take_if(|(id, _)| *id == stream.0);
                self.say_end(stream.0, EndReason::Stopped);
                Event::Stopped(stream)
            }
            Message::Ping(Ping { token }) => {
                self.pong_due = Some((token, now));
                return Ok(None);
            }
            Message::Pong(_) => return Ok(None),
            Message::Goodbye(Goodbye { reason }) => {
                self.phase = Phase::Closed;
                Event::Goodbye(reason)
            }
            Message::Error(error) => {
                self.phase = Phase::Closed;
                Event::Failed(error)
            }
            other => panic!("no message of a client's: {other:?}"),
        }))
    }

    /// The credit of a stream that is sent or to be answered.
    pub(crate) fn credit_of(&mut self, id: u32) -> Option<&mut u64> {
        let sending = self.sending.as_mut().filter(|sending| sending.id == id).map(|sending| &mut sending.credit);
        sending.or(self.offered.as_mut().filter(|(offered, _)| *offered == id).map(|(_, credit)| credit))
    }

    fn close_for(&mut self, error: SessionError) {
        self.phase = Phase::Closed;
        if let Some(code) = code_of(error) {
            self.say(Message::Error(Error { id: 0, code: ErrorCode(code), text: "" }));
        }
    }

    // ── what the application does ──

    pub(crate) fn answer_hello(&mut self, answer: Answer) {
        match answer {
            Answer::Welcome { max_credit } => {
                self.max_credit = max_credit.into();
                self.say(Message::Welcome(Welcome { max_credit, ..Welcome::new() }));
            }
            Answer::Reject => {
                self.say(Message::Error(REJECTION));
                self.phase = Phase::Closed;
            }
            Answer::Goodbye => self.say_goodbye(),
        }
    }

    pub(crate) fn start(&mut self, started: &Started) {
        let Some((id, credit)) = self.offered.take_if(|(id, _)| *id == started.stream.0) else { return };
        let Started { position, size_bytes, .. } = *started;
        if let Some(replaced) = self.sending.replace(Sending { id, position, size_bytes, credit }) {
            self.say_end(replaced.id, EndReason::Replaced);
        }
        self.say(Message::Started(*started));
    }

    /// A PLAY is refused if it is still to be answered; one that has been answered, stopped or overtaken has its END.
    pub(crate) fn refuse_play(&mut self, id: u32) {
        if self.offered.take_if(|(offered, _)| *offered == id).is_some() {
            self.refuse_info(id);
        }
    }

    pub(crate) fn refuse_info(&mut self, id: u32) {
        self.say(Message::Error(Error { id, code: ErrorCode::NO_SUCH_SONG, text: "gone" }));
    }

    pub(crate) fn fail(&mut self, id: u32) {
        if self.sending.take_if(|sending| sending.id == id).is_some() {
            self.say_end(id, EndReason::Failed);
        }
    }

    pub(crate) fn say_goodbye(&mut self) {
        if self.phase == Phase::Open {
            self.say(Message::Goodbye(Goodbye { reason: GoodbyeReason::Restarting }));
        }
        self.phase = Phase::Closed;
    }

    // ── what happens by itself ──

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match (self.phase, self.pinged) {
            (Phase::Closed, _) => None,
            (Phase::Preamble | Phase::Hello, _) => Some(self.opened + HELLO_DEADLINE),
            (Phase::Open, None) => Some(self.last_heard + PING_AFTER),
            (Phase::Open, Some(pinged)) => Some(pinged + CLOSE_AFTER_PING),
        }
    }

    pub(crate) fn notice_time(&mut self, now: Instant) -> Result<(), SessionError> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        match (self.phase, self.pinged) {
            (Phase::Open, None) => {
                (self.pinged, self.ping_due) = (Some(now), Some(now.as_micros()));
                Ok(())
            }
            (Phase::Open, Some(_)) => {
                self.close_for(SessionError::Silent);
                Err(SessionError::Silent)
            }
            (Phase::Preamble, _) => {
                self.phase = Phase::Closed;
                self.refuse_connection(Refusal::NotTrill, SessionError::HelloTimeout)
            }
            _ => {
                self.close_for(SessionError::HelloTimeout);
                Err(SessionError::HelloTimeout)
            }
        }
    }

    /// All that is to be transmitted now, DATA aside.
    pub(crate) fn transmit(&mut self, now: Instant) -> Output {
        let (mut pings, mut pongs) = (Vec::new(), Vec::new());
        if self.phase == Phase::Open {
            pings.extend(self.ping_due.take().map(|token| encode(&Message::Ping(Ping { token }))));
            pongs.extend(self.pong_due.take().map(|(token, heard)| {
                let (received_us, sent_us) = (heard.as_micros(), now.as_micros());
                encode(&Message::Pong(Pong { token, received_us, sent_us }))
            }));
            if let Some(done) = self.sending.take_if(|sending| sending.position == sending.size_bytes) {
                self.say_end(done.id, EndReason::Finished);
            }
        }
        Output { messages: std::mem::take(&mut self.said), pings, pongs }
    }

    /// Bytes of DATA that may be sent.
    pub(crate) fn sendable(&self) -> u64 {
        let sending = self.sending.as_ref().filter(|_| self.phase == Phase::Open);
        sending.map_or(0, |sending| sending.credit.min(sending.size_bytes - sending.position))
    }
}

pub(crate) const REJECTION: Error<'_> = Error { id: 0, code: ErrorCode::TOO_MANY_CLIENTS, text: "full" };

pub(crate) fn started(stream: StreamId, size_bytes: u64) -> Started {
    // A song without a byte has no rate either.
    let (rate, channels) = if size_bytes == 0 { (0, 0) } else { (44_100, 2) };
    Started { stream, content_tag: 1, position: size_bytes / 3, size_bytes, rate, channels, ..Started::default() }
}
