//! The size of DATA frames: what the path carries in a short time.

use crate::limits::{DATA_FRAME_TIME, MAX_DATA_BYTES, MIN_DATA_BYTES};
use crate::scale::{micros, mul_div};
use crate::time::Instant;
use core::time::Duration;

/// Measures the path's rate, from the credit that comes back and from the time that a frame waits for the one before it.
///
/// A client grants more credit when a quarter of its credit has been used. So each CREDIT shows that at least a quarter has
/// arrived. The rest of the grant may be for a larger window. The wait for the first byte counts too, so a path, above
/// all a long one, looks slower than it is. Its frames are then shorter than they could be, which delays nothing.
#[derive(Debug)]
pub(super) struct FrameSizer {
    now: Instant,
    /// When data of the stream began to flow; `None` before.
    flowing_since: Option<Instant>,
    /// Bytes that were granted for it, and how many of them have certainly arrived.
    granted: u64,
    come: u64,
    /// The next CREDIT is for bytes that arrived before the path became slower.
    skips_credit: bool,
    /// When the last frame was taken, and its length in bytes, if there was credit for another frame after it.
    last_frame: Option<(Instant, u32)>,
    /// The highest rate since the path last became slower. A lower rate only shows that the client's buffer is full.
    bytes_per_second: u64,
}

/// A DATA frame before anything was measured, in bytes.
const FIRST_DATA_BYTES: u32 = 4 * 1_024;

/// A frame that waits longer than this for the one before it shows that the path has become slower.
const SLOW_FRAME_TIME: Duration = DATA_FRAME_TIME.saturating_mul(4);

impl FrameSizer {
    pub(super) const fn new() -> Self {
        Self {
            now: Instant::from_micros(0),
            flowing_since: None,
            granted: 0,
            come: 0,
            skips_credit: false,
            last_frame: None,
            bytes_per_second: 0,
        }
    }

    /// A stream with this credit starts.
    pub(super) const fn start(&mut self, credit: u32) {
        (self.flowing_since, self.granted, self.come) = (None, credit as u64, 0);
        (self.skips_credit, self.last_frame) = (false, None);
    }

    /// Everything before the stream's next DATA is being transmitted.
    pub(super) fn on_transmit(&mut self, now: Instant) {
        self.now = now;
        self.flowing_since.get_or_insert(now);
        let Some((taken, bytes)) = self.last_frame else { return };
        let waits = now.saturating_since(taken);
        if waits > SLOW_FRAME_TIME {
            self.bytes_per_second = self.bytes_per_second.min(per_second(bytes.into(), waits));
            self.skips_credit = true;
        }
    }

    /// A frame of this length is taken. `has_credit` says whether there is credit for another.
    pub(super) fn on_frame(&mut self, bytes: u32, has_credit: bool) {
        self.last_frame = has_credit.then_some((self.now, bytes));
    }

    /// The client has granted `more` bytes for the stream that is being sent.
    pub(super) fn on_credit(&mut self, now: Instant, more: u32) {
        let Some(since) = self.flowing_since else { return };
        let under_way = self.granted - self.come;
        self.come += (under_way / 4).min(u64::from(more));
        self.granted += u64::from(more);
        if core::mem::take(&mut self.skips_credit) {
            (self.flowing_since, self.granted, self.come) = (Some(now), self.granted - self.come, 0);
            return;
        }
        let rate = per_second(self.come, now.saturating_since(since));
        self.bytes_per_second = self.bytes_per_second.max(rate);
    }

    pub(super) fn frame_bytes(&self) -> u32 {
        if self.bytes_per_second == 0 {
            return FIRST_DATA_BYTES;
        }
        let carried = mul_div(self.bytes_per_second, micros(DATA_FRAME_TIME), 1_000_000);
        u32::try_from(carried).unwrap_or(u32::MAX).clamp(MIN_DATA_BYTES, MAX_DATA_BYTES)
    }
}

