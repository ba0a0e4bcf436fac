//! Errors between two peers: which side is at fault, and what goes on the wire.

use crate::codec::Truncated;
use crate::message::MessageType;
use core::fmt;

/// The number in an ERROR message.
///
/// Codes below 256 end the connection; the others concern the one request or stream that the ERROR names. A receiver
/// treats a code it does not know by that rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ErrorCode(pub u16);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal),* $(,)?) => {
        impl ErrorCode {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// Every code of this version with its name in `wire-format.md`.
            pub const ALL: &'static [(&'static str, Self)] = &[$((stringify!($name), Self::$name)),*];
        }
    };
}

codes! {
    /// A message did not have the form that `wire-format.md` gives it.
    MALFORMED = 1,
    /// A message that is not allowed in this state or direction.
    UNEXPECTED = 2,
    /// A message type that is unknown and may not be skipped.
    UNKNOWN_TYPE = 3,
    /// A payload longer than the receiver said it takes.
    TOO_LARGE = 4,
    /// No protocol version that both sides speak.
    VERSION = 5,
    /// More credit than `MAX_CREDIT_BYTES`, or DATA beyond the credit given.
    CREDIT = 6,
    /// A stream id that is 0 or not larger than all before it.
    STREAM_ID = 7,
    /// HELLO did not come in time.
    HELLO_TIMEOUT = 8,
    /// Nothing was received for too long, or what is due did not come.
    SILENT = 9,
    /// As many clients as the server takes from one address are connected from this one.
    TOO_MANY_CLIENTS = 10,
    /// No song has this id.
    NO_SUCH_SONG = 256,
    /// The song has been removed, or its file cannot be opened any more.
    SONG_GONE = 257,
    /// The song with this content tag is not there any more: its file has changed.
    SONG_CHANGED = 258,
    /// The start position lies beyond the end of the song.
    BAD_POSITION = 259,
    /// The file could not be read.
    READ_FAILED = 260,
    /// There is no MP3 audio in the song's file.
    NO_AUDIO = 261,
}

impl ErrorCode {
    /// Whether this code ends the connection.
    pub const fn is_fatal(self) -> bool {
        self.0 < 256
    }
}

/// Why a session ended early. Each variant names the side at fault and says whether to rebuild the connection or to
/// give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SessionError {
    /// The peer's first bytes are not Trill's. Give up: this is something else.
    NotTrill,
    /// The server answered the preamble with a refusal. Try again later if it is [`Refusal::Busy`].
    Refused(Refusal),
    /// The peer sent a message of this type with a wrong form. Give up: the peer is broken.
    Malformed(MessageType),
    /// The peer sent a message that this state or direction does not allow. Give up: the peer is broken.
    Unexpected(MessageType),
    /// The peer sent a message type that this side does not know and may not skip. Give up.
    UnknownType(u8),
    /// The peer announced a payload over the limit of this side. Give up.
    TooLarge {
        /// The message's type.
        kind: MessageType,
        /// Its payload's length in bytes.
        length: u16,
    },
    /// The two sides share no protocol version. Give up: one of them must be updated.
    Version {
        /// Lowest version that the peer speaks.
        lowest: u8,
        /// Highest version that the peer speaks.
        highest: u8,
    },
    /// The peer sent more DATA than it had credit for, or granted more credit than is allowed. Give up.
    Credit,
    /// The peer used a stream id out of order, or one never given out. Give up.
    StreamId,
    /// The client did not say HELLO in time.
    HelloTimeout,
    /// Nothing came from the peer for too long: it is gone. Rebuild the connection.
    Silent,
    /// The server is alive and does not answer a request. Give up the request, and rebuild the connection.
    Unanswered,
    /// The server is alive and sends no music for which there is credit, or too slowly for any. Rebuild the connection.
    Stalled,
    /// The peer ended the connection with this ERROR. Rebuild the connection only if waiting can help.
    Peer(ErrorCode),
}

/// Why a server turns a connection away before any frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Refusal {
    /// The first bytes were not a Trill preamble.
    NotTrill,
    /// The server does not offer the mode or suite asked for.
    Mode,
    /// As many clients as the server takes are connected. Try again later.
    Busy,
    /// A reason that this version does not know.
    Other(u8),
}

impl Refusal {
    /// The reason byte on the wire.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::NotTrill => 1,
            Self::Mode => 2,
            Self::Busy => 3,
            Self::Other(byte) => byte,
        }
    }

    /// The refusal that a reason byte stands for.
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::NotTrill,
            2 => Self::Mode,
            3 => Self::Busy,
            other => Self::Other(other),
        }
    }
}

impl SessionError {
    /// The code of the ERROR to send before closing; `None` if the peer is not told.
    pub const fn code(self) -> Option<ErrorCode> {
        Some(match self {
            Self::Malformed(_) => ErrorCode::MALFORMED,
            Self::Unexpected(_) => ErrorCode::UNEXPECTED,
            Self::UnknownType(_) => ErrorCode::UNKNOWN_TYPE,
            Self::TooLarge { .. } => ErrorCode::TOO_LARGE,
            Self::Version { .. } => ErrorCode::VERSION,
            Self::Credit => ErrorCode::CREDIT,
            Self::StreamId => ErrorCode::STREAM_ID,
            Self::HelloTimeout => ErrorCode::HELLO_TIMEOUT,
            Self::Silent | Self::Unanswered | Self::Stalled => ErrorCode::SILENT,
            Self::NotTrill | Self::Refused(_) | Self::Peer(_) => return None,
        })
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTrill => f.write_str("the other side does not speak Trill"),
            Self::Refused(Refusal::Busy) => f.write_str("the server is full"),
            Self::Refused(Refusal::Mode) => f.write_str("the server does not offer this kind of connection"),
            Self::Refused(Refusal::NotTrill) => f.write_str("the server did not understand the greeting"),
            Self::Refused(Refusal::Other(reason)) => write!(f, "the server refused the connection (reason {reason})"),
            Self::Malformed(kind) => write!(f, "malformed {kind} message"),
            Self::Unexpected(kind) => write!(f, "{kind} message out of place"),
            Self::UnknownType(kind) => write!(f, "unknown message type 0x{kind:02x}"),
            Self::TooLarge { kind, length } => write!(f, "{kind} message of {length} bytes is over the limit"),
            Self::Version { lowest, highest } => {
                write!(f, "no common protocol version (the other side speaks {lowest} to {highest})")
            }
            Self::Credit => f.write_str("more data or credit than allowed"),
            Self::StreamId => f.write_str("stream id out of order"),
            Self::HelloTimeout => f.write_str("no HELLO in time"),
            Self::Silent => f.write_str("nothing was heard from the other side for too long"),
            Self::Unanswered => f.write_str("the server does not answer in time"),
            Self::Stalled => f.write_str("the server sends no music, or too slowly"),
            Self::Peer(code) => match ErrorCode::ALL.iter().find(|(_, known)| known == code) {
                Some((name, _)) => write!(f, "the other side gave up: {name}"),
                None => write!(f, "the other side gave up: error {}", code.0),
            },
        }
    }
}

impl core::error::Error for SessionError {}

/// A payload does not have the form of its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl From<Truncated> for Malformed {
    fn from(_: Truncated) -> Self {
        Self
    }
}
