//! The decisions of playback, the same on a laptop and on a board: when to begin, what to decode, what to trim, and
//! when the song is over.
//!
//! The application owns the compressed bytes, the decoder and the output; [`Playback`] owns the decisions. The order
//! of calls, in a loop:
//!
//! ```text
//!   Playback::new            when STARTED came
//!   next_action              with what the compressed buffer holds
//!     Action::Wait    →      wait for data, then again
//!     Action::Decode  →      decode one frame; on_frame says which of its samples to put out
//!     Action::Drain   →      the music is complete: let the output play what it has, then report the end
//!   on_dry                   when the output ran out of samples: buffer anew before going on
//! ```

use crate::decoder::LOOKAHEAD_BYTES;
use crate::message::Started;
use crate::scale::{micros, mul_div};
use crate::ticks::Ticks;
use core::ops::Range;
use core::time::Duration;

/// Music that must be in the buffer before it begins, on top of one round-trip of it.
const CUSHION: Duration = Duration::from_millis(100);

/// How much faster than playback a song must arrive so that its buffer certainly grows.
const SAFE_RATE_PERCENT: u64 = 125;

/// What the caller knows when it asks what to do next.
#[derive(Clone, Copy, Debug)]
pub struct Supply {
    /// Bytes in the compressed buffer that the decoder has not taken.
    pub buffered: usize,
    /// Bytes of the stream received so far.
    pub received: u64,
    /// Size of the compressed buffer in bytes.
    pub capacity: usize,
    /// Rate at which the stream arrives, in bytes per second: see [`Client::delivery_rate`].
    ///
    /// [`Client::delivery_rate`]: crate::session::client::Client::delivery_rate
    pub delivery_rate: u64,
    /// The smallest round-trip to the server.
    pub round_trip: Duration,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Wait until more has arrived.
    Wait,
    /// Decode one frame and hand it to [`Playback::on_frame`].
    Decode,
    /// Everything was put out: let the output play to its end.
    Drain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Phase {
    Buffering,
    Playing,
    Complete,
}

/// The decisions for one stream.
#[derive(Clone, Copy, Debug)]
pub struct Playback {
    phase: Phase,
    /// Total bytes of the stream.
    expected: u64,
    bytes_per_second: u32,
    /// Absolute samples are of this rate.
    rate: u32,
    /// Where the next frame begins.
    position: Ticks,
    /// What is heard begins and ends here.
    heard_from: Ticks,
    heard_until: Ticks,
    channels: u8,
}

impl Playback {
    /// The decisions for a stream that starts like this.
    pub fn new(started: &Started) -> Self {
        Self {
            phase: Phase::Buffering,
            expected: started.size_bytes.saturating_sub(started.position),
            bytes_per_second: started.bytes_per_second(),
            rate: started.rate,
            position: started.first_frame(),
            heard_from: started.position_of(started.first_heard()),
            heard_until: started.position_of(started.end_sample),
            channels: started.channels,
        }
    }

    /// The stream ended early, after `received` bytes. What they hold is played.
    pub fn on_ended(&mut self, received: u64) {
        self.expected = self.expected.min(received);
    }

    /// What to do next.
    pub fn next_action(&mut self, supply: &Supply) -> Action {
        let is_whole = supply.received >= self.expected;
        if self.phase == Phase::Buffering && (is_whole || self.is_safe(supply)) {
            self.phase = Phase::Playing;
        }
        match self.phase {
            Phase::Buffering => Action::Wait,
            Phase::Complete => Action::Drain,
            Phase::Playing if self.position >= self.heard_until || (is_whole && supply.buffered == 0) => {
                self.phase = Phase::Complete;
                Action::Drain
            }
            Phase::Playing if is_whole || supply.buffered >= LOOKAHEAD_BYTES.min(supply.capacity) => Action::Decode,
            Phase::Playing => Action::Wait,
        }
    }

