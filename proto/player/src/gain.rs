//! How loud the music is: a factor for each sample, from ReplayGain and the fade before sleep.

use core::time::Duration;

use trill_proto::message::Gain;
use trill_proto::time::Instant;

use crate::command::{GainMode, millis};

/// A factor of 1. A factor has 13 bits behind the point, so a product with a sample fits into 32 bits.
const UNITY: u32 = 1 << 13;

/// The highest gain, 12 dB, and the lowest, in hundredths of a decibel.
const HIGHEST: i32 = 1_200;
const LOWEST: i32 = -9_600;

/// The music fades so long before it sleeps, or from the command on.
const FADE: Duration = Duration::from_secs(10);

/// When the music ends, and how it fades before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sleep {
    pub(crate) at: Instant,
    fade: Duration,
}

impl Sleep {
    /// The music ends after this time.
    pub(crate) fn after(now: Instant, after: Duration) -> Self {
        Self { at: now + after, fade: after.min(FADE) }
    }
}

/// A factor for samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Factor(u32);

impl Factor {
    /// The factor for a song with this gain. `is_album`: an album plays in order.
    pub(crate) fn of(gain: &Gain, mode: GainMode, is_album: bool) -> Self {
        let track = (gain.track, gain.track_peak);
        let album = (gain.album, gain.album_peak);
        // If one is unknown, the other is better than none.
        let (first, second) = match mode {
            GainMode::Off => return Self(UNITY),
            GainMode::Album => (album, track),
            GainMode::Auto if is_album => (album, track),
            GainMode::Track | GainMode::Auto => (track, album),
        };
        let (gain, peak) = if first.0.is_some() { first } else { second };
        // Without a known peak, the song may reach full scale. Then louder music would clip.
        let room = -i32::from(peak.unwrap_or(0));
        gain.map_or(Self(UNITY), |gain| Self(amplitude(i32::from(gain).min(room))))
    }

    /// The factor at `now`, before the music sleeps.
    pub(crate) fn faded(self, now: Instant, sleep: Option<Sleep>) -> Self {
        let Some(Sleep { at, fade }) = sleep else { return self };
        let (left, fade) = (millis(at.saturating_since(now)), millis(fade));
        if left < fade { Self((u64::from(self.0) * left / fade) as u32) } else { self }
    }

    /// Multiplies samples. They stay as they are if the factor is 1.
    pub(crate) fn apply(self, samples: &mut [i16]) {
        if self.0 == UNITY {
            return;
        }
        for sample in samples {
            let product = (i32::from(*sample) * self.0 as i32 + UNITY as i32 / 2) >> 13;
            *sample = product.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
    }
}

/// The factor of an amplitude for a gain in hundredths of a decibel: 10^(gain / 2000).
fn amplitude(gain: i32) -> u32 {
    // As a power of 2, with 16 bits behind the point: gain × log2(10) / 2000.
    let power = (i64::from(gain.clamp(LOWEST, HIGHEST)) * 1_783_446) >> 14;
    let fraction = (power & 0xffff) as u64;
    // The series of 2^x, from its highest term down: ln(2)^n / n!, with 16 bits behind the point.
    const TERMS: [u64; 6] = [10, 87, 630, 3_638, 15_743, 45_426];
    let series = TERMS.iter().fold(0, |sum, term| ((sum + term) * fraction) >> 16) + (1 << 16);
    // From 16 to 13 bits, rounded.
    let shift = 3 - (power >> 16);
    if shift > 0 { ((series + (1 << (shift - 1))) >> shift) as u32 } else { (series << -shift) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_as_exact_as_its_bits() {
        for gain in LOWEST..=HIGHEST {
            let exact = 10_f64.powf(f64::from(gain) / 2_000.0) * f64::from(UNITY);
            let factor = f64::from(amplitude(gain));
            assert!((factor - exact).abs() < 2.0, "{gain}: {factor}, not {exact}");
        }
        assert_eq!((amplitude(0), amplitude(i32::MAX), amplitude(i32::MIN)), (UNITY, amplitude(HIGHEST), 0));
    }

    const KNOWN: Gain = Gain { track: Some(-600), track_peak: Some(-10), album: Some(300), album_peak: Some(-100) };

    #[track_caller]
    fn check(gain: &Gain, mode: GainMode, is_album: bool, hundredths: i32) {
        assert_eq!(Factor::of(gain, mode, is_album), Factor(amplitude(hundredths)));
    }

    #[test]
    fn the_mode_says_which_gain_counts() {
        check(&KNOWN, GainMode::Off, true, 0);
        check(&KNOWN, GainMode::Track, true, -600);
        // The peak limits it.
        check(&KNOWN, GainMode::Album, false, 100);
        check(&KNOWN, GainMode::Auto, true, 100);
        check(&KNOWN, GainMode::Auto, false, -600);
        check(&Gain::UNKNOWN, GainMode::Auto, true, 0);
        check(&Gain { album: None, ..KNOWN }, GainMode::Album, true, -600);
        check(&Gain { track: Some(500), ..Gain::UNKNOWN }, GainMode::Track, true, 0);
        check(&Gain { track: Some(500), track_peak: Some(-800), ..Gain::UNKNOWN }, GainMode::Track, true, 500);
        // A peak above full scale lowers the song.
        check(&Gain { track: Some(0), track_peak: Some(90), ..Gain::UNKNOWN }, GainMode::Track, true, -90);
    }

    #[test]
    fn samples_are_rounded_and_do_not_overflow() {
        let mut samples = [i16::MIN, -3, -1, 0, 1, 3, i16::MAX];
        Factor(UNITY).apply(&mut samples);
        assert_eq!(samples, [i16::MIN, -3, -1, 0, 1, 3, i16::MAX]);
        Factor(UNITY / 2).apply(&mut samples);
        assert_eq!(samples, [-16_384, -1, 0, 0, 1, 2, 16_384]);
        Factor(amplitude(HIGHEST)).apply(&mut samples);
        assert_eq!((samples[0], samples[6]), (i16::MIN, i16::MAX));
    }

    #[test]
    fn the_music_fades_in_its_last_ten_seconds() {
        let after = |seconds| Some(Sleep::after(Instant::from_micros(0), Duration::from_secs(seconds)));
        let at = |sleep, seconds: u64| Factor(UNITY).faded(Instant::from_micros(seconds * 1_000_000), sleep).0;
        assert_eq!([0, 50, 55, 60, 99].map(|now| at(after(60), now)), [UNITY, UNITY, UNITY / 2, 0, 0]);
        assert_eq!([0, 1, 3].map(|now| at(after(4), now)), [UNITY, UNITY * 3 / 4, UNITY / 4]);
        assert_eq!(Factor(UNITY).faded(Instant::from_micros(0), None), Factor(UNITY));
    }
}
