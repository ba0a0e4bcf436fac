use ringbuf::traits::{Producer, Split};
use ringbuf::{HeapProd, HeapRb};

use super::super::controls::Controls;
use super::*;

/// A mono callback at 1 kHz, so that a sample is a millisecond and a ramp five samples; `enough to begin` is 40 samples.
struct Bench {
    callback: Callback,
    ring: HeapProd<i16>,
    state: Arc<OutputState>,
    controls: Controls,
    next: i16,
}

impl Bench {
    fn new() -> Self {
        Self::with_channels(1)
    }

    fn with_channels(channels: u16) -> Self {
        let state = OutputState::new();
        let (ring, consumer) = HeapRb::new(30_000).split();
        let callback = Callback::new(consumer, PcmFormat { rate: 1000, channels }, state.clone());
        Self { callback, ring, controls: Controls::new(state.clone()), state, next: 1 }
    }

    /// Writes the next `count` of the samples 1, 2, 3, …
    fn write(&mut self, count: i16) {
        let samples: Vec<i16> = (self.next..self.next + count).collect();
        self.next += count;
        self.state.written.fetch_add(samples.len() as u64, SeqCst);
        assert_eq!(self.ring.push_slice(&samples), samples.len());
    }

    /// Fills a period of `length` samples.
    fn fill(&mut self, length: usize) -> Vec<i16> {
        let mut out = vec![-1; length];
        self.callback.fill(&mut out);
        out
    }

    #[track_caller]
    fn expect(&mut self, expected: impl IntoIterator<Item = i16>) {
        let expected: Vec<i16> = expected.into_iter().collect();
        assert_eq!(self.fill(expected.len()), expected);
    }

    #[track_caller]
    fn expect_silence(&mut self, length: usize) {
        self.expect(vec![0; length]);
    }
}

#[test]
fn samples_pass_bit_exactly() {
    let mut bench = Bench::new();
    bench.write(100);
    bench.expect(1..=20);
    bench.expect(21..=100);
    assert_eq!(bench.state.read.load(SeqCst), 100);
    assert_eq!(bench.state.callbacks.load(SeqCst), 2);
    assert_eq!(bench.controls.underruns(), 0);
}

#[test]
fn extreme_samples_pass_bit_exactly() {
    let mut bench = Bench::with_channels(2);
    let extremes = [i16::MIN, i16::MAX, -1, 0, 1, i16::MIN];
    bench.state.written.fetch_add(6, SeqCst);
    bench.ring.push_slice(&extremes);
    bench.expect(extremes);
}

#[test]
fn sound_begins_with_a_whole_period() {
    let mut bench = Bench::new();
    bench.expect_silence(20);
    bench.write(19);
    bench.expect_silence(20);
    bench.write(1);
    bench.expect(1..=20);
    assert_eq!(bench.controls.underruns(), 0, "silence before the first sample is not an underrun");
}

#[test]
fn sound_begins_with_forty_milliseconds_if_the_period_is_longer() {
    let mut bench = Bench::new();
    bench.write(39);
    bench.expect_silence(100);
    bench.write(1);
    bench.expect((1..=40).chain([0; 60]));
}

#[test]
fn an_incomplete_last_period_is_heard() {
    let mut bench = Bench::new();
    bench.write(25);
    bench.expect(1..=20);
    bench.state.finishing.store(true, SeqCst);
    bench.expect((21..=25).chain([0; 15]));
    bench.expect_silence(20);
    assert_eq!(bench.state.silent_frames.load(SeqCst), 35);
    assert_eq!(bench.controls.underruns(), 0);
}

#[test]
fn a_song_shorter_than_a_period_is_heard() {
    let mut bench = Bench::new();
    bench.write(3);
    bench.state.finishing.store(true, SeqCst);
    bench.expect([1, 2, 3, 0, 0, 0]);
}

#[test]
fn each_starvation_counts_once() {
    let mut bench = Bench::new();
    bench.write(30);
    bench.expect(1..=20);
    bench.expect((21..=30).chain([0; 10]));
    for _ in 0..50 {
        bench.expect_silence(20);
    }
    assert_eq!(bench.controls.underruns(), 1);
    bench.write(10);
    bench.expect_silence(20);
    assert_eq!(bench.controls.underruns(), 1, "not yet going on");
    bench.write(10);
    bench.expect(31..=50);
    bench.expect_silence(20);
    assert_eq!(bench.controls.underruns(), 2);
}

#[test]
fn a_pause_fades_out_keeps_what_follows_and_fades_in() {
    let mut bench = Bench::new();
    bench.write(200);
    bench.expect(1..=20);
    bench.controls.set_paused(true);
    let fading = bench.fill(20);
    assert_eq!(fading, [17, 13, 9, 5, 0].into_iter().chain([0; 15]).collect::<Vec<_>>());
    for _ in 0..10 {
        bench.expect_silence(20);
    }
    assert_eq!(bench.state.read.load(SeqCst), 25, "five samples were faded, none since");
    bench.controls.set_paused(false);
    bench.expect([5, 11, 17, 23].into_iter().chain(30..=45));
    assert_eq!(bench.controls.underruns(), 0);
}

