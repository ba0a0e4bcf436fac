//! Sustained tones: flutes and choirs. A row of harmonics with an envelope, vibrato and breath.

use super::Tone;
use crate::exact::{cos_turns, exp2, halving, sin_turns, smooth_step};
use crate::random::Random;

/// A voice that sounds for as long as it is held.
pub(crate) struct Blown {
    /// Amplitude of each harmonic, the fundamental first.
    pub(crate) harmonics: &'static [f64],
    /// Octaves of amplitude by which each harmonic above the first drops when played as softly as possible.
    pub(crate) softness: f64,
    /// Seconds until it speaks.
    pub(crate) attack: f64,
    /// Seconds until it is silent after the note's end.
    pub(crate) release: f64,
    /// Vibrato to either side, in cents; it sets in once the tone stands.
    pub(crate) vibrato_cents: f64,
    /// Width in cents of the two voices that sound together; 0 for a single one.
    pub(crate) detune_cents: f64,
    /// Amplitude of the noise of the breath, most of it as the tone begins.
    pub(crate) breath: f64,
}

/// Vibrato of singers and flautists is about 5 Hz; each note's own differs a little.
const VIBRATO_HZ: f64 = 5.0;

impl Blown {
    pub(super) fn play(&self, tone: &Tone, random: &mut Random) -> Vec<f64> {
        let held = tone.seconds * tone.rate;
        let length = (held + self.release * tone.rate) as usize;
        let mut out = vec![0.0; length];
        if self.detune_cents == 0.0 {
            self.add_voice(tone, 0.0, random, &mut out);
        } else {
            self.add_voice(tone, -0.5 * self.detune_cents, random, &mut out);
            self.add_voice(tone, 0.5 * self.detune_cents, random, &mut out);
        }
        self.add_breath(tone, random, &mut out);
        for (n, sample) in out.iter_mut().enumerate() {
            let n = n as f64;
            let rise = smooth_step(n / (self.attack * tone.rate));
            let fall = 1.0 - smooth_step((n - held) / (self.release * tone.rate));
            *sample *= tone.level * rise * fall;
        }
        out
    }

    fn add_voice(&self, tone: &Tone, cents: f64, random: &mut Random, out: &mut [f64]) {
        let frequency = tone.frequency * exp2(cents / 1200.0);
        let levels: Vec<f64> = (self.harmonics.iter().enumerate())
            .take_while(|(index, _)| frequency * (*index as f64 + 1.0) < 0.45 * tone.rate)
            .map(|(index, level)| level * exp2(-self.softness * (1.0 - tone.level) * index as f64))
            .collect();
        // The cents are small enough that 2^x is its tangent.
        let depth = self.vibrato_cents * std::f64::consts::LN_2 / 1200.0;
        let vibrato_hz = VIBRATO_HZ * (1.0 + 0.08 * random.signed());
        let mut phase = random.signed();
        for (n, sample) in out.iter_mut().enumerate() {
            let time = n as f64 / tone.rate;
            let sway = depth * smooth_step((time - 0.2) / 0.5) * sin_turns(vibrato_hz * time);
            phase += frequency * (1.0 + sway) / tone.rate;
            *sample += harmonics(phase, &levels);
        }
    }

    /// Noise between about a quarter of the fundamental and twice it.
    fn add_breath(&self, tone: &Tone, random: &mut Random, out: &mut [f64]) {
        let open = (std::f64::consts::TAU * 2.0 * tone.frequency / tone.rate).min(1.0);
        let (mut high, mut low, mut chiff) = (0.0, 0.0, 1.0);
        let fade = halving(0.03, tone.rate);
        for sample in out {
            high += open * (random.signed() - high);
            low += 0.125 * open * (high - low);
            *sample += self.breath * (0.15 + chiff) * (high - low);
            chiff *= fade;
        }
    }
}

/// The sum of `levels[n - 1] * sin(n * phase)`, by sin((n+1)x) = 2 cos(x) sin(nx) - sin((n-1)x).
fn harmonics(phase: f64, levels: &[f64]) -> f64 {
    let twice_cos = 2.0 * cos_turns(phase);
    let (mut previous, mut current) = (0.0, sin_turns(phase));
    let mut sum = 0.0;
    for level in levels {
        sum += level * current;
        (previous, current) = (current, twice_cos * current - previous);
    }
    sum
}
