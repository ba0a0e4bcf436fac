//! Why a connection ended.

use std::collections::TryReserveError;
use std::fmt;
use std::io;

use trill_proto::error::{ErrorCode, SessionError};
use trill_proto::transport::std_io::StdError;

use crate::link::Dismissal;

/// Why a connection ended, and so how to take leave. `Display` completes the sentence "the client left: …".
#[derive(Debug)]
pub(super) enum Departure {
    /// The client said goodbye.
    Goodbye,
    /// The client closed the connection without a word, as one does that was killed.
    Closed,
    /// The client gave up, with this ERROR.
    GaveUp(ErrorCode),
    /// The client broke the protocol, or is silent: it is told so.
    Fault(SessionError),
    /// The server wants the connection to end: the client is told why.
    Dismissed(Dismissal),
    /// All places are taken: the client is refused.
    Full,
    /// So many clients come from its address already, and no more may: the client is told so.
    TooMany(usize),
    /// The song of a frame that was begun cannot be read on. The client sees a lost connection, and asks for the song again.
    Unfinished,
    /// The connection is lost, or the client takes nothing of what it is sent.
    Lost(io::Error),
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Goodbye => f.write_str("goodbye"),
            Self::Closed => f.write_str("it closed the connection"),
            Self::GaveUp(code) => SessionError::Peer(*code).fmt(f),
            Self::Fault(fault) => fault.fmt(f),
            Self::Dismissed(why) => why.fmt(f),
            Self::Full => f.write_str("all places are taken"),
            Self::TooMany(at_most) => write!(f, "at most {at_most} clients from one address"),
            Self::Unfinished => f.write_str("its song cannot be read on"),
            Self::Lost(error) => match error.kind() {
                io::ErrorKind::TimedOut => f.write_str("it takes no more data"),
                // What a client that is killed looks like if something was on its way to it.
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Closed.fmt(f),
                _ => error.fmt(f),
            },
        }
    }
}

impl From<SessionError> for Departure {
    fn from(fault: SessionError) -> Self {
        Self::Fault(fault)
    }
}

impl From<TryReserveError> for Departure {
    fn from(error: TryReserveError) -> Self {
        Self::Lost(error.into())
    }
}

impl From<StdError> for Departure {
    fn from(error: StdError) -> Self {
        Self::Lost(error.0)
    }
}

impl From<io::Error> for Departure {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}
