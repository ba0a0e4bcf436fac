//! The instruments: each turns one note into samples.

mod blown;
mod plucked;
mod shaken;
mod struck;

pub(crate) use blown::Blown;
pub(crate) use plucked::Plucked;
pub(crate) use shaken::Shaken;
pub(crate) use struck::{Partial, Struck};

use crate::random::Random;

/// One note as an instrument sees it.
pub(crate) struct Tone {
    /// Fundamental, in hertz.
    pub(crate) frequency: f64,
    /// How hard it is played, 0 to 1: louder is also brighter.
    pub(crate) level: f64,
    /// How long it is held, in seconds. What is returned is longer by the time it takes to die away.
    pub(crate) seconds: f64,
    /// Samples per second.
    pub(crate) rate: f64,
}

/// A way of making sound.
pub(crate) enum Instrument {
    Plucked(Plucked),
    Struck(Struck),
    Blown(Blown),
    Shaken(Shaken),
}

impl Instrument {
    /// The samples of one note, in mono, with a peak in the order of `tone.level`.
    pub(crate) fn play(&self, tone: &Tone, random: &mut Random) -> Vec<f64> {
        match self {
            Self::Plucked(instrument) => instrument.play(tone, random),
            Self::Struck(instrument) => instrument.play(tone),
            Self::Blown(instrument) => instrument.play(tone, random),
            Self::Shaken(instrument) => instrument.play(tone, random),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact::{cos_turns, exp2, hertz, sin_turns};

    const RATE: f64 = 44_100.0;

    /// How much of `samples` turns at `frequency`, under a window that hides the attack and the end.
    fn strength(samples: &[f64], frequency: f64) -> f64 {
        let (mut x, mut y) = (0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let window = 0.5 - 0.5 * cos_turns(n as f64 / samples.len() as f64);
            x += sample * window * cos_turns(frequency * n as f64 / RATE);
            y += sample * window * sin_turns(frequency * n as f64 / RATE);
        }
        x * x + y * y
    }

    #[track_caller]
    fn check_in_tune(instrument: &Instrument, pitches: [f64; 3]) {
        for pitch in pitches {
            let frequency = hertz(pitch);
            let tone = Tone { frequency, level: 0.6, seconds: 2.0, rate: RATE };
            let samples = instrument.play(&tone, &mut Random::new(1));
            let at = |cents: f64| strength(&samples, frequency * exp2(cents / 1200.0));
            // Eight cents are about the least that a trained ear hears.
            assert!(at(0.0) > at(8.0) && at(0.0) > at(-8.0), "pitch {pitch}");
        }
    }

    #[test]
    fn strings_are_in_tune() {
        let string = Plucked { brightness: 0.4, position: 0.2, half_life: 0.5, damping: 0.25 };
        check_in_tune(&Instrument::Plucked(string), [43.0, 62.0, 83.0]);
    }

    #[test]
    fn bars_are_in_tune() {
        let partials = &[Partial { ratio: 1.0, level: 1.0, half_life: 0.5 }];
        let bar = Struck { partials, softness: 0.5, detune_cents: 2.0, contact: 0.003, release: 0.1 };
        check_in_tune(&Instrument::Struck(bar), [50.0, 69.0, 86.0]);
    }

    #[test]
    fn flutes_are_in_tune() {
        let flute = Blown {
            harmonics: &[1.0, 0.4],
            softness: 0.5,
            attack: 0.06,
            release: 0.1,
            vibrato_cents: 9.0,
            detune_cents: 0.0,
            breath: 0.05,
        };
        check_in_tune(&Instrument::Blown(flute), [58.0, 74.0, 88.0]);
    }
}
