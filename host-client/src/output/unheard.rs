//! Samples that a lost device takes with it, kept so that the next device can play them.

use std::collections::VecDeque;

/// The samples handed to the ring that nobody has heard yet, as far as the device tells.
///
/// Samples are counted as in [`OutputState`](super::controls::OutputState): by their place among all that were written.
pub(super) struct Unheard {
    samples: VecDeque<i16>,
    /// The place of the first one.
    begin: u64,
}

impl Unheard {
    /// Nothing; the next sample written has place `begin`.
    pub(super) fn new(begin: u64) -> Self {
        Self { samples: VecDeque::new(), begin }
    }

    /// Adds samples that go into the ring.
    pub(super) fn push(&mut self, samples: &[i16]) {
        self.samples.extend(samples);
    }

    /// Forgets the samples before place `heard`.
    pub(super) fn forget(&mut self, heard: u64) {
        let count = usize::try_from(heard.saturating_sub(self.begin)).unwrap_or(usize::MAX).min(self.samples.len());
        self.samples.drain(..count);
        self.begin += count as u64;
    }

    /// The place of the first sample, or of the next one if there is none.
    pub(super) fn begin(&self) -> u64 {
        self.begin
    }

    /// Empties it: what is returned is written again.
    pub(super) fn take(&mut self) -> Vec<i16> {
        std::mem::take(&mut self.samples).into()
    }
}