fn per_second(bytes: u64, elapsed: Duration) -> u64 {
    mul_div(bytes, 1_000_000, micros(elapsed).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: u32 = 16 * 1_024;

    fn flowing() -> FrameSizer {
        let mut sizer = FrameSizer::new();
        sizer.start(FIRST);
        sizer.on_transmit(Instant::from_micros(0));
        sizer
    }

    fn millis(ms: u64) -> Instant {
        Instant::from_micros(ms * 1_000)
    }

    #[test]
    fn a_path_without_delay_gets_the_longest_frames_with_the_first_credit() {
        let mut sizer = flowing();
        assert_eq!(sizer.frame_bytes(), FIRST_DATA_BYTES);
        sizer.on_credit(Instant::from_micros(300), 1 << 20);
        assert_eq!(sizer.frame_bytes(), MAX_DATA_BYTES);
    }

    #[test]
    fn a_slow_path_gets_what_it_carries_in_50_ms_though_the_window_grows() {
        // 125 bytes a millisecond and a round-trip of 20: a quarter of 16 KiB, then of 25 KB, each granted anew as it comes.
        let mut sizer = flowing();
        sizer.on_credit(millis(20 + 33), 4_096 + 9_000);
        for quarter in 1..100 {
            sizer.on_credit(millis(20 + 33 + 50 * quarter), 6_250);
        }
        let frame = sizer.frame_bytes();
        assert!((5_000..=6_250).contains(&frame), "{frame}");
    }

    #[test]
    fn a_client_that_grants_each_piece_as_it_comes_is_measured_right() {
        let mut sizer = flowing();
        for piece in 1..1_000 {
            sizer.on_credit(millis(10 + piece * 10), 1_000);
        }
        let frame = sizer.frame_bytes();
        assert!((4_900..=5_000).contains(&frame), "{frame}");
    }

    #[test]
    fn a_full_client_does_not_shorten_frames_nor_does_the_next_stream() {
        let mut sizer = flowing();
        sizer.on_credit(millis(10), 4_096);
        let frame = sizer.frame_bytes();
        sizer.on_credit(millis(60_000), 4_096);
        assert_eq!(sizer.frame_bytes(), frame);
        sizer.start(FIRST);
        sizer.on_credit(millis(60_001), 4_096);
        assert_eq!(sizer.frame_bytes(), frame, "granted before anything was sent");
        sizer.on_transmit(millis(60_001));
        sizer.on_credit(millis(60_002), 4_096);
        assert!(sizer.frame_bytes() > frame);
    }

    #[test]
    fn frames_shrink_with_the_first_that_waits_and_grow_with_the_rate_that_is_measured_then() {
        let mut sizer = flowing();
        sizer.on_credit(Instant::from_micros(300), 1 << 20);
        sizer.on_frame(MAX_DATA_BYTES, true);
        sizer.on_transmit(millis(100));
        assert_eq!(sizer.frame_bytes(), MAX_DATA_BYTES, "no frame that waits");
        // The path carries 32 bytes a millisecond now.
        sizer.on_transmit(millis(1_024));
        let slow = sizer.frame_bytes();
        assert!((1_500..=1_700).contains(&slow), "{slow}");
        // A quarter of 1 MiB: of bytes that came before, then as fast as the path.
        sizer.on_credit(millis(1_100), 1 << 18);
        assert_eq!(sizer.frame_bytes(), slow);
        sizer.on_frame(slow, true);
        sizer.on_transmit(millis(1_150));
        sizer.on_credit(millis(1_100 + 8_192), 1 << 18);
        let frame = sizer.frame_bytes();
        assert!((1_500..=1_700).contains(&frame), "{frame}");
    }

    #[test]
    fn a_frame_that_had_no_credit_behind_it_waits_for_the_client() {
        let mut sizer = flowing();
        sizer.on_credit(Instant::from_micros(300), 1 << 20);
        sizer.on_frame(4_096, false);
        sizer.on_transmit(millis(60_000));
        assert_eq!(sizer.frame_bytes(), MAX_DATA_BYTES);
    }
}
