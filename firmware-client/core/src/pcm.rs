//! Decoded sound on its way to the output: a short ring, and what an interrupt takes out of it.
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
//! cheap as an array of anything else. Nothing needs more than loads and stores, for which every core has instructions:
//! each atomic is written by one side only. Frames are counted by running totals that wrap, after 27 hours at 44.1 kHz;
//! they are compared by how far they are behind what was written.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32};

/// How long a change of volume, a pause or its end takes from nothing to full scale: long enough not to click,
/// too short to hear as a fade.
const RAMP_MS: u32 = 5;

/// Sound begins, and begins again after running short, with this much in the ring, or with half of it if that is less: the
/// first frames of a song are decoded one by one while it already sounds.
const ENOUGH_TO_BEGIN_MS: u32 = 40;

/// No song has a higher rate, whatever a server says.
const HIGHEST_RATE: u32 = 48_000;

/// A gain that changes nothing, bit for bit.
const UNITY: u32 = 1 << 16;

/// Left, right.
pub type Frame = [i16; 2];

/// The ring of `FRAMES` stereo frames, a power of two, and what both of its sides know. A static of the board's.
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

    /// The output's side. There must be only one, ever.
    #[must_use]
    pub const fn feed(&self) -> Feed<'_, FRAMES> {
        Feed { pcm: self, level: 0, fresh: true }
    }

    /// How often the sound broke off because frames came too late, counted once however long it lasted.
    #[must_use]
    pub fn underruns(&self) -> u32 {
        self.controls.underruns()
    }

    pub(crate) const fn controls(&self) -> &Controls {
        &self.controls
    }

    /// Puts in as many of `frames` as there is room for; returns how many.
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
            // An old mark is moved along, so that it is not taken for a new one when the totals wrap.
            discard_up_to.store(written.wrapping_sub(FRAMES as u32), Release);
        }
        count
    }

    /// Frames that can be pushed now.
    pub(crate) fn room(&self) -> usize {
        FRAMES - self.controls.unread() as usize
    }

    /// The sound of a song of this rate begins with the next frame, and flows from there.
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
    /// Frames before this total are not to be heard.
    discard_up_to: AtomicU32,
    /// The total at which the current song began.
    song_begin: AtomicU32,
    paused: AtomicBool,
    /// More follows what is in the ring: to run dry is an underrun.
    flowing: AtomicBool,
    /// How much less than [`UNITY`] samples are multiplied by.
    attenuation: AtomicU32,
    ramp_step: AtomicU32,
    enough_to_begin: AtomicU32,

    // Written by the feed.
    read: AtomicU32,
    underruns: AtomicU32,
    /// The last period was music from end to end: to run short now would be heard.
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

    /// Frames in the ring, those included that were discarded.
    fn unread(&self) -> u32 {
        self.written.load(Relaxed).wrapping_sub(self.read.load(Acquire))
    }

    /// Frames pushed, and neither handed out nor discarded.
    pub(crate) fn queued(&self) -> u32 {
        let undiscarded = self.written.load(Relaxed).wrapping_sub(self.discard_up_to.load(Relaxed));
        self.unread().min(undiscarded)
    }

    /// Whether the sound has broken off, or not begun, and there is not enough in the ring for it to begin.
    pub(crate) fn is_dry(&self) -> bool {
        !self.sounding.load(Acquire) && self.queued() < self.enough_to_begin.load(Relaxed)
    }

    /// The current song is counted from the next frame on.
    pub(crate) fn count_song(&self) {
        self.song_begin.store(self.written.load(Relaxed), Relaxed);
    }

    /// Frames of the current song handed out.
    pub(crate) fn position(&self) -> u32 {
        let pushed = self.written.load(Relaxed).wrapping_sub(self.song_begin.load(Relaxed));
        pushed.saturating_sub(self.unread())
    }

    /// Nothing that was pushed and not handed out is heard any more.
    pub(crate) fn discard(&self) {
        self.discard_up_to.store(self.written.load(Relaxed), Release);
        self.flowing.store(false, Release);
    }

    /// Nothing follows for now: let what is there be heard to its end.
    pub(crate) fn finish(&self) {
        self.flowing.store(false, Release);
    }

    /// Stops the sound where it is, or lets it go on.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Release);
    }

    /// Sets the volume in percent; 100 changes no sample. The curve is cubic, the usual approximation of how loudness
    /// is perceived: 50 is an eighth of the amplitude, −18 dB.
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
    /// What samples are multiplied by just now, in 65,536ths; on its way to the volume, or to 0 for a pause.
    level: u32,
    /// Before this it was silent, other than by a pause: there is nothing to click against, so the first sample is
    /// heard at its full level.
    fresh: bool,
}

impl<const FRAMES: usize> Feed<'_, FRAMES> {
    /// Fills `out` with the next frames; with silence where there are none or none are wanted. Returns how many are
    /// music.
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

    /// Moves frames from the ring to the front of `out`, at the level they are to be heard. Returns how many.
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

    /// Counts an underrun, if a period of which `filled` of `wanted` frames were music was one.
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
