//! Checks that the songs in `server/assets` match the score: every sample before the encoder, and every byte after it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use trill_composer::{Pcm, encode, songs};

/// File name, samples per second, channels, samples per channel and hash of the samples.
/// A change of score or synthesis changes the hash: listen to the new song, then write its hash here.
const SONGS: [(&str, u32, u16, usize, u64); 3] = [
    ("01 Paper Kites.mp3", 44_100, 2, 661_500, 0x4a5e_ad5a_8e57_eaea),
    ("02 Lantern Light.mp3", 44_100, 2, 718_830, 0x31d3_60e9_c37c_a47c),
    ("03 Three Swifts.mp3", 22_050, 1, 441_000, 0xea48_f0c8_3556_9f0f),
];

static RENDERED: LazyLock<[Pcm; 3]> =
    LazyLock::new(|| songs().map(|song| song.render().expect("the scores are well formed")));

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../server/assets")
}

/// Runs `lame`, which these tests need. Returns its output.
fn lame(arguments: &[&Path]) -> Vec<u8> {
    let output = Command::new("lame").args(arguments).stderr(Stdio::inherit()).output();
    let output = output.expect("these tests need the `lame` command: apt install lame");
    assert!(output.status.success(), "lame {arguments:?}: {}", output.status);
    output.stdout
}

#[test]
fn synthesis_gives_the_same_samples_everywhere() {
    let rendered: Vec<_> = (songs().iter().zip(RENDERED.iter()))
        .map(|(song, pcm)| (song.file_name(), pcm.rate, pcm.channels, pcm.frames(), pcm.hash()))
        .collect();
    assert_eq!(
        rendered,
        SONGS.map(|(name, rate, channels, frames, hash)| (name.to_owned(), rate, channels, frames, hash))
    );
}

#[test]
fn songs_are_well_levelled_and_neither_begin_nor_end_with_a_click() {
    for (pcm, (name, ..)) in RENDERED.iter().zip(SONGS) {
        let samples: Vec<f64> = pcm.samples.iter().map(|&sample| f64::from(sample) / 32_768.0).collect();
        let count = samples.len() as f64;
        let peak = samples.iter().fold(0.0, |peak: f64, sample| peak.max(sample.abs()));
        let rms = (samples.iter().map(|sample| sample * sample).sum::<f64>() / count).sqrt();
        let dc = samples.iter().sum::<f64>() / count;
        assert!((0.5..0.89).contains(&peak), "{name}: peak {peak}");
        assert!((0.08..0.18).contains(&rms), "{name}: rms {rms}");
        assert!(dc.abs() < 1e-4, "{name}: dc {dc}");
        for edge in [&pcm.samples[..200], &pcm.samples[pcm.samples.len() - 200..]] {
            assert!(edge.iter().all(|sample| sample.unsigned_abs() <= 8), "{name}: {edge:?}");
        }
    }
}

#[test]
fn committed_files_are_what_the_encoder_makes_of_the_samples() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("encoded");
    fs::create_dir_all(&directory).unwrap();
    let version = String::from_utf8_lossy(&lame(&[Path::new("--version")])).into_owned();
    // Other versions of lame, and other processors, encode the same music with different bits.
    let comparable = version.contains("version 3.100 ") && cfg!(target_arch = "x86_64");
    for (song, pcm) in songs().iter().zip(RENDERED.iter()) {
        encode(song, pcm, &directory).unwrap();
        let name = song.file_name();
        let fresh = fs::read(directory.join(&name)).unwrap();
        let committed = fs::read(assets().join(&name)).unwrap();
        assert!(!comparable || fresh == committed, "{name} is not what the score says: make it anew");
    }
}

#[test]
fn committed_files_decode_to_the_samples_of_the_score() {
    for (pcm, (name, ..)) in RENDERED.iter().zip(SONGS) {
        // -t leaves out the WAV header; the encoder's delay and padding are cut off as the LAME tag says.
        let file = assets().join(name);
        let raw = lame(&["--quiet".as_ref(), "--decode".as_ref(), "-t".as_ref(), &file, "-".as_ref()]);
        let decoded: Vec<i16> = raw.chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect();
        assert_eq!(decoded.len(), pcm.samples.len(), "{name}");
        let power = |sample: i32| f64::from(sample).powi(2);
        let signal: f64 = pcm.samples.iter().map(|&sample| power(sample.into())).sum();
        let pairs = pcm.samples.iter().zip(&decoded);
        let noise: f64 = pairs.map(|(&sample, &heard)| power(i32::from(sample) - i32::from(heard))).sum();
        // Another song or mix is far below 10 dB.
        assert!(signal > 10.0 * noise, "{name}: signal to noise ratio {}", signal / noise);
    }
}

#[test]
fn songs_are_small_and_the_only_ones() {
    let mut names = Vec::new();
    let mut bytes = 0;
    for entry in fs::read_dir(assets()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "mp3") {
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            bytes += path.metadata().unwrap().len();
        }
    }
    names.sort();
    assert_eq!(names, SONGS.map(|(name, ..)| name));
    assert!(bytes < 300_000, "{bytes} bytes");
}

#[test]
fn without_the_encoder_the_command_says_what_to_install() {
    let run = Command::new(env!("CARGO_BIN_EXE_trill-composer"))
        .arg(env!("CARGO_TARGET_TMPDIR"))
        .env("PATH", "")
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&run.stderr),
        "trill-composer: the MP3 encoder `lame` is not installed: apt install lame\n"
    );
}
