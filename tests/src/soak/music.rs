//! The served directory and every song that was ever in it.

use crate::corpus::{self, MusicDir, Song};
use crate::pcm::Pcm;
use crate::reference::{self, layout};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The largest and the smallest number of files.
const PLACES: usize = 16;
const LEAST: usize = 6;

/// A directory of songs of all kinds.
#[derive(Debug)]
pub(super) struct Music {
    directory: MusicDir,
    takes: Vec<Take>,
}

/// A song that may be served. Its number of bytes and its number of samples are unique and identify it.
#[derive(Debug)]
pub(super) struct Take {
    song: Song,
    /// The bytes that the server may send.
    pub(super) audio: Vec<u8>,
    rate: u32,
    frames: usize,
}

impl Music {
    /// Encodes the songs. The directory is still empty.
    pub(super) fn new() -> Self {
        let short = corpus::ALL_KINDS.into_iter().zip(0..).map(|(kind, index)| kind.milliseconds(12_000 + 700 * index));
        let long = corpus::ALL_KINDS.into_iter().zip(0..).map(|(kind, index)| kind.milliseconds(40_000 + 900 * index));
        let takes: Vec<Take> = short.chain(long.map(|song| song.seed(2))).chain([corpus::LONG]).map(Take::of).collect();
        for (index, take) in takes.iter().enumerate() {
            let is_same = |other: &Take| {
                other.audio.len() == take.audio.len() || (other.rate, other.frames) == (take.rate, take.frames)
            };
            assert!(!takes[..index].iter().any(is_same), "{:?} is as long as another", take.song);
        }
        Self { directory: MusicDir::new(), takes }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The song with this number of bytes.
    ///
    /// # Panics
    /// No song has this size.
    #[track_caller]
    pub(super) fn of_size(&self, bytes: u64) -> &Take {
        let found = self.takes.iter().find(|take| take.audio.len() as u64 == bytes);
        found.unwrap_or_else(|| panic!("no song ever had {bytes} bytes"))
    }

    /// Checks that `recording` is one of the songs from its first sample to its last.
    ///
    /// # Panics
    /// It is none of them.
    #[track_caller]
    pub(super) fn check_whole(&self, recording: &Pcm) {
        let found = self.takes.iter().find(|take| (take.rate, take.frames) == (recording.rate, recording.frames()));
        let Some(take) = found else { panic!("no song ever was {recording:?}") };
        let music = reference::decode(&take.song.make()).music;
        let music = if recording.channels > music.channels { music.to_stereo() } else { music };
        reference::compare::assert_same_from(recording, &music, 0);
    }
}

impl Take {
    fn of(song: Song) -> Self {
        let path = song.make();
        let music = reference::decode(&path).music;
        Self { song, audio: layout::audio_of(&path), rate: music.rate, frames: music.frames() }
    }
}

/// Adds, replaces and removes files.
#[derive(Debug)]
pub(super) struct DirectoryEditor<'a> {
    music: &'a Music,
    random: fastrand::Rng,
    is_taken: [bool; PLACES],
}

impl<'a> DirectoryEditor<'a> {
    /// Writes the first files.
    pub(super) fn new(music: &'a Music, seed: u64) -> Self {
        let mut editor = Self { music, random: fastrand::Rng::with_seed(seed), is_taken: [false; PLACES] };
        (0..PLACES / 2 + 2).for_each(|place| editor.fill(place));
        editor
    }

    /// Adds, replaces or removes a file.
    pub(super) fn change(&mut self) {
        let place = self.random.usize(0..PLACES);
        let count = self.is_taken.iter().filter(|taken| **taken).count();
        if self.is_taken[place] && count > LEAST && self.random.bool() {
            self.music.directory.remove(name(place));
            self.is_taken[place] = false;
        } else {
            self.fill(place);
        }
    }

    /// The time until the next change.
    pub(super) fn pause(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(1_000..8_000))
    }

    fn fill(&mut self, place: usize) {
        let take = &self.music.takes[self.random.usize(0..self.music.takes.len())];
        self.music.directory.add(name(place), &take.song);
        self.is_taken[place] = true;
    }
}

fn name(place: usize) -> PathBuf {
    format!("shelf {}/song {place}.mp3", place % 3).into()
}
