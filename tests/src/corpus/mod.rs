//! MP3 files for the tests, synthesised and encoded by LAME once and kept in the target directory.
//!
//! ```no_run
//! use trill_tests::corpus::{self, MusicDir};
//! let music = MusicDir::new();
//! music.add("1 short.mp3", &corpus::CBR_128.milliseconds(2_000));
//! music.add("2 other.mp3", &corpus::VBR.seed(7));
//! ```

mod cache;
mod music_dir;
mod synth;
pub mod tags;

pub use music_dir::MusicDir;

use crate::pcm::Pcm;
use crate::process::{Process, system_program};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Part of the songs' cache key. Increment it when the generation changes.
const GENERATION: u32 = 1;

/// Time for LAME to encode a song on a busy machine.
const ENCODER_DEADLINE: Duration = Duration::from_secs(120);

/// A song: its sound and its kind of file.
///
/// Songs that differ in seed, kind or rate differ everywhere, so a few frames identify song and position. They begin
/// and end at full loudness, so a missing sample at either end shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Song {
    kind: &'static str,
    rate: u32,
    channels: usize,
    milliseconds: u32,
    seed: u64,
    /// Further options of LAME.
    options: &'static [&'static str],
    wrapping: Wrapping,
}

/// An addition to the encoder's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrapping {
    None,
    /// An ID3v2 tag in front, with a picture of this many bytes.
    Picture(usize),
    /// An ID3v1 tag at the end.
    Id3v1,
    /// Repetitions of the same frames up to this size in bytes.
    Repeated(usize),
}

/// 128 kbps joint stereo, 12 s: the most common kind of file.
pub const CBR_128: Song = Song {
    kind: "cbr-128",
    rate: 44_100,
    channels: 2,
    milliseconds: 12_000,
    seed: 1,
    options: &["-b", "128", "-m", "j"],
    wrapping: Wrapping::None,
};

/// 320 kbps joint stereo, 12 s: the largest frames.
pub const CBR_320: Song = Song { kind: "cbr-320", options: &["-b", "320", "-m", "j"], ..CBR_128 };

/// Variable bitrate with a Xing frame, 12 s.
pub const VBR: Song = Song { kind: "vbr", options: &["-V", "4"], ..CBR_128 };

/// Variable bitrate without a Xing frame: nothing in the file gives duration, delay or padding.
pub const VBR_WITHOUT_XING: Song = Song { kind: "vbr-without-xing", options: &["-V", "4", "-t"], ..CBR_128 };

/// MPEG-2 at 22.05 kHz, mono, 12 s.
pub const MONO_22050: Song =
    Song { kind: "mono-22050", rate: 22_050, channels: 1, options: &["-b", "64", "-m", "m"], ..CBR_128 };

/// 44.1 kHz mono at 32 kbps, 12 s: frames so small that the bit reservoir spans several. Without a LAME tag.
pub const MONO_32_KBPS: Song = Song { kind: "mono-32-kbps", channels: 1, options: &["-b", "32", "-m", "m"], ..CBR_128 };

/// MPEG-2.5 mono at 8 kbps, 12 s: the smallest frames, and the bit reservoir that spans the most of them. Without a
/// LAME tag.
pub const MONO_8_KBPS: Song =
    Song { kind: "mono-8-kbps", rate: 11_025, channels: 1, options: &["-b", "8", "-m", "m"], ..CBR_128 };

/// MPEG-2.5 mono at the lowest rate, 12 s, without a LAME tag.
pub const MONO_8_KHZ: Song =
    Song { kind: "mono-8-khz", rate: 8_000, channels: 1, options: &["-b", "16", "-m", "m", "-t"], ..CBR_128 };

/// [`CBR_128`] behind an ID3v2 tag with a picture of 2 MB.
pub const WITH_PICTURE: Song = Song { kind: "with-picture", wrapping: Wrapping::Picture(2_000_000), ..CBR_128 };

