//! Plucked strings: Karplus and Strong's loop, tuned and damped as in Jaffe and Smith,
//! "Extensions of the Karplus-Strong Plucked-String Algorithm" (1983).

use super::Tone;
use crate::exact::{exp2, smooth_step};
use crate::random::Random;

/// A string and the finger that plucks it.
pub(crate) struct Plucked {
    /// 0 (thumb) to 1 (plectrum): how much of the high end the pluck excites.
    pub(crate) brightness: f64,
    /// Where it is plucked, as a part of its length: harmonics with a node there are missing.
    pub(crate) position: f64,
    /// Seconds in which a string at 220 Hz loses half its amplitude.
    pub(crate) half_life: f64,
    /// 0 to 0.5: how much faster high harmonics fade than low ones.
    pub(crate) damping: f64,
}

/// Seconds a finger takes to halve a string it stops.
const STOPPED_HALF_LIFE: f64 = 0.03;

impl Plucked {
    pub(super) fn play(&self, tone: &Tone, random: &mut Random) -> Vec<f64> {
        // The loop delays by the line, the damping filter (`damping` samples) and the tuning all-pass, which
        // stays stable and nearly flat for a delay of 0.1 to 1.1 samples.
        let period = tone.rate / tone.frequency - self.damping;
        let whole = (period - 0.1).floor();
        let fraction = period - whole;
        let all_pass = (1.0 - fraction) / (1.0 + fraction);

        let mut string = self.excitation(whole as usize, tone.level, random);
        // High strings are shorter and lighter, and lose their energy sooner.
        let half_life = self.half_life * (220.0 / tone.frequency).sqrt();
        let ringing = exp2(-1.0 / (half_life * tone.frequency));
        let stopped = exp2(-1.0 / (STOPPED_HALF_LIFE * tone.frequency));

        let held = (tone.seconds * tone.rate) as usize;
        let length = held + (10.0 * STOPPED_HALF_LIFE * tone.rate) as usize;
        let (mut damped, mut tuned_in, mut tuned_out) = (0.0, 0.0, 0.0);
        let mut out = Vec::with_capacity(length);
        for n in 0..length {
            let slot = n % string.len();
            let sample = string[slot];
            out.push(sample * smooth_step(n as f64 / (0.002 * tone.rate)));
            let gain = if n < held { ringing } else { stopped };
            let filtered = gain * ((1.0 - self.damping) * sample + self.damping * damped);
            damped = sample;
            tuned_out = all_pass * (filtered - tuned_out) + tuned_in;
            tuned_in = filtered;
            string[slot] = tuned_out;
        }
        out
    }

    /// One period of noise, shaped by finger and position, with no DC (which would fade slowest of all) and
    /// equally loud for every note.
    fn excitation(&self, length: usize, level: f64, random: &mut Random) -> Vec<f64> {
        let noise: Vec<f64> = (0..length).map(|_| random.signed()).collect();
        let touch = self.brightness * (0.4 + 0.6 * level);
        let offset = (self.position * length as f64) as usize;
        let mut smoothed = 0.0;
        // Twice around, so that the filter has forgotten where it started.
        let mut shaped = vec![0.0; length];
        for n in 0..2 * length {
            smoothed += touch * (noise[n % length] - noise[(n + length - offset) % length] - smoothed);
            shaped[n % length] = smoothed;
        }
        let mean = shaped.iter().sum::<f64>() / length as f64;
        let power = shaped.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / length as f64;
        let scale = 0.35 * level / power.sqrt().max(1e-9);
        shaped.iter().map(|x| (x - mean) * scale).collect()
    }
}
