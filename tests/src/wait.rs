//! Waits for a condition, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// Polling interval: shorter than a person notices, long enough to leave the CPU to the programs under test.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not hold within `deadline`; the message says `what` was awaited.
#[track_caller]
pub fn wait_for(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    wait_for_some(deadline, what, || condition().then_some(()));
}

/// Waits until `probe` returns a value, and returns it.
///
/// # Panics
/// When it returns none within `deadline`; the message says `what` was awaited.
#[track_caller]
pub fn wait_for_some<T>(deadline: Duration, what: &str, probe: impl FnMut() -> Option<T>) -> T {
    let Some(value) = try_wait(deadline, probe) else {
        panic!("waited {deadline:?} in vain for {what}");
    };
    value
}

/// Waits until `probe` returns a value. Returns `None` when `deadline` has passed.
pub fn try_wait<T>(deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        // Reading the clock before the probe guarantees one probe after the deadline, even on a slow machine.
        let last = Instant::now() >= end;
        let value = probe();
        if value.is_some() || last {
            return value;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_what_the_probe_found() {
        let mut calls = 0;
        let found = wait_for_some(Duration::from_secs(5), "the third call", || {
            calls += 1;
            (calls == 3).then_some("third")
        });
        assert_eq!((found, calls), ("third", 3));
    }

    #[test]
    #[should_panic(expected = "in vain for rain")]
    fn panics_with_what_was_awaited() {
        wait_for(Duration::from_millis(5), "rain", || false);
    }

    #[test]
    fn looks_at_least_once() {
        assert_eq!(try_wait(Duration::ZERO, || Some(1)), Some(1));
    }
}
