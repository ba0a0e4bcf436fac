//! Struck bodies: strings under a hammer, bars, a drum. A sum of partials, each fading at its own pace.

use super::Tone;
use crate::exact::{cos_turns, exp2, halving, sin_turns, smooth_step};

/// One way in which a body vibrates.
pub(crate) struct Partial {
    /// Frequency, as a multiple of the fundamental.
    pub(crate) ratio: f64,
    /// Amplitude, as a part of the fundamental's.
    pub(crate) level: f64,
    /// Seconds in which it loses half its amplitude, at middle C.
    pub(crate) half_life: f64,
}

/// A body that is struck.
pub(crate) struct Struck {
    pub(crate) partials: &'static [Partial],
    /// Octaves of amplitude by which each partial above the first drops when played as softly as possible.
    pub(crate) softness: f64,
    /// Width in cents of the two strings or bars that sound together; 0 for a single one.
    pub(crate) detune_cents: f64,
    /// Seconds the hammer stays on the body.
    pub(crate) contact: f64,
    /// Seconds in which the damper halves the sound after the note's end.
    pub(crate) release: f64,
}

impl Struck {
    pub(super) fn play(&self, tone: &Tone) -> Vec<f64> {
        let held = (tone.seconds * tone.rate) as usize;
        let mut out = vec![0.0; held + (10.0 * self.release * tone.rate) as usize];
        for partial in self.partials {
            for side in [-0.5, 0.5] {
                let frequency = tone.frequency * partial.ratio * exp2(side * self.detune_cents / 1200.0);
                if frequency < 0.45 * tone.rate {
                    self.add_partial(partial, frequency, tone, held, &mut out);
                }
            }
        }
        for (n, sample) in out.iter_mut().enumerate() {
            *sample *= smooth_step(n as f64 / (self.contact * tone.rate));
        }
        out
    }

    /// A damped oscillator: a point that turns around zero by a fixed angle per sample and draws closer to it.
    fn add_partial(&self, partial: &Partial, frequency: f64, tone: &Tone, held: usize, out: &mut [f64]) {
        let dullness = self.softness * (1.0 - tone.level) * (partial.ratio - 1.0).clamp(0.0, 6.0);
        let level = 0.5 * tone.level * partial.level * exp2(-dullness);
        let half_life = partial.half_life * (261.6 / tone.frequency).sqrt();
        let turn = frequency / tone.rate;
        let (cos, sin) = (cos_turns(turn), sin_turns(turn));
        let ringing = halving(half_life, tone.rate);
        let damped = halving(half_life.min(self.release), tone.rate);
        let (mut x, mut y) = (level, 0.0);
        for (n, sample) in out.iter_mut().enumerate() {
            *sample += y;
            let shrink = if n < held { ringing } else { damped };
            (x, y) = ((x * cos - y * sin) * shrink, (x * sin + y * cos) * shrink);
        }
    }
}
