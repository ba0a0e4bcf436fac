//! MP3 files for the tests, made by LAME from synthesised music, and their reference decode.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nanomp3_core::{Channels, Decoder, FrameInfo, MAX_SAMPLES_PER_FRAME};
use trill_proto::ticks::Ticks;

/// A file as LAME wrote it, and how many samples per channel went in.
pub(crate) struct Encoded {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) input_samples: u64,
}

/// Sample rate of the music, its channels and seconds, and LAME's options for each kind of file.
const KINDS: [(&str, u32, u16, f64, &[&str]); 9] = [
    ("cbr 128", 44_100, 2, 9.37, &["-b", "128"]),
    ("vbr", 44_100, 2, 11.03, &["-V", "4"]),
    ("vbr without information frame", 44_100, 2, 8.0, &["-V", "2", "-t"]),
    ("cbr 64 at 22.05 kHz, mono", 22_050, 1, 7.77, &["-b", "64", "-m", "m"]),
    ("cbr 32, mono", 44_100, 1, 9.1, &["--resample", "44.1", "-b", "32", "-m", "m"]),
    ("cbr 8 at 8 kHz, mono", 44_100, 1, 12.3, &["--resample", "8", "-b", "8", "-m", "m"]),
    ("cbr 8 at 24 kHz, mono", 44_100, 1, 9.3, &["--resample", "24", "-b", "8", "-m", "m"]),
    ("cbr 320 at 48 kHz, with CRC", 48_000, 2, 4.2, &["-b", "320", "-p"]),
    ("abr 96 at 32 kHz, with CRC", 32_000, 2, 6.4, &["--abr", "96", "-p"]),
];

/// One file of every kind, encoded once.
pub(crate) fn files() -> &'static [Encoded] {
    static FILES: OnceLock<Vec<Encoded>> = OnceLock::new();
    FILES.get_or_init(|| {
        let encode = |&(name, rate, channels, seconds, options): &_| {
            let samples = (f64::from(rate) * seconds) as u64;
            Encoded { name, bytes: lame(rate, channels, samples, options), input_samples: samples }
        };
        KINDS.iter().map(encode).collect()
    })
}

/// The file of that kind.
#[track_caller]
pub(crate) fn file(name: &str) -> &'static Encoded {
    files().iter().find(|file| file.name == name).expect("there is a file of that name")
}

/// What LAME makes of so many samples of music. `-t` leaves the information frame out.
pub(crate) fn lame(rate: u32, channels: u16, samples: u64, options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a directory for LAME");
    let (wav, mp3) = (folder.path().join("in.wav"), folder.path().join("out.mp3"));
    std::fs::write(&wav, music(rate, channels, samples)).expect("a file for LAME");
    encode(&wav, &mp3, options);
    std::fs::read(&mp3).expect("a file by LAME")
}

fn encode(wav: &Path, mp3: &Path, options: &[&str]) {
    let lame = Command::new("lame").arg("--quiet").args(options).arg(wav).arg(mp3).stdin(Stdio::null()).status();
    let status = lame.expect("LAME must be installed: apt install lame");
    assert!(status.success(), "lame {options:?}: {status}");
}

/// A WAV file: chords that change, with noise bursts between, so that an encoder's bit reservoir has to work.
pub(crate) fn music(rate: u32, channels: u16, samples: u64) -> Vec<u8> {
    let mut noise = Random(1);
    let mut pcm = Vec::new();
    for index in 0..samples {
        let time = index as f64 / f64::from(rate);
        let beat = (time * 2.0).fract();
        let root = 110.0 * 2_f64.powf((time * 2.0).floor() % 7.0 / 12.0);
        for channel in 0..channels {
            let voices = [1.0, 1.25 + 0.01 * f64::from(channel), 1.5, 4.0];
            let chord: f64 = voices.map(|ratio| (time * root * ratio * std::f64::consts::TAU).sin()).iter().sum();
            let hiss = if beat < 0.1 { noise.below(2_000) as f64 / 1_000.0 - 1.0 } else { 0.0 };
            let sample = (chord * (1.0 - beat) * 4_000.0 + hiss * 9_000.0) as i16;
            pcm.extend_from_slice(&sample.to_le_bytes());
        }
    }
    let block = channels * 2;
    let mut wav = Vec::new();
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + pcm.len() as u32).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0");
    wav.extend_from_slice(&channels.to_le_bytes());
    wav.extend_from_slice(&rate.to_le_bytes());
    wav.extend_from_slice(&(rate * u32::from(block)).to_le_bytes());
    wav.extend_from_slice(&block.to_le_bytes());
    wav.extend_from_slice(b"\x10\0data");
    wav.extend_from_slice(&(pcm.len() as u32).to_le_bytes());
    wav.extend_from_slice(&pcm);
    wav
}

/// Numbers that are the same in every run: xorshift64*.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

/// All that a decoder makes of these bytes, one value per sample and channel; a frame that decodes to nothing counts its
/// nominal samples as silence, as Trill's clients do.
#[derive(Default)]
pub(crate) struct Decoded {
    samples: Vec<f32>,
    frames: Vec<DecodedFrame>,
}

struct DecodedFrame {
    rate: u32,
    channels: usize,
    /// Samples per channel.
    length: u64,
}

impl Decoded {
    /// How long all of it is.
    pub(crate) fn duration(&self) -> Ticks {
        self.frames.iter().fold(Ticks::default(), |sum, frame| sum.saturating_add(frame.duration()))
    }

    /// What is left after so long.
    pub(crate) fn after(&self, mut time: Ticks) -> &[f32] {
        let mut skipped = 0;
        for frame in &self.frames {
            skipped += time.samples_rounded_up(frame.rate).min(frame.length) as usize * frame.channels;
            time = time.saturating_sub(frame.duration());
        }
        &self.samples[skipped..]
    }

    fn push(&mut self, info: &FrameInfo, samples: &[f32]) {
        let channels = if info.channels == Channels::Mono { 1 } else { 2 };
        let length = match (info.layer, info.sample_rate) {
            (1, _) => 384,
            (3, ..32_000) => 576,
            _ => 1_152,
        };
        self.samples.extend(&samples[..samples.len().min(length * channels)]);
        self.frames.push(DecodedFrame { rate: info.sample_rate, channels, length: length as u64 });
    }
}

impl DecodedFrame {
    fn duration(&self) -> Ticks {
        Ticks::of_samples(self.length, self.rate)
    }
}

pub(crate) fn decode(bytes: &[u8]) -> Decoded {
    let mut decoder = Decoder::new();
    let mut pcm = [0_f32; MAX_SAMPLES_PER_FRAME];
    let mut decoded = Decoded::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (consumed, result) = decoder.decode(rest, &mut pcm);
        rest = &rest[consumed..];
        match result {
            Ok(info) => decoded.push(&info, &pcm),
            Err(error) => {
                if let Some(info) = error.frame_info() {
                    decoded.push(info, &[0.0; MAX_SAMPLES_PER_FRAME]);
                }
            }
        }
    }
    decoded
}
