//! Which number is which song.
//!
//! Ids are 1, 2, 3 … in path order when the server starts; files that come later take the next numbers. A number is never
//! given to another file. A file that vanishes keeps its number in reserve and has it again if it comes back as it was,
//! as all do after a disk was away for a moment; if another file has its path then, that takes a new number.

use std::cmp::Ordering;
use std::time::SystemTime;

use trill_proto::ids::SongId;

use super::error::SongError;
use super::file::Stamp;
use super::path::FilePath;
use super::scan::Found;
use super::songs::{Details, Song, Songs};
use super::survey::Survey;
use crate::mp3::duration::Measure;

/// All songs.
#[derive(Default)]
pub(super) struct Catalogue {
    /// That with id 1 first.
    songs: Songs,
    /// Indices of `songs` in the order of their paths, without those whose path another song has now. Empty while that is
    /// the order of the songs themselves, as it is until files come later.
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
    pub(super) fn song(&self, id: SongId) -> Result<Song<'_>, SongError> {
        let song = index_of(id).and_then(|index| self.songs.song(index)).ok_or(SongError::NoSuchSong)?;
        if song.record.is_present { Ok(song) } else { Err(SongError::Gone) }
    }

    /// All that are there, from `first` on, in the order of their ids.
    pub(super) fn songs_from(&self, first: SongId) -> impl Iterator<Item = (SongId, Song<'_>)> {
        let songs = self.songs.iter_from(index_of(first).unwrap_or(0));
        songs.filter(|(_, song)| song.record.is_present).map(|(index, song)| (id_of(index), song))
    }

    /// The song whose audio has this content tag, the lowest number if there are several.
    pub(super) fn song_with_tag(&self, tag: u64) -> Option<SongId> {
        self.songs_from(SongId(1)).find(|(_, song)| song.content_tag() == Some(tag)).map(|(id, _)| id)
    }

    /// What is known about a song whose file is like `stamp` now.
    pub(super) fn details(&self, id: SongId, stamp: &Stamp) -> Option<Details> {
        self.certain(id, stamp)?.details()
    }

    /// The song, if its file was like `stamp` when it was read, and cannot have changed since.
    fn certain(&self, id: SongId, stamp: &Stamp) -> Option<Song<'_>> {
        // One that was read right after a change may have changed again.
        self.song(id).ok().filter(|song| song.record.stamp == *stamp && !song.record.is_uncertain)
    }

    /// Takes the next song that should be read.
    pub(super) fn take_due(&mut self) -> Option<(SongId, Song<'_>)> {
        let due = self.due_songs().next();
        self.first_due = due.map_or(self.songs.len(), |index| index + 1);
        let index = due?;
        self.songs.record_mut(index)?.is_due = false;
        Some((id_of(index), self.songs.song(index)?))
    }

    /// How many songs should be read; it is not counted beyond `most`.
    pub(super) fn due(&self, most: usize) -> usize {
        self.due_songs().take(most).count()
    }

    fn due_songs(&self) -> impl Iterator<Item = usize> {
        let due = |(_, song): &(usize, Song<'_>)| song.record.is_due && song.record.is_present;
        self.songs.iter_from(self.first_due).filter(due).map(|(index, _)| index)
    }

    /// Whether there is a song that has to be read again after the next look at the directory.
    pub(super) fn is_uncertain(&self) -> bool {
        self.songs.iter_from(0).any(|(_, Song { record, .. })| record.is_present && record.is_uncertain)
    }

    /// Remembers what is in a song's file, which had this stamp right before it was read, at `now`. What is known exactly
    /// does not become less exact: a song's frames may have been counted while somebody else just read its tags. Of a song
    /// that is gone nothing is learnt: what was read may be another file in its place.
    pub(super) fn learn(&mut self, id: SongId, details: Details, stamp: Stamp, now: SystemTime) {
        let is_counted = matches!(details.measure, Measure::Counted(_));
        if !is_counted && self.certain(id, &stamp).is_some_and(|song| song.counted().is_some()) {
            return;
        }
        let Some(index) = index_of(id) else { return };
        let Some(song) = self.songs.record_mut(index).filter(|song| song.is_present) else { return };
        if !song.stamp.is_same_content(&stamp) {
            self.generation += 1;
        }
        song.stamp = stamp;
        song.is_uncertain = stamp.is_fresh(now);
        self.songs.learn(index, details);
    }

    /// A song that could not be read, for no reason of its own, is to be read after the next look at the directory.
    pub(super) fn put_off(&mut self, id: SongId) {
        if let Some(song) = index_of(id).and_then(|index| self.songs.record_mut(index)) {
            song.is_uncertain = true;
        }
    }

    /// From now on the generation is not 0.
    pub(super) fn first_look_is_over(&mut self) {
        self.generation = self.generation.max(1);
    }

    /// For a look at the directory that begins now.
    pub(super) fn begin_survey(&self) -> Survey {
        Survey::new(self.songs.len())
    }

    /// The song that has or had this path, and its index: one behind the first `passed` in the order of their paths, and
    /// then that and all before it have been passed.
    pub(super) fn song_at(&self, path: &FilePath<'_>, passed: &mut usize) -> Option<(u32, Song<'_>)> {
        while let Some(index) = self.nth_by_path(*passed) {
            let song = self.songs.song(index as usize)?;
            let order = song.path().cmp(path);
            if order == Ordering::Greater {
                break;
            }
            *passed += 1;
            if order == Ordering::Equal {
                return Some((index, song));
            }
        }
        None
    }

    fn nth_by_path(&self, n: usize) -> Option<u32> {
        if self.by_path.is_empty() {
            return (n < self.songs.len()).then_some(n as u32);
        }
        self.by_path.get(n).copied()
    }

    /// Takes over what a look at the directory found.
    pub(super) fn update(&mut self, Survey { unchanged: mut is_found, others, .. }: Survey) -> Changes {
        let mut changes = Changes::default();
        let first_new = self.songs.len();
        self.read_uncertain_again(&is_found);
        for (file, song) in others.iter() {
            match song {
                Some(index) if self.update_song(index as usize, &file, &mut changes) => {
                    is_found[index as usize] = true;
                }
                _ => self.songs.push(&file.path, file.stamp),
            }
        }
        for (song, is_found) in self.songs.records_mut().zip(is_found) {
            if song.is_present && !is_found {
                song.is_present = false;
                song.forget();
                self.present -= 1;
                changes.removed += 1;
            }
        }
        changes.added += self.note_new(first_new);
        if self.generation == 0 || changes != Changes::default() {
            self.generation += 1;
        }
        changes
    }

    /// Of songs whose files are unchanged as far as their stamps tell.
    fn read_uncertain_again(&mut self, is_unchanged: &[bool]) {
        for (index, (song, is_unchanged)) in self.songs.records_mut().zip(is_unchanged).enumerate() {
            if *is_unchanged && song.is_uncertain {
                song.is_due = true;
                self.first_due = self.first_due.min(index);
            }
        }
    }

    /// `false` if the file has nothing but its path in common with the song that once had it.
    fn update_song(&mut self, index: usize, file: &Found<'_>, changes: &mut Changes) -> bool {
        let Some(song) = self.songs.record_mut(index) else { return false };
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
                song.forget();
                changes.changed += 1;
            }
        }
        song.stamp = file.stamp;
        if song.is_due {
            self.first_due = self.first_due.min(index);
        }
        true
    }

    /// Takes note of the songs from this index on, which are new, and says how many they are.
    fn note_new(&mut self, first_new: usize) -> u32 {
        let new = first_new as u32..self.songs.len() as u32;
        let count = new.len() as u32;
        self.present += count;
        self.first_due = self.first_due.min(first_new);
        if first_new == 0 || count == 0 {
            return count;
        }
        if self.by_path.is_empty() {
            debug_assert!(self.songs.iter_from(0).take(first_new).map(|(_, song)| song.path()).is_sorted());
            self.by_path.extend(0..new.start);
        }
        // Two sorted runs, which sorting merges in one pass. Of two songs with the same path the later one has it.
        let path = |&index: &u32| self.songs.song(index as usize).map(Song::path);
        self.by_path.extend(new);
        self.by_path.sort_by(|a, b| path(a).cmp(&path(b)).then(b.cmp(a)));
        self.by_path.dedup_by(|song, later| path(song) == path(later));
        count
    }
}

fn index_of(id: SongId) -> Option<usize> {
    usize::try_from(id.0.checked_sub(1)?).ok()
}

fn id_of(index: usize) -> SongId {
    SongId(u32::try_from(index + 1).unwrap_or(u32::MAX))
}
