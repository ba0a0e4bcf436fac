//! The first bytes of a connection, which come before any frame.

use crate::limits::PREAMBLE_BYTES;
use heapless::Vec;

/// Gathers the peer's preamble.
#[derive(Debug)]
pub(super) struct PreambleReader {
    bytes: Vec<u8, PREAMBLE_BYTES>,
}

impl PreambleReader {
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Takes what `input` has of the preamble. Returns how many bytes that is.
    pub(super) fn read(&mut self, input: &[u8]) -> usize {
        let missing = PREAMBLE_BYTES - self.bytes.len();
        let taken = input.get(..missing).unwrap_or(input);
        let _ = self.bytes.extend_from_slice(taken);
        taken.len()
    }

    /// What has come.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether what has come may be the beginning of a preamble that starts with `magic`.
    pub(super) fn may_start_with(&self, magic: [u8; 4]) -> bool {
        self.bytes.iter().zip(magic).all(|(came, expected)| *came == expected)
    }
}
