//! Synthesises sound that is as rich as music to an encoder and never repeats.

use crate::pcm::Pcm;
use std::f64::consts::TAU;

/// Seconds between chords, and between drum strokes.
const CHORD_SECONDS: f64 = 0.25;
const STROKE_SECONDS: f64 = 0.19;
/// Decay rate of a stroke, per second.
const STROKE_DECAY: f64 = 25.0;

/// Synthesises chords, a sweep and drum strokes: tones, glides and noise in one.
///
/// The same arguments give the same samples. The peak stays below full scale, so nothing is clipped by a decoder.
pub(super) fn music(rate: u32, channels: usize, frames: usize, seed: u64) -> Pcm {
    let mut band = Band::new(rate, seed);
    let mut samples = Vec::with_capacity(frames * channels);
    for _ in 0..frames {
        let [left, right] = band.next_frame();
        match channels {
            1 => samples.push(to_i16((left + right) / 2.0)),
            _ => samples.extend([to_i16(left), to_i16(right)]),
        }
    }
    Pcm { rate, channels, samples }
}

struct Band {
    random: fastrand::Rng,
    seconds_per_frame: f64,
    /// Higher tones are lost at a low rate or bitrate.
    highest_hz: f64,
    chord: [Voice; 3],
    chord_left: f64,
    sweep: Voice,
    sweep_factor: f64,
    stroke: f64,
    stroke_left: f64,
}

/// A sine.
#[derive(Default)]
struct Voice {
    hz: f64,
    phase: f64,
    /// 0 is left, 1 is right.
    place: f64,
}

impl Band {
    fn new(rate: u32, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let highest_hz = (f64::from(rate) * 0.3).min(6_000.0);
        let sweep = Voice { hz: 150.0 + random.f64() * 300.0, ..Voice::default() };
        Self {
            random,
            seconds_per_frame: f64::from(rate).recip(),
            highest_hz,
            chord: Default::default(),
            chord_left: 0.0,
            sweep,
            // Doubles every 0.7 s.
            sweep_factor: (std::f64::consts::LN_2 / 0.7 / f64::from(rate)).exp(),
            stroke: 0.0,
            stroke_left: 0.0,
        }
    }

    fn next_frame(&mut self) -> [f64; 2] {
        self.conduct();
        let mut mix = [0.0; 2];
        let dt = self.seconds_per_frame;
        for voice in &mut self.chord {
            voice.add_to(&mut mix, 0.13, dt);
        }
        self.sweep.add_to(&mut mix, 0.15, dt);
        for side in &mut mix {
            *side += self.stroke * (self.random.f64() - 0.5);
        }
        mix
    }

    /// Advances the time: new chords, sweep position and strokes.
    fn conduct(&mut self) {
        let dt = self.seconds_per_frame;
        self.chord_left -= dt;
        if self.chord_left <= 0.0 {
            self.chord_left = CHORD_SECONDS;
            for voice in &mut self.chord {
                // Any pitch between 110 Hz and 880 Hz, with continuous phase to avoid a click.
                voice.hz = 110.0 * (self.random.f64() * 3.0).exp2();
                voice.place = self.random.f64();
            }
        }
        self.sweep.hz *= self.sweep_factor;
        if self.sweep.hz > self.highest_hz {
            self.sweep.hz = 150.0 + self.random.f64() * 300.0;
            self.sweep.place = self.random.f64();
        }
        self.stroke -= self.stroke * STROKE_DECAY * dt;
        self.stroke_left -= dt;
        if self.stroke_left <= 0.0 {
            self.stroke_left = STROKE_SECONDS;
            self.stroke = 0.2 + self.random.f64() * 0.3;
        }
    }
}

impl Voice {
    fn add_to(&mut self, mix: &mut [f64; 2], loudness: f64, dt: f64) {
        self.phase = (self.phase + self.hz * dt).fract();
        let value = (self.phase * TAU).sin() * loudness;
        // Never silent on either side, so that every position is recognisable.
        mix[0] += value * (0.3 + 0.7 * (1.0 - self.place));
        mix[1] += value * (0.3 + 0.7 * self.place);
    }
}

fn to_i16(value: f64) -> i16 {
    (value * f64::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_repeatable_and_leaves_headroom() {
        for (rate, channels) in [(44_100, 2), (11_025, 1)] {
            let pcm = music(rate, channels, rate as usize * 3, 1);
            assert_eq!((pcm.frames(), pcm.channels), (rate as usize * 3, channels));
            assert_eq!(pcm, music(rate, channels, rate as usize * 3, 1));
            assert_ne!(pcm, music(rate, channels, rate as usize * 3, 2));
            let peak = pcm.samples.iter().map(|sample| sample.unsigned_abs()).max();
            assert!(peak < Some(29_000) && peak > Some(10_000), "{peak:?}");
        }
    }
}
