//! How much may be on its way: the credit that a client grants, and the round-trip and delivery rate it measures.
//!
//! Credit is the only way data moves. Outstanding credit is at most
//!
//! ```text
//! min(free buffer, max(floor, delivery rate × (smallest round-trip + 200 ms)))
//! ```
//!
//! so the buffer fills faster than it plays, and an answer or a new song never queues behind more than 200 ms of an
//! old one. It is granted again by halves, so that the path never runs empty.

use crate::limits::{CREDIT_FLOOR_BYTES, CREDIT_SLACK, FIRST_CREDIT_BYTES, MAX_CREDIT_BYTES};
use crate::time::Instant;
use core::time::Duration;

/// What a client knows of the path to its server. Lives as long as the connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    smallest_round_trip: Option<Duration>,
    bytes_per_second: u64,
    sample: Option<Sample>,
}

/// A measurement of the delivery rate that is under way.
#[derive(Clone, Copy, Debug)]
struct Sample {
    begun: Instant,
    bytes: u64,
    /// The credit ran out meanwhile, so the path could have carried more.
    starved: bool,
}

/// A sample shorter than this says more about the scheduler than about the path.
const SHORTEST_SAMPLE: Duration = Duration::from_millis(2);

/// A round-trip to assume while none was measured.
const ASSUMED_ROUND_TRIP: Duration = Duration::from_millis(50);

impl Path {
    /// Takes a measured time from a request to its answer. The smallest of a connection is its round-trip.
    pub fn on_round_trip(&mut self, measured: Duration) {
        let smallest = self.smallest_round_trip.map_or(measured, |known| known.min(measured));
        self.smallest_round_trip = Some(smallest);
    }

    /// Takes the arrival of `bytes` of data, and whether the credit is used up with them.
    pub fn on_data(&mut self, now: Instant, bytes: u64, is_starved: bool) {
        let Some(sample) = &mut self.sample else {
            // The bytes that begin a sample arrived at its beginning: they count for the one before.
            self.sample = Some(Sample { begun: now, bytes: 0, starved: is_starved });
            return;
        };
        sample.bytes += bytes;
        sample.starved |= is_starved;
        let Sample { begun, bytes, starved } = *sample;
        let elapsed = now.saturating_since(begun);
        if elapsed < self.round_trip().max(SHORTEST_SAMPLE) {
            return;
        }
        let measured = per_second(bytes, elapsed);
        self.bytes_per_second = if starved {
            self.bytes_per_second.max(measured)
        } else {
            // The path was busy all the time: this is what it carries. Come down slowly, since one sample may be bad.
            measured.max(self.bytes_per_second - self.bytes_per_second / 8)
        };
        self.sample = Some(Sample { begun: now, bytes: 0, starved: is_starved });
    }

    /// Forgets the measurement under way, because data will not flow for a while.
    pub const fn pause(&mut self) {
        self.sample = None;
    }

    /// The smallest round-trip measured, or an assumption.
    pub fn round_trip(&self) -> Duration {
        self.smallest_round_trip.unwrap_or(ASSUMED_ROUND_TRIP)
    }

    /// The delivery rate in bytes per second; 0 while none was measured.
    pub const fn bytes_per_second(&self) -> u64 {
        self.bytes_per_second
    }

    /// Most credit that may be outstanding, as far as the path is concerned.
    fn ceiling(&self) -> u32 {
        let span = self.round_trip() + CREDIT_SLACK;
        let carried = u128::from(self.bytes_per_second) * span.as_micros() / 1_000_000;
        u32::try_from(carried).unwrap_or(u32::MAX).clamp(CREDIT_FLOOR_BYTES, MAX_CREDIT_BYTES)
    }
}

fn per_second(bytes: u64, elapsed: Duration) -> u64 {
    let micros = elapsed.as_micros().max(1);
    (u128::from(bytes) * 1_000_000 / micros).try_into().unwrap_or(u64::MAX)
}

/// The credit of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Bytes of the buffer that the stream fills.
    capacity: u32,
    /// Bytes that came and have not been released.
    held: u32,
    /// Bytes granted that have not come.
    outstanding: u32,
    /// Bytes granted in all.
    granted: u64,
}

