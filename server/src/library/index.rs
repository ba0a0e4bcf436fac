//! The list of songs, and its comparison with a scan.
//!
//! Ids are 1, 2, 3 … in path order when the server starts. Songs that are added later take the next ids. An id is never
//! reused for another file. A file that vanishes and comes back unchanged keeps its id, for example after its disk was
//! unmounted for a moment.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::mem;
use std::sync::Arc;
use std::vec;

use trill_proto::ids::SongId;

use super::song::{FilePath, Listing, Presence, Song, SongError};
use super::storage::{Found, Sink, Stamp};

/// Vanished songs that are remembered at least. A larger library remembers as many as were ever listed at once, for a disk
/// that is unmounted for a moment.
const MIN_REMEMBERED: usize = 1_000;

/// The songs that are listed. A scan that finds changes makes a new list, so readers of this one never wait.
#[derive(Clone, Default)]
pub(super) struct Listed {
    /// In the order of their ids.
    songs: Arc<Vec<Arc<Song>>>,
    last_id: u32,
    /// 0 until the first scan is over. Grows with each change.
    pub(super) generation: u32,
}

impl Listed {
    pub(super) fn len(&self) -> usize {
        self.songs.len()
    }

    /// The songs from this id on.
    pub(super) fn from(&self, first: SongId) -> &[Arc<Song>] {
        let start = self.songs.partition_point(|song| song.id < first);
        self.songs.get(start..).unwrap_or_default()
    }

    /// # Errors
    /// [`SongError::NoSuchSong`] or [`SongError::Gone`].
    pub(super) fn song(&self, id: SongId) -> Result<&Arc<Song>, SongError> {
        match self.from(id).first().filter(|song| song.id == id) {
            Some(song) => Ok(song),
            None if (1..=self.last_id).contains(&id.0) => Err(SongError::Gone),
            None => Err(SongError::NoSuchSong),
        }
    }

    /// Takes over what a scan found. Returns the list before, which may take long to drop.
    #[must_use]
    pub(super) fn update(&mut self, result: &mut ScanResult) -> Self {
        let before = self.clone();
        if let Some(songs) = result.songs.take() {
            self.songs = songs;
        }
        self.last_id = result.last_id;
        self.generation += u32::from(result.changes != Changes::default());
        before
    }
}

/// The content tags of the songs that have been read, sorted.
#[derive(Debug, Default)]
pub(super) struct TagIndex(Vec<(u64, SongId)>);

impl TagIndex {
    pub(super) fn of(listed: &Listed) -> Self {
        let tag_of = |song: &Arc<Song>| Some((song.known().content_tag()?, song.id));
        let mut tags: Vec<_> = listed.songs.iter().filter_map(tag_of).collect();
        tags.sort_unstable();
        Self(tags)
    }

    /// The song with this content tag, the lowest id if there are several.
    pub(super) fn find(&self, tag: u64) -> Option<SongId> {
        let first = self.0.partition_point(|(other, _)| *other < tag);
        self.0.get(first).filter(|(other, _)| *other == tag).map(|(_, id)| *id)
    }
}

/// A page of the list of songs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of their ids.
    pub songs: Vec<Listing>,
    /// The first song after these, if there is one.
    pub next: Option<SongId>,
    /// Songs in the library.
    pub total: u32,
    /// Generation of the library.
    pub generation: u32,
}

impl Page {
    pub(super) fn of(listed: &Listed, first: SongId, at_most: usize) -> Self {
        let songs = listed.from(first);
        let (songs, rest) = songs.split_at(songs.len().min(at_most));
        Self {
            songs: songs.iter().map(|song| song.listing()).collect(),
            next: rest.first().map(|song| song.id),
            total: listed.len() as u32,
            generation: listed.generation,
        }
    }
}

/// Changes that a scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Changes {
    pub(super) added: u32,
    pub(super) removed: u32,
    pub(super) changed: u32,
}

/// Compares the files that a scan finds with the songs that are known. Changes no song before the scan is over, since it
/// may fail.
pub(super) struct Comparison {
    /// Listed and remembered songs in path order, from the path of the last file on.
    known: Peekable<vec::IntoIter<Arc<Song>>>,
    /// The song with the path of the last file, unless it is unchanged.
    matched: Option<Arc<Song>>,
    found: Vec<Arc<Song>>,
    new: Vec<Arc<Song>>,
    /// Songs whose files have changed or are back, with their new stamps.
    changed: Vec<(Arc<Song>, Stamp)>,
    /// Songs whose files seem unchanged but must be read again.
    uncertain: Vec<Arc<Song>>,
    missing: Vec<Arc<Song>>,
    /// Vanished songs with other files at their paths.
    replaced: Vec<Arc<Song>>,
    last_id: u32,
}

