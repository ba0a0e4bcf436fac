//! Songs encoded by LAME, with the server's data and the decoded sound.

use std::f64::consts::TAU;
use std::process::Command;

use nanomp3::{Decoder, MAX_SAMPLES_PER_FRAME};
use trill_proto::message::Started;

use crate::reference::layout;

/// One song of a server.
#[derive(Clone, Debug)]
pub struct Song {
    /// Its title.
    pub title: String,
    /// The frames to send.
    pub audio: Vec<u8>,
    /// STARTED for a start at the beginning. The server fills in stream and song.
    pub started: Started,
    /// The expected sound, interleaved.
    pub music: Vec<i16>,
}

impl Song {
    /// Encodes a tone of this pitch with LAME and `options`. The pitch identifies the song.
    ///
    /// # Panics
    /// When LAME is not installed, or loses samples.
    pub fn encode(title: &str, pitch: f64, seconds: u32, rate: u32, channels: u16, options: &[&str]) -> Self {
        let song = Self::of_file(title, &lame(pitch, seconds, rate, channels, options));
        assert_eq!(
            song.music.len(),
            (seconds * rate * u32::from(channels)) as usize,
            "a gapless player restores these"
        );
        song
    }

    /// Parts of one recording, `count` times two seconds, cut after encoding as by `mp3splt`. No tag marks the limits
    /// of the sound, and each part decodes correctly only after the one before.
    ///
    /// # Panics
    /// When LAME is not installed.
    pub fn recording(count: usize) -> Vec<Self> {
        let file = lame(300.0, 2 * count as u32, 44_100, 2, &["-b", "128", "-t"]);
        let whole = decode(&file);
        let frames_each = whole.frame_ends.len() / count;
        let song = |number: usize| {
            let frames = &whole.frame_ends[..frames_each * (number + 1)];
            let (begin, end) =
                (frames[..frames_each * number].last().copied().unwrap_or_default(), frames[frames.len() - 1]);
            let (audio, music) = (&file[begin.byte..end.byte], &whole.samples[begin.sample..end.sample]);
            let started = Started {
                content_tag: number as u64 + 1,
                size_bytes: audio.len() as u64,
                end_sample: music.len() as u64 / u64::from(whole.channels),
                bitrate: 128_000,
                rate: whole.rate,
                channels: whole.channels,
                ..Started::default()
            };
            Self { title: format!("part {number}"), audio: audio.to_vec(), started, music: music.to_vec() }
        };
        (0..count).map(song).collect()
    }

    /// Valid frames that no decoder here can decode: MPEG 2.5 at 8 kHz with mixed blocks.
    pub fn mute() -> Self {
        const FRAMES: usize = 100;
        let mut frame = [0; 72];
        frame[..4].copy_from_slice(&[0xff, 0xe3, 0x18, 0xc4]);
        // Window switching with short, mixed blocks.
        (frame[9], frame[10]) = (0b1101 >> 3, 0b1101 << 5);
        let audio = frame.repeat(FRAMES);
        let started = Started {
            content_tag: 77,
            size_bytes: audio.len() as u64,
            end_sample: 576 * FRAMES as u64,
            bitrate: 8_000,
            rate: 8_000,
            channels: 1,
            ..Started::default()
        };
        Self { title: "mute".to_owned(), audio, started, music: Vec::new() }
    }

    /// Two seconds at 128 kbit/s.
    ///
    /// # Panics
    /// As [`encode`](Self::encode).
    pub fn short(title: &str, pitch: f64) -> Self {
        Self::encode(title, pitch, 2, 44_100, 2, &["-b", "128"])
    }

    /// An MP3 file without ID3 tags, with LAME's information frame.
    fn of_file(title: &str, file: &[u8]) -> Self {
        let layout = layout::of(file);
        let added = layout.added.expect("LAME's extension");
        let audio = file[layout.audio.clone()].to_vec();
        let Sound { samples, rate, channels, .. } = decode(&audio);
        let heard = layout.heard(samples.len() / usize::from(channels));
        let started = Started {
            content_tag: u64::from_be_bytes(audio[8..16].try_into().expect("8 bytes")) | 1,
            size_bytes: audio.len() as u64,
            discard: heard.start as u32,
            begin_sample: heard.start as u64,
            end_sample: heard.end as u64,
            bitrate: 128_000,
            rate,
            channels,
            encoder_delay: added.delay as u16,
            encoder_padding: added.padding as u16,
            ..Started::default()
        };
        let channels = usize::from(channels);
        let music = samples[heard.start * channels..heard.end * channels].to_vec();
        Self { title: title.to_owned(), audio, started, music }
    }
}

/// A tone of this pitch, encoded by LAME.
fn lame(pitch: f64, seconds: u32, rate: u32, channels: u16, options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (wav, mp3) = (folder.path().join("in.wav"), folder.path().join("out.mp3"));
    let spec =
        hound::WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(&wav, spec).expect("a WAV file");
    for frame in 0..seconds * rate {
        let time = f64::from(frame) / f64::from(rate);
        let sample = (TAU * pitch * time * (1.0 + time / 10.0)).sin() * 12_000.0;
        (0..channels).for_each(|_| writer.write_sample(sample as i16).expect("a sample"));
    }
    writer.finalize().expect("a WAV file");
    let run = Command::new("lame").arg("--quiet").args(options).arg(&wav).arg(&mp3).status();
    assert!(run.expect("these tests need the package `lame`").success());
    std::fs::read(mp3).expect("LAME's output")
}

/// The decoder's whole output, interleaved.
struct Sound {
    samples: Vec<i16>,
    rate: u32,
    channels: u8,
    frame_ends: Vec<Place>,
}

/// A position between two frames.
#[derive(Clone, Copy, Default)]
struct Place {
    byte: usize,
    /// Sample index over all channels.
    sample: usize,
}

fn decode(audio: &[u8]) -> Sound {
    let mut decoder = Decoder::new_minimp3_compat();
    let mut pcm = [0_i16; MAX_SAMPLES_PER_FRAME];
    let mut sound = Sound { samples: Vec::new(), rate: 0, channels: 1, frame_ends: Vec::new() };
    let mut byte = 0;
    while byte < audio.len() {
        let (consumed, result) = decoder.decode(&audio[byte..], &mut pcm);
        byte += consumed;
        let info = result.expect("every frame decodes");
        (sound.rate, sound.channels) = (info.sample_rate, info.channels.num());
        sound.samples.extend_from_slice(&pcm[..info.samples_produced * usize::from(sound.channels)]);
        sound.frame_ends.push(Place { byte, sample: sound.samples.len() });
    }
    sound
}
