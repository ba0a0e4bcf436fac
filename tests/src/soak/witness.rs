//! Whether this machine gave its processors to anybody.
//!
//! A player's ring lasts 200 ms, and a song begins with 40 ms in it. Where a virtual machine stands still for that long, or
//! its processors belong to others, the ring runs dry whatever the programs do. So on each processor somebody does nothing
//! but look at the clock, as preferred as the players are: when it was late too, an underrun says nothing of the programs.
//! It is counted apart, and shown.

use super::shared::{Shared, lock};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(10);

/// So late is too late for a player whose song has just begun.
const TOO_LATE: Duration = Duration::from_millis(40);

/// What the witnesses saw.
#[derive(Debug, Default)]
pub(super) struct Witness {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Since it was last asked for.
    latest: Duration,
    /// When somebody was last [`TOO_LATE`].
    too_late_at: Option<Instant>,
}

impl Witness {
    /// How late somebody was at most since the last call.
    pub(super) fn take_latest(&self) -> Duration {
        std::mem::take(&mut lock(&self.seen).latest)
    }

    /// Whether somebody was so late since then that a player may have run dry.
    pub(super) fn was_too_late_since(&self, then: Instant) -> bool {
        lock(&self.seen).too_late_at.is_some_and(|at| at >= then)
    }

    fn note(&self, late: Duration, now: Instant) {
        let mut seen = lock(&self.seen);
        seen.latest = seen.latest.max(late);
        if late >= TOO_LATE {
            seen.too_late_at = Some(now);
        }
    }
}

/// Looks at the clock on one processor, until all is over.
pub(super) fn watch(shared: &Shared<'_>, processor: usize) {
    let mut here = CpuSet::new();
    here.set(processor);
    // Where neither is allowed it is late more often than a player is, and never less.
    let _ = (sched_setaffinity(None, &here), rustix::process::nice(-19));
    let mut before = Instant::now();
    while !shared.stop.is_set() {
        thread::sleep(TICK);
        let now = Instant::now();
        shared.witness.note((now - before).saturating_sub(TICK), now);
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_very_late_excuses_others() {
        let (witness, begun) = (Witness::default(), Instant::now());
        witness.note(TOO_LATE / 2, begun);
        witness.note(TICK, begun);
        assert!(!witness.was_too_late_since(begun));
        assert_eq!((witness.take_latest(), witness.take_latest()), (TOO_LATE / 2, Duration::ZERO));
        witness.note(TOO_LATE, begun + TICK);
        assert!(witness.was_too_late_since(begun + TICK) && !witness.was_too_late_since(begun + 2 * TICK));
    }
}
