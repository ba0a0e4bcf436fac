//! What a look at the directory has found so far, set against what is known.

use super::catalogue::Catalogue;
use super::file::Stamp;
use super::path::FilePath;
use super::scan::Found;
use super::songs::Song;
use super::texts::{self, Texts};

/// The files that a look has found. Of those that are as they were at the last look, which of a large library are nearly
/// always all, no more is kept than a mark: lists of them all would take half as much memory as the library itself, at every
/// look.
#[derive(Debug)]
pub(super) struct Survey {
    /// How many of the catalogue's songs, in the order of their paths, have been passed.
    passed: usize,
    /// By the songs' indices: whether they are there, and their files as they were.
    pub(super) unchanged: Vec<bool>,
    /// All other files, in path order, each with the song that has or had its path.
    others: Files,
    songs: Vec<Option<u32>>,
}

/// What is known about a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The song that has or had its path.
    song: Option<u32>,
    /// That is there, and the file as it was at the last look.
    pub(super) is_unchanged: bool,
}

impl Survey {
    /// Nothing so far, where so many songs are or were known.
    pub(super) fn new(songs: usize) -> Self {
        Self { passed: 0, unchanged: vec![false; songs], others: Files::default(), songs: Vec::new() }
    }

    /// What is known about a file, which must be behind the last one in path order.
    pub(super) fn compare(&mut self, catalogue: &Catalogue, file: &Found<'_>) -> Known {
        let song = catalogue.song_at(&file.path, &mut self.passed);
        let is_same = |song: Song<'_>| song.record.is_present && song.record.stamp == file.stamp;
        Known { song: song.map(|(index, _)| index), is_unchanged: song.is_some_and(|(_, song)| is_same(song)) }
    }

    /// Takes note of a file of which this is known.
    pub(super) fn push(&mut self, file: &Found<'_>, known: Known) {
        match known.song.filter(|_| known.is_unchanged) {
            Some(index) => self.unchanged[index as usize] = true,
            None => {
                self.others.push(file);
                self.songs.push(known.song);
            }
        }
    }

    /// All files that are new, or not as they were, in path order, each with the song that has or had its path.
    pub(super) fn others(&self) -> impl Iterator<Item = (Found<'_>, Option<u32>)> {
        self.others.iter().zip(self.songs.iter().copied())
    }
}

/// Songs' files in path order. In a few large allocations: a small one for each name would leave a hole when all are given
/// back after the look.
#[derive(Debug, Default)]
struct Files {
    directories: Texts,
    names: Texts,
    /// Each one's directory and stamp.
    files: Vec<(u32, Stamp)>,
}

impl Files {
    /// Takes the next file.
    fn push(&mut self, file: &Found<'_>) {
        let directory = texts::to_bytes(file.path.directory.as_os_str());
        if self.directories.last().is_none_or(|last| last != directory.as_ref()) {
            self.directories.push(&directory);
        }
        self.names.push(&texts::to_bytes(&file.path.name));
        self.files.push((self.directories.len() as u32 - 1, file.stamp));
    }

    fn iter(&self) -> impl Iterator<Item = Found<'_>> {
        self.files.iter().enumerate().map(|(number, &(directory, stamp))| {
            let (directory, name) = (self.directories.at(directory as usize), self.names.at(number));
            Found { path: FilePath::from_bytes(directory, name), stamp }
        })
    }
}
