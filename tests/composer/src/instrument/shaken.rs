//! A shaker: a short breath of bright noise.

use super::Tone;
use crate::exact::{halving, smooth_step};
use crate::random::Random;

/// A box of seeds. Its pitch is always the same.
pub(crate) struct Shaken {
    /// Seconds until the seeds have hit the wall.
    pub(crate) attack: f64,
    /// Seconds in which their sound halves.
    pub(crate) half_life: f64,
}

impl Shaken {
    pub(super) fn play(&self, tone: &Tone, random: &mut Random) -> Vec<f64> {
        let length = ((self.attack + 10.0 * self.half_life) * tone.rate) as usize;
        let fade = halving(self.half_life, tone.rate);
        // Two one-pole filters leave the band around 4 kHz.
        let (open, close) = ((25_000.0 / tone.rate).min(1.0), 16_000.0 / tone.rate);
        let (mut high, mut low, mut level) = (0.0, 0.0, tone.level);
        (0..length)
            .map(|n| {
                high += open * (random.signed() - high);
                low += close * (high - low);
                level *= fade;
                (high - low) * level * smooth_step(n as f64 / (self.attack * tone.rate))
            })
            .collect()
    }
}
