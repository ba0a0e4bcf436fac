//! ReplayGain in user-defined text frames (TXXX).
//!
//! ```text
//!  description               value
//!  REPLAYGAIN_TRACK_GAIN     -6.50 dB      by how much to amplify
//!  REPLAYGAIN_TRACK_PEAK     0.988553      the highest sample, 1 is full scale
//!  REPLAYGAIN_ALBUM_GAIN, REPLAYGAIN_ALBUM_PEAK
//! ```
//!
//! Source: ReplayGain 2.0 specification, "Metadata format".

use trill_proto::message::Gain;

use super::text::VALUE_SEPARATOR;

/// Learns a gain or peak from a frame with a description and a value, unless it is known. Ignores other frames.
pub(super) fn learn(gain: &mut Gain, frame: &str) {
    let Some((description, value)) = frame.split_once(VALUE_SEPARATOR) else { return };
    let (number, hundredths) = match description.to_ascii_lowercase().as_str() {
        "replaygain_track_gain" => (&mut gain.track, decibels(value)),
        "replaygain_album_gain" => (&mut gain.album, decibels(value)),
        "replaygain_track_peak" => (&mut gain.track_peak, peak_decibels(value)),
        "replaygain_album_peak" => (&mut gain.album_peak, peak_decibels(value)),
        _ => return,
    };
    *number = number.or(hundredths);
}

/// `-6.50 dB` in hundredths of a decibel.
fn decibels(value: &str) -> Option<i16> {
    let number = value.trim().trim_end_matches(|unit: char| unit.is_ascii_alphabetic() || unit.is_whitespace());
    hundredths(number.parse().ok()?)
}

/// An amplitude in hundredths of a decibel.
fn peak_decibels(value: &str) -> Option<i16> {
    let amplitude: f64 = value.trim().parse().ok()?;
    hundredths(20.0 * amplitude.log10())
}

/// `None` for what no sound has.
fn hundredths(decibels: f64) -> Option<i16> {
    (decibels.abs() <= 100.0).then(|| (decibels * 100.0).round() as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(frames: &[&str], expected: Gain) {
        let mut gain = Gain::default();
        frames.iter().for_each(|frame| learn(&mut gain, frame));
        assert_eq!(gain, expected, "{frames:?}");
    }

    #[test]
    fn gains_and_peaks_are_hundredths_of_a_decibel() {
        let all = ["track_gain / -6.50 dB", "TRACK_PEAK / 0.5", "album_gain / +1.2", "Album_Peak / 1.000000"];
        let all = all.map(|frame| format!("replaygain_{frame}"));
        let expected = Gain { track: Some(-650), track_peak: Some(-602), album: Some(120), album_peak: Some(0) };
        check(&all.each_ref().map(String::as_str), expected);
        check(
            &["REPLAYGAIN_TRACK_GAIN / -1 dB", "replaygain_track_gain / -2 dB"],
            Gain { track: Some(-100), ..Gain::default() },
        );
    }

    #[test]
    fn what_is_no_gain_is_ignored() {
        for frame in ["", "x", "comment / 1 dB", "replaygain_track_gain", "replaygain_track_gain / loud"] {
            check(&[frame], Gain::default());
        }
        for value in ["nan dB", "inf dB", "1e9 dB", "-400 dB"] {
            check(&[&format!("replaygain_track_gain / {value}")], Gain::default());
        }
        for peak in ["0", "-1", "nan", "1e30"] {
            check(&[&format!("replaygain_track_peak / {peak}")], Gain::default());
        }
    }
}
