//! Files that are not one stream of Layer III with a bitrate: other layers, free format, several rates, and information
//! frames that are wrong.

use std::path::Path;
use std::process::{Command, Stdio};

use trill_proto::ticks::Ticks;

use super::audio::{self, audio, check_counts_as_the_decoder_does};
use super::corpus::{decode, file, lame, music};
use super::frames;
use crate::mp3::duration::{Measured, count, from_info_tag};
use crate::mp3::seek::locate;

fn counted(file: &[u8]) -> Measured {
    count(&file).expect("memory can be read").0
}

fn estimate(file: &[u8]) -> Option<Measured> {
    from_info_tag(&file).expect("memory can be read")
}

/// Seeks as the decoder would, to the sample.
#[track_caller]
fn check_seeks(name: &str, file: &[u8], times: &[u32]) {
    let song = counted(file);
    let whole = decode(audio(file, &song, 0));
    times.iter().for_each(|&ms| audio::check_seek(name, file, &song, &whole, ms));
}

/// Layer II, by TwoLAME.
fn layer_2(rate: u32, channels: u16, seconds: u64, options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a directory for TwoLAME");
    let (wav, mp2) = (folder.path().join("in.wav"), folder.path().join("out.mp2"));
    std::fs::write(&wav, music(rate, channels, seconds * u64::from(rate))).expect("a file for TwoLAME");
    twolame(&wav, &mp2, options);
    std::fs::read(&mp2).expect("a file by TwoLAME")
}

fn twolame(wav: &Path, mp2: &Path, options: &[&str]) {
    let twolame = Command::new("twolame").arg("--quiet").args(options).arg(wav).arg(mp2).stdin(Stdio::null()).status();
    let status = twolame.expect("TwoLAME must be installed: apt install twolame");
    assert!(status.success(), "twolame {options:?}: {status}");
}

/// Counts the file as the decoder does, and seeks in it to the sample.
#[track_caller]
fn check_is_a_song(name: &str, file: &[u8], rate: u32, seconds: std::ops::Range<f64>) -> Measured {
    let song = check_counts_as_the_decoder_does(name, file);
    assert_eq!(song.rate, rate, "{name}");
    let length = f64::from(song.duration_ms()) / 1_000.0;
    assert!(seconds.contains(&length), "{name}: {length} s");
    check_seeks(name, file, &[0, 1, 26, 500, 1_234, song.duration_ms() - 30]);
    song
}

#[test]
fn layer_2_is_a_song() {
    for (rate, channels, options) in [
        (44_100, 2, &["-b", "192"][..]),
        (48_000, 2, &["-b", "384"]),
        (32_000, 1, &["-b", "64", "-m", "mono"]),
        (22_050, 2, &["-b", "64"]),
        (16_000, 1, &["-b", "8", "-m", "mono"]),
        (44_100, 2, &["-b", "128", "--protect"]),
    ] {
        let file = layer_2(rate, channels, 5, options);
        let song = check_is_a_song(&format!("{options:?}"), &file, rate, 5.0..5.3);
        assert_eq!((song.channels, song.begin_sample), (channels as u8, 0));
    }
}

#[test]
fn free_format_is_a_song() {
    for (rate, bitrate, expected) in [(44_100, "160", 44_100), (44_100, "450", 44_100), (48_000, "640", 48_000)] {
        let options = ["--freeformat", "-b", bitrate];
        let file = lame(rate, 2, u64::from(rate) * 5, &options);
        let song = check_is_a_song(&format!("{options:?}"), &file, expected, 4.99..5.2);
        let kilobits: u32 = bitrate.parse().expect("a number");
        assert!(song.bitrate.abs_diff(kilobits * 1_000) < kilobits * 15, "{} bit/s of {bitrate}", song.bitrate);
    }
}

#[test]
fn frames_of_layer_1_are_counted() {
    // 32 kbit/s at 32 kHz, mono, no allocation: 48 bytes of silence.
    let mut silence = vec![0xff, 0xff, 0x18, 0xc0];
    silence.resize(48, 0);
    let song = check_counts_as_the_decoder_does("Layer I", &silence.repeat(50));
    assert_eq!((song.total_samples, song.rate, song.channels), (50 * 384, 32_000, 1));
}