#[test]
fn a_pause_that_ends_at_once_loses_nothing() {
    let mut bench = Bench::new();
    bench.write(200);
    bench.expect(1..=20);
    bench.controls.set_paused(true);
    bench.controls.set_paused(false);
    bench.expect(21..=40);
}

#[test]
fn a_song_started_while_paused_begins_at_full_level() {
    let mut bench = Bench::new();
    bench.controls.set_paused(true);
    bench.write(100);
    bench.expect_silence(20);
    bench.controls.set_paused(false);
    bench.expect(1..=20);
}

#[test]
fn a_song_after_a_discard_begins_at_full_level() {
    let mut bench = Bench::new();
    bench.write(100);
    bench.expect(1..=20);
    bench.controls.set_paused(true);
    bench.fill(20);
    bench.controls.discard();
    bench.write(100);
    bench.controls.set_paused(false);
    bench.expect(101..=120);
}

#[test]
fn volume_changes_within_five_milliseconds_and_without_a_step() {
    let mut bench = Bench::new();
    bench.next = 8000;
    bench.write(200);
    bench.expect(8000..=8019);
    bench.controls.set_volume(50);
    let quieter = bench.fill(20);
    for (sample, level) in quieter.iter().zip([0.8, 0.6, 0.4, 0.2, 0.125, 0.125]) {
        assert!((f32::from(*sample) / 8020.0 - level).abs() < 0.01, "{quieter:?}");
    }
    bench.controls.set_volume(100);
    let louder = bench.fill(20);
    assert!(louder.windows(2).all(|pair| pair[1] >= pair[0]), "{louder:?}");
    assert_eq!(louder[5..], (8045..=8059).collect::<Vec<_>>());
    bench.expect(8060..=8079);
}

#[test]
fn volume_0_is_silent_and_goes_on() {
    let mut bench = Bench::new();
    bench.controls.set_volume(0);
    bench.write(100);
    bench.expect_silence(20);
    assert_eq!(bench.state.read.load(SeqCst), 20);
    bench.controls.set_volume(100);
    bench.fill(20);
    bench.expect(41..=60);
}

#[test]
fn after_a_discard_only_what_is_written_later_is_heard() {
    let mut bench = Bench::new();
    bench.write(100);
    bench.expect(1..=20);
    bench.controls.discard();
    bench.expect_silence(20);
    assert_eq!(bench.controls.queued_frames(), 0);
    bench.write(30);
    bench.expect(101..=120);
    assert_eq!(bench.controls.underruns(), 0);
}

#[test]
fn a_discard_and_a_write_before_the_next_callback() {
    let mut bench = Bench::new();
    bench.write(100);
    bench.controls.discard();
    bench.write(50);
    bench.expect(101..=150);
}

#[test]
fn samples_announced_before_a_discard_are_skipped_when_they_come() {
    let mut bench = Bench::new();
    bench.write(10);
    bench.state.written.fetch_add(10, SeqCst);
    bench.controls.discard();
    bench.expect_silence(20);
    bench.ring.push_slice(&[9; 10]);
    bench.next = 500;
    bench.write(40);
    bench.expect(500..=519);
}

#[test]
fn a_discard_reaches_samples_already_copied() {
    let mut bench = Bench::new();
    bench.write(100);
    let mut out = [-1; 20];
    let first = bench.callback.read;
    let taken = bench.callback.take(&mut out);
    assert_eq!(taken, 20);
    bench.controls.discard();
    bench.callback.silence_discarded(first, &mut out);
    assert_eq!(out, [0; 20]);
}

#[test]
fn a_new_ring_counts_on_from_the_old_one() {
    let mut bench = Bench::new();
    bench.write(100);
    bench.expect(1..=20);
    let (mut ring, consumer) = HeapRb::new(100).split();
    bench.callback = Callback::new(consumer, PcmFormat { rate: 1000, channels: 1 }, bench.state.clone());
    assert_eq!(bench.controls.queued_frames(), 0);
    bench.state.written.fetch_add(20, SeqCst);
    ring.push_slice(&[7; 20]);
    bench.expect([7; 20]);
    assert_eq!(bench.state.read.load(SeqCst), 120);
}

/// For any order of writes, discards and fills, the output is the samples written since the last discard, in order and once
/// each, with silence only where samples were missing.
#[test]
fn random_operations_hear_what_was_written() {
    for seed in 1..=100 {
        let mut random: u64 = seed;
        let mut bench = Bench::new();
        let (mut heard, mut wanted) = (Vec::new(), Vec::new());
        while bench.next < 25_000 {
            random = random * 48_271 % 0x7FFF_FFFF;
            match random % 8 {
                0 => {
                    bench.controls.discard();
                    wanted.truncate(heard.len());
                }
                1..=3 => {
                    let count = (random / 8 % 400) as i16;
                    wanted.extend(bench.next..bench.next + count);
                    bench.write(count);
                }
                _ => heard.extend(bench.fill((random / 8 % 300) as usize).into_iter().filter(|&s| s != 0)),
            }
        }
        bench.state.finishing.store(true, SeqCst);
        heard.extend(bench.fill(30_000).into_iter().filter(|&s| s != 0));
        assert_eq!(heard, wanted, "seed {seed}");
        assert_eq!(bench.state.read.load(SeqCst), bench.state.written.load(SeqCst));
    }
}
