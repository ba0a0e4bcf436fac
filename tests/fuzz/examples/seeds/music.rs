//! Short clips in every kind of file that LAME makes.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

/// A file as LAME wrote it.
pub(crate) struct Clip {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// Name, sample rate, channels and LAME's options.
const KINDS: &[(&str, u32, u16, &[&str])] = &[
    ("cbr", 44_100, 2, &["-b", "128", "-m", "j"]),
    ("vbr", 44_100, 2, &["-V", "4"]),
    ("vbr-without-information", 44_100, 2, &["-V", "6", "-t"]),
    ("mono-22050", 22_050, 1, &["-b", "64", "-m", "m"]),
    ("mono-32-kbps", 44_100, 1, &["--resample", "44.1", "-b", "32", "-m", "m"]),
    ("mono-8000", 8_000, 1, &["-b", "8", "-m", "m"]),
    ("crc-48000", 48_000, 2, &["-b", "192", "-p"]),
    ("abr-crc-32000", 32_000, 2, &["--abr", "96", "-p"]),
    ("free-format", 44_100, 2, &["--freeformat", "-b", "100"]),
];

/// Length of a clip: about a dozen frames.
const MILLIS: u32 = 200;

/// One clip of each kind.
pub(crate) fn clips() -> Vec<Clip> {
    let clip = |&(name, rate, channels, options): &_| Clip { name, bytes: lame(rate, channels, options) };
    KINDS.iter().map(clip).collect()
}

fn lame(rate: u32, channels: u16, options: &[&str]) -> Vec<u8> {
    let kilohertz = format!("{}", f64::from(rate) / 1_000.0);
    // LAME needs a file, because it seeks back to complete the information frame.
    let mp3 = tempfile::NamedTempFile::new().expect("a file for LAME");
    let mut lame = Command::new("lame")
        .args(["--quiet", "-r", "-s", &kilohertz, "--bitwidth", "16"])
        .args(if channels == 1 { &["-m", "m"][..] } else { &[] })
        .args(options)
        .arg("-")
        .arg(mp3.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::null()) // LAME warns about pipes
        .spawn()
        .expect("LAME must be installed: apt install lame");
    let mut input = lame.stdin.take().expect("it was piped above");
    input.write_all(&music(rate, channels)).expect("LAME takes all of it");
    drop(input);
    let status = lame.wait().expect("LAME runs");
    let bytes = fs::read(mp3.path()).expect("a file by LAME");
    assert!(status.success() && !bytes.is_empty(), "lame {options:?}: {status}");
    bytes
}

/// Noise bursts with a sweep, slightly off centre, so that every part of a frame is used.
fn music(rate: u32, channels: u16) -> Vec<u8> {
    let mut noise = 1_u32;
    let frames = rate * MILLIS / 1_000;
    let mut pcm = Vec::new();
    for frame in 0..frames {
        let time = f64::from(frame) / f64::from(rate);
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let hiss = (f64::from(noise >> 16) - 32_768.0) * if time < 0.03 { 0.7 } else { 0.05 };
        let sweep = (std::f64::consts::TAU * (200.0 + 9_000.0 * time) * time).sin() * 12_000.0;
        for channel in 0..channels {
            let sample = (hiss + sweep * if channel == 0 { 1.0 } else { 0.5 }) as i16;
            pcm.extend(sample.to_le_bytes());
        }
    }
    pcm
}
