//! What has come from the client and was not looked at yet.

use embedded_io::Read;
use trill_proto::transport::blocking::{Received, receive};

/// Bytes taken from the socket at once. Commands are small; what is larger comes in pieces.
const INPUT_BYTES: usize = 512;

/// Some input, from its arrival until the session's machine has taken all of it.
pub(super) struct Input {
    buffer: [u8; INPUT_BYTES],
    start: usize,
    end: usize,
}

impl Input {
    pub(super) const fn new() -> Self {
        Self { buffer: [0; INPUT_BYTES], start: 0, end: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Forgets the first `count` bytes.
    pub(super) fn take(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
    }

    /// Reads more, when nothing is left; waits as long as the reader does.
    ///
    /// # Errors
    /// The reader's.
    pub(super) fn receive<R: Read>(&mut self, reader: &mut R) -> Result<Received, R::Error> {
        (self.start, self.end) = (0, 0);
        let received = receive(reader, &mut self.buffer)?;
        if let Received::Bytes(count) = received {
            self.end = count;
        }
        Ok(received)
    }
}
