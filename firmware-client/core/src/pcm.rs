//! Decoded sound on its way to the output: a short ring, and the feed through which an interrupt takes frames out.
//!
//! ```text
//!            the player's task                │           interrupt, DMA
//!   Pcm::push ─▶ ring of stereo frames ───────┼─▶ Feed::fill: discard, pause, volume, count ─▶ output
//!   pause, set_volume, discard ─▶ atomics ────┘
//! ```
//!
//! The ring is short and pause, volume and discard act in the feed, so they are heard at once.
//!
//! A stereo frame is one 32-bit word, so the ring is an array of atomic words: lock-free and safe, and on a Cortex-M as
//! cheap as an array of anything else. Only loads and stores are needed, for which every core has instructions:
//! each atomic is written by one side only. Frames are counted by running totals that wrap after 27 hours at 44.1 kHz.
//! Totals are compared by their distance from the total written.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32};

/// How long a change of the gain takes from zero to full scale. It is long enough not to click and too short to hear as a
/// fade.
const RAMP_MS: u32 = 5;

/// Sound begins, and begins again after an underrun, with this much in the ring, or with half the ring if that is less. The
/// decoder fills the rest while the song already sounds.
const ENOUGH_TO_BEGIN_MS: u32 = 40;

/// Highest sample rate of MP3. A server's higher figure is cut to it.
const HIGHEST_RATE: u32 = 48_000;

/// A gain that changes nothing, bit for bit.
const UNITY: u32 = 1 << 16;

/// The left and the right sample.
pub type Frame = [i16; 2];

/// A ring of `FRAMES` stereo frames, a power of two, with the state that both sides share. A static of the board.
#[derive(Debug)]
pub struct Pcm<const FRAMES: usize> {
    frames: [AtomicU32; FRAMES],
    controls: Controls,
}

impl<const FRAMES: usize> Pcm<FRAMES> {
    /// An empty ring, at full volume.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(FRAMES.is_power_of_two(), "totals wrap: the length of the ring must divide 2^32") };
        Self { frames: [const { AtomicU32::new(0) }; FRAMES], controls: Controls::new() }
    }

    /// The output's side. Call it once.
    #[must_use]
    pub const fn feed(&self) -> Feed<'_, FRAMES> {
        Feed { pcm: self, level: 0, fresh: true }
    }

    /// Number of underruns: interruptions of the sound because frames came too late. Each counts once, however long it lasts.
    #[must_use]
    pub fn underruns(&self) -> u32 {
        self.controls.underruns()
    }

    pub(crate) const fn controls(&self) -> &Controls {
        &self.controls
    }

    /// Puts in as many of `frames` as fit. Returns how many.
    pub(crate) fn push(&self, frames: impl ExactSizeIterator<Item = Frame>) -> usize {
        let Controls { written: total, discard_up_to, .. } = &self.controls;
        let written = total.load(Relaxed);
        let count = frames.len().min(self.room());
        for (frame, place) in frames.take(count).zip(0_u32..) {
            let index = written.wrapping_add(place) as usize % FRAMES;
            if let Some(word) = self.frames.get(index) {
                word.store(pack(frame), Relaxed);
            }
        }
        total.store(written.wrapping_add(count as u32), Release);
        if written.wrapping_sub(discard_up_to.load(Relaxed)) as usize > FRAMES {
            // Moves an old mark along, so that it is not taken for a new one when the totals wrap.
            discard_up_to.store(written.wrapping_sub(FRAMES as u32), Release);
        }
        count
    }

    /// Number of frames that can be pushed now.
    pub(crate) fn room(&self) -> usize {
        FRAMES - self.controls.unread() as usize
    }

    /// A song with this rate begins with the next frame, and more frames follow.
    pub(crate) fn begin_song(&self, rate: u32) {
        let (pcm, rate) = (&self.controls, rate.min(HIGHEST_RATE));
        pcm.count_song();
        pcm.ramp_step.store(UNITY / (rate * RAMP_MS / 1000).max(1), Relaxed);
        pcm.enough_to_begin.store((rate * ENOUGH_TO_BEGIN_MS / 1000).min(FRAMES as u32 / 2), Relaxed);
        pcm.flowing.store(true, Release);
    }
}

