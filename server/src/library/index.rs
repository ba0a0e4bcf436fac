//! The list of songs, and its comparison with a scan.
//!
//! Ids are 1, 2, 3 … in library order when the server starts. Songs that are added later take the next ids. An id is never
//! reused for another file. A file that vanishes and comes back unchanged keeps its id, for example after its disk was
//! unmounted for a moment.

use std::cmp::Ordering;
use std::fmt;
use std::iter::{self, Peekable};
use std::mem;
use std::sync::Arc;
use std::vec;

use trill_proto::ids::SongId;
use trill_proto::message::SongGroup;

use super::file_path::FilePath;
use super::song::{Listing, Presence, Song, SongError};
use super::storage::{Found, Sink, Stamp};

/// Vanished songs that are remembered at least. A larger library remembers as many as were ever listed at once, for a disk
/// that is unmounted for a moment.
const MIN_REMEMBERED: usize = 1_000;

/// The songs that are listed. A scan that finds changes makes a new list, so readers of this one never wait.
#[derive(Clone, Default)]
pub(super) struct Listed {
    songs: Arc<Songs>,
    last_id: u32,
    /// 0 until the first scan is over. Grows with each change.
    pub(super) generation: u32,
}

/// Songs in two orders.
#[derive(Default)]
struct Songs {
    in_library_order: Vec<Arc<Song>>,
    /// Places in library order, in the order of the songs' ids.
    by_id: Vec<u32>,
}

impl Songs {
    fn new(mut songs: Vec<Arc<Song>>) -> Self {
        songs.sort_by(|a, b| a.path.library_cmp(&b.path));
        songs.shrink_to_fit();
        let mut by_id: Vec<u32> = (0..songs.len() as u32).collect();
        by_id.sort_unstable_by_key(|place| songs[*place as usize].id);
        Self { in_library_order: songs, by_id }
    }

    /// The places of the songs from this id on, in the order of their ids.
    fn places_from(&self, first: SongId) -> &[u32] {
        let start = self.by_id.partition_point(|place| self.at(*place).id < first);
        self.by_id.get(start..).unwrap_or_default()
    }

    fn at(&self, place: u32) -> &Arc<Song> {
        &self.in_library_order[place as usize]
    }
}

impl Listed {
    pub(super) fn len(&self) -> usize {
        self.songs.in_library_order.len()
    }

    pub(super) fn in_library_order(&self) -> &[Arc<Song>] {
        &self.songs.in_library_order
    }

    /// The place of a song in library order, if it is listed.
    pub(super) fn place_of(&self, id: SongId) -> Option<usize> {
        let place = *self.songs.places_from(id).first()?;
        (self.songs.at(place).id == id).then_some(place as usize)
    }

    /// # Errors
    /// [`SongError::NoSuchSong`] or [`SongError::Gone`].
    pub(super) fn song(&self, id: SongId) -> Result<&Arc<Song>, SongError> {
        match self.place_of(id) {
            Some(place) => Ok(&self.songs.in_library_order[place]),
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
        let mut tags: Vec<_> = listed.in_library_order().iter().filter_map(tag_of).collect();
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
#[derive(Clone)]
pub struct Page {
    pub(super) songs: Vec<Arc<Song>>,
    /// The groups that these songs stand for; none if the page is one of songs.
    pub(super) groups: Vec<SongGroup>,
    /// How many of what is found precede the first song; `None` if the songs are in the order of their ids.
    rank: Option<u32>,
    /// The first song after these, if there is one.
    pub next: Option<SongId>,
    /// Songs in the library, or songs that the query finds.
    pub total: u32,
    /// Generation of the library.
    pub generation: u32,
}

impl Page {
    /// What is known about its songs.
    pub fn songs(&self) -> impl Iterator<Item = Listing> {
        let groups = self.groups.iter().copied().map(Some).chain(iter::repeat(None));
        self.songs.iter().zip(groups).zip(0..).map(|((song, group), place)| {
            let rank = self.rank.map(|first| first + place);
            Listing { group, rank, ..song.listing() }
        })
    }

    /// A page of a search that finds nothing.
    pub(super) const fn empty(listed: &Listed) -> Self {
        Self { songs: Vec::new(), groups: Vec::new(), rank: None, next: None, total: 0, generation: listed.generation }
    }

    /// Adds what a search has found: a song, or a group with its first song. Each has the rank after the one before.
    pub(super) fn push(&mut self, song: &Arc<Song>, group: Option<SongGroup>, rank: u32) {
        self.rank.get_or_insert(rank);
        self.songs.push(song.clone());
        self.groups.extend(group);
    }

    /// A page of all songs, in library order, from the place `start` on.
    pub(super) fn by_rank(listed: &Listed, start: usize, at_most: usize) -> Self {
        let songs = listed.in_library_order().get(start..).unwrap_or_default();
        let (songs, rest) = songs.split_at(songs.len().min(at_most));
        Self {
            songs: songs.to_vec(),
            rank: Some(start as u32),
            next: rest.first().map(|song| song.id),
            total: listed.len() as u32,
            ..Self::empty(listed)
        }
    }

    /// A page of all songs, in the order of their ids.
    pub(super) fn by_id(listed: &Listed, first: SongId, at_most: usize) -> Self {
        let places = listed.songs.places_from(first);
        let (places, rest) = places.split_at(places.len().min(at_most));
        Self {
            songs: places.iter().map(|place| listed.songs.at(*place).clone()).collect(),
            next: rest.first().map(|place| listed.songs.at(*place).id),
            total: listed.len() as u32,
            ..Self::empty(listed)
        }
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.songs()).finish()
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
    /// Without numbers.
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
    /// `None` if these are the same as before.
    songs: Option<Arc<Songs>>,
    last_id: u32,
    pub(super) changes: Changes,
    /// Songs to read, in the order of their ids.
    pub(super) due: Vec<Arc<Song>>,
    pub(super) vanished: Vec<Arc<Song>>,
}

impl Comparison {
    /// Begins with the songs that are listed and those that have vanished.
    pub(super) fn new(listed: &Listed, vanished: &[Arc<Song>]) -> Self {
        let mut known: Vec<_> = listed.in_library_order().iter().chain(vanished).cloned().collect();
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
        self.new.push(Arc::new(Song::new(SongId(0), FilePath::new(file.directory, file.name), file.stamp)));
    }

    /// Gives new songs the next ids in library order. Nothing is added after 2³² songs.
    fn number(&mut self) -> Vec<Arc<Song>> {
        let mut new = mem::take(&mut self.new);
        new.sort_by(|a, b| a.path.library_cmp(&b.path));
        new.truncate((u32::MAX - self.last_id) as usize);
        for (song, place) in new.iter_mut().filter_map(Arc::get_mut).zip(1..) {
            song.id = SongId(self.last_id + place);
        }
        self.last_id = new.last().map_or(self.last_id, |last| last.id.0);
        new
    }

    /// Applies the findings to the songs when the scan is over.
    pub(super) fn finish(mut self) -> ScanResult {
        self.missing.extend(self.known.by_ref());
        let new = self.number();
        let mut result = ScanResult { last_id: self.last_id, ..ScanResult::default() };
        result.changes.added = new.len() as u32;
        self.found.extend_from_slice(&new);
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
        result.due.extend(new);
        result.due.sort_unstable_by_key(|song| song.id);
        let Changes { added, removed, .. } = result.changes;
        if added + removed > 0 {
            result.songs = Some(Arc::new(Songs::new(self.found)));
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
