//! Small messages that wait to be sent.

use super::OutboxFull;
use crate::message::Encode;
use heapless::Vec;

/// Encoded frames in the order in which they go out, at most `SIZE` bytes of them.
#[derive(Debug)]
pub(super) struct Outbox<const SIZE: usize> {
    bytes: Vec<u8, SIZE>,
    /// Whether `bytes` was handed out: then it counts as sent.
    is_sent: bool,
}

impl<const SIZE: usize> Outbox<SIZE> {
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new(), is_sent: false }
    }

    /// Appends a frame, or nothing if it does not fit.
    pub(super) fn push(&mut self, message: &impl Encode) -> Result<(), OutboxFull> {
        self.forget_sent();
        let used = self.bytes.len();
        self.bytes.resize(SIZE, 0).map_err(|_| OutboxFull)?;
        let written = self.bytes.get_mut(used..).and_then(|room| message.encode(room).ok());
        self.bytes.truncate(used + written.unwrap_or(0));
        written.map(|_| ()).ok_or(OutboxFull)
    }

    /// Appends bytes that are not a frame.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) -> Result<(), OutboxFull> {
        self.forget_sent();
        self.bytes.extend_from_slice(bytes).map_err(|_| OutboxFull)
    }

    /// Bytes that still fit.
    pub(super) fn room(&mut self) -> usize {
        self.forget_sent();
        SIZE - self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.is_sent || self.bytes.is_empty()
    }

    /// Everything that waits; from now on it counts as sent.
    pub(super) fn take(&mut self) -> &[u8] {
        self.forget_sent();
        self.is_sent = true;
        &self.bytes
    }

    fn forget_sent(&mut self) {
        if core::mem::take(&mut self.is_sent) {
            self.bytes.clear();
        }
    }
}
