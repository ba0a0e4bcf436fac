//! The credit that a client grants, and the round-trip and delivery rate that it measures.
//!
//! Credit is the only way data moves. Outstanding credit is at most
//!
//! ```text
//! min(free buffer, max(floor, delivery rate × (1.5 × smallest round-trip + 200 ms)))
//! ```
//!
//! so the buffer fills faster than it plays, and an answer or a new song never queues behind much of an old one. A client
//! grants it again by quarters, so three quarters of it or more are under way. While the path can carry more, each
//! measurement therefore allows at least 0.75 × 1.5 times the credit of the one before, however long the round-trip.
//!
//! Until the path has shown a limit, the window doubles with each round-trip, as TCP's does in slow start. A path shows its
//! limit when much of what was outstanding has not come a round-trip later. When it becomes slower, so does the rate, within
//! two round-trips and a second.

use crate::limits::{CREDIT_FLOOR_BYTES, CREDIT_SLACK, FIRST_CREDIT_BYTES, MAX_CREDIT_BYTES};
use crate::scale::{micros, mul_div};
use crate::time::Instant;
use core::time::Duration;

/// What a client knows about the path to its server. Lives as long as the connection.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    smallest_round_trip: Option<Duration>,
    rate: PeakRate,
    sample: Option<Sample>,
    /// What may be outstanding while the path has not shown a limit; `None` since it has.
    slow_start: Option<u32>,
    /// What the server allows to be outstanding.
    max_credit: u32,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            smallest_round_trip: None,
            rate: PeakRate::default(),
            sample: None,
            slow_start: Some(FIRST_CREDIT_BYTES),
            max_credit: MAX_CREDIT_BYTES,
        }
    }
}

/// A measurement of the delivery rate that is under way.
#[derive(Clone, Copy, Debug)]
struct Sample {
    begun: Instant,
    /// Credit that was outstanding then: all of it can have come a round-trip later.
    outstanding: u32,
    bytes: u64,
    last: Instant,
    /// Nothing came for a while: something was lost and sent again.
    has_gap: bool,
}

/// A sample shorter than this says more about bursts (of a radio, of a scheduler) than about the path.
const SHORTEST_SAMPLE: Duration = Duration::from_millis(100);

/// A pause in what comes that is longer than this, and than most of a round-trip, says that something was lost.
const GAP: Duration = Duration::from_millis(500);

/// What was measured is forgotten after two of these, and a round-trip.
const PEAK_TIME: Duration = Duration::from_millis(400);

/// A round-trip to assume while none was measured.
const ASSUMED_ROUND_TRIP: Duration = Duration::from_millis(50);

/// The highest of the last measurements: a single one may be low by chance.
#[derive(Clone, Copy, Debug, Default)]
struct PeakRate {
    current: u64,
    previous: u64,
    /// When `current` began to be measured.
    since: Instant,
}

impl PeakRate {
    fn bytes_per_second(self) -> u64 {
        self.current.max(self.previous)
    }

    /// The path carries this much, and perhaps more.
    fn raise(&mut self, measured: u64) {
        self.current = self.current.max(measured);
    }

    /// The path carries this much and no more. What was measured longer ago than two spans is forgotten.
    fn limit(&mut self, now: Instant, measured: u64, span: Duration) {
        if now.saturating_since(self.since) < span {
            return self.raise(measured);
        }
        (self.previous, self.current, self.since) = (self.current, measured, now);
    }
}

impl Path {
    /// Takes a measured time from a request to its answer. The smallest of a connection is its round-trip.
    pub fn on_round_trip(&mut self, measured: Duration) {
        let smallest = self.smallest_round_trip.map_or(measured, |known| known.min(measured));
        self.smallest_round_trip = Some(smallest);
    }

