//! A copy of the samples that a device has not played, so that the next device can play them if this one is lost.

use std::collections::VecDeque;

/// The samples that were put into the ring and were not heard yet, as far as the device reports.
///
/// A sample's place is its index among all samples written, as in [`OutputState`](super::controls::OutputState).
pub(super) struct Unheard {
    samples: VecDeque<i16>,
    /// The place of the first sample.
    begin: u64,
}

impl Unheard {
    /// An empty copy; the next sample written has place `begin`.
    pub(super) fn new(begin: u64) -> Self {
        Self { samples: VecDeque::new(), begin }
    }

    /// Adds samples that go into the ring.
    pub(super) fn push(&mut self, samples: &[i16]) {
        self.samples.extend(samples);
    }

    /// Drops the samples before place `heard`.
    pub(super) fn forget(&mut self, heard: u64) {
        let count = usize::try_from(heard.saturating_sub(self.begin)).unwrap_or(usize::MAX).min(self.samples.len());
        self.samples.drain(..count);
        self.begin += count as u64;
    }

    /// The place of the first sample, or of the next one to be written if this is empty.
    pub(super) fn begin(&self) -> u64 {
        self.begin
    }

    /// Removes and returns all samples. The caller writes them again.
    pub(super) fn take(&mut self) -> Vec<i16> {
        std::mem::take(&mut self.samples).into()
    }
}