    /// Counts a frame that was taken from the buffer and says which of its samples to put out: `nominal` is how many
    /// per channel its header promises, and `rate` their rate. What the decoder did not make of them, because the frame
    /// is damaged or those before it are missing, is put out as silence, so that what follows is in time.
    pub fn on_frame(&mut self, nominal: usize, rate: u32) -> Range<usize> {
        let begins = self.position;
        self.position = begins.saturating_add(Ticks::of_samples(nominal as u64, rate));
        let first_after = |position: Ticks| {
            let sample = position.saturating_sub(begins).samples_rounded_up(rate);
            usize::try_from(sample).unwrap_or(usize::MAX).min(nominal)
        };
        let from = first_after(self.heard_from);
        from..first_after(self.heard_until).max(from)
    }

    /// The output ran dry: buffer as at the beginning.
    pub fn on_dry(&mut self) {
        if self.phase == Phase::Playing {
            self.phase = Phase::Buffering;
        }
    }

    /// Whether the song `next`, which follows this one without a gap, goes on where this one ended, so that the decoder
    /// has to keep its state: a frame's sound overlaps that of the next, and its data may begin in frames before it.
    ///
    /// An encoder that cuts one recording into songs (`lame --nogap`) says neither where the sound begins nor where it
    /// ends, and everything is heard. Where an end is known, the sound before and after it belongs to nothing else.
    pub fn continues_into(&self, next: &Started) -> bool {
        let [played, end] = [self.position, self.heard_until].map(|position| position.samples(self.rate));
        let is_whole = self.phase == Phase::Complete && played == end;
        let begins_unmarked = (next.position, next.first_sample, next.begin_sample, next.discard) == (0, 0, 0, 0);
        let is_unmarked = begins_unmarked && (next.encoder_delay, next.encoder_padding) == (0, 0);
        is_whole && is_unmarked && (next.rate, next.channels) == (self.rate, self.channels)
    }

    /// Whether the music waits for more to arrive.
    pub fn is_buffering(&self) -> bool {
        self.phase == Phase::Buffering
    }

    /// Where the next frame begins.
    pub const fn position(&self) -> Ticks {
        self.position
    }

    /// Whether music that begins now plays on without a gap, as far as can be known: the buffer bridges one round-trip
    /// and a cushion, and what arrives too slowly is in it already.
    fn is_safe(&self, supply: &Supply) -> bool {
        let playing = u64::from(self.bytes_per_second);
        let bridge = bytes_in(playing, supply.round_trip + CUSHION);
        let remaining = self.expected.saturating_sub(supply.received).saturating_add(supply.buffered as u64);
        let delivery_rate = supply.delivery_rate.saturating_mul(100) / SAFE_RATE_PERCENT;
        let deficit = if delivery_rate >= playing {
            0
        } else {
            // Of every second of music only this part will arrive while it is played.
            remaining - mul_div(remaining, delivery_rate, playing)
        };
        // More than the buffer holds can never be waited for; leave room for the grants of the last quarter.
        let most = supply.capacity as u64 * 3 / 4;
        let wanted = bridge.max(deficit).max(LOOKAHEAD_BYTES as u64).min(most);
        supply.buffered as u64 >= wanted
    }
}

/// The silence before a song's first sound: frames that decode to nothing. It is put out when the sound comes, so a song in
/// which no sound ever comes is passed over as fast as it arrives.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeadingSilence {
    /// Where in the song the silence began.
    from: Option<Ticks>,
    is_over: bool,
}

impl LeadingSilence {
    /// Takes a frame that is to be heard from `position` on. Returns how many samples of silence, at the frame's `rate`, to put
    /// out before it; `None` if it belongs to the silence.
    pub fn on_frame(&mut self, position: Ticks, rate: u32, has_sound: bool) -> Option<u64> {
        let from = *self.from.get_or_insert(position);
        if self.is_over {
            return Some(0);
        }
        self.is_over = has_sound;
        has_sound.then(|| position.saturating_sub(from).samples(rate))
    }
}

