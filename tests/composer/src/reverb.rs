//! The room: a feedback delay network (Jot 1991) of eight lines behind a diffuser.

use std::f64::consts::TAU;

use crate::exact::exp2;

/// A room to play in.
pub(crate) struct Room {
    /// 1 is a chamber of some ten metres; the delays scale with it.
    pub(crate) size: f64,
    /// Seconds until an echo is 60 dB down.
    pub(crate) decay: f64,
    /// Hertz above which the walls swallow the sound.
    pub(crate) damping_hz: f64,
}

/// Lengths in milliseconds, without common divisors so that the echoes do not line up.
/// Even lines belong to the left channel, odd ones to the right.
const LINES_MS: [f64; 8] = [29.7, 33.1, 37.3, 41.9, 47.3, 53.9, 61.1, 67.9];
const DIFFUSERS_MS: [[f64; 3]; 2] = [[4.7, 7.3, 11.9], [5.3, 8.1, 12.7]];

impl Room {
    /// What the room answers to a stereo signal; as long as the signal.
    pub(crate) fn reverberate(&self, dry: &[[f64; 2]], rate: f64) -> Vec<[f64; 2]> {
        let samples = |ms: f64| (ms * self.size * rate / 1000.0) as usize;
        let mut diffusers = DIFFUSERS_MS.map(|channel| channel.map(|ms| AllPass { line: vec![0.0; samples(ms)] }));
        let mut lines = LINES_MS.map(|ms| vec![0.0; samples(ms)]);
        // 60 dB are a factor of 2^9.966.
        let gains = LINES_MS.map(|ms| exp2(-9.966 * ms * self.size / 1000.0 / self.decay));
        let damping = (TAU * self.damping_hz / rate).min(1.0);
        let mut damped = [0.0; 8];

        let mut wet = Vec::with_capacity(dry.len());
        for (n, input) in dry.iter().enumerate() {
            let mut spread = *input;
            for (channel, sample) in spread.iter_mut().enumerate() {
                for diffuser in &mut diffusers[channel] {
                    *sample = diffuser.next(n, *sample);
                }
            }
            let mut out = [0.0; 2];
            for (index, line) in lines.iter().enumerate() {
                damped[index] += damping * (line[n % line.len()] - damped[index]);
                // Alternating signs keep the lines of a channel from adding up where they agree.
                out[index % 2] += if index % 4 < 2 { damped[index] } else { -damped[index] };
            }
            wet.push(out);
            // Householder's reflection feeds every line into every other and loses no energy.
            let reflected = damped.iter().sum::<f64>() / 4.0;
            for (index, line) in lines.iter_mut().enumerate() {
                let slot = n % line.len();
                line[slot] = gains[index] * (damped[index] - reflected) + 0.35 * spread[index % 2];
            }
        }
        wet
    }
}

/// Smears a click into a burst without colouring it (Schroeder 1962).
struct AllPass {
    line: Vec<f64>,
}

impl AllPass {
    fn next(&mut self, n: usize, input: f64) -> f64 {
        const FEEDBACK: f64 = 0.6;
        let slot = n % self.line.len();
        let delayed = self.line[slot];
        let stored = input + FEEDBACK * delayed;
        self.line[slot] = stored;
        delayed - FEEDBACK * stored
    }
}
