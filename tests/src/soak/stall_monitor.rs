//! Detects stalls of this machine, which excuse underruns.
//!
//! A player's ring buffer lasts 400 ms, and a song starts with 40 ms in it. If a virtual machine pauses that long, or
//! other programs use its processors, the buffer runs dry without a fault in Trill. So one thread per processor, with
//! the players' priority, checks how late it wakes. An underrun during such a stall is counted separately. Each stall
//! excuses one underrun per player. A run with too many stalls is inconclusive.

use super::shared::{Shared, lock};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// Time between two checks of the clock.
const TICK: Duration = Duration::from_millis(10);

/// Lateness that can cause an underrun of a player whose song has just started.
const STALL: Duration = Duration::from_millis(40);

/// A player may report an underrun so long before the monitor notices the same stall.
const SIMULTANEOUS: Duration = Duration::from_millis(500);

/// How long stalls are kept: longer than the interval between a player's underrun reports.
const REMEMBERED: Duration = Duration::from_secs(300);

/// Largest fraction of the monitored time that may be stalls.
const MAX_STALLED: f64 = 0.05;

/// The stalls of all processors.
#[derive(Debug, Default)]
pub(super) struct StallMonitor {
    observations: Mutex<Observations>,
}

#[derive(Debug, Default)]
struct Observations {
    /// Longest lateness since the last call of `take_latest`.
    latest: Duration,
    /// Times of the stalls, oldest first.
    stalls: VecDeque<Instant>,
    /// Total duration of the stalls.
    stalled: Duration,
    /// Total monitored time of all processors.
    watched: Duration,
}

impl StallMonitor {
    /// The longest lateness since the last call.
    pub(super) fn take_latest(&self) -> Duration {
        std::mem::take(&mut lock(&self.observations).latest)
    }

    /// Number of stalls since `then` that can have caused an underrun.
    pub(super) fn stalls_since(&self, then: Instant) -> u64 {
        let observations = lock(&self.observations);
        observations.stalls.iter().filter(|&&at| at + SIMULTANEOUS >= then).count() as u64
    }

    /// Why the run is inconclusive; `None` if it is not.
    pub(super) fn failure(&self) -> Option<String> {
        let observations = lock(&self.observations);
        let part = observations.stalled.as_secs_f64() / observations.watched.as_secs_f64().max(f64::MIN_POSITIVE);
        let percent = part * 100.0;
        (part > MAX_STALLED).then(|| format!("inconclusive: this machine stalled for {percent:.0} % of the time"))
    }

    fn note(&self, span: Duration, now: Instant) {
        let late = span.saturating_sub(TICK);
        let mut observations = lock(&self.observations);
        observations.latest = observations.latest.max(late);
        observations.watched += span;
        if late >= STALL {
            observations.stalled += late;
            observations.stalls.push_back(now);
            while observations.stalls.front().is_some_and(|&at| at + REMEMBERED < now) {
                observations.stalls.pop_front();
            }
        }
    }
}

/// Monitors one processor until the run stops.
pub(super) fn watch(shared: &Shared<'_>, processor: usize) {
    let mut here = CpuSet::new();
    here.set(processor);
    // Without these permissions the monitor is late more often than a player, never less.
    let _ = (sched_setaffinity(None, &here), rustix::process::nice(-19));
    let mut before = Instant::now();
    while !shared.stop.is_set() {
        thread::sleep(TICK);
        let now = Instant::now();
        shared.stall_monitor.note(now - before, now);
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_very_late_excuses_others_each_time_once() {
        let (stall_monitor, begun) = (StallMonitor::default(), Instant::now());
        stall_monitor.note(TICK + STALL / 2, begun);
        stall_monitor.note(TICK, begun);
        assert_eq!(stall_monitor.stalls_since(begun), 0);
        assert_eq!((stall_monitor.take_latest(), stall_monitor.take_latest()), (STALL / 2, Duration::ZERO));
        for second in 1..=3 {
            stall_monitor.note(TICK + STALL, begun + Duration::from_secs(second));
        }
        for (second, times) in [(0, 3), (1, 3), (2, 2), (3, 1), (4, 0)] {
            assert_eq!(stall_monitor.stalls_since(begun + Duration::from_secs(second)), times, "{second}");
        }
        stall_monitor.note(TICK + STALL, begun + 2 * REMEMBERED);
        assert_eq!(stall_monitor.stalls_since(begun), 1, "that was long ago");
    }

    #[test]
    fn a_machine_that_stands_still_shows_nothing() {
        let (stall_monitor, now) = (StallMonitor::default(), Instant::now());
        assert_eq!(stall_monitor.failure(), None);
        stall_monitor.note(TICK + Duration::from_secs(1), now);
        assert!(stall_monitor.failure().is_some_and(|failure| failure.starts_with("inconclusive: ")));
        (0..100_000).for_each(|_| stall_monitor.note(TICK, now));
        assert_eq!(stall_monitor.failure(), None);
    }
}
