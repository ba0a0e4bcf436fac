//! How fast a client may be, and how large the frames that go to it.

use crate::limits::{COMMAND_BURST, COMMAND_TIME, DATA_FRAME_TIME, MAX_PAYLOAD_BYTES, MIN_DATA_BYTES};
use crate::scale::{micros, scaled};
use crate::time::Instant;
use core::time::Duration;

/// How many commands the client may still send: a leaky bucket.
#[derive(Debug)]
pub(super) struct Allowance {
    /// When every command so far has had its time.
    paid_until: Instant,
}

impl Allowance {
    pub(super) const fn new(now: Instant) -> Self {
        Self { paid_until: now }
    }

    pub(super) fn take(&mut self, now: Instant) {
        self.paid_until = self.paid_until.max(now) + COMMAND_TIME;
    }

    /// How long the next command has to wait, if it has to.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let ahead = self.paid_until.saturating_since(now) + COMMAND_TIME;
        ahead.checked_sub(COMMAND_TIME * COMMAND_BURST).filter(|pause| !pause.is_zero())
    }
}

/// How large a DATA frame may be, from the rate at which credit comes back.
///
/// A client grants anew when a quarter of its credit has come. So with each CREDIT at least so much has come since data
/// began to flow; what else it grants may be for a larger window. The wait for the first byte counts too, so a path rather
/// looks slower than it is, a long one above all: its frames are shorter than they might be, which delays nothing.
#[derive(Debug)]
pub(super) struct Pace {
    /// When data of the stream began to flow; `None` before.
    flowing_since: Option<Instant>,
    /// Bytes that were granted for it, and how many of them have come for certain.
    granted: u64,
    come: u64,
    /// The highest rate seen. A lower one later says that the client is full, not that the path is slower.
    bytes_per_second: u64,
}

/// A DATA frame before anything was measured, in bytes.
const FIRST_DATA_BYTES: u32 = 4 * 1_024;

impl Pace {
    pub(super) const fn new() -> Self {
        Self { flowing_since: None, granted: 0, come: 0, bytes_per_second: 0 }
    }

    /// A stream starts for which `credit` was granted.
    pub(super) const fn start(&mut self, credit: u32) {
        (self.flowing_since, self.granted, self.come) = (None, credit as u64, 0);
    }

    /// All that was said before the stream's next DATA is being transmitted.
    pub(super) fn on_transmit(&mut self, now: Instant) {
        self.flowing_since.get_or_insert(now);
    }

    /// The client has granted `more` for the stream that flows.
    pub(super) fn on_credit(&mut self, now: Instant, more: u32) {
        let Some(since) = self.flowing_since else { return };
        let under_way = self.granted - self.come;
        self.come += (under_way / 4).min(u64::from(more));
        self.granted += u64::from(more);
        let rate = scaled(self.come, 1_000_000, micros(now.saturating_since(since)).max(1));
        self.bytes_per_second = self.bytes_per_second.max(rate);
    }

    pub(super) fn frame_bytes(&self) -> u32 {
        if self.bytes_per_second == 0 {
            return FIRST_DATA_BYTES;
        }
        let carried = scaled(self.bytes_per_second, micros(DATA_FRAME_TIME), 1_000_000);
        u32::try_from(carried).unwrap_or(u32::MAX).clamp(MIN_DATA_BYTES, MAX_PAYLOAD_BYTES as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: u32 = 16 * 1_024;

    fn flowing() -> Pace {
        let mut pace = Pace::new();
        pace.start(FIRST);
        pace.on_transmit(Instant::from_micros(0));
        pace
    }

    fn millis(ms: u64) -> Instant {
        Instant::from_micros(ms * 1_000)
    }

    #[test]
    fn a_path_without_delay_gets_the_longest_frames_with_the_first_credit() {
        let mut pace = flowing();
        assert_eq!(pace.frame_bytes(), FIRST_DATA_BYTES);
        pace.on_credit(Instant::from_micros(300), 1 << 20);
        assert_eq!(pace.frame_bytes(), MAX_PAYLOAD_BYTES as u32);
    }

    #[test]
    fn a_slow_path_gets_what_it_carries_in_50_ms_though_the_window_grows() {
        // 125 bytes a millisecond and a round-trip of 20: a quarter of 16 KiB, then of 25 KB, each granted anew as it comes.
        let mut pace = flowing();
        pace.on_credit(millis(20 + 33), 4_096 + 9_000);
        for quarter in 1..100 {
            pace.on_credit(millis(20 + 33 + 50 * quarter), 6_250);
        }
        let frame = pace.frame_bytes();
        assert!((5_000..=6_250).contains(&frame), "{frame}");
    }

    #[test]
    fn a_client_that_grants_each_piece_as_it_comes_is_measured_right() {
        let mut pace = flowing();
        for piece in 1..1_000 {
            pace.on_credit(millis(10 + piece * 10), 1_000);
        }
        let frame = pace.frame_bytes();
        assert!((4_900..=5_000).contains(&frame), "{frame}");
    }

    #[test]
    fn a_full_client_does_not_shorten_frames_nor_does_the_next_stream() {
        let mut pace = flowing();
        pace.on_credit(millis(10), 4_096);
        let frame = pace.frame_bytes();
        pace.on_credit(millis(60_000), 4_096);
        assert_eq!(pace.frame_bytes(), frame);
        pace.start(FIRST);
        pace.on_credit(millis(60_001), 4_096);
        assert_eq!(pace.frame_bytes(), frame, "granted before anything was sent");
        pace.on_transmit(millis(60_001));
        pace.on_credit(millis(60_002), 4_096);
        assert!(pace.frame_bytes() > frame);
    }
}
