//! One direction of a connection: the queue, the wire, and the next event.
//!
//! The link uses no sockets and no clock, so that its arithmetic can be tested alone.

use super::{Conditions, Fault, Shape, Step};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Size of one read: a segment on a throttled path, so that the rate is smooth, otherwise more.
const SEGMENT_BYTES: usize = 1448;
const READ_BYTES: usize = 16 * 1024;
/// Capacity of the wire: the window of a large transfer.
const WIRE_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Link {
    conditions: Conditions,
    script: VecDeque<Step>,
    /// In order of arrival.
    chunks: VecDeque<Chunk>,
    /// Bytes in all chunks.
    held_bytes: usize,
    /// When the bottleneck will have sent all bytes that entered.
    bottleneck_free: Instant,
    frozen_until: Option<Instant>,
    /// Earliest time of the next fragment.
    next_piece: Instant,
    forwarded: u64,
}

#[derive(Debug)]
struct Chunk {
    /// When its last byte leaves the queue.
    departs: Instant,
    /// When its last byte arrives.
    arrives: Instant,
    bytes: Vec<u8>,
    /// Number of its bytes that were delivered.
    taken: usize,
}

impl Chunk {
    fn is_on_the_wire(&self, now: Instant) -> bool {
        self.departs <= now && now < self.arrives
    }
}

/// The next action of a link.
#[derive(Debug, PartialEq)]
pub(super) enum Output {
    /// Deliver this many of the first bytes in [`Link::front`].
    Write(usize),
    /// Apply the script's next fault.
    Strike(Fault),
    /// Wait until this time.
    WaitUntil(Instant),
    /// Wait until bytes enter or a fault is injected.
    Wait,
}

impl Link {
    pub(super) fn new(conditions: Conditions, script: Vec<Step>, now: Instant) -> Self {
        Self {
            conditions,
            script: script.into(),
            chunks: VecDeque::new(),
            held_bytes: 0,
            bottleneck_free: now,
            frozen_until: None,
            next_piece: now,
            forwarded: 0,
        }
    }

