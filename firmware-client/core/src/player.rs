//! From compressed bytes to sound: decodes a frame whenever there is room for it.

use core::ops::Range;
use core::time::Duration;

use trill_decoder::Decoder;
use trill_player::{Ticket, Track, Transition};
use trill_proto::decoder::{Decoded, FrameDecoder, PCM_SAMPLES};
use trill_proto::playback::{Action, Opening, Playback};
use trill_proto::ticks::Ticks;
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

/// The decoder and what it is doing.
pub(crate) struct Player<'m, A, const FRAMES: usize> {
    decoder: &'m mut Decoder,
    /// The samples of the frame decoded last.
    samples: &'m mut [i16; PCM_SAMPLES],
    /// Which of its frames are still to be put into the ring, and the channels of each.
    unheard: Range<usize>,
    /// Frames of silence to be put into the ring before them.
    silence: usize,
    channels: usize,
    pcm: &'m Pcm<FRAMES>,
    audio: A,
    /// The rate for which the output is set.
    rate: u32,
    song: Option<Song>,
    /// The song that was played last, to its end.
    ended: Option<Playback>,
}

/// The song at hand.
struct Song {
    ticket: Ticket,
    playback: Playback,
    opening: Opening,
    /// Its rate, as its frames say; 0 until the first.
    rate: u32,
    /// The decoder made no sound of it.
    is_silent: bool,
    /// It plays at a rate that the output does not.
    is_unplayable: bool,
    asked: Option<Instant>,
}

impl<'m, A: Audio, const FRAMES: usize> Player<'m, A, FRAMES> {
    pub(crate) const fn new(
        decoder: &'m mut Decoder,
        samples: &'m mut [i16; PCM_SAMPLES],
        pcm: &'m Pcm<FRAMES>,
        audio: A,
    ) -> Self {
        Self { decoder, samples, unheard: 0..0, silence: 0, channels: 2, pcm, audio, rate: 0, song: None, ended: None }
    }

    /// Does the next thing there is to do.
    pub(crate) fn advance(&mut self, now: Instant, state: &mut State<'_>) -> Next {
        let Some(track) = state.player.first() else {
            self.song = None;
            return Next::Idle;
        };
        if self.song.as_ref().is_none_or(|song| song.ticket != track.item.ticket) {
            self.begin(&track.clone(), state);
            return Next::Now;
        }
        if !self.unheard.is_empty() {
            return self.push();
        }
        match self.next_action(now, state) {
            Action::Wait => self.wait(state),
            Action::Decode => self.decode(now, state),
            Action::Drain => self.drain(state),
        }
    }

    fn begin(&mut self, track: &Track, state: &mut State<'_>) {
        let started = &track.started;
        let ended = self.ended.take().filter(|_| track.item.transition == Transition::Follow);
        if ended.is_none_or(|ended| !ended.continues_into(started)) {
            self.decoder.reset();
        }
        (self.unheard, self.silence) = (0..0, 0);
        self.song = Some(Song {
            ticket: track.item.ticket,
            playback: Playback::new(started),
            opening: Opening::default(),
            rate: 0,
            is_silent: true,
            is_unplayable: false,
            asked: track.item.asked,
        });
        // All of the song before it is in the ring or gone, so the position shown is that of this song at once.
        self.pcm.controls().count_song();
        state.player.handle_began();
    }

    fn next_action(&mut self, now: Instant, state: &mut State<'_>) -> Action {
        let (Some(song), Some(track)) = (&mut self.song, state.player.first()) else { return Action::Wait };
        if track.is_over {
            // Perhaps before its time: then what is here is all there is.
            song.playback.on_ended(track.received);
        }
        let supply = state.player.supply(now);
        let action = song.playback.next_action(&supply);
        state.player.set_buffering(song.playback.is_buffering());
        action
    }

    fn wait(&mut self, state: &mut State<'_>) -> Next {
        let Some(song) = &mut self.song else { return Next::Idle };
        if self.pcm.controls().is_dry() && !state.player.is_paused() {
            song.playback.on_dry();
            state.player.set_buffering(song.playback.is_buffering());
        }
        if song.playback.is_buffering() { Next::Idle } else { Next::After(POLL) }
    }