/// Three seconds at 22.05 kHz and three at 44.1 kHz, joined; the information frame is in front of either.
fn two_rates() -> Vec<u8> {
    let part = |rate: u32| lame(rate, 2, u64::from(rate) * 3, &["-b", "64"]);
    [part(22_050), part(44_100)].concat()
}

#[test]
fn parts_of_another_rate_count_by_their_time() {
    let file = two_rates();
    let song = counted(&file);
    // ffmpeg decodes 6.09 s; minimp3 loses the last frame before the change, 26 ms.
    assert_eq!(song.rate, 22_050);
    assert!((6_040..6_100).contains(&song.duration_ms()), "{} ms", song.duration_ms());
    assert_eq!(estimate(&file), None, "the information frame is of the first part");
    check_seeks("two rates", &file, &[0, 500, 2_500, 3_000, 3_500, 4_000, 6_000]);
    for (first, second) in [(48_000, 8_000), (44_100, 48_000), (8_000, 44_100), (32_000, 11_025)] {
        let part = |rate: u32| lame(rate, 1, u64::from(rate) * 2, &["-b", "32", "-t", "-m", "m"]);
        let file = [part(first), part(second), part(first)].concat();
        let ms = counted(&file).duration_ms();
        assert!((6_000..6_600).contains(&ms), "{first} and {second} Hz: {ms} ms");
        check_seeks(&format!("{first} and {second} Hz"), &file, &[1_000, 2_500, 4_000, 5_000]);
    }
}

/// A frame of silence in mono: its bytes, samples and rate.
type Silence = (Vec<u8>, u64, u64);

fn silence(header: [u8; 4], bytes: usize, samples: u64, rate: u64) -> Silence {
    ([&header[..], &vec![0; bytes - 4]].concat(), samples, rate)
}

/// Counts and seeks in twenty frames of one rate and ten minutes of another, against plain fractions.
#[track_caller]
fn check_long_second_part((first, samples, rate): &Silence, (second, more_samples, other_rate): &Silence) {
    let frames = 600 * other_rate / more_samples;
    let file = [first.repeat(20), second.repeat(frames as usize)].concat();
    // Absolute samples at which a frame of the second part begins, times its rate. The last frame of the first part is lost.
    let begins = |frame: u64| 19 * samples * other_rate + frame * more_samples * rate;

    let song = counted(&file);
    let total = begins(frames) / other_rate;
    assert_eq!((u64::from(song.rate), song.total_samples, song.end_sample), (*rate, total, total));
    assert_eq!(u64::from(song.duration_ms()), total * 1_000 / rate);
    let (_, index) = count(&&file[..]).expect("memory can be read");
    for ms in [2_500, 300_001, 600_000] {
        let target = u64::from(ms) * rate / 1_000;
        let is_settled = |frame: &u64| begins(*frame) + 1_105 * rate <= target * other_rate;
        let expected = (0..frames).rfind(is_settled).expect("a frame before the target");
        let found = locate(&&file[..], &song, &index, ms).expect("memory can be read").expect("a time in the song");
        let (first_sample, rest) = (begins(expected) / other_rate, begins(expected) % other_rate);
        let first_fraction = rest * u64::from(Ticks::PER_SECOND) / rate / other_rate;
        assert_eq!(found.position, (20 * first.len() + expected as usize * second.len()) as u64, "{ms} ms");
        assert_eq!((found.first_sample, u64::from(found.first_fraction)), (first_sample, first_fraction), "{ms} ms");
        assert_eq!(first_sample + u64::from(found.discard), target, "{ms} ms");
    }
}

#[test]
fn a_long_part_of_another_rate_is_measured_and_sought_exactly() {
    let at_44_100_hz = silence([0xff, 0xfb, 0x10, 0xc4], 104, 1_152, 44_100);
    let at_8_000_hz = silence([0xff, 0xe3, 0x18, 0xc4], 72, 576, 8_000);
    check_long_second_part(&at_44_100_hz, &at_8_000_hz);
    check_long_second_part(&at_8_000_hz, &at_44_100_hz);
}

