//! Pumps over `embedded-io-async`: for boards with an executor.

use crate::session::client::Client;
use crate::time::Instant;
use embedded_io_async::Write;

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
