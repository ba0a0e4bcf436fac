//! A timer wheel: every listener is due once per period, each at a different time.

use std::time::{Duration, Instant};

/// A wheel with one slot per millisecond and one turn per period.
#[derive(Debug)]
pub(super) struct Wheel {
    slots: Vec<Vec<usize>>,
    begun: Instant,
    /// Milliseconds handled so far.
    dealt_with: u64,
}

impl Wheel {
    pub(super) fn new(period: Duration) -> Self {
        Self { slots: vec![Vec::new(); period.as_millis() as usize], begun: Instant::now(), dealt_with: 0 }
    }

    /// Adds a listener. It is due within one period, and then once per period.
    pub(super) fn add(&mut self, index: usize, now: Instant) {
        let slot = self.elapsed(now) as usize % self.slots.len();
        self.slots[slot].push(index);
    }

    /// The listeners that became due since the last call, as often as each was due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<usize> {
        let elapsed = self.elapsed(now);
        let slots = self.slots.len() as u64;
        let due = (self.dealt_with..elapsed).flat_map(|ms| &self.slots[(ms % slots) as usize]).copied().collect();
        self.dealt_with = elapsed.max(self.dealt_with);
        due
    }

    fn elapsed(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_due_once_a_period() {
        let mut wheel = Wheel::new(Duration::from_millis(250));
        let at = |ms| wheel_time(&wheel) + Duration::from_millis(ms);
        let times: Vec<Instant> = [10, 10, 20, 259, 260, 261, 271, 511, 1_271].map(at).to_vec();
        wheel.add(0, times[0]);
        wheel.add(1, times[1]);
        wheel.add(2, times[2]);
        let mut check = |at: usize, expected: &[usize]| assert_eq!(wheel.due(times[at]), expected, "{at}");
        // Listeners that were added after the wheel had passed their slot.
        check(2, &[0, 1]);
        check(3, &[2]);
        check(4, &[]);
        check(5, &[0, 1]);
        check(6, &[2]);
        check(7, &[0, 1]);
        // A late call returns every missed listener.
        check(8, &[2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
    }

    fn wheel_time(wheel: &Wheel) -> Instant {
        wheel.begun
    }
}
