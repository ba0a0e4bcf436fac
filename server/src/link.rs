//! A connection's socket as two threads see it: the one that serves it, and whoever wants it to end.

use std::fmt;
use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Input that a farewell reads and throws away, in bytes.
const FAREWELL_BYTES: usize = 64 * 1_024;

/// A connection that can be told to end.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    dismissal: OnceLock<Dismissal>,
}

/// Why the server ends a connection that did nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dismissal {
    /// The same client has connected again.
    Superseded,
    /// The server shuts down.
    Restarting,
    /// It has not said HELLO, and is the oldest of too many, or has a place that somebody needs who did.
    Crowded,
}

impl fmt::Display for Dismissal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Superseded => "it has connected again",
            Self::Restarting => "the server shuts down",
            Self::Crowded => "too many connections that say nothing",
        })
    }
}

impl Link {
    pub(crate) const fn new(stream: TcpStream) -> Self {
        Self { stream, dismissal: OnceLock::new() }
    }

    pub(crate) const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Tells the thread that serves this connection to say goodbye and end it. The first reason counts.
    pub(crate) fn dismiss(&self, why: Dismissal) {
        if self.dismissal.set(why).is_ok() {
            // Wakes a thread that waits for input. Fails only if the connection is gone.
            let _ = self.stream.shutdown(Shutdown::Read);
        }
    }

    pub(crate) fn dismissal(&self) -> Option<Dismissal> {
        self.dismissal.get().copied()
    }

    /// Breaks the connection off, whatever its thread is doing with it.
    pub(crate) fn cut(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Ends a connection so that what was written last arrives: closing a socket that has unread input resets the
/// connection, and a reset may overtake the last words. Waits for the peer to close, at most until `deadline`.
pub(crate) fn bid_farewell(stream: &TcpStream, deadline: Instant) {
    let mut left = FAREWELL_BYTES;
    let mut buffer = [0; 512];
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    while let Some(patience) = remaining(deadline) {
        if stream.set_read_timeout(Some(patience)).is_err() {
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
