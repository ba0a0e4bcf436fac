//! From compressed bytes to sound: decodes a frame whenever there is room for it.

use core::time::Duration;

use trill_decoder::Decoder;
use trill_player::{Sound, Step};
use trill_proto::decoder::PCM_SAMPLES;
use trill_proto::time::Instant;

use crate::board::Audio;
use crate::pcm::{Frame, Pcm};
use crate::state::State;

/// How often to look whether the ring has run dry, or out, when nothing else is due.
const POLL: Duration = Duration::from_millis(5);

/// A quarter of the ring is worth decoding for.
const WORTH_WAITING_FOR: usize = 4;

/// When the player has something to do again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// At once, after others had their turn.
    Now,
    /// After so long, or when something comes.
    After(Duration),
    /// When something comes.
    Idle,
}

/// The decoder, and what it decoded last.
pub(crate) struct Player<'m, A, const FRAMES: usize> {
    decoder: &'m mut Decoder,
    /// The samples of the frame decoded last.
    samples: &'m mut [i16; PCM_SAMPLES],
    /// What of them is still to be put into the ring.
    sound: Option<Sound>,
    pcm: &'m Pcm<FRAMES>,
    audio: A,
    /// The rate for which the output is set.
    rate: u32,
    /// The output cannot play at the rate of the song.
    is_unplayable: bool,
}

impl<'m, A: Audio, const FRAMES: usize> Player<'m, A, FRAMES> {
    pub(crate) const fn new(
        decoder: &'m mut Decoder,
        samples: &'m mut [i16; PCM_SAMPLES],
        pcm: &'m Pcm<FRAMES>,
        audio: A,
    ) -> Self {
        Self { decoder, samples, sound: None, pcm, audio, rate: 0, is_unplayable: false }
    }

    /// Does the next thing there is to do.
    pub(crate) fn advance(&mut self, now: Instant, state: &mut State<'_>) -> Next {
        if let Some(sound) = self.sound.take().filter(|_| state.player.has_begun()) {
            return self.put_out(sound, now, state);
        }
        match state.player.decode(now, self.decoder, self.samples) {
            Step::Idle => Next::Idle,
            Step::Begin(_) => {
                // All of the song before it is in the ring or gone, so the position shown is that of this song at once.
                self.pcm.controls().count_song();
                state.player.handle_began();
                Next::Now
            }
            Step::Wait => self.wait(state),
            Step::Again => Next::Now,
            Step::Sound(sound) => {
                self.sound = Some(sound);
                Next::Now
            }
            Step::Ending => {
                self.pcm.controls().finish();
                Next::Idle
            }
            Step::Ended => self.finish(state),
        }
    }

    fn wait(&self, state: &mut State<'_>) -> Next {
        if self.pcm.controls().is_dry() {
            state.player.handle_dry();
        }
        if state.player.is_buffering() { Next::Idle } else { Next::After(POLL) }
    }

    /// Puts what was decoded into the ring, as far as there is room.
    fn put_out(&mut self, mut sound: Sound, now: Instant, state: &mut State<'_>) -> Next {
        let controls = self.pcm.controls();
        if sound.is_new_format {
            if sound.rate != self.rate && controls.queued() > 0 {
                // What is in the ring is of another rate, and heard first.
                controls.finish();
                self.sound = Some(sound);
                return Next::After(POLL);
            }
            self.begin_sound(&sound, state);
            sound.is_new_format = false;
        }
        if self.is_unplayable {
            return Next::Now;
        }
        if let Some(asked) = sound.asked.take() {
            state.on_sounded(now.saturating_since(asked));
        }
        let next = self.push(&mut sound);
        self.sound = Some(sound).filter(|sound| !sound.heard.is_empty());
        next
    }

    /// The song's first frame is about to go into the ring, or its first in another format.
    fn begin_sound(&mut self, sound: &Sound, state: &mut State<'_>) {
        let rate = sound.rate;
        self.is_unplayable = self.rate != rate && self.audio.set_rate(rate).is_err();
        if self.is_unplayable {
            state.on_unplayable(sound.song, format_args!("has {rate} Hz, at which this board cannot play"));
        } else {
            self.rate = rate;
        }
        self.pcm.begin_song(rate);
        state.player.count_from(sound);
    }

    fn push(&self, sound: &mut Sound) -> Next {
        let silence = usize::try_from(sound.silence).unwrap_or(usize::MAX);
        sound.silence -= self.pcm.push(core::iter::repeat_n([0, 0], silence)) as u64;
        if sound.silence > 0 {
            return Next::After(POLL);
        }
        let channels = usize::from(sound.channels);
        let samples = self.samples.get(sound.heard.start * channels..sound.heard.end * channels).unwrap_or_default();
        let frames = samples.chunks_exact(channels).map(|frame| -> Frame {
            match *frame {
                [left, right] => [left, right],
                [both] => [both, both],
                _ => [0, 0],
            }
        });
        sound.heard.start += self.pcm.push(frames);
        if sound.heard.is_empty() {
            return Next::Now;
        }
        let wanted = sound.heard.len().min(FRAMES / WORTH_WAITING_FOR);
        let missing = wanted.saturating_sub(self.pcm.room()) as u64;
        Next::After(Duration::from_micros(missing * 1_000_000 / u64::from(self.rate.max(1))))
    }

    /// Lets the end be heard, unless another song joins it.
    fn finish(&self, state: &mut State<'_>) -> Next {
        if !state.player.is_followed() {
            self.pcm.controls().finish();
            if self.pcm.controls().queued() > 0 {
                return Next::After(POLL);
            }
        }
        if let Some(song) = state.player.handle_finished() {
            state.on_unplayable(song, format_args!("contains no decodable MP3 audio"));
        }
        Next::Now
    }
}
