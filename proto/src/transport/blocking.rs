//! The pump over `embedded-io`, for threads.
//!
//! # Contract with the transport
//! `Read::read` blocks until there is something, returns 0 at the end of the stream, and fails with
//! [`ErrorKind::TimedOut`] when the transport's own time-out has passed: `embedded-io` has none of its own, and a
//! session must wake for [`poll_timeout`](crate::session::client::Client::poll_timeout).

use crate::ids::StreamId;
use crate::session::client::Client;
use crate::session::server::Server;
use crate::time::Instant;
use embedded_io::{Error, ErrorKind, Read, Write};

/// A writer that may put two slices on the wire at once.
pub trait GatherWrite: Write {
    /// Writes all of `head`, then all of `body`.
    ///
    /// # Errors
    /// The transport's; how much was written is then unknown and the connection is of no further use.
    fn write_gather(&mut self, head: &[u8], body: &[u8]) -> Result<(), Self::Error> {
        self.write_all(head)?;
        self.write_all(body)
    }
}

/// Where the bytes of the songs come from.
pub trait Source {
    /// Fills `payload` with the bytes of the stream's song from `position` on.
    fn read_song(&mut self, stream: StreamId, position: u64, payload: &mut [u8]) -> ReadOutcome;
}

/// Result of reading a song's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum ReadOutcome {
    /// The payload is filled.
    Filled,
    /// The bytes cannot be read now: try again later.
    NotNow,
    /// The bytes can no longer be read: the stream ends.
    Failed,
}

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

/// Writes the client's whole output.
///
/// # Errors
/// The transport's.
pub fn transmit_client<W: Write, const N: usize>(
    client: &mut Client<N>,
    now: Instant,
    writer: &mut W,
) -> Result<(), W::Error> {
    while let Some(bytes) = client.poll_transmit(now) {
        writer.write_all(bytes)?;
    }
    writer.flush()
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

/// Writes one DATA frame, if there is credit for one and its bytes can be read now. Returns `false` if not. If the
/// bytes can no longer be read, the stream ends instead.
///
/// `scratch` holds the payload on its way from `source` to `writer`; frames are as long as it allows, so it should have
/// [`MAX_PAYLOAD_BYTES`](crate::limits::MAX_PAYLOAD_BYTES).
///
/// # Errors
/// The transport's. A song that cannot be read is not an error: its stream ends.
pub fn transmit_data<W: GatherWrite, S: Source>(
    server: &mut Server,
    writer: &mut W,
    source: &mut S,
    scratch: &mut [u8],
) -> Result<bool, W::Error> {
    let Some(frame) = server.poll_data(scratch.len()) else { return Ok(false) };
    let Some(payload) = scratch.get_mut(..frame.length) else { return Ok(false) };
    match source.read_song(frame.stream, frame.position, payload) {
        ReadOutcome::Filled => writer.write_gather(&frame.header, payload)?,
        ReadOutcome::NotNow => {
            server.take_back(&frame);
            return Ok(false);
        }
        ReadOutcome::Failed => {
            // There is room: DATA is only sent when nothing else waits.
            let _ = server.fail(frame.stream);
        }
    }
    Ok(true)
}
