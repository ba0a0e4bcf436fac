//! From compressed bytes to sound: decodes a frame whenever the ring has room.

use core::time::Duration;

use embassy_futures::select::select;
use embassy_futures::yield_now;
use trill_decoder::Decoder;
use trill_player::{Sound, Step};
use trill_proto::decoder::PCM_SAMPLES;
use trill_proto::time::Instant;

use crate::board::{Audio, Clock};
use crate::pcm::{Frame, Pcm};
use crate::shared::Shared;
use crate::state::State;

/// How often to check whether the ring runs dry, or has become empty.
const POLL: Duration = Duration::from_millis(5);

/// The decoder waits until this part of the ring is free: a quarter.
const WORTH_WAITING_FOR: usize = 4;

/// When the decode loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// At once, after the other tasks had their turn.
    Now,
    /// After this time, or earlier if it is woken.
    After(Duration),
    /// When it is woken.
    Idle,
}

/// Decodes and feeds the ring.
pub(crate) struct DecodeLoop<C, A, const FRAMES: usize> {
    shared: &'static Shared,
    clock: C,
    decoder: &'static mut Decoder,
    /// The samples of the frame decoded last.
    samples: &'static mut [i16; PCM_SAMPLES],
    /// The part of the samples that is not in the ring yet.
    sound: Option<Sound>,
    pcm: &'static Pcm<FRAMES>,
    audio: A,
    /// The rate for which the output is set.
    rate: u32,
    /// The output cannot play at the rate of the song.
    is_unplayable: bool,
}

impl<C: Clock, A: Audio, const FRAMES: usize> DecodeLoop<C, A, FRAMES> {
    pub(crate) const fn new(
        shared: &'static Shared,
        clock: C,
        decoder: &'static mut Decoder,
        samples: &'static mut [i16; PCM_SAMPLES],
        pcm: &'static Pcm<FRAMES>,
        audio: A,
    ) -> Self {
        Self { shared, clock, decoder, samples, sound: None, pcm, audio, rate: 0, is_unplayable: false }
    }

    /// Decodes for ever.
    pub(crate) async fn run(&mut self) -> ! {
        let shared = self.shared;
        loop {
            match shared.with(|state| self.advance(self.clock.now(), state)) {
                Next::Now => yield_now().await,
                Next::After(span) => {
                    let _ = select(self.clock.wait(span), shared.decoder.wait()).await;
                }
                Next::Idle => shared.decoder.wait().await,
            }
        }
    }

    /// Does the next step.
    fn advance(&mut self, now: Instant, state: &mut State<'_>) -> Next {
        if let Some(sound) = self.sound.take().filter(|_| state.player.has_begun()) {
            return self.put_out(sound, now, state);
        }
        match state.player.decode(now, self.decoder, self.samples) {
            Step::Idle => Next::Idle,
            Step::Begin { id, .. } => {
                // The song before is wholly in the ring or dropped. From here on the position is that of this song.
                self.pcm.controls().count_song();
                state.player.handle_began(id);
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

    /// Moves decoded samples to the ring, as many as fit.
    fn put_out(&mut self, mut sound: Sound, now: Instant, state: &mut State<'_>) -> Next {
        let controls = self.pcm.controls();
        if sound.is_new_format {
            if sound.rate != self.rate && controls.queued() > 0 {
                // The ring holds sound of another rate, which must be heard first.
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

    /// Prepares the output for the first frame of a song, or for its first frame in another format.
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

    /// Waits until the end of the song is heard. A song that follows without a gap begins at once.
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
