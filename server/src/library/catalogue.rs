//! Which number is which song.
//!
//! Ids are 1, 2, 3 … in path order when the server starts; files that come later take the next numbers. A number is never
//! given to another file. A file that vanishes keeps its number in reserve and has it again if it comes back as it was,
//! as all do after a disk was away for a moment; if another file has its path then, that takes a new number.

use std::cmp::Ordering;
use std::path::Path;
use std::time::SystemTime;

use trill_proto::ids::SongId;

use super::error::SongError;
use super::file::Stamp;
use super::measure::Measure;
use super::scan::{Files, Found};
use super::tags::Tags;

/// A file that is or was a song. Kept small: there may be 100,000.
pub(super) struct Song {
    /// From the directory that is served.
    pub(super) path: Box<Path>,
    /// Of the file when it was last looked at, or read.
    pub(super) stamp: Stamp,
    /// What is known from reading it.
    pub(super) details: Option<Details>,
    /// It was there at the last look.
    is_present: bool,
    /// It should be read: it never was, or has changed since, or may have.
    is_due: bool,
    /// It was read so shortly after a change that a later one might not show, or could not be read for now.
    is_uncertain: bool,
}

/// What a song's file says.
#[derive(Clone, Debug)]
pub(super) struct Details {
    pub(super) tags: Tags,
    pub(super) measure: Measure,
}

impl Song {
    const fn should_be_read(&self) -> bool {
        self.is_due && self.is_present
    }
}

/// What is known about a file.
pub(super) struct Known {
    /// The song that has or had its path.
    pub(super) song: Option<u32>,
    /// That is there, and the file as it was at the last look.
    pub(super) is_unchanged: bool,
}

/// All songs.
#[derive(Default)]
pub(super) struct Catalogue {
    /// That with id 1 first.
    songs: Vec<Song>,
    /// Indices of `songs` in the order of their paths, without those whose path another song has now.
    by_path: Vec<u32>,
    present: u32,
    /// No song before this index is due.
    first_due: usize,
    generation: u32,
}

/// How many songs a look at the directory found different from before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Changes {
    pub(super) added: u32,
    pub(super) removed: u32,
    pub(super) changed: u32,
}

impl Catalogue {
    /// 0 until the first look at the directory; grows with each change.
    pub(super) const fn generation(&self) -> u32 {
        self.generation
    }

    /// Songs that are there.
    pub(super) const fn song_count(&self) -> u32 {
        self.present
    }

    /// The song of this number.
    ///
    /// # Errors
    /// [`SongError::NoSuchSong`] or [`SongError::Gone`].
    pub(super) fn song(&self, id: SongId) -> Result<&Song, SongError> {
        let song = index_of(id).and_then(|index| self.songs.get(index)).ok_or(SongError::NoSuchSong)?;
        if song.is_present { Ok(song) } else { Err(SongError::Gone) }
    }

    /// All that are there, from `first` on, in the order of their ids.
    pub(super) fn songs_from(&self, first: SongId) -> impl Iterator<Item = (SongId, &Song)> {
        let start = index_of(first).unwrap_or(0).min(self.songs.len());
        let numbered = self.songs[start..].iter().enumerate().map(move |(index, song)| (id_of(start + index), song));
        numbered.filter(|(_, song)| song.is_present)
    }

    /// The song whose audio has this content tag, the lowest number if there are several.
    pub(super) fn song_with_tag(&self, tag: u64) -> Option<SongId> {
        let has_tag =
            |song: &Song| song.details.as_ref().is_some_and(|details| details.measure.audio().content_tag == tag);
        self.songs_from(SongId(1)).find(|(_, song)| has_tag(song)).map(|(id, _)| id)
    }

    /// What is known about a song whose file is like `stamp` now.
    pub(super) fn details(&self, id: SongId, stamp: &Stamp) -> Option<Details> {
        // One that was read right after a change may have changed again.
        let is_certain = |song: &&Song| song.stamp == *stamp && !song.is_uncertain;
        self.song(id).ok().filter(is_certain)?.details.clone()
    }

    /// Takes the next song that should be read.
    pub(super) fn take_due(&mut self) -> Option<(SongId, &Song)> {
        let due = self.songs[self.first_due..].iter().position(Song::should_be_read);
        self.first_due = due.map_or(self.songs.len(), |offset| self.first_due + offset + 1);
        due?;
        let index = self.first_due - 1;
        let song = &mut self.songs[index];
        song.is_due = false;
        Some((id_of(index), song))
    }

    /// How many songs should be read; it is not counted beyond `most`.
    pub(super) fn due(&self, most: usize) -> usize {
        self.songs[self.first_due..].iter().filter(|song| song.should_be_read()).take(most).count()
    }

    /// Whether there is a song that has to be read again after the next look at the directory.
    pub(super) fn is_uncertain(&self) -> bool {
        self.songs.iter().any(|song| song.is_present && song.is_uncertain)
    }