/// [`CBR_128`] in front of an ID3v1 tag, which a careless decoder takes for audio.
pub const WITH_ID3V1: Song = Song { kind: "with-id3v1", wrapping: Wrapping::Id3v1, ..CBR_128 };

/// 100 MB at 320 kbps: 42 minutes, the same 10 s over and over, without a LAME tag.
pub const GIANT: Song = repeated("giant", &["-b", "320", "-m", "j", "--nores", "-t"], 100_000_000);

/// 4 MB at 128 kbps: four minutes, the same 10 s over and over, without a LAME tag. All of the file is audio.
pub const LONG: Song = repeated("long", &["-b", "128", "-m", "j", "--nores", "-t"], 4_000_000);

/// An hour at 192 kbps: 86 MB, the same 10 s over and over, without a LAME tag.
pub const HOUR: Song = repeated("hour", &["-b", "192", "-m", "j", "--nores", "-t"], 86_400_000);

/// Repeats ten seconds up to this size in bytes.
const fn repeated(kind: &'static str, options: &'static [&'static str], bytes: usize) -> Song {
    Song { kind, milliseconds: 10_000, options, wrapping: Wrapping::Repeated(bytes), ..CBR_128 }
}

/// One song of each kind, except the longest three.
pub const ALL_KINDS: [Song; 9] =
    [CBR_128, CBR_320, VBR, VBR_WITHOUT_XING, MONO_22050, MONO_32_KBPS, MONO_8_KBPS, WITH_PICTURE, WITH_ID3V1];

impl Song {
    /// The same kind of file with other music.
    #[must_use]
    pub const fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same song with another length.
    #[must_use]
    pub const fn milliseconds(self, milliseconds: u32) -> Self {
        Self { milliseconds, ..self }
    }

    /// The kind of file, for messages.
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether the file has LAME's tag with delay and padding. LAME omits the tag if a frame is too small for its 160
    /// bytes.
    pub fn has_lame_tag(&self) -> bool {
        !self.options.contains(&"-t") && !["32", "8"].contains(&self.options[1])
    }

    /// Samples per channel that go into the encoder. A gapless player plays this many from a file with a LAME tag.
    pub const fn input_frames(&self) -> usize {
        (self.rate as u64 * self.milliseconds as u64 / 1000) as usize
    }

    /// Makes the song if necessary. Returns its path. The file is shared: copy it before a change.
    ///
    /// # Panics
    /// When LAME is missing or fails; the message says so.
    #[track_caller]
    pub fn make(&self) -> PathBuf {
        cache::get_or_make(self.kind, &format!("{GENERATION} {self:?}"), |path| {
            let encoded = self.encode(path);
            fs::write(path, self.wrap(encoded))
        })
    }

    /// The encoder's input.
    pub fn music(&self) -> Pcm {
        // Kinds of files with the same seed also sound different.
        let kind = self.kind.bytes().fold(self.seed, |seed, byte| seed.wrapping_mul(131).wrapping_add(byte.into()));
        synth::music(self.rate, self.channels, self.input_frames(), kind)
    }

    /// Runs LAME on a WAV file next to `path`. Returns its output.
    #[track_caller]
    fn encode(&self, path: &Path) -> Vec<u8> {
        let (wav, mp3) = (path.with_extension("wav"), path.with_extension("lame"));
        self.music().write_wav(&wav);
        let mut lame = system_program("lame", "lame");
        // LAME would choose a lower sample rate for a low bitrate.
        let kilohertz = f64::from(self.rate) / 1000.0;
        lame.arg("--quiet").args(self.options).args(["--resample", &kilohertz.to_string()]).arg(&wav).arg(&mp3);
        Process::spawn("lame", lame).wait(ENCODER_DEADLINE).expect_code(0);
        let encoded = fs::read(&mp3).expect("LAME has written its output");
        for temporary in [wav, mp3] {
            fs::remove_file(temporary).expect("a file that was just made can be removed");
        }
        encoded
    }

    fn wrap(&self, encoded: Vec<u8>) -> Vec<u8> {
        let tags = tags::Tags { title: self.kind, artist: "Trill's test suite", ..tags::Tags::default() };
        match self.wrapping {
            Wrapping::None => encoded,
            Wrapping::Picture(size) => [tags.id3v2_with_picture(size), encoded].concat(),
            Wrapping::Id3v1 => [encoded, tags.id3v1().to_vec()].concat(),
            Wrapping::Repeated(size) => encoded.repeat(size.div_ceil(encoded.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{self, layout};

    #[test]
    fn a_tagged_song_holds_exactly_the_samples_that_went_in() {
        for song in ALL_KINDS {
            let decoded = reference::decode(&song.make());
            assert_eq!((decoded.music.rate, decoded.music.channels), (song.rate, song.channels), "{song:?}");
            match song.has_lame_tag() {
                true => assert_eq!(decoded.music.frames(), song.input_frames(), "{song:?}"),
                false => assert!(decoded.layout.added.is_none() && decoded.heard == (0..decoded.total), "{song:?}"),
            }
        }
    }

    #[test]
    fn the_decoded_music_is_that_of_the_encoder() {
        let (original, decoded) = (CBR_320.music(), reference::decode(&CBR_320.make()).music);
        let (mut signal, mut error) = (0.0, 0.0);
        for (&a, &b) in original.samples.iter().zip(&decoded.samples) {
            signal += f64::from(a).powi(2);
            error += (f64::from(a) - f64::from(b)).powi(2);
        }
        // An offset of one frame would leave almost no resemblance.
        assert!(error < signal / 30.0, "signal {signal:e}, error {error:e}");
    }

    #[test]
    fn kinds_and_seeds_sound_different() {
        let songs = [CBR_128, CBR_320, CBR_128.seed(2)].map(|song| reference::decode(&song.milliseconds(1_000).make()));
        let references: Vec<&Pcm> = songs.iter().map(|song| &song.music).collect();
        for (index, song) in songs.iter().enumerate() {
            let others = [&references[..index], &references[index + 1..]].concat();
            let found = reference::compare::stretches(&song.music, &others);
            assert!(found.iter().all(|stretch| stretch.what == reference::compare::Sound::Unknown), "{found:?}");
        }
    }

    #[test]
    fn songs_begin_and_end_loud() {
        for song in ALL_KINDS {
            let music = song.milliseconds(500).music();
            let loud = |frames: std::ops::Range<usize>| {
                let peak = music.slice(frames).samples.iter().map(|sample| sample.unsigned_abs()).max();
                assert!(peak > Some(2_000), "{song:?}: {peak:?}");
            };
            loud(0..100);
            loud(music.frames() - 100..music.frames());
        }
    }

    #[test]
    fn files_are_what_their_names_say() {
        let layout_of = |song: Song| layout::of(&fs::read(song.make()).expect("a song that was just made"));
        assert!(layout_of(WITH_PICTURE).audio.start > 2_000_000);
        let size = fs::metadata(WITH_ID3V1.make()).expect("a song that was just made").len();
        assert_eq!(layout_of(WITH_ID3V1).audio.end as u64, size - 128);
        assert_eq!(layout_of(VBR_WITHOUT_XING).promised_samples, None);
        assert_eq!(layout_of(VBR).promised_samples, Some(reference::decode(&VBR.make()).total));
    }

    #[test]
    fn the_giant_is_a_whole_number_of_frames() {
        let path = GIANT.make();
        let size = fs::metadata(&path).expect("a song that was just made").len();
        assert!((100_000_000..101_000_000).contains(&size), "{size}");
        let file = fs::read(&path).expect("a song that was just made");
        let frames = nanomp3::frames(&file);
        let (bytes, count) = frames.fold((0, 0), |(bytes, count), frame| (bytes + frame.data.len(), count + 1));
        assert_eq!(bytes as u64, size, "no junk between {count} frames");
    }
}
