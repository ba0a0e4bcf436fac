use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use trill_proto::ids::{SongId, StreamId};

use super::*;

/// Counts what it is told.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Counter {
    fn released(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Supplier for Counter {
    fn release(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::SeqCst);
    }

    fn delivery(&self) -> Delivery {
        Delivery { bytes_per_second: 1, round_trip: Duration::ZERO }
    }
}

const LONG: Duration = Duration::from_secs(30);

fn started(position: u64) -> Started {
    Started {
        stream: StreamId(1),
        song: SongId(1),
        content_tag: 7,
        position,
        size_bytes: 1_000,
        rate: 44_100,
        channels: 2,
        ..Started::default()
    }
}

fn arrive(buffer: &Buffer, ticket: u64, join: Join) -> Arc<Counter> {
    let supplier = Arc::new(Counter::default());
    buffer.start(Arrival {
        ticket: Ticket(ticket),
        started: started(0),
        asked: None,
        join,
        supplier: supplier.clone(),
    });
    supplier
}

/// The first bytes of a song, if it is first.
fn front(buffer: &Buffer, ticket: u64) -> Option<Vec<u8>> {
    let mut bytes = [0; 8];
    let view = buffer.peek(Ticket(ticket), &mut bytes)?;
    assert_eq!(view.copied, view.buffered.min(8));
    Some(bytes[..view.copied].to_vec())
}

#[test]
fn a_switch_takes_every_old_byte_with_it_and_late_ones_are_dropped() {
    let buffer = Buffer::new();
    let old = arrive(&buffer, 1, Join::Switch);
    buffer.push(Ticket(1), b"old");
    arrive(&buffer, 2, Join::Switch);
    buffer.push(Ticket(1), b"late");
    buffer.push(Ticket(2), b"new");
    buffer.consume(Ticket(1), 1);
    assert_eq!((front(&buffer, 1), front(&buffer, 2).as_deref()), (None, Some(&b"new"[..])));
    assert_eq!(old.released(), 0);
}

#[test]
fn a_song_that_follows_waits_for_its_turn() {
    let buffer = Buffer::new();
    arrive(&buffer, 1, Join::Switch);
    buffer.push(Ticket(1), b"first");
    assert!(!buffer.is_followed(Ticket(1)));
    arrive(&buffer, 2, Join::Follow);
    buffer.push(Ticket(2), b"second");
    buffer.push(Ticket(1), b"!");
    assert!(buffer.is_followed(Ticket(1)));
    assert_eq!((front(&buffer, 1).as_deref(), front(&buffer, 2)), (Some(&b"first!"[..]), None));
    buffer.finish(Ticket(1));
    buffer.finish(Ticket(1));
    assert_eq!((front(&buffer, 1), front(&buffer, 2).as_deref()), (None, Some(&b"second"[..])));
}

#[test]
fn bytes_come_out_in_order_however_they_lie_in_memory() {
    let buffer = Buffer::new();
    let supplier = arrive(&buffer, 1, Join::Switch);
    let mut expected = VecDeque::<u8>::new();
    let mut numbers = (0..=u8::MAX).cycle();
    let mut total = 0;
    for round in 0..200 {
        let pushed: Vec<u8> = numbers.by_ref().take(round % 7).collect();
        total += pushed.len();
        buffer.push(Ticket(1), &pushed);
        expected.extend(&pushed);
        assert_eq!(front(&buffer, 1).unwrap(), expected.iter().copied().take(8).collect::<Vec<_>>());
        let consumed = expected.len().min(round % 5);
        buffer.consume(Ticket(1), consumed);
        expected.drain(..consumed);
    }
    assert_eq!(supplier.released() + expected.len(), total);
}

#[test]
fn a_song_is_over_when_all_of_it_is_here_or_no_more_will_come() {
    let is_over = |buffer: &Buffer| buffer.peek(Ticket(1), &mut []).unwrap().is_over;
    let buffer = Buffer::new();
    arrive(&buffer, 1, Join::Switch);
    buffer.push(Ticket(1), &[0; 999]);
    assert!(!is_over(&buffer));
    buffer.push(Ticket(1), &[0]);
    assert!(is_over(&buffer));

    arrive(&buffer, 1, Join::Switch);
    assert!(!is_over(&buffer));
    buffer.end(Ticket(1));
    assert!(is_over(&buffer));
}

