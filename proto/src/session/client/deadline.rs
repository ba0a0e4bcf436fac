//! Deadlines for what is due, which hold even while the server shows that it is alive.

use crate::limits::SLOWEST_RATE;
use crate::time::Instant;
use core::time::Duration;

/// When more of what is due must have come. Each byte extends the deadline by the time that it takes at
/// [`SLOWEST_RATE`], up to the whole patience, so a slower transfer runs out of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
}

impl Deadline {
    pub(super) fn new(now: Instant, patience: Duration) -> Self {
        Self { at: now + patience }
    }

    pub(super) const fn at(&self) -> Instant {
        self.at
    }

    /// Takes the arrival of `bytes` of what is due.
    pub(super) fn on_bytes(&mut self, now: Instant, bytes: usize, patience: Duration) {
        let earned = Duration::from_micros(bytes as u64 * 1_000_000 / SLOWEST_RATE);
        self.at = (self.at + earned).min(now + patience);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// How long a deadline lasts when so many bytes come each tenth of a second; `None` if longer than an hour.
    fn lasts(bytes: usize) -> Option<Duration> {
        let begun = Instant::from_micros(0);
        let mut deadline = Deadline::new(begun, PATIENCE);
        for tenth in 1..36_000 {
            let now = begun + Duration::from_millis(100 * tenth);
            if now >= deadline.at() {
                return Some(now.saturating_since(begun));
            }
            deadline.on_bytes(now, bytes, PATIENCE);
        }
        None
    }

    #[test]
    fn a_trickle_below_the_slowest_rate_runs_out_of_time() {
        assert_eq!(lasts(0), Some(PATIENCE));
        assert_eq!(lasts(1), Some(Duration::from_millis(10_100)));
        assert_eq!(lasts(50), Some(Duration::from_millis(19_900)));
        assert!(lasts(99).is_some());
        assert_eq!(lasts(100), None);
        assert_eq!(lasts(1_000_000), None);
    }

    #[test]
    fn what_came_fast_earns_no_more_than_the_patience() {
        let begun = Instant::from_micros(0);
        let mut deadline = Deadline::new(begun, PATIENCE);
        deadline.on_bytes(begun, 1 << 30, PATIENCE);
        assert_eq!(deadline.at(), begun + PATIENCE);
    }
}
