//! The pump over `embedded-io`, for threads.
//!
//! # Contract with the transport
//! `Read::read` blocks until there is something, returns 0 at the end of the stream, and fails with
//! [`ErrorKind::TimedOut`] when the transport's own time-out has passed: `embedded-io` has none of its own, and a
//! session must wake for [`poll_timeout`](crate::session::client::Client::poll_timeout).

use crate::session::server::Server;
use crate::time::Instant;
use embedded_io::{Error, ErrorKind, Read, Write};

/// What [`receive`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Received {
    /// So many bytes at the front of the buffer, at least one.
    Bytes(usize),
    /// Nothing within the transport's time-out.
    Nothing,
    /// The peer closed its side.
    Closed,
}

/// Reads once into `buffer`, which must not be empty.
///
/// # Errors
/// The transport's, other than its time-out.
pub fn receive<R: Read>(reader: &mut R, buffer: &mut [u8]) -> Result<Received, R::Error> {
    match reader.read(buffer) {
        Ok(0) => Ok(Received::Closed),
        Ok(count) => Ok(Received::Bytes(count)),
        Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted) => Ok(Received::Nothing),
        Err(error) => Err(error),
    }
}

/// Writes the server's whole output except DATA.
///
/// # Errors
/// The transport's.
pub fn transmit_server<W: Write>(server: &mut Server, now: Instant, writer: &mut W) -> Result<(), W::Error> {
    while let Some(bytes) = server.poll_transmit(now) {
        writer.write_all(bytes)?;
    }
    writer.flush()
}