fn bytes_in(bytes_per_second: u64, span: Duration) -> u64 {
    mul_div(bytes_per_second, micros(span), 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: Started = Started {
        size_bytes: 1_000_000,
        first_sample: 0,
        discard: 1_105,
        begin_sample: 1_105,
        end_sample: 100_000,
        bitrate: 128_000,
        rate: 44_100,
        channels: 2,
        ..EMPTY
    };
    const EMPTY: Started = Started {
        stream: crate::ids::StreamId(1),
        song: crate::ids::SongId(1),
        content_tag: 1,
        position: 0,
        size_bytes: 0,
        first_sample: 0,
        first_fraction: 0,
        discard: 0,
        begin_sample: 0,
        end_sample: 0,
        bitrate: 0,
        rate: 0,
        channels: 0,
        encoder_delay: 0,
        encoder_padding: 0,
        gain: crate::message::Gain::UNKNOWN,
    };
    const FAST: Supply = Supply {
        buffered: 0,
        received: 0,
        capacity: 1 << 20,
        delivery_rate: 1_000_000,
        round_trip: Duration::from_millis(1),
    };

    #[track_caller]
    fn check(supply: Supply, expected: Action) {
        assert_eq!(Playback::new(&STARTED).next_action(&supply), expected);
    }

    #[test]
    fn a_fast_path_starts_after_a_fraction_of_a_second() {
        check(Supply { buffered: 4_095, received: 4_095, ..FAST }, Action::Wait);
        check(Supply { buffered: 4_096, received: 4_096, ..FAST }, Action::Decode);
    }

    #[test]
    fn a_long_round_trip_is_bridged() {
        let far = Supply { round_trip: Duration::from_millis(500), ..FAST };
        check(Supply { buffered: 9_599, received: 9_599, ..far }, Action::Wait);
        check(Supply { buffered: 9_600, received: 9_600, ..far }, Action::Decode);
    }

    #[test]
    fn a_path_slower_than_the_music_waits_for_what_will_be_missing() {
        // Half the rate that is needed with its margin: half of the song must be there, or three quarters of the
        // buffer.
        let slow = Supply { delivery_rate: 10_000, ..FAST };
        check(Supply { buffered: 499_000, received: 499_000, ..slow }, Action::Wait);
        check(Supply { buffered: 501_000, received: 501_000, ..slow }, Action::Decode);
        let small = Supply { capacity: 16_384, ..slow };
        check(Supply { buffered: 12_287, received: 12_287, ..small }, Action::Wait);
        check(Supply { buffered: 12_288, received: 12_288, ..small }, Action::Decode);
    }

    #[test]
    fn a_short_song_starts_when_it_is_whole() {
        let mut playback = Playback::new(&Started { size_bytes: 417, ..STARTED });
        assert_eq!(playback.next_action(&Supply { buffered: 416, received: 416, ..FAST }), Action::Wait);
        assert_eq!(playback.next_action(&Supply { buffered: 417, received: 417, ..FAST }), Action::Decode);
        assert_eq!(playback.next_action(&Supply { buffered: 0, received: 417, ..FAST }), Action::Drain);
    }

    #[test]
    fn a_stream_that_failed_plays_what_has_come() {
        let mut playback = Playback::new(&STARTED);
        let supply = Supply { buffered: 3_000, received: 3_000, ..FAST };
        assert_eq!(playback.next_action(&supply), Action::Wait);
        playback.on_ended(3_000);
        assert_eq!(playback.next_action(&supply), Action::Decode);
        assert_eq!(playback.next_action(&Supply { buffered: 0, ..supply }), Action::Drain);
    }

    #[test]
    fn a_song_without_audio_is_over_at_once() {
        assert_eq!(Playback::new(&EMPTY).next_action(&FAST), Action::Drain);
    }

    #[test]
    fn after_running_dry_it_buffers_anew() {
        let mut playback = Playback::new(&STARTED);
        let enough = Supply { buffered: 5_000, received: 5_000, ..FAST };
        assert_eq!(playback.next_action(&enough), Action::Decode);
        assert_eq!(playback.next_action(&Supply { buffered: 4_095, ..enough }), Action::Wait);
        playback.on_dry();
        assert!(playback.is_buffering());
        assert_eq!(playback.next_action(&Supply { delivery_rate: 0, ..enough }), Action::Wait);
        assert_eq!(playback.next_action(&enough), Action::Decode);
    }

    #[test]
    fn exactly_the_samples_between_delay_and_padding_are_kept() {
        let mut playback = Playback::new(&Started { discard: 1_105, end_sample: 4_000, ..STARTED });
        assert_eq!(playback.on_frame(1_152, 44_100), 1_105..1_152);
        assert_eq!(playback.on_frame(1_152, 44_100), 0..1_152);
        assert_eq!(playback.on_frame(1_152, 44_100), 0..1_152);
        assert_eq!(playback.on_frame(1_152, 44_100), 0..544);
        assert_eq!(playback.on_frame(1_152, 44_100), 0..0);
    }

    /// A song of two frames. Nothing says where its sound begins and ends.
    const UNMARKED: Started = Started { size_bytes: 834, discard: 0, begin_sample: 0, end_sample: 2_304, ..STARTED };

    /// Plays the frames of `song` that came, to its end, and looks whether it continues into `next`.
    #[track_caller]
    fn check_continues(song: Started, frames: usize, next: Started, expected: bool) {
        let mut playback = Playback::new(&song);
        let received = frames as u64 * 417;
        playback.on_ended(received);
        let supply = Supply { received, ..FAST };
        for frame in 0..frames {
            let buffered = (frames - frame) * 417;
            if playback.next_action(&Supply { buffered, ..supply }) == Action::Decode {
                let _ = playback.on_frame(1_152, 44_100);
            }
        }
        assert_eq!(playback.next_action(&supply), Action::Drain);
        assert_eq!(playback.continues_into(&next), expected);
    }

    #[test]
    fn a_recording_in_several_songs_is_decoded_as_one() {
        check_continues(UNMARKED, 2, UNMARKED, true);
        check_continues(UNMARKED, 2, Started { size_bytes: 9_999, end_sample: 99_999, ..UNMARKED }, true);
        // It was started in the middle.
        check_continues(Started { position: 417, first_sample: 1_152, discard: 7, ..UNMARKED }, 1, UNMARKED, true);
        // Its beginning was cut to be played without a gap, but its end was not.
        check_continues(Started { discard: 1_105, begin_sample: 1_105, ..UNMARKED }, 2, UNMARKED, true);
    }

    #[test]
    fn other_songs_are_decoded_each_for_itself() {
        check_continues(Started { end_sample: 2_000, encoder_padding: 304, ..UNMARKED }, 2, UNMARKED, false);
        check_continues(UNMARKED, 1, UNMARKED, false);
        for next in [
            Started { encoder_delay: 576, begin_sample: 1_105, discard: 1_105, ..UNMARKED },
            Started { encoder_padding: 1, ..UNMARKED },
            Started { position: 417, first_sample: 1_152, ..UNMARKED },
            Started { discard: 1, ..UNMARKED },
            Started { rate: 48_000, ..UNMARKED },
            Started { channels: 1, ..UNMARKED },
        ] {
            check_continues(UNMARKED, 2, next, false);
        }
        assert!(!Playback::new(&UNMARKED).continues_into(&UNMARKED), "it was not played");
    }

    #[test]
    fn frames_before_the_music_are_counted() {
        let started = Started { first_sample: 11_520, discard: 2_000, ..STARTED };
        let mut playback = Playback::new(&started);
        assert!(playback.on_frame(1_152, 44_100).is_empty());
        assert_eq!(playback.on_frame(1_152, 44_100), 848..1_152);
        assert_eq!(playback.position().samples(44_100), 13_824);
    }

    #[test]
    fn frames_of_another_rate_count_by_their_time() {
        let started = Started { discard: 1_000, end_sample: 4_000, ..STARTED };
        let mut playback = Playback::new(&started);
        assert_eq!(playback.on_frame(576, 22_050), 500..576);
        assert_eq!(playback.position().samples(44_100), 1_152);
        assert_eq!(playback.on_frame(1_152, 48_000), 0..1_152);
        assert_eq!(playback.position().samples(44_100), 1_152 + 1_058, "rounded down");
        assert_eq!(playback.on_frame(1_152, 22_050), 0..895, "1,789.6 samples of the song are left");
    }

    /// Ten minutes of frames at 8 kHz in a song of 44.1 kHz, heard to the sample before the last.
    #[test]
    fn a_long_part_of_another_rate_ends_where_its_time_says() {
        const FRAMES: u64 = 8_334;
        let total = FRAMES * 576 * 44_100 / 8_000;
        let mut playback = Playback::new(&Started { discard: 0, end_sample: total - 6, ..STARTED });
        let heard: usize = (0..FRAMES).map(|_| playback.on_frame(576, 8_000).len()).sum();
        assert_eq!(playback.position().samples(44_100), total);
        // The last sample begins 5.5125 samples of the song before its end.
        assert_eq!(heard as u64, FRAMES * 576 - 1);
    }

    /// From any frame on, what is heard is the rest of what is heard from the beginning.
    #[test]
    fn a_start_behind_a_change_of_rate_is_heard_as_from_the_beginning() {
        for (song_rate, samples, rate) in [(44_100, 576, 8_000), (8_000, 1_152, 48_000), (48_000, 576, 11_025)] {
            for (frame, discard) in (0..200).zip((0..).step_by(7)) {
                let begins = Ticks::of_samples(frame * samples as u64, rate);
                let (first_sample, first_fraction) = (begins.samples(song_rate), begins.after_whole_samples(song_rate));
                let whole = Started { rate: song_rate, end_sample: 10_000_000, ..STARTED };
                let mut from_the_beginning =
                    Playback::new(&Started { discard: u32::try_from(first_sample).unwrap() + discard, ..whole });
                let mut from_here = Playback::new(&Started { first_sample, first_fraction, discard, ..whole });
                for _ in 0..frame {
                    let _ = from_the_beginning.on_frame(samples, rate);
                }
                for _ in 0..3 {
                    assert_eq!(from_here.on_frame(samples, rate), from_the_beginning.on_frame(samples, rate));
                }
            }
        }
    }

    #[test]
    fn silence_before_the_first_sound_is_put_out_with_it() {
        let at = |samples| Ticks::of_samples(samples, 44_100);
        let mut leading = LeadingSilence::default();
        assert_eq!(leading.on_frame(at(1_105), 44_100, false), None);
        assert_eq!(leading.on_frame(at(1_152), 44_100, false), None);
        assert_eq!(leading.on_frame(at(2_304), 44_100, true), Some(1_199));
        assert_eq!(leading.on_frame(at(3_456), 44_100, false), Some(0), "what is damaged later is silent in its place");
        let mut leading = LeadingSilence::default();
        assert_eq!(leading.on_frame(at(0), 44_100, false), None);
        assert_eq!(leading.on_frame(at(2_304), 22_050, true), Some(1_152));
        assert_eq!(LeadingSilence::default().on_frame(at(1_105), 44_100, true), Some(0));
    }

    #[test]
    fn what_comes_after_the_end_is_not_waited_for() {
        let mut playback = Playback::new(&Started { end_sample: 1_152, ..STARTED });
        let supply = Supply { buffered: 5_000, received: 5_000, ..FAST };
        assert_eq!(playback.next_action(&supply), Action::Decode);
        let _ = playback.on_frame(1_152, 44_100);
        assert_eq!(playback.next_action(&supply), Action::Drain);
    }
}
