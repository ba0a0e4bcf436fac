//! The consumer's half of an output that plays in real time: the audio callback.
//!
//! [`Callback::fill`] does not lock, allocate, log or wait. It fills in silence for missing samples.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use ringbuf::HeapCons;
use ringbuf::traits::{Consumer, Observer};

use super::PcmFormat;
use super::controls::OutputState;

/// Duration of a volume ramp from zero to full scale: long enough to avoid a click, too short to hear as a fade.
const RAMP_MS: u32 = 5;

/// Sound starts, and restarts after an underrun, when the ring holds this much or a whole period, whichever is less. It is
/// less than the minimum depth of a ring, so that it is always reached.
const ENOUGH_TO_BEGIN_MS: usize = 40;

/// Tolerance for a ramp's number of steps: rounding errors of added fractions.
const ROUNDING: f32 = 0.01;

/// Takes samples out of the ring and hands them to a device.
pub(super) struct Callback {
    ring: HeapCons<i16>,
    state: Arc<OutputState>,
    channels: usize,
    enough_to_begin: usize,
    /// Total of samples taken out of the ring.
    read: u64,
    /// The current gain, which moves towards the volume, or towards 0 for a pause.
    level: f32,
    /// Change of the level per frame.
    ramp_step: f32,
    /// No sample was heard since the start or the last discard. Nothing can click, so the first sample needs no ramp.
    fresh: bool,
    /// The last period was all music, so missing samples would be audible now.
    sounding: bool,
}

impl Callback {
    /// A callback that reads `ring`, whose samples are in `format` and are counted from the total written so far.
    pub(super) fn new(ring: HeapCons<i16>, format: PcmFormat, state: Arc<OutputState>) -> Self {
        let read = state.written.load(SeqCst);
        state.read.store(read, SeqCst);
        // The device holds no sound, so a wait for its end is over.
        state.silent_frames.store(u64::from(u32::MAX), SeqCst);
        let channels = usize::from(format.channels);
        Self {
            ring,
            state,
            channels,
            enough_to_begin: format.rate as usize * channels * ENOUGH_TO_BEGIN_MS / 1000,
            read,
            level: 0.0,
            ramp_step: 1000.0 / (RAMP_MS * format.rate) as f32,
            fresh: true,
            sounding: false,
        }
    }

    /// The state shared with the producer and the controls.
    pub(super) fn state(&self) -> &Arc<OutputState> {
        &self.state
    }

    /// Fills `out`, whole frames, with the next samples, and with silence where samples are missing or discarded.
    pub(super) fn fill(&mut self, out: &mut [i16]) {
        self.skip_discarded();
        let first = self.read;
        let filled = self.take(out);
        out[filled..].fill(0);
        self.silence_discarded(first, &mut out[..filled]);
        self.account(filled, out.len());
    }

    /// Skips the samples that were discarded since the last call.
    fn skip_discarded(&mut self) {
        let discard_up_to = self.state.discard_up_to.load(SeqCst);
        if discard_up_to <= self.read {
            return;
        }
        let unwanted = usize::try_from(discard_up_to - self.read).unwrap_or(usize::MAX);
        self.read += self.ring.skip(unwanted) as u64;
        self.fresh = true;
        self.sounding = false;
    }

    /// Moves samples from the ring to the front of `out` and applies the level. Returns how many.
    fn take(&mut self, out: &mut [i16]) -> usize {
        let wanted_level = if self.state.paused.load(SeqCst) { None } else { Some(self.state.gain()) };
        if !self.sounding && !self.enough_for(out.len()) {
            return 0;
        }
        let mut filled = 0;
        while filled < out.len() {
            let frames = match (wanted_level, self.frames_to_ramp(wanted_level.unwrap_or(0.0))) {
                (None, 0) => break,
                (_, 0) => usize::MAX / self.channels,
                (_, frames) => frames,
            };
            let end = out.len().min(filled.saturating_add(frames * self.channels));
            let taken = self.ring.pop_slice(&mut out[filled..end]);
            self.scale(&mut out[filled..filled + taken], wanted_level.unwrap_or(0.0));
            filled += taken;
            if filled < end {
                break;
            }
        }
        self.read += filled as u64;
        filled
    }

    /// Whether the ring holds enough to start sound, or all the samples that will come.
    fn enough_for(&self, wanted: usize) -> bool {
        // Read the flag first, so that samples written before it was set are seen too.
        let finishing = self.state.finishing.load(SeqCst);
        finishing || self.ring.occupied_len() >= wanted.min(self.enough_to_begin)
    }

    /// Frames until the level reaches `wanted`.
    fn frames_to_ramp(&mut self, wanted: f32) -> usize {
        if self.fresh {
            self.level = wanted;
        }
        ((wanted - self.level).abs() / self.ramp_step - ROUNDING).ceil() as usize
    }

    /// Multiplies `samples` by the level while it moves towards `wanted`.
    fn scale(&mut self, samples: &mut [i16], wanted: f32) {
        self.fresh &= samples.is_empty();
        if self.level == 1.0 && wanted == 1.0 {
            return;
        }
        for frame in samples.chunks_exact_mut(self.channels) {
            let steps = (wanted - self.level) / self.ramp_step;
            self.level = match steps {
                _ if steps.abs() <= 1.0 + ROUNDING => wanted,
                _ => self.level + self.ramp_step.copysign(steps),
            };
            for sample in frame {
                *sample = (f32::from(*sample) * self.level).round() as i16;
            }
        }
    }

    /// Silences samples that were discarded while they were copied.
    fn silence_discarded(&mut self, first: u64, taken: &mut [i16]) {
        let discard_up_to = self.state.discard_up_to.load(SeqCst);
        if discard_up_to > first {
            let unwanted = usize::try_from(discard_up_to - first).unwrap_or(usize::MAX);
            let end = taken.len().min(unwanted);
            taken[..end].fill(0);
        }
    }

    /// Updates the shared counters after a period in which `filled` of `wanted` samples were available.
    fn account(&mut self, filled: usize, wanted: usize) {
        let state = &self.state;
        let silent = ((wanted - filled) / self.channels) as u64;
        if filled > 0 {
            state.silent_frames.store(silent, SeqCst);
        } else {
            state.silent_frames.fetch_add(silent, SeqCst);
        }
        let whole = filled == wanted;
        let expected = !state.paused.load(SeqCst) && !state.finishing.load(SeqCst);
        if self.sounding && !whole && expected {
            state.underruns.fetch_add(1, SeqCst);
        }
        self.sounding = whole;
        state.sounding.store(whole, SeqCst);
        state.read.store(self.read, SeqCst);
        state.callbacks.fetch_add(1, SeqCst);
    }
}

#[cfg(test)]
mod tests;
