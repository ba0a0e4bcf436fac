//! Pumps over `embedded-io-async`: for boards with an executor.

use super::blocking::Received;
use crate::session::client::Client;
use crate::time::Instant;
use embedded_io::{Error, ErrorKind};
use embedded_io_async::{Read, Write};

/// Reads once into `buffer`, which must not be empty.
///
/// As cancellation-safe as the transport's `read`: race it against a timer for the session's
/// [`poll_timeout`](Client::poll_timeout).
///
/// # Errors
/// The transport's, other than a time-out of its own.
pub async fn receive<R: Read>(reader: &mut R, buffer: &mut [u8]) -> Result<Received, R::Error> {
    match reader.read(buffer).await {
        Ok(0) => Ok(Received::Closed),
        Ok(count) => Ok(Received::Bytes(count)),
        Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted) => Ok(Received::Nothing),
        Err(error) => Err(error),
    }
}

/// Writes everything that a client has to say.
///
/// Not cancellation-safe: what was taken from the machine and not written is lost, so a caller that gives up on this
/// future must give up on the connection.
///
/// # Errors
/// The transport's.
pub async fn transmit_client<W: Write, const N: usize>(
    client: &mut Client<N>,
    now: Instant,
    writer: &mut W,
) -> Result<(), W::Error> {
    while let Some(bytes) = client.poll_transmit(now) {
        writer.write_all(bytes).await?;
    }
    writer.flush().await
}
