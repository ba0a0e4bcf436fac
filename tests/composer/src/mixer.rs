//! From parts to finished samples: play, place, add the room, level, round.

use std::f64::consts::TAU;

use crate::exact::{from_decibels, hertz, smooth_step};
use crate::instrument::{Instrument, Tone};
use crate::random::Random;
use crate::reverb::Room;
use crate::score::{self, Note, ScoreError};
use crate::wav::Pcm;

/// A part of the music and its place in the mix.
pub(crate) struct Part {
    pub(crate) instrument: Instrument,
    /// In the notation of [`crate::score`].
    pub(crate) notes: &'static str,
    pub(crate) place: Place,
    /// Units after which the pedal changes; it holds every note until then. 0 means without a pedal.
    pub(crate) pedal: f64,
}

/// The position of a part in the mix.
pub(crate) struct Place {
    pub(crate) level_db: f64,
    /// Side on which middle C is heard: -1 left, 1 right.
    pub(crate) pan: f64,
    /// How much further right an octave up is heard.
    pub(crate) spread: f64,
    /// The fraction that goes to the reverb.
    pub(crate) room_db: f64,
}

/// The tempo, in units of the score.
pub(crate) struct Tempo {
    pub(crate) units_per_minute: f64,
    /// Unit at which a slowing-down begins.
    pub(crate) slow_from: f64,
    /// Unit at which it is complete; the tempo stays there.
    pub(crate) slow_to: f64,
    /// How many times longer a unit then is.
    pub(crate) slow_by: f64,
}

impl Tempo {
    /// Seconds from the beginning to `unit`.
    fn seconds(&self, unit: f64) -> f64 {
        let span = self.slow_to - self.slow_from;
        let slowing = (unit - self.slow_from).clamp(0.0, span);
        let after = (unit - self.slow_to).max(0.0);
        // The length of a unit grows in a straight line; this is the area below it.
        let extra = (self.slow_by - 1.0) * (slowing * slowing / (2.0 * span) + after);
        (unit + extra) * 60.0 / self.units_per_minute
    }
}

/// Everything that a performance needs.
pub(crate) struct Arrangement {
    pub(crate) tempo: Tempo,
    /// Units in a bar.
    pub(crate) bar_units: f64,
    /// Seconds of the whole recording; the last of them fade out.
    pub(crate) seconds: f64,
    pub(crate) rate: u32,
    /// 1 or 2.
    pub(crate) channels: u16,
    /// Level of the loudest sample, in decibels from full scale. Decoded MP3 overshoots by a few tenths.
    pub(crate) peak_db: f64,
    pub(crate) room: Room,
    pub(crate) parts: Vec<Part>,
}

/// Largest difference between players, in seconds and in relative loudness.
const LOOSENESS_SECONDS: f64 = 0.006;
const LOOSENESS_LEVEL: f64 = 0.06;

/// Silence before the first note, so that an early player still fits.
const LEAD_IN_SECONDS: f64 = 0.05;

/// Length of the final fade in seconds. Only the reverb is audible then.
const FADE_SECONDS: f64 = 0.8;

impl Arrangement {
    /// Plays and mixes the piece.
    pub(crate) fn render(&self) -> Result<Pcm, ScoreError> {
        let rate = f64::from(self.rate);
        let length = (self.seconds * rate) as usize;
        let mut dry = vec![[0.0; 2]; length];
        let mut to_room = dry.clone();
        for (seed, part) in self.parts.iter().enumerate() {
            let mut random = Random::new(seed as u64);
            for note in score::read(part.notes, self.bar_units)? {
                self.play(part, &note, &mut random, &mut dry, &mut to_room);
            }
        }
        let mut mix = dry;
        for (sample, wet) in mix.iter_mut().zip(self.room.reverberate(&to_room, rate)) {
            *sample = [sample[0] + wet[0], sample[1] + wet[1]];
        }
        remove_rumble(&mut mix, rate);
        Ok(self.finish(&mix))
    }

    fn play(&self, part: &Part, note: &Note, random: &mut Random, dry: &mut [[f64; 2]], to_room: &mut [[f64; 2]]) {
        let rate = f64::from(self.rate);
        let written_end = note.start + note.length;
        let end = if part.pedal > 0.0 { (written_end / part.pedal).ceil() * part.pedal } else { written_end };
        let start = self.tempo.seconds(note.start) + LOOSENESS_SECONDS * random.signed();
        let tone = Tone {
            frequency: hertz(note.pitch),
            level: note.level * (1.0 + LOOSENESS_LEVEL * random.signed()),
            seconds: self.tempo.seconds(end) - start,
            rate,
        };
        let place = &part.place;
        let pan = (place.pan + place.spread * (note.pitch - 60.0) / 12.0).clamp(-1.0, 1.0);
        let gain = from_decibels(place.level_db);
        // Constant power: the squares of both sides add up to one.
        let sides = [gain * (0.5 - 0.5 * pan).sqrt(), gain * (0.5 + 0.5 * pan).sqrt()];
        let room = from_decibels(place.room_db);
        let first = ((start + LEAD_IN_SECONDS) * rate) as usize;
        for (offset, sample) in part.instrument.play(&tone, random).into_iter().enumerate() {
            let Some(dry) = dry.get_mut(first + offset) else { break };
            for side in 0..2 {
                dry[side] += sides[side] * sample;
                to_room[first + offset][side] += room * sides[side] * sample;
            }
        }
    }

    /// Folds to the channels wanted, fades out, sets the level and rounds to 16 bits.
    fn finish(&self, mix: &[[f64; 2]]) -> Pcm {
        let fade = FADE_SECONDS * f64::from(self.rate);
        let faded = |n: usize, sample: f64| sample * smooth_step((mix.len() - 1 - n) as f64 / fade);
        let samples: Vec<f64> = match self.channels {
            1 => mix.iter().enumerate().map(|(n, [left, right])| faded(n, 0.5 * (left + right))).collect(),
            _ => mix.iter().enumerate().flat_map(|(n, sides)| sides.map(|side| faded(n, side))).collect(),
        };
        let peak = samples.iter().fold(1e-9, |peak: f64, sample| peak.max(sample.abs()));
        let gain = from_decibels(self.peak_db) * f64::from(i16::MAX) / peak;
        Pcm {
            rate: self.rate,
            channels: self.channels,
            samples: samples.iter().map(|sample| (sample * gain).round() as i16).collect(),
        }
    }
}

/// Takes out DC and what lies below the lowest note, by subtracting a slow average.
fn remove_rumble(mix: &mut [[f64; 2]], rate: f64) {
    const CUT_OFF_HZ: f64 = 20.0;
    let follow = TAU * CUT_OFF_HZ / rate;
    let mut average = [0.0; 2];
    for sample in mix {
        for side in 0..2 {
            average[side] += follow * (sample[side] - average[side]);
            sample[side] -= average[side];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tempo_slows_evenly_and_stays_slow() {
        let tempo = Tempo { units_per_minute: 60.0, slow_from: 10.0, slow_to: 14.0, slow_by: 2.0 };
        for (unit, seconds) in [(0.0, 0.0), (10.0, 10.0), (12.0, 12.5), (14.0, 16.0), (15.0, 18.0)] {
            assert_eq!(tempo.seconds(unit), seconds, "unit {unit}");
        }
    }
}
