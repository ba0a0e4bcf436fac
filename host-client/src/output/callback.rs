//! The consumer's half of every output that plays at the pace of a clock: what an audio callback does.
//!
//! Nothing in [`Callback::fill`] locks, allocates, logs or waits. It makes up for whatever is not there with silence.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use ringbuf::HeapCons;
use ringbuf::traits::{Consumer, Observer};

use super::PcmFormat;
use super::controls::OutputState;

/// How long a change of volume, a pause or its end takes from nothing to full scale: long enough not to click,
/// too short to hear as a fade.
const RAMP_MS: u32 = 5;

/// Sound begins, and begins again after running short, with this much in the ring even if the device asks for more
/// at once. Below the least depth of a ring, so that it is always reached.
const ENOUGH_TO_BEGIN_MS: usize = 40;

/// How far off a whole number of steps a ramp may be: what adding up fractions loses.
const ROUNDING: f32 = 0.01;

/// Takes samples out of the ring and hands them to a device.
pub(super) struct Callback {
    ring: HeapCons<i16>,
    shared: Arc<OutputState>,
    channels: usize,
    enough_to_begin: usize,
    /// Total of samples taken out of the ring.
    read: u64,
    /// What samples are multiplied by just now; on its way to the volume, or to 0 for a pause.
    level: f32,
    /// How far the level moves with a frame.
    ramp_step: f32,
    /// Nothing was heard yet since the start or the last discard: there is nothing to click against, so the first
    /// sample is heard at its full level.
    fresh: bool,
    /// The last period was music from end to end: to run short now would be heard.
    sounding: bool,
}

impl Callback {
    /// A callback from `ring`, whose samples are in `format` and are counted on from what was written so far.
    pub(super) fn new(ring: HeapCons<i16>, format: PcmFormat, shared: Arc<OutputState>) -> Self {
        let read = shared.written.load(SeqCst);
        shared.read.store(read, SeqCst);
        // Nothing is on its way to the ear: whoever waits for the end of the last sound need not.
        shared.silent_frames.store(u64::from(u32::MAX), SeqCst);
        let channels = usize::from(format.channels);
        Self {
            ring,
            shared,
            channels,
            enough_to_begin: format.rate as usize * channels * ENOUGH_TO_BEGIN_MS / 1000,
            read,
            level: 0.0,
            ramp_step: 1000.0 / (RAMP_MS * format.rate) as f32,
            fresh: true,
            sounding: false,
        }
    }

    /// What it shares with the producer and the controls.
    pub(super) fn shared(&self) -> &Arc<OutputState> {
        &self.shared
    }

    /// Fills `out`, whole frames, with the next samples; with silence where there are none or none are wanted.
    pub(super) fn fill(&mut self, out: &mut [i16]) {
        self.skip_discarded();
        let first = self.read;
        let filled = self.take(out);
        out[filled..].fill(0);
        self.silence_discarded(first, &mut out[..filled]);
        self.account(filled, out.len());
    }

    /// Steps over what was discarded since the last call.
    fn skip_discarded(&mut self) {
        let discard_up_to = self.shared.discard_up_to.load(SeqCst);
        if discard_up_to <= self.read {
            return;
        }
        let unwanted = usize::try_from(discard_up_to - self.read).unwrap_or(usize::MAX);
        self.read += self.ring.skip(unwanted) as u64;
        self.fresh = true;
        self.sounding = false;
    }

    /// Moves samples from the ring to the front of `out`, at the level they are to be heard. Returns how many.
    fn take(&mut self, out: &mut [i16]) -> usize {
        let wanted_level = if self.shared.paused.load(SeqCst) { None } else { Some(self.shared.gain()) };
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

    /// Whether sound can begin: a whole period is there, or all there will be.
    fn enough_for(&self, wanted: usize) -> bool {
        // The flag first: what was written before it was set is then seen too.
        let finishing = self.shared.finishing.load(SeqCst);
        finishing || self.ring.occupied_len() >= wanted.min(self.enough_to_begin)
    }

    /// Frames until the level is where it is wanted.
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

    /// Takes back what was discarded while it was being copied.
    fn silence_discarded(&mut self, first: u64, taken: &mut [i16]) {
        let discard_up_to = self.shared.discard_up_to.load(SeqCst);
        if discard_up_to > first {
            let unwanted = usize::try_from(discard_up_to - first).unwrap_or(usize::MAX);
            let end = taken.len().min(unwanted);
            taken[..end].fill(0);
        }
    }

    /// Tells the others what became of a period in which `filled` of `wanted` samples were there.
    fn account(&mut self, filled: usize, wanted: usize) {
        let shared = &self.shared;
        let silent = ((wanted - filled) / self.channels) as u64;
        if filled > 0 {
            shared.silent_frames.store(silent, SeqCst);
        } else {
            shared.silent_frames.fetch_add(silent, SeqCst);
        }
        let whole = filled == wanted;
        let expected = !shared.paused.load(SeqCst) && !shared.finishing.load(SeqCst);
        if self.sounding && !whole && expected {
            shared.underruns.fetch_add(1, SeqCst);
        }
        self.sounding = whole;
        shared.sounding.store(whole, SeqCst);
        shared.read.store(self.read, SeqCst);
        shared.callbacks.fetch_add(1, SeqCst);
    }
}

#[cfg(test)]
mod tests;