    /// Remembers what is in a song's file, which had this stamp right before it was read, at `now`. What is known exactly
    /// does not become less exact: a song's frames may have been counted while somebody else just read its tags.
    pub(super) fn learn(&mut self, id: SongId, details: Details, stamp: Stamp, now: SystemTime) {
        let is_counted = |details: &Details| details.measure.counted().is_some();
        if !is_counted(&details) && self.details(id, &stamp).as_ref().is_some_and(is_counted) {
            return;
        }
        let Some(song) = index_of(id).and_then(|index| self.songs.get_mut(index)) else { return };
        if !song.stamp.is_same_content(&stamp) {
            self.generation += 1;
        }
        song.stamp = stamp;
        song.details = Some(details);
        song.is_uncertain = stamp.is_fresh(now);
    }

    /// A song that could not be read, for no reason of its own, is to be read after the next look at the directory.
    pub(super) fn put_off(&mut self, id: SongId) {
        if let Some(song) = index_of(id).and_then(|index| self.songs.get_mut(index)) {
            song.is_uncertain = true;
        }
    }

    /// From now on the generation is not 0.
    pub(super) fn first_look_is_over(&mut self) {
        self.generation = self.generation.max(1);
    }

    /// What is known about each of these files, which must be in path order.
    pub(super) fn compare(&self, files: &Files) -> Vec<Known> {
        let mut by_path = self.by_path.iter().copied().peekable();
        let mut song_at = |path: &Path| loop {
            let song = *by_path.peek()?;
            match self.songs[song as usize].path.as_ref().cmp(path) {
                Ordering::Less => by_path.next(),
                Ordering::Equal => return by_path.next(),
                Ordering::Greater => return None,
            };
        };
        let compare = |file: Found<'_>| {
            let song = song_at(&file.path.to_path_buf());
            let is_same = |song: &Song| song.is_present && song.stamp == file.stamp;
            Known { song, is_unchanged: song.is_some_and(|song| is_same(&self.songs[song as usize])) }
        };
        files.iter().map(compare).collect()
    }

    /// Takes over what a look at the directory found: all files in path order, each with the song that has or had its
    /// path.
    pub(super) fn update<'a>(&mut self, files: impl Iterator<Item = (Found<'a>, Option<u32>)>) -> Changes {
        let mut changes = Changes::default();
        let mut is_found = vec![false; self.songs.len()];
        let first_new = self.songs.len();
        for (file, song) in files {
            match song {
                Some(index) if self.update_song(index as usize, &file, &mut changes) => {
                    is_found[index as usize] = true;
                }
                _ => self.add(&file),
            }
        }
        for (song, is_found) in self.songs.iter_mut().zip(is_found) {
            if song.is_present && !is_found {
                (song.is_present, song.details) = (false, None);
                self.present -= 1;
                changes.removed += 1;
            }
        }
        changes.added += (self.songs.len() - first_new) as u32;
        self.note_paths(first_new);
        if self.generation == 0 || changes != Changes::default() {
            self.generation += 1;
        }
        changes
    }

    /// `false` if the file has nothing but its path in common with the song that once had it.
    fn update_song(&mut self, index: usize, file: &Found<'_>, changes: &mut Changes) -> bool {
        let song = &mut self.songs[index];
        let is_same_content = song.stamp.is_same_content(&file.stamp);
        if !song.is_present {
            if !is_same_content {
                return false;
            }
            (song.is_present, song.is_due) = (true, true);
            self.present += 1;
            changes.added += 1;
        } else if song.stamp != file.stamp || song.is_uncertain {
            song.is_due = true;
            if !is_same_content {
                song.details = None;
                changes.changed += 1;
            }
        }
        song.stamp = file.stamp;
        if song.is_due {
            self.first_due = self.first_due.min(index);
        }
        true
    }

    fn add(&mut self, file: &Found<'_>) {
        let (path, stamp) = (file.path.to_path_buf().into_boxed_path(), file.stamp);
        self.first_due = self.first_due.min(self.songs.len());
        self.songs.push(Song { path, stamp, details: None, is_present: true, is_due: true, is_uncertain: false });
        self.present += 1;
    }

    /// Sorts the songs from this index on in by their paths.
    fn note_paths(&mut self, first_new: usize) {
        if first_new == self.songs.len() {
            return;
        }
        // Two sorted runs, which sorting merges in one pass. Of two songs with the same path the later one has it.
        let songs = &self.songs;
        let path = |&index: &u32| songs[index as usize].path.as_ref();
        self.by_path.extend(first_new as u32..songs.len() as u32);
        self.by_path.sort_by(|a, b| path(a).cmp(path(b)).then(b.cmp(a)));
        self.by_path.dedup_by(|song, later| path(song) == path(later));
    }
}

fn index_of(id: SongId) -> Option<usize> {
    usize::try_from(id.0.checked_sub(1)?).ok()
}

fn id_of(index: usize) -> SongId {
    SongId(u32::try_from(index + 1).unwrap_or(u32::MAX))
}
