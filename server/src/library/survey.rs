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
    pub(super) others: Others,
}

/// What is known about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// No song has or had its path.
    New,
    /// This song has its path, and it is as it was at the last look.
    Unchanged(u32),
    /// This song has or had its path.
    Changed(u32),
}

impl Survey {
    /// Nothing so far, where so many songs are or were known.
    pub(super) fn new(songs: usize) -> Self {
        Self { passed: 0, unchanged: vec![false; songs], others: Others::default() }
    }

    /// What is known about a file, which must be behind the last one in path order.
    pub(super) fn compare(&mut self, catalogue: &Catalogue, file: &Found<'_>) -> Known {
        match catalogue.song_at(&file.path, &mut self.passed) {
            None => Known::New,
            Some((index, Song { record, .. })) if record.is_present && record.stamp == file.stamp => {
                Known::Unchanged(index)
            }
            Some((index, _)) => Known::Changed(index),
        }
    }

    /// Takes note of a file of which this is known.
    pub(super) fn push(&mut self, file: &Found<'_>, known: Known) {
        match known {
            Known::Unchanged(index) => self.unchanged[index as usize] = true,
            Known::Changed(index) => self.others.push(file, Some(index)),
            Known::New => self.others.push(file, None),
        }
    }
}

/// The files that are new, or not as they were, in path order. In a few large allocations: a small one for each name would
/// leave a hole when all are given back after the look.
#[derive(Debug, Default)]
pub(super) struct Others {
    directories: Texts,
    names: Texts,
    files: Vec<Other>,
}

/// A file but for its name.
#[derive(Debug)]
struct Other {
    directory: u32,
    /// The song that has or had its path.
    song: Option<u32>,
    stamp: Stamp,
}

impl Others {
    fn push(&mut self, file: &Found<'_>, song: Option<u32>) {
        let directory = texts::to_bytes(file.path.directory.as_os_str());
        if self.directories.last().is_none_or(|last| last != directory.as_ref()) {
            self.directories.push(&directory);
        }
        self.names.push(&texts::to_bytes(&file.path.name));
        self.files.push(Other { directory: self.directories.len() as u32 - 1, song, stamp: file.stamp });
    }

    /// Each with the song that has or had its path.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Found<'_>, Option<u32>)> {
        self.files.iter().enumerate().map(|(number, &Other { directory, song, stamp })| {
            let (directory, name) = (self.directories.at(directory as usize), self.names.at(number));
            (Found { path: FilePath::from_bytes(directory, name), stamp }, song)
        })
    }
}
