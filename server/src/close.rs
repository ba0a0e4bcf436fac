//! Why connections close, and how.

use std::collections::TryReserveError;
use std::fmt;
use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use trill_proto::error::{ErrorCode, SessionError};
use trill_proto::transport::std_io::StdError;

/// Input that a lingering close reads and discards at most, in bytes.
const LINGER_BYTES: usize = 64 * 1_024;

/// Why a connection closes. `Display` completes the sentence "the client left: …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The client said goodbye.
    Goodbye,
    /// The client closed the connection without GOODBYE, as a killed one does.
    ClosedByClient,
    /// The client ended the session with this ERROR.
    ClientError(ErrorCode),
    /// The client violated the protocol or is silent. It gets an ERROR.
    SessionError(SessionError),
    /// The same client has connected again. It gets a GOODBYE.
    Superseded,
    /// The server shuts down. The client gets a GOODBYE.
    ShuttingDown,
    /// The client has not sent HELLO, and another connection needs its place.
    NoHello,
    /// All slots are taken. The client is refused.
    Full,
    /// Too many clients from the client's address are active. It gets an ERROR. Holds the limit.
    TooManyFromAddress(usize),
    /// The song of a frame that is partly sent cannot be read further. The client sees a lost connection and asks again.
    UnfinishedFrame,
    /// The connection is lost, or the client does not take what it is sent.
    Lost(io::ErrorKind),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Goodbye => "goodbye",
            // What a killed client looks like if something was on its way to it.
            Self::ClosedByClient | Self::Lost(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
                "it closed the connection"
            }
            Self::ClientError(code) => return SessionError::Peer(*code).fmt(f),
            Self::SessionError(error) => return error.fmt(f),
            Self::Superseded => "it has connected again",
            Self::ShuttingDown => "the server shuts down",
            Self::NoHello => "too many connections without HELLO",
            Self::Full => "all places are taken",
            Self::TooManyFromAddress(limit) => return write!(f, "at most {limit} clients from one address"),
            Self::UnfinishedFrame => "its song cannot be read further",
            Self::Lost(io::ErrorKind::TimedOut) => "it takes no more data",
            Self::Lost(kind) => return kind.fmt(f),
        })
    }
}

impl From<SessionError> for CloseReason {
    fn from(error: SessionError) -> Self {
        Self::SessionError(error)
    }
}

impl From<io::Error> for CloseReason {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.kind())
    }
}

impl From<StdError> for CloseReason {
    fn from(error: StdError) -> Self {
        error.0.into()
    }
}

impl From<TryReserveError> for CloseReason {
    fn from(_: TryReserveError) -> Self {
        Self::Lost(io::ErrorKind::OutOfMemory)
    }
}

/// Closes a connection so that its last frames arrive: closing a socket with unread input resets the connection, and a
/// reset may overtake them. Discards input until the peer closes, at most until `deadline`.
pub(crate) fn lingering_close(stream: &TcpStream, deadline: Instant) {
    let mut left = LINGER_BYTES;
    let mut buffer = [0; 512];
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    while let Some(wait) = remaining(deadline) {
        if stream.set_read_timeout(Some(wait)).is_err() {
            return;
        }
        match (&*stream).read(&mut buffer) {
            Ok(count) if (1..left).contains(&count) => left -= count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// The time until `deadline`, unless it has passed.
fn remaining(deadline: Instant) -> Option<Duration> {
    Some(deadline.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}