#[test]
fn a_resumed_song_goes_on_at_the_next_byte_and_fills_the_room_that_is_left() {
    let buffer = Buffer::new();
    let before = arrive(&buffer, 1, Join::Switch);
    buffer.push(Ticket(1), &[1; 100]);
    buffer.consume(Ticket(1), 40);
    assert_eq!(buffer.position(Ticket(1)), Some(100));

    let (after, mut waiting) = (Arc::new(Counter::default()), None);
    buffer.entrust(Ticket(1), |bytes| {
        waiting = Some(bytes);
        Some(after.clone())
    });
    assert_eq!(waiting, Some(60), "are in the buffer, so that the new connection has as much less room");
    buffer.consume(Ticket(1), 10);
    assert!(buffer.is_rest(Ticket(1), &started(100)));
    buffer.push(Ticket(1), &[2; 50]);
    buffer.consume(Ticket(1), 60);
    assert_eq!((before.released(), after.released()), (40, 70), "whoever brought them");
    assert_eq!((buffer.position(Ticket(1)), front(&buffer, 1).unwrap()), (Some(150), vec![2; 8]));
}

#[test]
fn the_rest_of_a_song_that_is_gone_is_not_asked_for() {
    let buffer = Buffer::new();
    arrive(&buffer, 1, Join::Switch);
    buffer.clear();
    buffer.entrust(Ticket(1), |_| panic!("asked"));
}

#[test]
fn a_song_is_not_resumed_with_other_bytes() {
    let buffer = Buffer::new();
    arrive(&buffer, 1, Join::Switch);
    buffer.push(Ticket(1), &[1; 100]);
    for wrong in [
        started(99),
        started(101),
        Started { content_tag: 8, ..started(100) },
        Started { size_bytes: 1_001, ..started(100) },
    ] {
        assert!(!buffer.is_rest(Ticket(1), &wrong), "{wrong:?}");
    }
}

#[test]
fn waiting_ends_with_what_was_waited_for() {
    let check = |happens: fn(&Buffer)| {
        let buffer = Buffer::new();
        arrive(&buffer, 1, Join::Switch);
        buffer.push(Ticket(1), &[0; 10]);
        let waits = buffer.clone();
        let waiter = thread::spawn(move || waits.wait_for_more(Ticket(1), 10, LONG));
        happens(&buffer);
        waiter.join().unwrap();
    };
    let begun = Instant::now();
    check(|buffer| buffer.push(Ticket(1), b"x"));
    check(|buffer| buffer.end(Ticket(1)));
    check(Buffer::clear);
    check(|buffer| {
        arrive(buffer, 2, Join::Switch);
    });
    assert!(begun.elapsed() < LONG);
}

#[test]
fn the_player_is_given_its_turn_woken_and_sent_home() {
    let buffer = Buffer::new();
    assert!(matches!(buffer.wait_for_song(Duration::ZERO), Turn::Idle));
    let waits = buffer.clone();
    let waiter = thread::spawn(move || waits.wait_for_song(LONG));
    arrive(&buffer, 5, Join::Follow);
    assert!(matches!(waiter.join().unwrap(), Turn::Play(arrival) if arrival.ticket == Ticket(5)));
    buffer.close();
    assert!(matches!(buffer.wait_for_song(LONG), Turn::Closed));
}

#[test]
fn the_memory_of_a_song_that_is_over_is_that_of_the_next() {
    let buffer = Buffer::new();
    for ticket in 0..100 {
        // One that is switched to, one that follows it, and one that nobody hears.
        arrive(&buffer, 3 * ticket, Join::Switch);
        arrive(&buffer, 3 * ticket + 1, Join::Follow);
        buffer.finish(Ticket(3 * ticket));
        buffer.push(Ticket(3 * ticket + 1), &[1; 100]);
        buffer.consume(Ticket(3 * ticket + 1), 10);
        buffer.clear();
        assert_eq!(buffer.level(Ticket(3 * ticket + 1)), 0);
        arrive(&buffer, 3 * ticket + 2, Join::Switch);
        assert_eq!(front(&buffer, 3 * ticket + 2), Some(Vec::new()), "bytes of another song");
    }
    let state = buffer.lock();
    let capacities: Vec<usize> =
        state.spare.iter().chain(state.songs.iter().map(|song| &song.bytes)).map(VecDeque::capacity).collect();
    assert_eq!(capacities, [CAPACITY_BYTES as usize; 2]);
}