impl<const FRAMES: usize> Default for Pcm<FRAMES> {
    fn default() -> Self {
        Self::new()
    }
}

/// The values that the player and the feed share. They begin as zeros, so that the ring's static takes no flash.
#[derive(Debug)]
pub(crate) struct Controls {
    // Written by the player's task.
    written: AtomicU32,
    /// Frames before this total are discarded.
    discard_up_to: AtomicU32,
    /// The total at which the current song began.
    song_begin: AtomicU32,
    paused: AtomicBool,
    /// More frames follow those in the ring, so an empty ring is an underrun.
    flowing: AtomicBool,
    /// [`UNITY`] minus the gain.
    attenuation: AtomicU32,
    ramp_step: AtomicU32,
    enough_to_begin: AtomicU32,

    // Written by the feed.
    read: AtomicU32,
    underruns: AtomicU32,
    /// The last period was music from end to end, so an underrun now would be heard.
    sounding: AtomicBool,
}

impl Controls {
    const fn new() -> Self {
        Self {
            written: AtomicU32::new(0),
            discard_up_to: AtomicU32::new(0),
            song_begin: AtomicU32::new(0),
            paused: AtomicBool::new(false),
            flowing: AtomicBool::new(false),
            attenuation: AtomicU32::new(0),
            ramp_step: AtomicU32::new(0),
            enough_to_begin: AtomicU32::new(0),
            read: AtomicU32::new(0),
            underruns: AtomicU32::new(0),
            sounding: AtomicBool::new(false),
        }
    }

    /// Number of frames in the ring, discarded ones included.
    fn unread(&self) -> u32 {
        self.written.load(Relaxed).wrapping_sub(self.read.load(Acquire))
    }

    /// Number of frames that are still to be heard.
    pub(crate) fn queued(&self) -> u32 {
        let undiscarded = self.written.load(Relaxed).wrapping_sub(self.discard_up_to.load(Relaxed));
        self.unread().min(undiscarded)
    }

    /// Whether the sound is silent because the ring has too little for it to begin.
    pub(crate) fn is_dry(&self) -> bool {
        !self.sounding.load(Acquire) && self.queued() < self.enough_to_begin.load(Relaxed)
    }

    /// Counts the current song from the next frame on.
    pub(crate) fn count_song(&self) {
        self.song_begin.store(self.written.load(Relaxed), Relaxed);
    }

    /// Number of frames of the current song that were handed out.
    pub(crate) fn position(&self) -> u32 {
        let pushed = self.written.load(Relaxed).wrapping_sub(self.song_begin.load(Relaxed));
        pushed.saturating_sub(self.unread())
    }

    /// Discards all frames that were pushed and not handed out.
    pub(crate) fn discard(&self) {
        self.discard_up_to.store(self.written.load(Relaxed), Release);
        self.flowing.store(false, Release);
    }

    /// No more frames follow for now; those in the ring are heard to the end.
    pub(crate) fn finish(&self) {
        self.flowing.store(false, Release);
    }

    /// Stops the sound at its position, or continues it.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Release);
    }

    /// Sets the volume in percent; 100 changes no sample. The curve is cubic, the usual approximation of
    /// perceived loudness: 50 is an eighth of the amplitude, −18 dB.
    pub(crate) fn set_volume(&self, percent: u8) {
        let percent = u64::from(percent.min(100));
        let gain = u64::from(UNITY) * percent.pow(3) / 1_000_000;
        self.attenuation.store(UNITY - gain as u32, Release);
    }

    /// See [`Pcm::underruns`].
    pub(crate) fn underruns(&self) -> u32 {
        self.underruns.load(Relaxed)
    }
}

