//! From the compressed bytes of a song to its samples: what the decoder does next, and which samples are heard.

use core::mem;
use core::ops::Range;

use trill_proto::decoder::{Decoded, Frame, FrameDecoder, LOOKAHEAD_BYTES, PCM_SAMPLES};
use trill_proto::ids::SongId;
use trill_proto::message::Started;
use trill_proto::playback::{Action, LeadingSilence, Playback, Supply};
use trill_proto::ticks::Ticks;
use trill_proto::time::Instant;

use crate::buffer::Track;
use crate::item::{ItemId, Transition};

/// What came of one step of the decoder, and what the caller does next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// There is no song. Wait until the buffer changes.
    Idle,
    /// A song begins. Prepare the output, then call [`handle_began`](crate::Player::handle_began) with `id`.
    Begin {
        /// The song's id in the player.
        id: ItemId,
        /// The server's description.
        started: Started,
    },
    /// More bytes must arrive. Wait until the buffer changes; if the output runs dry meanwhile, call
    /// [`handle_dry`](crate::Player::handle_dry).
    Wait,
    /// The decoder took bytes that make no sound. Take the next step.
    Again,
    /// Put this out, then take the next step.
    Sound(Sound),
    /// All samples were put out, and bytes after them still arrive. The output may run dry from now on. Wait until the buffer
    /// changes.
    Ending,
    /// The whole song was put out. Unless another song [follows](crate::Player::is_followed), wait until the output has played
    /// it. Then call [`handle_finished`](crate::Player::handle_finished).
    Ended,
}

/// The samples of a frame that are heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// The song.
    pub song: SongId,
    /// Samples of silence per channel, to be put out first.
    pub silence: u64,
    /// Which samples of each channel to put out, of those in the PCM buffer.
    pub heard: Range<usize>,
    /// Sample rate in Hz, 8,000 to 48,000.
    pub rate: u32,
    /// 1 or 2.
    pub channels: u8,
    /// It is the song's first sound, or its first of another rate or number of channels.
    pub is_new_format: bool,
    /// When the listener asked for the song, in its first sound.
    pub asked: Option<Instant>,
    /// Where in the song it begins, its silence included.
    pub(crate) from: Ticks,
}

impl Sound {
    /// Which samples of the PCM buffer it is, those of all channels together.
    pub(crate) fn samples(&self) -> Range<usize> {
        let channels = usize::from(self.channels);
        self.heard.start * channels..self.heard.end * channels
    }
}

/// The song that is decoded.
#[derive(Debug)]
pub(crate) struct Decoding {
    pub(crate) id: ItemId,
    playback: Playback,
    leading: LeadingSilence,
    /// Of the sound before; 0 before the first.
    rate: u32,
    channels: u8,
    /// The decoder has made samples of it.
    has_sound: bool,
    /// The decoder still has the state of another song.
    needs_reset: bool,
    asked: Option<Instant>,
    /// Where in the song the output's position is 0, and in which rate the output counts.
    counted_from: Ticks,
    counted_rate: u32,
}

impl Decoding {
    /// Begins a song after `ended`, which was played to its end.
    pub(crate) fn new(track: &Track, ended: Option<Playback>) -> Self {
        let Track { item, started, .. } = track;
        let follows = item.transition == Transition::Follow;
        Self {
            id: item.id,
            playback: Playback::new(started),
            leading: LeadingSilence::default(),
            rate: 0,
            channels: 0,
            has_sound: false,
            needs_reset: !(follows && ended.is_some_and(|ended| ended.continues_into(started))),
            asked: item.asked,
            counted_from: started.position_of(started.first_heard()),
            counted_rate: started.rate,
        }
    }

    pub(crate) const fn playback(&self) -> &Playback {
        &self.playback
    }

    pub(crate) const fn has_sound(&self) -> bool {
        self.has_sound
    }

    /// Where the song is after `frames` of it were heard.
    pub(crate) fn position(&self, frames: u64) -> Ticks {
        self.counted_from.saturating_add(Ticks::of_samples(frames, self.counted_rate))
    }

    pub(crate) const fn count_from(&mut self, sound: &Sound) {
        (self.counted_from, self.counted_rate) = (sound.from, sound.rate);
    }

    pub(crate) fn on_dry(&mut self) {
        self.playback.on_dry();
    }

    /// Takes the next step. `front` holds the received bytes of the song. Also returns how many of them are used up.
    pub(crate) fn step(
        &mut self,
        track: &Track,
        supply: &Supply,
        front: &[u8],
        decoder: &mut impl FrameDecoder,
        pcm: &mut [i16; PCM_SAMPLES],
    ) -> (Step, usize) {
        if track.is_over {
            // A song that ended early has no more bytes than these.
            self.playback.on_ended(track.received);
        }
        match self.playback.next_action(supply) {
            Action::Wait => (Step::Wait, 0),
            Action::Decode => self.decode(track, front, decoder, pcm),
            // The next song can be requested when all bytes of this one have arrived.
            Action::Drain if !track.is_over => (Step::Ending, front.len()),
            Action::Drain => (Step::Ended, 0),
        }
    }

    fn decode(
        &mut self,
        track: &Track,
        front: &[u8],
        decoder: &mut impl FrameDecoder,
        pcm: &mut [i16; PCM_SAMPLES],
    ) -> (Step, usize) {
        if mem::take(&mut self.needs_reset) {
            decoder.reset();
        }
        // As many bytes as are surely there, so that the sound does not depend on how fast they arrive.
        let input = front.get(..LOOKAHEAD_BYTES).unwrap_or(front);
        match decoder.decode(input, track.is_over && input.len() == front.len(), pcm) {
            Decoded::Frame(frame) => {
                let sound = self.on_frame(track.started.song, &frame, pcm);
                (sound.map_or(Step::Again, Step::Sound), frame.consumed)
            }
            Decoded::Junk { consumed } => (Step::Again, consumed),
            // Cannot happen: `next_action` found enough bytes.
            Decoded::NeedMore => (Step::Wait, 0),
        }
    }

    /// Returns what is heard of a frame. `None` if it comes before the song's first sound, or after its end.
    fn on_frame(&mut self, song: SongId, frame: &Frame, pcm: &mut [i16; PCM_SAMPLES]) -> Option<Sound> {
        let &Frame { samples, nominal_samples, rate, channels, .. } = frame;
        let per_frame = usize::from(channels);
        if let Some(missing) = pcm.get_mut(samples * per_frame..nominal_samples * per_frame) {
            // The frame is damaged or lacks the frames before it. Silence keeps the following frames in time.
            missing.fill(0);
        }
        self.has_sound |= samples > 0;
        let begin = self.playback.position();
        let heard = self.playback.on_frame(nominal_samples, rate);
        if heard.is_empty() {
            return None;
        }
        let position = begin.saturating_add(Ticks::of_samples(heard.start as u64, rate));
        let silence = self.leading.on_frame(position, rate, samples > 0)?;
        let is_new_format = (self.rate, self.channels) != (rate, channels);
        (self.rate, self.channels) = (rate, channels);
        Some(Sound {
            song,
            silence,
            heard,
            rate,
            channels,
            is_new_format,
            asked: self.asked.take(),
            from: position.saturating_sub(Ticks::of_samples(silence, rate)),
        })
    }
}