    pub(super) fn change(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    pub(super) fn freeze(&mut self, now: Instant, length: Duration) {
        self.frozen_until = Some(now.checked_add(length).unwrap_or_else(|| now + FOREVER));
    }

    pub(super) fn thaw(&mut self) {
        self.frozen_until = None;
    }

    /// Whether all bytes that entered were delivered.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// How many bytes may enter now. If none, also when that may change (`None`: after a delivery).
    pub(super) fn room(&self, now: Instant) -> Result<usize, Option<Instant>> {
        if self.is_frozen(now) {
            return Err(self.frozen_until);
        }
        // Undelivered bytes also occupy the queue, like a closed window.
        let queued = self.chunks.iter().filter(|chunk| !chunk.is_on_the_wire(now));
        let queued_bytes: usize = queued.map(|chunk| chunk.bytes.len() - chunk.taken).sum();
        let queue_room = self.conditions.queue_bytes.saturating_sub(queued_bytes);
        let read_bytes = if self.conditions.rate.is_some() { SEGMENT_BYTES } else { READ_BYTES };
        match queue_room.min(WIRE_BYTES.saturating_sub(self.held_bytes)).min(read_bytes) {
            0 => Err(self.chunks.iter().map(|chunk| chunk.departs).find(|&departs| departs > now)),
            room => Ok(room),
        }
    }

    /// Adds bytes from the sender.
    pub(super) fn enter(&mut self, now: Instant, bytes: &[u8]) {
        let on_the_bottleneck = self.conditions.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_nanos((bytes.len() as u64 * 8).saturating_mul(1_000_000_000) / rate)
        });
        let departs = self.bottleneck_free.max(now) + on_the_bottleneck;
        // After a change of conditions later bytes must not overtake earlier ones.
        let arrives = (departs + self.conditions.delay).max(self.chunks.back().map_or(now, |last| last.arrives));
        self.bottleneck_free = departs;
        self.held_bytes += bytes.len();
        self.chunks.push_back(Chunk { departs, arrives, bytes: bytes.to_vec(), taken: 0 });
    }

    /// The next action. `sender_is_done` means that no more bytes will enter.
    pub(super) fn poll(&mut self, now: Instant, sender_is_done: bool) -> Output {
        if let Some(step) = self.script.front().filter(|step| step.after_bytes <= self.forwarded) {
            let fault = step.fault;
            self.script.pop_front();
            return Output::Strike(fault);
        }
        if let Some(thaw) = self.frozen_until {
            if thaw > now {
                return Output::WaitUntil(thaw);
            }
            self.frozen_until = None;
        }
        let Some(first) = self.chunks.front() else { return Output::Wait };
        if first.arrives > now {
            return Output::WaitUntil(first.arrives);
        }
        let until_step = self.script.front().map_or(usize::MAX, |step| (step.after_bytes - self.forwarded) as usize);
        let available = (first.bytes.len() - first.taken).min(until_step);
        match self.conditions.shape {
            Shape::AsItComes => Output::Write(available),
            Shape::Pieces { .. } if self.next_piece > now => Output::WaitUntil(self.next_piece),
            Shape::Pieces { bytes, .. } => Output::Write(available.min(bytes)),
            Shape::Coalesced { bytes, within } => {
                let last_wait = first.arrives + within;
                let collected = self.arrived_bytes(now) >= bytes || first.taken > 0 || sender_is_done;
                // Collected bytes are delivered together.
                if collected || last_wait <= now {
                    self.join_arrived(now);
                    Output::Write(self.front().len().min(until_step))
                } else {
                    let next = self.chunks.iter().map(|chunk| chunk.arrives).find(|&arrives| arrives > now);
                    Output::WaitUntil(next.map_or(last_wait, |next| next.min(last_wait)))
                }
            }
        }
    }

    /// The next bytes to deliver.
    pub(super) fn front(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |chunk| &chunk.bytes[chunk.taken..])
    }

    /// Records the delivery of the first `count` bytes of [`Self::front`].
    pub(super) fn taken(&mut self, now: Instant, count: usize) {
        self.forwarded += count as u64;
        self.held_bytes -= count;
        if let Shape::Pieces { gap, .. } = self.conditions.shape {
            self.next_piece = now + gap;
        }
        if let Some(chunk) = self.chunks.front_mut() {
            chunk.taken += count;
            if chunk.taken == chunk.bytes.len() {
                self.chunks.pop_front();
            }
        }
    }

    fn is_frozen(&self, now: Instant) -> bool {
        self.frozen_until.is_some_and(|thaw| thaw > now)
    }

    fn arrived_bytes(&self, now: Instant) -> usize {
        let arrived = self.chunks.iter().take_while(|chunk| chunk.arrives <= now);
        arrived.map(|chunk| chunk.bytes.len() - chunk.taken).sum()
    }

    /// Merges all arrived chunks into one.
    fn join_arrived(&mut self, now: Instant) {
        let Some(mut first) = self.chunks.pop_front() else { return };
        while let Some(next) = self.chunks.pop_front_if(|chunk| chunk.arrives <= now) {
            first.departs = next.departs;
            first.arrives = next.arrives;
            first.bytes.extend(next.bytes);
        }
        self.chunks.push_front(first);
    }
}

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::super::Direction;
    use super::*;

    const PERFECT: Conditions = Conditions::PERFECT;
    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn link(conditions: Conditions) -> (Link, Instant) {
        let now = Instant::now();
        (Link::new(conditions, Vec::new(), now), now)
    }

    fn write(link: &mut Link, now: Instant, expected: usize) {
        assert_eq!(link.poll(now, false), Output::Write(expected));
        link.taken(now, expected);
    }

    #[test]
    fn delays_by_rate_and_distance() {
        // 1,000 bytes at 8,000 bits a second take 1 s.
        let (mut link, start) = link(Conditions { delay: MS(300), rate: Some(8_000), ..PERFECT });
        link.enter(start, &[1; 1_000]);
        link.enter(start, &[2; 500]);
        assert_eq!(link.poll(start, false), Output::WaitUntil(start + MS(1_300)));
        write(&mut link, start + MS(1_300), 1_000);
        assert_eq!(link.poll(start + MS(1_300), false), Output::WaitUntil(start + MS(1_800)));
        write(&mut link, start + MS(1_800), 500);
        assert_eq!((link.poll(start + MS(1_800), false), link.is_empty()), (Output::Wait, true));
        // The bottleneck was idle meanwhile. It saves no unused rate.
        link.enter(start + MS(9_000), &[3; 1_000]);
        assert_eq!(link.poll(start + MS(9_000), false), Output::WaitUntil(start + MS(10_300)));
    }

    #[test]
    fn a_full_queue_holds_the_sender_back_until_a_chunk_departs() {
        let (mut link, start) =
            link(Conditions { rate: Some(8_000), queue_bytes: 1_500, delay: MS(60_000), ..PERFECT });
        assert_eq!(link.room(start), Ok(SEGMENT_BYTES));
        link.enter(start, &[0; 1_000]);
        assert_eq!(link.room(start), Ok(500));
        link.enter(start, &[0; 500]);
        assert_eq!(link.room(start), Err(Some(start + MS(1_000))));
        // Bytes on the wire occupy no space in the queue.
        assert_eq!(link.room(start + MS(1_000)), Ok(1_000));
    }

    #[test]
    fn a_wire_without_a_rate_holds_a_window() {
        let (mut link, start) = link(Conditions { delay: MS(50), ..PERFECT });
        while let Ok(room) = link.room(start) {
            link.enter(start, &vec![0; room]);
        }
        assert_eq!((link.held_bytes, link.room(start)), (WIRE_BYTES, Err(None)));
        write(&mut link, start + MS(50), READ_BYTES);
        assert_eq!(link.room(start), Ok(READ_BYTES));
    }

    #[test]
    fn a_receiver_that_takes_nothing_holds_the_sender_back() {
        let (mut link, now) = link(Conditions { queue_bytes: 1_000, ..PERFECT });
        link.enter(now, &[0; 1_000]);
        assert_eq!(link.room(now), Err(None));
        write_part(&mut link, now, 300);
        assert_eq!(link.room(now), Ok(300));
    }

    fn write_part(link: &mut Link, now: Instant, count: usize) {
        assert!(matches!(link.poll(now, false), Output::Write(more) if more >= count));
        link.taken(now, count);
    }

    #[test]
    fn splits_into_pieces() {
        let (mut link, now) = link(Conditions { shape: Shape::Pieces { bytes: 2, gap: MS(10) }, ..PERFECT });
        link.enter(now, &[1, 2, 3]);
        write(&mut link, now, 2);
        assert_eq!(link.poll(now, false), Output::WaitUntil(now + MS(10)));
        assert_eq!(link.front(), [3]);
        write(&mut link, now + MS(10), 1);
    }

    #[test]
    fn coalesces_until_enough_or_too_long() {
        let (mut link, now) = link(Conditions { shape: Shape::Coalesced { bytes: 5, within: MS(100) }, ..PERFECT });
        link.enter(now, &[1, 2]);
        assert_eq!(link.poll(now, false), Output::WaitUntil(now + MS(100)));
        link.enter(now + MS(10), &[3, 4, 5]);
        write(&mut link, now + MS(10), 5);
        link.enter(now + MS(20), &[6]);
        assert_eq!(link.poll(now + MS(20), false), Output::WaitUntil(now + MS(120)));
        write(&mut link, now + MS(120), 1);
        link.enter(now + MS(200), &[7]);
        assert_eq!(link.poll(now + MS(200), true), Output::Write(1), "nothing more can come");
    }

    #[test]
    fn a_freeze_stops_both_ends_until_it_thaws() {
        let (mut link, now) = link(PERFECT);
        link.enter(now, &[1]);
        link.freeze(now, MS(50));
        assert_eq!(link.poll(now, false), Output::WaitUntil(now + MS(50)));
        assert_eq!(link.room(now), Err(Some(now + MS(50))));
        write(&mut link, now + MS(50), 1);
        link.freeze(now + MS(50), Duration::MAX);
        assert!(link.room(now + MS(1_000_000)).is_err());
        link.thaw();
        assert!(link.room(now + MS(1_000_000)).is_ok());
    }

    #[test]
    fn the_script_strikes_between_two_bytes() {
        let now = Instant::now();
        let step = |after_bytes, fault| Step { direction: Direction::ToClient, after_bytes, fault };
        let script = vec![step(0, Fault::Thaw), step(3, Fault::HalfClose), step(3, Fault::Reset)];
        let mut link = Link::new(PERFECT, script, now);
        assert_eq!(link.poll(now, false), Output::Strike(Fault::Thaw));
        link.enter(now, &[1, 2, 3, 4]);
        write(&mut link, now, 3);
        assert_eq!(link.poll(now, false), Output::Strike(Fault::HalfClose));
        assert_eq!(link.poll(now, false), Output::Strike(Fault::Reset));
        write(&mut link, now, 1);
    }

    #[test]
    fn better_conditions_do_not_let_bytes_overtake() {
        let (mut link, now) = link(Conditions { delay: MS(500), ..PERFECT });
        link.enter(now, &[1]);
        link.change(PERFECT);
        link.enter(now, &[2]);
        assert_eq!(link.poll(now, false), Output::WaitUntil(now + MS(500)));
        write(&mut link, now + MS(500), 1);
        write(&mut link, now + MS(500), 1);
    }
}