/// The output's side of a [`Pcm`].
#[derive(Debug)]
pub struct Feed<'a, const FRAMES: usize> {
    pcm: &'a Pcm<FRAMES>,
    /// The current gain in 65,536ths. It moves towards the volume, or towards 0 for a pause.
    level: u32,
    /// The sound was silent, and not because of a pause. It cannot click then, so the first sample is heard at its full
    /// level.
    fresh: bool,
}

impl<const FRAMES: usize> Feed<'_, FRAMES> {
    /// Fills `out` with the next frames, and the rest with silence. Returns the number of frames of music.
    pub fn fill(&mut self, out: &mut [Frame]) -> usize {
        self.skip_discarded();
        let filled = self.take(out);
        if let Some(rest) = out.get_mut(filled..) {
            rest.fill([0, 0]);
        }
        self.account(filled, out.len());
        filled
    }

    fn skip_discarded(&mut self) {
        let Controls { discard_up_to, written, read, .. } = &self.pcm.controls;
        let discard_up_to = discard_up_to.load(Acquire);
        let written = written.load(Acquire);
        let unread = written.wrapping_sub(read.load(Relaxed));
        if written.wrapping_sub(discard_up_to) < unread {
            read.store(discard_up_to, Release);
            self.fresh = true;
            self.pcm.controls.sounding.store(false, Release);
        }
    }

    /// Moves frames from the ring to the front of `out` and applies the gain. Returns how many.
    fn take(&mut self, out: &mut [Frame]) -> usize {
        let pcm = &self.pcm.controls;
        let is_flowing = pcm.flowing.load(Acquire); // first: what was pushed before it was reset is then seen too
        let read = pcm.read.load(Relaxed);
        let available = pcm.written.load(Acquire).wrapping_sub(read) as usize;
        let enough = (pcm.enough_to_begin.load(Relaxed) as usize).max(out.len().min(FRAMES));
        if !pcm.sounding.load(Relaxed) && is_flowing && available < enough {
            return 0;
        }
        let is_paused = pcm.paused.load(Acquire);
        let wanted = if is_paused { 0 } else { UNITY - pcm.attenuation.load(Acquire) };
        let ramp_step = pcm.ramp_step.load(Relaxed);
        let mut filled = 0;
        for (frame, index) in out.iter_mut().take(available).zip(0_u32..) {
            if self.fresh {
                self.level = wanted;
            }
            if is_paused && self.level == 0 {
                break;
            }
            self.fresh = false;
            self.level = step_towards(self.level, wanted, ramp_step);
            let place = read.wrapping_add(index) as usize % FRAMES;
            let word = self.pcm.frames.get(place).map_or(0, |word| word.load(Relaxed));
            *frame = scale(unpack(word), self.level);
            filled += 1;
        }
        pcm.read.store(read.wrapping_add(filled as u32), Release);
        filled
    }

    /// Counts an underrun if a period with `filled` frames of music out of `wanted` is one.
    fn account(&mut self, filled: usize, wanted: usize) {
        let pcm = &self.pcm.controls;
        let is_whole = filled == wanted;
        let is_expected = !pcm.paused.load(Relaxed) && pcm.flowing.load(Relaxed);
        if pcm.sounding.load(Relaxed) && !is_whole && is_expected {
            pcm.underruns.store(pcm.underruns.load(Relaxed).wrapping_add(1), Relaxed);
        }
        pcm.sounding.store(is_whole && wanted > 0, Release);
        self.fresh |= filled == 0 && !pcm.paused.load(Relaxed);
    }
}

const fn step_towards(level: u32, wanted: u32, step: u32) -> u32 {
    if level.abs_diff(wanted) <= step {
        wanted
    } else if level < wanted {
        level + step
    } else {
        level - step
    }
}

fn scale(frame: Frame, level: u32) -> Frame {
    if level == UNITY {
        return frame;
    }
    frame.map(|sample| ((i32::from(sample) * level as i32) >> 16) as i16)
}

fn pack([left, right]: Frame) -> u32 {
    u32::from(left as u16) | u32::from(right as u16) << 16
}

fn unpack(word: u32) -> Frame {
    [word as u16 as i16, (word >> 16) as u16 as i16]
}

#[cfg(test)]
mod tests;
