//! What may be asked of a disk by whoever cannot wait for one: what it told at once a moment ago, and so has in memory.
//! To ask takes less than handing the question to a thread.

use std::time::{Duration, Instant};

/// What is told in so short a time is in memory, or on a disk that lets nobody wait …
const AT_ONCE: Duration = Duration::from_millis(1);

/// … and stays so for so long at least, unless memory is short indeed.
const STAYS_SO: Duration = Duration::from_secs(10);

/// Whether the answer to a question is in memory.
#[derive(Debug, Default)]
pub(super) struct Glance {
    /// When it was told at once that nothing has changed, if it was so the last time.
    told_at_once: Option<Instant>,
}

impl Glance {
    /// Whether the disk, which was asked from `begun` until `now`, told that nothing has changed.
    pub(super) fn note(&mut self, is_told: bool, begun: Instant, now: Instant) {
        self.told_at_once = (is_told && now.duration_since(begun) <= AT_ONCE).then_some(now);
    }

    /// Whether it would tell at once at `now`, and may be asked by whoever cannot wait. One may at a time: should memory not
    /// hold it any more, nobody else gets stuck.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.told_at_once.take().is_some_and(|told| now.duration_since(told) <= STAYS_SO)
    }
}