    /// Takes the arrival of `bytes` of data, after which so much credit is outstanding.
    pub fn on_data(&mut self, now: Instant, bytes: u32, outstanding: u32) {
        if let Some(window) = &mut self.slow_start {
            *window = window.saturating_add(bytes).min(MAX_CREDIT_BYTES);
        }
        let round_trip = self.round_trip();
        let begins = Sample { begun: now, outstanding, bytes: 0, last: now, has_gap: false };
        let Some(sample) = &mut self.sample else {
            // The bytes that begin a sample arrived at its beginning: they count for the one before.
            self.sample = Some(begins);
            return;
        };
        sample.bytes += u64::from(bytes);
        sample.has_gap |= now.saturating_since(sample.last) > GAP.max(round_trip * 3 / 4);
        sample.last = now;
        let elapsed = now.saturating_since(sample.begun);
        if elapsed < round_trip.max(SHORTEST_SAMPLE) {
            return;
        }
        let measured = per_second(sample.bytes, elapsed);
        // Credit comes by quarters, and a server's TCP opens by itself: less than that is no limit.
        let is_behind = sample.bytes + u64::from(sample.outstanding / 4) < u64::from(sample.outstanding);
        if is_behind && !sample.has_gap {
            self.slow_start = None;
            self.rate.limit(now, measured, round_trip / 2 + PEAK_TIME);
        } else {
            self.rate.raise(measured);
        }
        self.sample = Some(begins);
    }

    /// Takes the most credit that the server allows to be outstanding, in bytes.
    pub fn on_max_credit(&mut self, bytes: u32) {
        self.max_credit = bytes.clamp(FIRST_CREDIT_BYTES, MAX_CREDIT_BYTES);
    }

    /// Forgets the measurement under way, because data will not flow for a while.
    pub const fn pause(&mut self) {
        self.sample = None;
    }

    /// The smallest round-trip measured, or an assumption.
    pub fn round_trip(&self) -> Duration {
        self.smallest_round_trip.unwrap_or(ASSUMED_ROUND_TRIP)
    }

    /// The delivery rate in bytes per second, as far as it is known: what is being measured counts over a whole round-trip.
    pub fn bytes_per_second(&self, now: Instant) -> u64 {
        let shortest = self.round_trip().max(SHORTEST_SAMPLE);
        let under_way =
            self.sample.map_or(0, |sample| per_second(sample.bytes, now.saturating_since(sample.begun).max(shortest)));
        self.rate.bytes_per_second().max(under_way)
    }

    /// Most credit that the path allows to be outstanding.
    fn ceiling(&self) -> u32 {
        let span = self.round_trip() * 3 / 2 + CREDIT_SLACK;
        let carried = mul_div(self.rate.bytes_per_second(), micros(span), 1_000_000);
        let carried = u32::try_from(carried).unwrap_or(u32::MAX);
        carried.max(self.slow_start.unwrap_or(0)).clamp(CREDIT_FLOOR_BYTES, self.max_credit)
    }
}

fn per_second(bytes: u64, elapsed: Duration) -> u64 {
    mul_div(bytes, 1_000_000, micros(elapsed).max(1))
}

/// The credit of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Bytes of the buffer that the stream fills.
    capacity: u32,
    /// Bytes in the buffer: those that came and have not been released, and what it held before.
    held: u32,
    /// Bytes granted that have not come.
    outstanding: u32,
    /// Bytes granted in all.
    granted: u64,
}

impl Window {
    /// The window of a new stream, with the first credit granted. Its buffer has `capacity` bytes, and something else
    /// still holds `occupied` of them.
    pub fn new(capacity: u32, occupied: u32) -> Self {
        let first = capacity.saturating_sub(occupied).min(FIRST_CREDIT_BYTES);
        Self { capacity, held: occupied, outstanding: first, granted: u64::from(first) }
    }

    /// Bytes of the buffer that the stream fills.
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Bytes granted that have not come.
    pub const fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// Bytes granted in all, the first credit included.
    pub const fn granted(&self) -> u64 {
        self.granted
    }

    /// Bytes that came and have not been released: what the buffer holds.
    pub const fn held(&self) -> u32 {
        self.held
    }

    /// Takes the arrival of `bytes`. Returns `false` if there was no credit for them.
    #[must_use]
    pub fn on_data(&mut self, bytes: usize) -> bool {
        let Some((bytes, left)) =
            u32::try_from(bytes).ok().and_then(|bytes| Some((bytes, self.outstanding.checked_sub(bytes)?)))
        else {
            return false;
        };
        self.outstanding = left;
        self.held += bytes;
        true
    }

