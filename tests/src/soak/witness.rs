//! Whether this machine gave its processors to anybody.
//!
//! A player's ring lasts 300 ms, and a song begins with 40 ms in it. Where a virtual machine stands still for that long, or
//! its processors belong to others, the ring runs dry whatever the programs do. So on each processor somebody does nothing
//! but look at the clock, as preferred as the players are: when it was late too, an underrun says nothing of the programs.
//! It is counted apart, and shown. Each time that a machine stands still it stops the music of a player once, and excuses no
//! more than that; and a run on a machine that stood still too often shows nothing.

use super::shared::{Shared, lock};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(10);

/// So late is too late for a player whose song has just begun.
const TOO_LATE: Duration = Duration::from_millis(40);

/// A player may tell of an underrun so much before a witness of the same moment has seen the clock.
const SIMULTANEOUS: Duration = Duration::from_millis(500);

/// Longer than a player goes without telling of its underruns.
const REMEMBERED: Duration = Duration::from_secs(300);

/// Of a processor's time, how much may go to moments that are [`TOO_LATE`].
const MOST_STOOD_STILL: f64 = 0.05;

/// What the witnesses saw.
#[derive(Debug, Default)]
pub(super) struct Witness {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Since it was last asked for.
    latest: Duration,
    /// When somebody was [`TOO_LATE`], the last of all last.
    too_late_at: VecDeque<Instant>,
    /// All that time.
    stood_still: Duration,
    /// How long the witnesses have watched, all together.
    watched: Duration,
}

impl Witness {
    /// How late somebody was at most since the last call.
    pub(super) fn take_latest(&self) -> Duration {
        std::mem::take(&mut lock(&self.seen).latest)
    }

    /// How often somebody was so late since then that a player may have run dry.
    pub(super) fn times_too_late_since(&self, then: Instant) -> u64 {
        let seen = lock(&self.seen);
        seen.too_late_at.iter().filter(|&&at| at + SIMULTANEOUS >= then).count() as u64
    }

    /// Why the run shows nothing, if it does not.
    pub(super) fn trouble(&self) -> Option<String> {
        let seen = lock(&self.seen);
        let part = seen.stood_still.as_secs_f64() / seen.watched.as_secs_f64().max(f64::MIN_POSITIVE);
        let percent = part * 100.0;
        (part > MOST_STOOD_STILL).then(|| {
            format!("inconclusive: this machine stood still for {percent:.0} % of the time, and excuses too much")
        })
    }

    fn note(&self, span: Duration, now: Instant) {
        let late = span.saturating_sub(TICK);
        let mut seen = lock(&self.seen);
        seen.latest = seen.latest.max(late);
        seen.watched += span;
        if late >= TOO_LATE {
            seen.stood_still += late;
            seen.too_late_at.push_back(now);
            while seen.too_late_at.front().is_some_and(|&at| at + REMEMBERED < now) {
                seen.too_late_at.pop_front();
            }
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
        shared.witness.note(now - before, now);
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_very_late_excuses_others_each_time_once() {
        let (witness, begun) = (Witness::default(), Instant::now());
        witness.note(TICK + TOO_LATE / 2, begun);
        witness.note(TICK, begun);
        assert_eq!(witness.times_too_late_since(begun), 0);
        assert_eq!((witness.take_latest(), witness.take_latest()), (TOO_LATE / 2, Duration::ZERO));
        for second in 1..=3 {
            witness.note(TICK + TOO_LATE, begun + Duration::from_secs(second));
        }
        for (second, times) in [(0, 3), (1, 3), (2, 2), (3, 1), (4, 0)] {
            assert_eq!(witness.times_too_late_since(begun + Duration::from_secs(second)), times, "{second}");
        }
        witness.note(TICK + TOO_LATE, begun + 2 * REMEMBERED);
        assert_eq!(witness.times_too_late_since(begun), 1, "that was long ago");
    }

    #[test]
    fn a_machine_that_stands_still_shows_nothing() {
        let (witness, now) = (Witness::default(), Instant::now());
        assert_eq!(witness.trouble(), None);
        witness.note(TICK + Duration::from_secs(1), now);
        assert!(witness.trouble().is_some_and(|trouble| trouble.starts_with("inconclusive: ")));
        (0..100_000).for_each(|_| witness.note(TICK, now));
        assert_eq!(witness.trouble(), None);
    }
}
