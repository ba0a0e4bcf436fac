//! What one side says to the other, and what the other makes of the bytes.

use proptest::prelude::*;
use std::time::Duration;
use trill_proto::error::SessionError;
use trill_proto::limits::{HEADER_BYTES, PREAMBLE_BYTES};
use trill_proto::message::{Header, Message, MessageType, PREAMBLE};
use trill_proto::time::Instant;

/// Something on the wire: a preamble or a frame, right or wrong.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Preamble([u8; PREAMBLE_BYTES]),
    Message(Message<'static>),
    /// A frame whose payload is no message of its kind, of whatever kind it is.
    Malformed(MessageType),
    /// A header that announces more than the other side takes.
    TooLarge(MessageType, u16),
    /// DATA without a byte.
    EmptyData,
    /// A type that nobody knows and that may not be ignored.
    UnknownType,
    /// One that may be, with so much payload.
    Ignorable(u16),
}

/// See [`Said::UnknownType`].
pub(crate) const UNKNOWN_TYPE: u8 = 0x7f;

impl Said {
    /// The message that it is behind the preamble, to a side that now expects messages of some kinds; `None` for what is
    /// skipped.
    pub(crate) fn message(
        &self,
        expects: impl Fn(MessageType) -> bool,
    ) -> Result<Option<Message<'static>>, SessionError> {
        match self {
            Self::Preamble(bytes) => Err(SessionError::UnknownType(bytes[0])),
            Self::UnknownType => Err(SessionError::UnknownType(UNKNOWN_TYPE)),
            Self::Ignorable(_) => Ok(None),
            Self::TooLarge(kind, length) => Err(SessionError::TooLarge { kind: *kind, length: *length }),
            Self::EmptyData => Err(SessionError::Malformed(MessageType::Data)),
            Self::Malformed(kind) if expects(*kind) => Err(SessionError::Malformed(*kind)),
            Self::Malformed(kind) => Err(SessionError::Unexpected(*kind)),
            Self::Message(message) if expects(message.kind()) => Ok(Some(*message)),
            Self::Message(message) => Err(SessionError::Unexpected(message.kind())),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let header = |kind: u8, length| Header { kind, flags: 0, length, id: 1 }.encode();
        match self {
            Self::Preamble(bytes) => bytes.to_vec(),
            Self::Message(message) => encode(message),
            // Too short or too long for whatever has fields, and no text.
            Self::Malformed(kind) => [&header(kind.to_byte(), 3)[..], &[0xff; 3]].concat(),
            Self::TooLarge(kind, length) => header(kind.to_byte(), *length).to_vec(),
            Self::EmptyData => header(MessageType::Data.to_byte(), 0).to_vec(),
            Self::UnknownType => header(UNKNOWN_TYPE, 0).to_vec(),
            Self::Ignorable(length) => [&header(0x9e, *length)[..], &vec![0x15; usize::from(*length)]].concat(),
        }
    }
}

pub(crate) fn encode(message: &Message<'_>) -> Vec<u8> {
    let mut frame = vec![0; 70_000];
    let length = message.encode(&mut frame).expect("the largest frame fits");
    frame.truncate(length);
    frame
}

/// What a machine has said, apart from PING and PONG, whose place among the rest means nothing.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Output {
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) pings: Vec<Vec<u8>>,
    pub(crate) pongs: Vec<Vec<u8>>,
}

impl Output {
    /// Takes whole frames apart, and the preamble or refusal that may come first.
    pub(crate) fn parse(mut bytes: &[u8]) -> Self {
        let mut output = Self::default();
        if bytes.starts_with(&PREAMBLE[..2]) {
            let (greeting, rest) = bytes.split_at(PREAMBLE_BYTES);
            output.messages.push(greeting.to_vec());
            bytes = rest;
        }
        while let Some(header) = bytes.first_chunk::<HEADER_BYTES>() {
            let header = Header::decode(*header);
            let (frame, rest) = bytes.split_at(HEADER_BYTES + usize::from(header.length));
            match MessageType::from_byte(header.kind) {
                Some(MessageType::Ping) => output.pings.push(frame.to_vec()),
                Some(MessageType::Pong) => output.pongs.push(frame.to_vec()),
                _ => output.messages.push(frame.to_vec()),
            }
            bytes = rest;
        }
        assert!(bytes.is_empty(), "half a frame: {bytes:02x?}");
        output
    }
}

/// The number that tells the other side of this, if there is anybody to tell.
pub(crate) fn code_of(error: SessionError) -> Option<u16> {
    Some(match error {
        SessionError::Malformed(_) => 1,
        SessionError::Unexpected(_) => 2,
        SessionError::UnknownType(_) => 3,
        SessionError::TooLarge { .. } => 4,
        SessionError::Version { .. } => 5,
        SessionError::Credit => 6,
        SessionError::StreamId => 7,
        SessionError::HelloTimeout => 8,
        SessionError::Silent | SessionError::Unanswered | SessionError::Stalled => 9,
        SessionError::NotTrill | SessionError::Refused(_) | SessionError::Peer(_) => return None,
    })
}

/// How far the two have come before the operations begin.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum Opening {
    Nothing,
    Preamble,
    Whole,
}

pub(crate) fn opening() -> impl Strategy<Value = Opening> {
    prop_oneof![1 => Just(Opening::Nothing), 2 => Just(Opening::Preamble), 12 => Just(Opening::Whole)]
}

/// How long nothing happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    For(Duration),
    /// Until a microsecond before the next time-out, or as long after it.
    Deadline {
        micros_after: i8,
    },
}

impl Wait {
    pub(crate) fn end(self, now: Instant, deadline: Option<Instant>) -> Instant {
        match (self, deadline) {
            (Self::Deadline { micros_after }, Some(deadline)) => {
                Instant::from_micros(deadline.as_micros().saturating_add_signed(micros_after.into())).max(now)
            }
            (Self::Deadline { .. }, None) => now,
            (Self::For(duration), _) => now + duration,
        }
    }
}

pub(crate) fn wait() -> impl Strategy<Value = Wait> {
    prop_oneof![
        3 => (0_u64..600_000).prop_map(|micros| Wait::For(Duration::from_micros(micros))),
        1 => (0_u64..40_000).prop_map(|millis| Wait::For(Duration::from_millis(millis))),
        3 => (-1_i8..=1).prop_map(|micros_after| Wait::Deadline { micros_after }),
    ]
}

/// How many bytes come at once.
pub(crate) fn piece() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1), 2_usize..20, Just(usize::MAX)]
}

/// A kind that is not DATA and may not be ignored.
pub(crate) fn control_kind() -> impl Strategy<Value = MessageType> {
    let controls: Vec<_> = MessageType::ALL
        .iter()
        .copied()
        .filter(|kind| !matches!(kind, MessageType::Data | MessageType::Notice))
        .collect();
    prop::sample::select(controls)
}

/// First bytes that are no preamble, or one of another mode.
pub(crate) fn bad_preamble() -> impl Strategy<Value = Said> {
    prop::sample::select(vec![*b"TRIP\0\0\0\0", *b"HTTP/1.1", *b"TRIL\x01\0\0\0", *b"TRIL\0\x01\0\0", [0; 8]])
        .prop_map(Said::Preamble)
}