    /// The application has taken `bytes` out of its buffer.
    pub fn release(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// The credit that should be granted now, or 0 if it is not time. `remaining` is how many bytes of the stream have
    /// not come yet: no more than these are ever granted.
    pub fn due(&self, path: &Path, remaining: u64) -> u32 {
        let ceiling = path.ceiling();
        let free = self.capacity.saturating_sub(self.held);
        let target = u64::from(free.min(ceiling)).min(remaining);
        let more = u32::try_from(target.saturating_sub(u64::from(self.outstanding))).unwrap_or(u32::MAX);
        let is_last = u64::from(self.outstanding) + u64::from(more) == remaining;
        // A player frees its buffer a few hundred bytes at a time. A CREDIT for each would cost more than it is worth.
        let quantum = ceiling.min(self.capacity) / 4;
        if more < quantum && !is_last { 0 } else { more }
    }

    /// Grants what is [due](Self::due), if anything is.
    pub fn grant(&mut self, path: &Path, remaining: u64) -> Option<u32> {
        let more = self.due(path, remaining);
        self.outstanding += more;
        self.granted += u64::from(more);
        (more > 0).then_some(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: u64 = u64::MAX;

    fn millis(ms: u64) -> Instant {
        Instant::from_micros(ms * 1_000)
    }

    #[test]
    fn the_first_credit_is_small_and_never_more_than_the_buffer() {
        assert_eq!(Window::new(1 << 20, 0).outstanding(), FIRST_CREDIT_BYTES);
        assert_eq!(Window::new(6_000, 0).outstanding(), 6_000);
        assert_eq!(Window::new(20_000, 18_000).outstanding(), 2_000);
        assert_eq!(Window::new(20_000, 30_000).outstanding(), 0);
    }

    #[test]
    fn nothing_is_granted_until_a_quarter_has_come() {
        let path = Path::default();
        let mut window = Window::new(1 << 20, 0);
        assert_eq!(window.grant(&path, PLENTY), None);
        assert!(window.on_data(4_095));
        assert_eq!(window.grant(&path, PLENTY), None);
        assert!(window.on_data(1));
        assert_eq!(window.grant(&path, PLENTY), Some(4_096));
        assert_eq!(window.outstanding(), CREDIT_FLOOR_BYTES);
    }

    #[test]
    fn data_without_credit_is_noticed() {
        let mut window = Window::new(100, 0);
        assert!(window.on_data(60));
        assert!(!window.on_data(41));
        assert!(window.on_data(40));
    }

    #[test]
    fn a_full_buffer_gets_no_credit_until_a_quarter_is_free() {
        let path = Path::default();
        let mut window = Window::new(8_000, 0);
        assert!(window.on_data(8_000));
        assert_eq!(window.grant(&path, PLENTY), None);
        window.release(1_999);
        assert_eq!(window.grant(&path, PLENTY), None);
        window.release(1);
        assert_eq!(window.grant(&path, PLENTY), Some(2_000));
    }

    #[test]
    fn what_was_in_the_buffer_before_makes_room_as_it_goes() {
        let path = Path::default();
        let mut window = Window::new(8_000, 7_000);
        assert!(window.on_data(1_000));
        assert_eq!(window.grant(&path, PLENTY), None);
        window.release(7_000);
        assert_eq!(window.grant(&path, PLENTY), Some(7_000));
    }

    #[test]
    fn the_last_bytes_are_granted_and_no_more() {
        let path = Path::default();
        let mut window = Window::new(8_000, 0);
        assert!(window.on_data(8_000));
        window.release(8_000);
        assert_eq!(window.grant(&path, 10), Some(10));
        assert_eq!(window.grant(&path, 10), None);
    }

    #[test]
    fn two_bursts_in_a_row_are_not_the_rate() {
        let mut path = Path::default();
        path.on_round_trip(Duration::from_millis(1));
        // 100,000 bytes per second, as a radio hands them on.
        for begun_ms in (0..2_000).step_by(100) {
            for at_ms in [begun_ms, begun_ms + 10] {
                path.on_data(Instant::from_micros(at_ms * 1_000), 5_000, 50_000);
            }
        }
        let rate = path.bytes_per_second(Instant::from_micros(2_000_000));
        assert!((80_000..120_000).contains(&rate), "{rate}");
    }

    /// What a path of this rate and round-trip, which cuts into segments, was measured to be after a while, and the most
    /// credit that was outstanding.
    fn settle(bytes_per_second: u64, round_trip: Duration, lasting: Duration) -> (u64, u32) {
        let one_way = round_trip.as_micros() as u64 / 2;
        let mut path = Path::default();
        path.on_round_trip(round_trip);
        let mut window = Window::new(1 << 20, 0);
        let mut arrivals = std::collections::VecDeque::new();
        let mut wire_is_free_at = one_way;
        let mut send = |arrivals: &mut std::collections::VecDeque<(u64, u32)>, now: u64, mut bytes: u32| {
            while bytes > 0 {
                let segment = bytes.min(1_460);
                wire_is_free_at =
                    wire_is_free_at.max(now + one_way) + u64::from(segment) * 1_000_000 / bytes_per_second;
                arrivals.push_back((wire_is_free_at + one_way, segment));
                bytes -= segment;
            }
        };
        send(&mut arrivals, 0, window.outstanding());
        let mut most = 0;
        while let Some((at, bytes)) = arrivals.pop_front().filter(|(at, _)| *at < lasting.as_micros() as u64) {
            assert!(window.on_data(bytes as usize));
            path.on_data(Instant::from_micros(at), bytes, window.outstanding());
            window.release(bytes as usize);
            if let Some(more) = window.grant(&path, PLENTY) {
                send(&mut arrivals, at, more);
            }
            most = most.max(window.outstanding());
        }
        (path.rate.bytes_per_second(), most)
    }

    #[test]
    fn the_window_settles_at_the_rate_of_the_path() {
        let (rate, most) = settle(125_000, Duration::from_millis(100), Duration::from_secs(20));
        assert!((115_000..=127_000).contains(&rate), "measured {rate} bytes/s");
        assert!((30_000..=45_000).contains(&most), "{most} bytes outstanding");
    }

    #[test]
    fn the_window_opens_on_a_long_path_too() {
        let (rate, most) = settle(800_000, Duration::from_millis(500), Duration::from_secs(15));
        assert!(rate > 700_000, "measured {rate} bytes/s, {most} bytes outstanding");
        let (rate, _) = settle(100_000, Duration::from_millis(1_500), Duration::from_secs(60));
        assert!(rate > 85_000, "measured {rate} bytes/s");
    }

    #[test]
    fn a_server_that_allows_little_gets_no_more() {
        let mut path = Path::default();
        path.on_max_credit(20_000);
        path.on_round_trip(Duration::from_millis(100));
        path.on_data(millis(0), 1, 16_384);
        path.on_data(millis(100), 1_000_000, 16_384);
        let mut window = Window::new(1 << 20, 0);
        assert!(window.on_data(16_384));
        assert_eq!(window.grant(&path, PLENTY), Some(20_000));
    }

    #[test]
    fn what_the_client_does_not_grant_never_lowers_the_rate() {
        let mut path = Path::default();
        path.on_round_trip(Duration::from_millis(10));
        path.on_data(millis(0), 1, 200_000);
        path.on_data(millis(100), 100_000, 200_000);
        assert_eq!(path.rate.bytes_per_second(), 1_000_000);
        for tenth in 2..100 {
            // All that was granted has come.
            path.on_data(millis(tenth * 100), 1_000, 1_000);
        }
        assert_eq!(path.rate.bytes_per_second(), 1_000_000);
    }

    #[test]
    fn a_rate_falls_within_a_second_and_not_with_one_bad_sample() {
        let mut path = Path::default();
        path.on_round_trip(Duration::from_millis(10));
        let samples = [(0, 1), (100, 100_000), (200, 10_000), (600, 40_000), (900, 30_000), (1_100, 20_000)];
        let rates = samples.map(|(ms, bytes)| {
            path.on_data(millis(ms), bytes, 200_000);
            path.rate.bytes_per_second()
        });
        assert_eq!(rates, [0, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 100_000]);
    }

    #[test]
    fn what_comes_after_a_gap_does_not_lower_the_rate() {
        let mut path = Path::default();
        path.on_round_trip(Duration::from_millis(600));
        path.on_data(millis(0), 1, 100_000);
        for lost in 1..20 {
            path.on_data(millis(lost * 1_200), 50_000, 100_000);
        }
        assert!(path.ceiling() > 100_000, "{}", path.ceiling());
    }
}
