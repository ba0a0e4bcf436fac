//! What becomes of one listener's music.

use super::Tick;
use std::time::{Duration, Instant};

/// What one listener has heard, and what not. Silence after the music has begun is late, whether its player ran dry or
/// fills its buffer again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hearing {
    connected: Instant,
    /// How long the first music took to come, to a tick.
    pub(super) beginning: Option<Duration>,
    /// Ticks for which the music was not there in time.
    pub(super) underruns: u64,
    /// Seconds with such ticks in them.
    pub(super) late_seconds: u64,
    /// The last of these, counted from the connection.
    last_late: Option<u64>,
}

impl Hearing {
    pub(super) fn new(connected: Instant) -> Self {
        Self { connected, beginning: None, underruns: 0, late_seconds: 0, last_late: None }
    }

    /// Counts a tick, and tells whether the music began with it.
    pub(super) fn on_tick(&mut self, tick: Tick, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.connected);
        let is_first = self.beginning.is_none() && tick != Tick::Silent;
        if is_first {
            self.beginning = Some(elapsed);
        }
        if self.beginning.is_some() && tick != Tick::Full {
            let second = Some(elapsed.as_secs());
            self.underruns += 1;
            self.late_seconds += u64::from(self.last_late != second);
            self.last_late = second;
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_late_once_the_music_has_begun() {
        let connected = Instant::now();
        let mut hearing = Hearing::new(connected);
        let mut check = |ms, tick, begins, expected: (u64, u64)| {
            let begun = hearing.on_tick(tick, connected + Duration::from_millis(ms));
            assert_eq!(
                (begun, hearing.underruns, hearing.late_seconds),
                (begins, expected.0, expected.1),
                "at {ms} ms"
            );
        };
        check(250, Tick::Silent, false, (0, 0));
        check(500, Tick::Full, true, (0, 0));
        check(750, Tick::Short, false, (1, 1));
        // Its buffer is filled again: as long as that takes nothing is heard.
        check(1_000, Tick::Silent, false, (2, 2));
        check(1_250, Tick::Silent, false, (3, 2));
        check(2_000, Tick::Silent, false, (4, 3));
        check(2_250, Tick::Full, false, (4, 3));
        check(2_500, Tick::Short, false, (5, 3));
        assert_eq!(hearing.beginning, Some(Duration::from_millis(500)));
    }
}
