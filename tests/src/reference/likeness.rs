//! Similarity of two sounds that cannot be equal, because one went through an encoder or a resampler.

use crate::pcm::Pcm;
use std::f64::consts::PI;

/// Half width of the resampler's window, in samples of the lower rate.
const REACH: f64 = 24.0;

/// Frames around the start of the sound in which [`find`] searches.
const LAGS: usize = 48;

/// The position of a sound, and its similarity to the original.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// The captured frame of the original's frame 0.
    pub offset: usize,
    /// Correlation of the less similar channel: 1 is the same sound at any loudness, 0 an unrelated one.
    pub correlation: f64,
}

/// Signal-to-error ratio of `played` against `original` in dB.
///
/// # Panics
/// When the two differ in rate, channels or length.
#[track_caller]
pub fn signal_to_noise_db(played: &Pcm, original: &Pcm) -> f64 {
    assert_eq!((played.rate, played.channels), (original.rate, original.channels), "(rate, channels)");
    assert_eq!(played.frames(), original.frames(), "frames");
    let (mut signal, mut noise) = (0.0, 0.0);
    for (&played, &original) in played.samples.iter().zip(&original.samples) {
        signal += f64::from(original).powi(2);
        noise += (f64::from(played) - f64::from(original)).powi(2);
    }
    10.0 * (signal / noise).log10()
}

/// Finds `original` near the start of the sound in `captured`; `None` if the capture is too short.
///
/// A resampler of unknown delay may lie between the two, so they may be half a frame apart: high tones then correlate
/// less. A gap in the sound lowers the correlation of everything after it.
///
/// # Panics
/// When the two differ in rate or channels.
#[track_caller]
pub fn find(captured: &Pcm, original: &Pcm) -> Option<Likeness> {
    assert_eq!((captured.rate, captured.channels), (original.rate, original.channels), "(rate, channels)");
    let begin = captured.sounding().start as i64 - original.sounding().start as i64;
    let likeness = |offset: usize| {
        let piece = captured.samples.get(offset * captured.channels..)?.get(..original.samples.len())?;
        let channels = (0..captured.channels).map(|channel| {
            let of = |samples: &[i16]| samples.iter().skip(channel).step_by(captured.channels).copied().collect();
            correlation(of(piece), of(&original.samples))
        });
        Some(Likeness { offset, correlation: channels.fold(1.0, f64::min) })
    };
    let lags = begin - LAGS as i64..=begin + LAGS as i64;
    let found = lags.filter_map(|offset| usize::try_from(offset).ok().and_then(likeness));
    found.max_by(|a, b| a.correlation.total_cmp(&b.correlation))
}

fn correlation(a: Vec<i16>, b: Vec<i16>) -> f64 {
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.into_iter().map(f64::from).zip(b.into_iter().map(f64::from)) {
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    ab / (aa * bb).sqrt()
}

/// Resamples a sound with a windowed sinc: the textbook method, to compare with a faster one. The sound is surrounded
/// by silence.
#[must_use]
pub fn resample(sound: &Pcm, rate: u32) -> Pcm {
    let divisor = gcd(rate, sound.rate);
    let (up, down) = (u64::from(rate / divisor), u64::from(sound.rate / divisor));
    // A lower rate needs a filter against aliasing.
    let bandwidth = f64::min(1.0, f64::from(rate) / f64::from(sound.rate));
    let reach = (REACH / bandwidth).ceil() as i64;
    // Positions between two frames repeat after `up` of them.
    let kernels: Vec<Vec<f64>> = (0..up)
        .map(|phase| {
            let fraction = (phase * down % up) as f64 / up as f64;
            (-reach..=reach).map(|tap| sinc(tap as f64 - fraction, bandwidth, reach as f64)).collect()
        })
        .collect();
    let frames = (sound.frames() as u64 * up).div_ceil(down);
    let mut samples = Vec::with_capacity(frames as usize * sound.channels);
    for frame in 0..frames {
        let (kernel, centre) = (&kernels[(frame % up) as usize], (frame * down / up) as i64);
        for channel in 0..sound.channels {
            let taps = kernel.iter().zip(centre - reach..).filter_map(|(weight, at)| {
                let at = usize::try_from(at).ok()?;
                Some(weight * f64::from(*sound.samples.get(at * sound.channels + channel)?))
            });
            samples.push(taps.sum::<f64>().round().clamp(i16::MIN.into(), i16::MAX.into()) as i16);
        }
    }
    Pcm { rate, samples, ..*sound }
}

/// The weight of a sample at `distance`, with a Blackman window.
fn sinc(distance: f64, bandwidth: f64, reach: f64) -> f64 {
    let x = PI * distance * bandwidth;
    let sinc = if x == 0.0 { 1.0 } else { x.sin() / x };
    let place = (PI * distance / (reach + 1.0)).clamp(-PI, PI);
    let window = 0.42 + 0.5 * place.cos() + 0.08 * (2.0 * place).cos();
    bandwidth * sinc * window
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone of `hz` for 240 ms, with fades against clicks.
    fn tone(rate: u32, hz: f64) -> Pcm {
        let frames = rate / 50 * 12;
        let samples = (0..frames).flat_map(|frame| {
            let seconds = f64::from(frame) / f64::from(rate);
            let fade = (PI * f64::from(frame) / f64::from(frames)).sin().powi(2);
            let sample = 12_000.0 * fade * (2.0 * PI * hz * seconds).sin();
            [sample as i16, (sample / 2.0) as i16]
        });
        Pcm { rate, channels: 2, samples: samples.collect() }
    }

    #[test]
    fn a_resampled_tone_is_the_tone_at_the_other_rate() {
        for (from, to, hz) in [(44_100, 48_000, 6_000.0), (22_050, 44_100, 440.0), (48_000, 44_100, 3_000.0)] {
            let (resampled, expected) = (resample(&tone(from, hz), to), tone(to, hz));
            let ratio = signal_to_noise_db(&resampled, &expected);
            assert!(ratio > 60.0, "{from} to {to}: {ratio} dB");
        }
    }

    #[test]
    fn a_delayed_and_quieter_sound_is_found() {
        let song = tone(44_100, 1_000.0);
        let mut captured = Pcm { samples: vec![0; 2 * 500], ..song };
        captured.samples.extend(song.samples.iter().map(|sample| sample / 2));
        let found = find(&captured, &song).expect("it is there");
        assert!(found.offset == 500 && found.correlation > 0.999, "{found:?}");
        // Twenty milliseconds and half a period of the tone are missing in the middle.
        captured.samples.drain(2 * 5_000..2 * 5_904);
        captured.samples.extend([0; 2 * 904]);
        let found = find(&captured, &song).expect("something is there");
        assert!(found.correlation < 0.9, "{found:?}");
    }

    #[test]
    fn one_channel_missing_is_not_alike() {
        let song = tone(44_100, 1_000.0);
        let left_only = song.samples.chunks_exact(2).flat_map(|frame| [frame[0], 1]).collect();
        let found = find(&Pcm { samples: left_only, ..song }, &song).expect("something is there");
        assert!(found.correlation < 0.5, "{found:?}");
    }
}
