//! Records underruns of one listener.

use super::Tick;
use std::time::{Duration, Instant};

/// What one listener received in time. After the music has begun, every tick of silence is late, whether the player ran
/// dry or refills its buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hearing {
    connected: Instant,
    /// Time from the connection to the first music, rounded to a tick.
    pub(super) beginning: Option<Duration>,
    /// Ticks without enough music.
    pub(super) underruns: u64,
    /// Seconds with at least one such tick.
    pub(super) late_seconds: u64,
    /// The last late second, counted from the connection.
    last_late: Option<u64>,
}

impl Hearing {
    pub(super) fn new(connected: Instant) -> Self {
        Self { connected, beginning: None, underruns: 0, late_seconds: 0, last_late: None }
    }

    /// Counts a tick. Returns whether the music began with it.
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
        // While the buffer refills, nothing is played.
        check(1_000, Tick::Silent, false, (2, 2));
        check(1_250, Tick::Silent, false, (3, 2));
        check(2_000, Tick::Silent, false, (4, 3));
        check(2_250, Tick::Full, false, (4, 3));
        check(2_500, Tick::Short, false, (5, 3));
        assert_eq!(hearing.beginning, Some(Duration::from_millis(500)));
    }
}
