use std::f64::consts::TAU;

use super::*;

/// The frequency of the test sine; whole, so that a second holds whole periods of it.
const HZ: f64 = 997.0;

fn format(rate: u32, channels: u16) -> PcmFormat {
    PcmFormat { rate, channels }
}

/// Converts `samples` handed over `piece` samples at a time, and flushes.
fn convert(from: PcmFormat, to: PcmFormat, samples: &[i16], piece: usize) -> Vec<i16> {
    let mut converter = Converter::new(from, to).unwrap();
    let mut out = Vec::new();
    for piece in samples.chunks(piece) {
        converter.process(piece, &mut out);
    }
    converter.flush(&mut out);
    out
}

/// `frames` of a sine, the same in every channel, at an eighth below full scale.
fn sine(rate: u32, channels: u16, hz: f64, frames: usize) -> Vec<f64> {
    let sample = |n: usize| (TAU * hz * n as f64 / f64::from(rate)).sin() * 28_000.0;
    (0..frames).flat_map(|n| std::iter::repeat_n(sample(n), usize::from(channels))).collect()
}

fn rounded(samples: &[f64]) -> Vec<i16> {
    samples.iter().map(|sample| sample.round() as i16).collect()
}

#[track_caller]
fn check_channels(from: u16, to: u16, samples: &[i16], expected: &[i16]) {
    assert_eq!(convert(format(44_100, from), format(44_100, to), samples, 4), expected);
}

#[test]
fn equal_formats_pass_bit_exactly() {
    let samples = [i16::MIN, i16::MAX, -1, 0, 1, 2];
    check_channels(1, 1, &samples, &samples);
    check_channels(2, 2, &samples, &samples);
}

#[test]
fn channels_are_mapped() {
    check_channels(1, 2, &[1, -2, 3], &[1, 1, -2, -2, 3, 3]);
    check_channels(2, 1, &[10, 20, -3, 3, i16::MIN, i16::MIN, i16::MAX, i16::MIN], &[15, 0, i16::MIN, 0]);
    check_channels(2, 6, &[1, 2, 3, 4], &[1, 2, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0]);
    check_channels(1, 4, &[5, 6], &[5, 5, 0, 0, 6, 6, 0, 0]);
}

/// A sine comes out as the same sine at the other rate: in tune, in time to a frame, in full length.
#[track_caller]
fn check_rate(from: PcmFormat, to: PcmFormat) {
    let frames = from.rate as usize * 2 + 123;
    let input = rounded(&sine(from.rate, from.channels, HZ, frames));
    let output = convert(from, to, &input, 2304);

    let frames_out = (frames as f64 * f64::from(to.rate) / f64::from(from.rate)).round() as usize;
    assert_eq!(output.len(), frames_out * usize::from(to.channels), "length");
    for channel in 0..to.channels.into() {
        let channel: Vec<i16> = output[channel..].iter().step_by(to.channels.into()).copied().collect();
        let (snr, delay) = fit(&channel, to.rate);
        println!("{from} → {to}: {snr:.1} dB, {delay:.2} frames late");
        assert!(snr > 85.0, "{from} → {to}: signal to noise {snr:.1} dB");
        let frame = (f64::from(to.rate) / f64::from(from.rate)).max(1.0);
        assert!(delay.abs() <= frame, "{from} → {to}: {delay} frames late");
    }
}

/// Fits a sine of `HZ` to the samples: how much stronger it is than the rest in dB, and how many frames late.
fn fit(samples: &[i16], rate: u32) -> (f64, f64) {
    // A sine that begins and breaks off has other frequencies at its ends. Whole periods make sine and cosine orthogonal.
    let (from, length) = (samples.len() / 20, rate as usize);
    let step = TAU * HZ / f64::from(rate);
    let inner = || (from..from + length).map(|n| (step * n as f64, f64::from(samples[n])));
    let project = |wave: fn(f64) -> f64| inner().map(|(t, s)| wave(t) * s).sum::<f64>() * 2.0 / length as f64;
    let (sine, cosine) = (project(f64::sin), project(f64::cos));
    let noise: f64 = inner().map(|(t, s)| (s - sine * t.sin() - cosine * t.cos()).powi(2)).sum();
    let signal = (sine * sine + cosine * cosine) / 2.0 * length as f64;
    (10.0 * (signal / noise).log10(), (-cosine).atan2(sine) / step)
}

#[test]
fn rates_are_converted() {
    check_rate(format(44_100, 2), format(48_000, 2));
    check_rate(format(48_000, 2), format(44_100, 2));
    check_rate(format(22_050, 1), format(48_000, 2));
    check_rate(format(8_000, 1), format(44_100, 2));
    check_rate(format(44_100, 2), format(48_000, 1));
    check_rate(format(44_100, 2), format(192_000, 2));
}

#[test]
fn pieces_make_no_difference() {
    let input = rounded(&sine(44_100, 2, 440.0, 10_000));
    let (from, to) = (format(44_100, 2), format(48_000, 2));
    let whole = convert(from, to, &input, input.len());
    for piece in [2, 882, 2304] {
        assert!(convert(from, to, &input, piece) == whole, "pieces of {piece}");
    }
}

#[test]
fn a_song_shorter_than_a_block_keeps_its_length() {
    for frames in [0, 1, 100, 1029, 1030] {
        let input = vec![1000; frames * 2];
        let expected = (frames as f64 * 48.0 / 44.1).round() as usize * 2;
        assert_eq!(convert(format(44_100, 2), format(48_000, 2), &input, 2304).len(), expected);
    }
}

#[test]
fn full_scale_does_not_wrap() {
    let square = |n: usize| if (n / 50).is_multiple_of(2) { i16::MAX } else { i16::MIN };
    let input: Vec<i16> = (0..20_000).map(square).collect();
    let output = convert(format(44_100, 1), format(48_000, 1), &input, 2304);
    for (n, sample) in output.iter().enumerate() {
        let at = n * 441 / 480;
        if (4..46).contains(&(at % 50)) {
            assert_eq!(sample.signum(), square(at).signum(), "frame {n}: {sample} between two edges");
        }
    }
}

#[test]
fn after_flush_and_after_reset_nothing_is_left_of_the_song_before() {
    let (from, to) = (format(44_100, 1), format(48_000, 1));
    let loud = vec![20_000; 5_000];
    let mut converter = Converter::new(from, to).unwrap();
    let mut out = Vec::new();
    for end in [Converter::reset, |converter: &mut Converter| converter.flush(&mut Vec::new())] {
        converter.process(&loud, &mut out);
        end(&mut converter);
        out.clear();
        converter.process(&vec![0; 5_000], &mut out);
        converter.flush(&mut out);
        assert!(out.iter().all(|&sample| sample == 0));
        assert_eq!(out.len(), 5_442);
    }
}
