use std::vec;
use std::vec::Vec;

use super::*;

const RATE: u32 = 8_000; // a ramp takes 40 frames; 128, half the ring, are enough to begin
const SILENT: Frame = [0, 0];
const NOTHING: [Frame; 0] = [];

fn ramp(from: i16, count: usize) -> Vec<Frame> {
    (from..).take(count).map(|sample| [sample, -sample]).collect()
}

fn push(pcm: &Pcm<256>, frames: &[Frame]) -> usize {
    pcm.push(frames.iter().copied())
}

fn fill(feed: &mut Feed<'_, 256>, count: usize) -> Vec<Frame> {
    let mut out = vec![[0x5a5a; 2]; count];
    let filled = feed.fill(&mut out);
    assert!(out[filled..].iter().all(|frame| *frame == SILENT), "what is no music is silence");
    out.truncate(filled);
    out
}

/// Begins a song that sounds from its first period on.
fn begin(pcm: &Pcm<256>) {
    pcm.begin_song(RATE);
    pcm.controls.enough_to_begin.store(0, Relaxed);
}

#[test]
fn what_goes_in_comes_out_bit_for_bit() {
    let pcm = Pcm::<256>::new();
    let mut feed = pcm.feed();
    begin(&pcm);
    let frames = [[i16::MIN, i16::MAX], [-1, 1], [0, -2]];
    for _ in 0..200 {
        assert_eq!(push(&pcm, &frames), 3);
        assert_eq!(fill(&mut feed, 3), frames);
    }
    assert_eq!((pcm.controls.position(), pcm.controls.queued(), pcm.underruns()), (600, 0, 0));
}

#[test]
fn no_more_goes_in_than_there_is_room_for() {
    let pcm = Pcm::<256>::new();
    begin(&pcm);
    assert_eq!(push(&pcm, &ramp(1, 300)), 256);
    assert_eq!((pcm.room(), pcm.controls.queued()), (0, 256));
    assert_eq!(fill(&mut pcm.feed(), 100), ramp(1, 100));
    assert_eq!((pcm.room(), pcm.controls.queued()), (100, 156));
}

#[test]
fn sound_begins_with_enough_or_with_all_there_is() {
    let pcm = Pcm::<256>::new();
    let mut feed = pcm.feed();
    pcm.begin_song(RATE);
    push(&pcm, &ramp(1, 127));
    assert_eq!(fill(&mut feed, 10), NOTHING);
    push(&pcm, &ramp(128, 1));
    assert_eq!(fill(&mut feed, 100), ramp(1, 100));
    assert_eq!(fill(&mut feed, 20), ramp(101, 20), "once it sounds, it goes on to the last");
    pcm.controls.discard();
    pcm.begin_song(RATE);
    assert_eq!(fill(&mut feed, 10), NOTHING);
    push(&pcm, &ramp(1, 9));
    pcm.controls.finish();
    assert_eq!(fill(&mut feed, 10), ramp(1, 9));
    assert_eq!(pcm.underruns(), 0);
}

#[test]
fn running_short_in_mid_song_counts_once_however_long_it_lasts() {
    let pcm = Pcm::<256>::new();
    let mut feed = pcm.feed();
    begin(&pcm);
    push(&pcm, &ramp(1, 15));
    assert_eq!(fill(&mut feed, 10).len(), 10);
    assert_eq!(fill(&mut feed, 10).len(), 5);
    assert_eq!(fill(&mut feed, 10).len(), 0);
    assert_eq!(pcm.underruns(), 1);
    push(&pcm, &ramp(16, 20));
    assert_eq!(fill(&mut feed, 10), ramp(16, 10));
    assert_eq!(pcm.underruns(), 1);
}

#[test]
fn what_was_discarded_is_never_heard_and_the_next_frame_at_once_and_at_full_level() {
    let pcm = Pcm::<256>::new();
    let mut feed = pcm.feed();
    begin(&pcm);
    push(&pcm, &ramp(1, 200));
    assert_eq!(fill(&mut feed, 10), ramp(1, 10));
    pcm.controls.discard();
    assert_eq!(pcm.controls.queued(), 0);
    assert_eq!(fill(&mut feed, 10), NOTHING);
    begin(&pcm);
    push(&pcm, &ramp(1_000, 10));
    assert_eq!(fill(&mut feed, 10), ramp(1_000, 10));
    assert_eq!((pcm.controls.position(), pcm.underruns()), (10, 0));
}

#[test]
fn a_pause_fades_out_and_in_and_loses_no_frame() {
    let pcm = Pcm::<256>::new();
    let mut feed = pcm.feed();
    begin(&pcm);
    push(&pcm, &[[10_000, 10_000]; 250]);
    assert_eq!(fill(&mut feed, 10), [[10_000; 2]; 10]);
    pcm.controls.set_paused(true);
    let faded = fill(&mut feed, 60);
    assert_eq!(faded.len(), 41, "5 ms, and what is left of a step");
    assert!(faded.windows(2).all(|pair| pair[1][0] < pair[0][0]));
    assert_eq!(fill(&mut feed, 60), NOTHING);
    assert_eq!((pcm.controls.position(), pcm.underruns()), (51, 0));
    pcm.controls.set_paused(false);
    let risen = fill(&mut feed, 60);
    assert!(risen[..41].windows(2).all(|pair| pair[1][0] > pair[0][0]));
    assert_eq!(risen[41..], [[10_000; 2]; 19]);
    assert_eq!(pcm.controls.position(), 111);
}

#[test]
fn volume_is_cubic_and_exact_at_the_top() {
    let pcm = Pcm::<256>::new();
    let mut feed = pcm.feed();
    begin(&pcm);
    for (percent, expected) in [(100, [16_000, -16_000]), (50, [2_000, -2_000]), (0, [0, 0]), (200, [16_000, -16_000])]
    {
        assert_eq!(fill(&mut feed, 5), NOTHING, "after silence there is nothing to fade from");
        pcm.controls.set_volume(percent);
        push(&pcm, &[[16_000, -16_000]; 5]);
        assert_eq!(fill(&mut feed, 5), [expected; 5], "{percent} %");
    }
}

#[test]
fn totals_wrap_unnoticed() {
    let pcm = Pcm::<256>::new();
    let mut feed = pcm.feed();
    for mark in [0, u32::MAX - 100, 1 << 31, (1 << 31) + 100] {
        // As if this many frames had been played since the last discard.
        pcm.controls.written.store(mark, Relaxed);
        pcm.controls.read.store(mark, Relaxed);
        begin(&pcm);
        for round in 0..3 {
            assert_eq!(push(&pcm, &ramp(round, 200)), 200);
            assert_eq!(fill(&mut feed, 200), ramp(round, 200), "{mark} {round}");
        }
        assert_eq!((pcm.controls.position(), pcm.controls.queued()), (600, 0));
    }
}