    fn decode(&mut self, now: Instant, state: &mut State<'_>) -> Next {
        let Some(song) = &mut self.song else { return Next::Idle };
        let at_end = state.player.first().is_some_and(|track| track.is_over);
        let frame = match self.decoder.decode(state.player.front(), at_end, self.samples) {
            Decoded::Frame(frame) => frame,
            Decoded::Junk { consumed } => {
                state.player.consume(consumed);
                return Next::Now;
            }
            // Not after `next_action` found enough.
            Decoded::NeedMore => return Next::Idle,
        };
        if song.rate != frame.rate && self.pcm.controls().queued() > 0 && self.rate != frame.rate {
            // What is in the ring is of another rate: the frame is decoded again when it was heard.
            self.decoder.reset();
            self.pcm.controls().finish();
            return Next::After(POLL);
        }
        state.player.consume(frame.consumed);
        song.is_silent &= frame.samples == 0;
        self.channels = frame.channels.into();
        if let Some(missing) =
            self.samples.get_mut(frame.samples * self.channels..frame.nominal_samples * self.channels)
        {
            // Damaged, or without the frames before it: as long as it stands for, so that what follows is in time.
            missing.fill(0);
        }
        let begins = song.playback.position();
        self.unheard = song.playback.on_frame(frame.nominal_samples, frame.rate);
        if self.unheard.is_empty() {
            return Next::Now;
        }
        let position = begins.saturating_add(Ticks::of_samples(self.unheard.start as u64, frame.rate));
        let Some(silence) = song.opening.on_frame(position, frame.rate, frame.samples > 0) else {
            self.unheard = 0..0;
            return Next::Now;
        };
        self.silence = usize::try_from(silence).unwrap_or(usize::MAX);
        if song.rate != frame.rate {
            song.rate = frame.rate;
            state.player.count_from(position.saturating_sub(Ticks::of_samples(silence, frame.rate)), frame.rate);
            self.begin_sound(frame.rate, state);
        }
        self.report_first_sample(now, state);
        Next::Now
    }

    /// The song's first frame is about to go into the ring, or its first at another rate.
    fn begin_sound(&mut self, rate: u32, state: &mut State<'_>) {
        let is_set = self.rate == rate || self.audio.set_rate(rate).is_ok();
        if is_set {
            self.rate = rate;
        } else {
            state.on_unplayable(format_args!("has {rate} Hz, at which this board cannot play"));
        }
        if let Some(song) = &mut self.song {
            song.is_unplayable = !is_set;
        }
        self.pcm.begin_song(rate);
    }

    fn report_first_sample(&mut self, now: Instant, state: &mut State<'_>) {
        let Some(song) = &mut self.song else { return };
        if song.is_unplayable {
            (self.unheard, self.silence) = (0..0, 0);
            return;
        }
        if let Some(asked) = song.asked.take() {
            state.on_sounded(now.saturating_since(asked));
        }
    }

    /// Puts what was decoded into the ring, as far as there is room.
    fn push(&mut self) -> Next {
        self.silence -= self.pcm.push(core::iter::repeat_n([0, 0], self.silence));
        if self.silence > 0 {
            return Next::After(POLL);
        }
        let Range { start, end } = self.unheard;
        let channels = self.channels;
        let samples = self.samples.get(start * channels..end * channels).unwrap_or_default();
        let frames = samples.chunks_exact(channels).map(|frame| -> Frame {
            match *frame {
                [left, right] => [left, right],
                [both] => [both, both],
                _ => [0, 0],
            }
        });
        self.unheard.start += self.pcm.push(frames);
        if self.unheard.is_empty() {
            return Next::Now;
        }
        let wanted = self.unheard.len().min(FRAMES / WORTH_WAITING_FOR);
        let missing = wanted.saturating_sub(self.pcm.room()) as u64;
        Next::After(Duration::from_micros(missing * 1_000_000 / u64::from(self.rate.max(1))))
    }

    /// Lets the end be heard, unless another song joins it.
    fn drain(&mut self, state: &mut State<'_>) -> Next {
        let Some(track) = state.player.first() else { return Next::Idle };
        let (is_over, rest) = (track.is_over, track.buffered);
        if !state.player.is_followed() {
            self.pcm.controls().finish();
        }
        if !is_over {
            // Bytes after the last sample. The song that follows can be asked for when they have come.
            state.player.consume(rest);
            return Next::Idle;
        }
        if !state.player.is_followed() && self.pcm.controls().queued() > 0 {
            return Next::After(POLL);
        }
        let is_silent = self.song.as_ref().is_some_and(|song| song.is_silent && !song.is_unplayable);
        if is_silent && state.player.first().is_some_and(Track::is_complete) {
            state.on_unplayable(format_args!("contains no decodable MP3 audio"));
        }
        self.ended = self.song.as_ref().map(|song| song.playback);
        state.player.handle_finished();
        Next::Now
    }
}