impl Window {
    /// The window of a new stream into an empty buffer of `capacity` bytes, with the first credit granted.
    pub fn new(capacity: u32) -> Self {
        let first = capacity.min(FIRST_CREDIT_BYTES);
        Self { capacity, held: 0, outstanding: first, granted: u64::from(first) }
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
        // By halves of what the path may hold, or by quarters of the buffer if that is less: a player frees its buffer
        // a few hundred bytes at a time, and a CREDIT for each would cost more than it brings.
        let quantum = (ceiling / 2).min(self.capacity / 4);
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
        assert_eq!(Window::new(1 << 20).outstanding(), FIRST_CREDIT_BYTES);
        assert_eq!(Window::new(6_000).outstanding(), 6_000);
    }

    #[test]
    fn nothing_is_granted_until_half_has_come() {
        let path = Path::default();
        let mut window = Window::new(1 << 20);
        assert_eq!(window.grant(&path, PLENTY), None);
        assert!(window.on_data(8_191));
        assert_eq!(window.grant(&path, PLENTY), None);
        assert!(window.on_data(1));
        assert_eq!(window.grant(&path, PLENTY), Some(8_192));
        assert_eq!(window.outstanding(), CREDIT_FLOOR_BYTES);
    }

    #[test]
    fn data_without_credit_is_noticed() {
        let mut window = Window::new(100);
        assert!(window.on_data(60));
        assert!(!window.on_data(41));
        assert!(window.on_data(40));
    }

    #[test]
    fn a_full_buffer_gets_no_credit_until_a_quarter_is_free() {
        let path = Path::default();
        let mut window = Window::new(8_000);
        assert!(window.on_data(8_000));
        assert_eq!(window.grant(&path, PLENTY), None);
        window.release(1_999);
        assert_eq!(window.grant(&path, PLENTY), None);
        window.release(1);
        assert_eq!(window.grant(&path, PLENTY), Some(2_000));
    }

    #[test]
    fn the_last_bytes_are_granted_and_no_more() {
        let path = Path::default();
        let mut window = Window::new(8_000);
        assert!(window.on_data(8_000));
        window.release(8_000);
        assert_eq!(window.grant(&path, 10), Some(10));
        assert_eq!(window.grant(&path, 10), None);
    }

    /// A path of 125,000 bytes/s and 100 ms: the window must grow to rate × 300 ms and stay there.
    #[test]
    fn the_window_settles_at_the_rate_of_the_path() {
        let mut path = Path::default();
        path.on_round_trip(Duration::from_millis(100));
        let mut window = Window::new(1 << 20);
        let mut arrivals = heapless::Deque::<(u64, u32), 64>::new();
        let mut wire_free_at = 100_000;
        let mut send = |arrivals: &mut heapless::Deque<(u64, u32), 64>, now: u64, bytes: u32| {
            let begins = wire_free_at.max(now + 50_000);
            wire_free_at = begins + u64::from(bytes) * 8;
            arrivals.push_back((wire_free_at + 50_000, bytes)).expect("room");
        };
        send(&mut arrivals, 0, window.outstanding());
        let mut most = 0;
        while let Some((at, bytes)) = arrivals.pop_front() {
            if at > 20_000_000 {
                break;
            }
            let now = Instant::from_micros(at);
            // Arrives in segments, as on a real path.
            assert!(window.on_data(bytes as usize));
            path.on_data(now, u64::from(bytes), window.outstanding() == 0);
            window.release(bytes as usize);
            if let Some(more) = window.grant(&path, PLENTY) {
                send(&mut arrivals, at, more / 2);
                send(&mut arrivals, at, more - more / 2);
            }
            most = most.max(window.outstanding());
        }
        let rate = path.bytes_per_second();
        assert!((100_000..=130_000).contains(&rate), "measured {rate} bytes/s");
        assert!(most <= 60_000, "{most} bytes outstanding");
    }

    #[test]
    fn a_starved_sample_never_lowers_the_rate() {
        let mut path = Path::default();
        path.on_round_trip(Duration::from_millis(10));
        path.on_data(millis(0), 1, false);
        path.on_data(millis(10), 10_000, false);
        assert_eq!(path.bytes_per_second(), 1_000_000);
        path.on_data(millis(1_000), 10_000, true);
        assert_eq!(path.bytes_per_second(), 1_000_000);
        path.on_data(millis(2_000), 10_000, false);
        assert_eq!(path.bytes_per_second(), 1_000_000);
        path.on_data(millis(3_000), 10_000, false);
        assert_eq!(path.bytes_per_second(), 875_000);
    }
}