/// The result of a scan.
#[derive(Default)]
pub(super) struct ScanResult {
    /// The songs in the order of their ids. `None` if these are the same as before.
    songs: Option<Arc<Vec<Arc<Song>>>>,
    last_id: u32,
    pub(super) changes: Changes,
    /// Songs to read, in the order of their ids.
    pub(super) due: Vec<Arc<Song>>,
    pub(super) vanished: Vec<Arc<Song>>,
}

impl Comparison {
    /// Begins with the songs that are listed and those that have vanished.
    pub(super) fn new(listed: &Listed, vanished: &[Arc<Song>]) -> Self {
        let mut known: Vec<_> = listed.songs.iter().chain(vanished).cloned().collect();
        known.sort_by(|a, b| a.path.cmp(&b.path));
        Self {
            known: known.into_iter().peekable(),
            matched: None,
            found: Vec::with_capacity(listed.len()),
            new: Vec::new(),
            changed: Vec::new(),
            uncertain: Vec::new(),
            missing: Vec::new(),
            replaced: Vec::new(),
            last_id: listed.last_id,
        }
    }

    /// The song with the path of this file. Files come in path order.
    fn take_match(&mut self, file: &Found<'_>) -> Option<Arc<Song>> {
        loop {
            match self.known.peek()?.path.cmp_with(file.directory, file.name) {
                Ordering::Less => self.missing.extend(self.known.next()),
                Ordering::Equal => return self.known.next(),
                Ordering::Greater => return None,
            }
        }
    }

    fn add_new(&mut self, file: &Found<'_>) {
        // Nothing is added after 2³² songs.
        let Some(id) = self.last_id.checked_add(1) else { return };
        self.last_id = id;
        let song = Arc::new(Song::new(SongId(id), FilePath::new(file.directory, file.name), file.stamp));
        self.found.push(song.clone());
        self.new.push(song);
    }

    /// Applies the findings to the songs when the scan is over.
    pub(super) fn finish(mut self) -> ScanResult {
        self.missing.extend(self.known);
        let mut result = ScanResult { last_id: self.last_id, ..ScanResult::default() };
        result.changes.added = self.new.len() as u32;
        for song in self.missing {
            result.note_missing(song);
        }
        for song in self.replaced {
            song.known().presence = Presence::Forgotten;
        }
        for (song, stamp) in self.changed {
            result.note_changed(song, stamp);
        }
        for song in self.uncertain {
            result.note_due(song);
        }
        result.due.extend(self.new);
        result.due.sort_unstable_by_key(|song| song.id);
        let Changes { added, removed, .. } = result.changes;
        if added + removed > 0 {
            self.found.sort_unstable_by_key(|song| song.id);
            self.found.shrink_to_fit();
            result.songs = Some(Arc::new(self.found));
        }
        result
    }
}

impl Sink for Comparison {
    fn is_known(&mut self, file: &Found<'_>) -> bool {
        self.matched = self.take_match(file);
        let Some(song) = &self.matched else { return false };
        let known = song.known();
        if known.presence != Presence::Listed || known.stamp != file.stamp {
            return false;
        }
        if known.is_uncertain {
            self.uncertain.push(song.clone());
        }
        drop(known);
        self.found.extend(self.matched.take());
        true
    }

    fn add(&mut self, file: &Found<'_>) {
        let Some(song) = self.matched.take() else { return self.add_new(file) };
        let known = song.known();
        let is_same_song = known.presence == Presence::Listed || known.stamp.is_same_content(&file.stamp);
        drop(known);
        if is_same_song {
            self.found.push(song.clone());
            self.changed.push((song, file.stamp));
        } else {
            self.replaced.push(song);
            self.add_new(file);
        }
    }
}

impl ScanResult {
    fn note_missing(&mut self, song: Arc<Song>) {
        let mut known = song.known();
        if known.presence == Presence::Listed {
            known.presence = Presence::Vanished;
            known.forget();
            drop(known);
            self.changes.removed += 1;
            self.vanished.push(song);
        }
    }

    fn note_changed(&mut self, song: Arc<Song>, stamp: Stamp) {
        let mut known = song.known();
        if known.presence != Presence::Listed {
            known.presence = Presence::Listed;
            self.changes.added += 1;
        } else if !known.stamp.is_same_content(&stamp) {
            known.forget();
            self.changes.changed += 1;
        }
        known.stamp = stamp;
        drop(known);
        self.note_due(song);
    }

    fn note_due(&mut self, song: Arc<Song>) {
        let was_due = mem::replace(&mut song.known().is_due, true);
        if !was_due {
            self.due.push(song);
        }
    }
}

/// Adds vanished songs to the remembered ones, and forgets the oldest.
pub(super) fn remember(remembered: &mut Vec<Arc<Song>>, vanished: Vec<Arc<Song>>, most_listed: usize) {
    remembered.retain(|song| song.presence() == Presence::Vanished);
    remembered.extend(vanished);
    let excess = remembered.len().saturating_sub(most_listed.max(MIN_REMEMBERED));
    for song in remembered.drain(..excess) {
        song.known().presence = Presence::Forgotten;
    }
    remembered.shrink_to_fit();
}