#[test]
fn another_layer_or_free_format_in_the_middle_goes_on() {
    let layer_3 = lame(44_100, 2, 88_200, &["-b", "128", "-t"]);
    let free = lame(44_100, 2, 88_200, &["--freeformat", "-b", "200", "-t"]);
    for other in [layer_2(44_100, 2, 2, &["-b", "192"]), layer_2(48_000, 2, 2, &["-b", "192"]), free] {
        let ms = counted(&[&layer_3[..], &other, &layer_3].concat()).duration_ms();
        assert!((6_000..6_400).contains(&ms), "{ms} ms");
    }
}

/// A file with an information frame that says what `change` makes of it.
fn with_tag(name: &str, change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut file = file(name).bytes.clone();
    let at = file.windows(4).position(|bytes| bytes == b"Info" || bytes == b"Xing").expect("an information frame");
    change(&mut file[at..]);
    file
}

#[test]
fn numbers_that_cannot_be_are_not_believed() {
    for name in ["cbr 128", "vbr"] {
        let right = counted(&file(name).bytes);
        assert_eq!(estimate(&file(name).bytes).map(|song| song.total_samples), Some(right.total_samples), "{name}");
        let frames = (right.total_samples / 1_152) as u32;
        for told in [0, 1, frames / 20, frames * 10, u32::MAX / 2, u32::MAX] {
            let wrong = with_tag(name, |tag| tag[8..12].copy_from_slice(&told.to_be_bytes()));
            assert_eq!(estimate(&wrong), None, "{name}: {told} frames");
            assert_eq!(counted(&wrong).total_samples, right.total_samples, "{name}: {told} frames");
        }
        for told in [0, 1, u32::MAX] {
            let wrong = with_tag(name, |tag| tag[12..16].copy_from_slice(&told.to_be_bytes()));
            assert_eq!(estimate(&wrong), None, "{name}: {told} bytes");
        }
    }
    // All frames have the same length: that says how many there are.
    let frames = (counted(&file("cbr 128").bytes).total_samples / 1_152) as u32;
    for told in [frames / 2, frames - 2, frames + 2, frames * 2] {
        let wrong = with_tag("cbr 128", |tag| tag[8..12].copy_from_slice(&told.to_be_bytes()));
        assert_eq!(estimate(&wrong), None, "{told} frames");
    }
}

#[test]
fn a_gap_that_leaves_nothing_of_the_song_is_not_believed() {
    // 417 bytes a frame, of which the first says a delay and a padding of 4,095 samples.
    let song = |count: usize| {
        let mut file = frames(count + 1, 7);
        let tag = [b"Info\0\0\0\x03", &(count as u32).to_be_bytes()[..], &(417 * count as u32 + 417).to_be_bytes()];
        file[36..52].copy_from_slice(&tag.concat());
        file[52..61].copy_from_slice(b"LAME3.100");
        file[73..76].fill(0xff);
        let song = estimate(&file).expect("it fits");
        assert_eq!(song, counted(&file));
        (song.begin_sample, song.end_sample)
    };
    assert_eq!(song(5), (0, 5 * 1_152));
    assert_eq!(song(8), (4_095 + 529, 8 * 1_152 - 4_095 + 529));
}

#[test]
fn a_vbri_count_that_cannot_be_is_not_believed() {
    let song = |told: u32| {
        let mut file = frames(41, 7);
        file[36..40].copy_from_slice(b"VBRI");
        file[46..50].copy_from_slice(&(41 * 417_u32).to_be_bytes());
        file[50..54].copy_from_slice(&told.to_be_bytes());
        assert_eq!(counted(&file).total_samples, 40 * 1_152);
        estimate(&file)
    };
    assert_eq!(song(40).map(|song| song.total_samples), Some(40 * 1_152));
    for told in [0, 1, 1_000, u32::MAX] {
        assert_eq!(song(told), None, "{told} frames");
    }
}
