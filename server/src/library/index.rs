//! The songs by id and by content tag.
//!
//! Ids are 1, 2, 3 … in path order when the server starts; songs that are added later take the next ones. An id is never
//! given to another file. A file that vanishes has its id again if it comes back as it was, as all do after a disk was
//! away for a moment. If another file has its path by then, that one takes a new id.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::iter::Peekable;
use std::mem;
use std::sync::Arc;
use std::time::SystemTime;
use std::vec;

use trill_proto::ids::SongId;

use super::error::SongError;
use super::path::FilePath;
use super::song::{Details, Presence, Song};
use super::stamp::Stamp;
use super::storage::{Found, Sink};

/// So many vanished songs are remembered in any case. In a larger library it is as many as were ever listed at once, so
/// that a disk with all of them may be away for a moment.
const MIN_REMEMBERED: usize = 1_000;

/// The songs as they are listed. A scan that finds other songs makes another list: nobody who reads this one waits.
#[derive(Clone, Default)]
pub(super) struct Listed {
    /// In the order of their ids.
    songs: Arc<Vec<Arc<Song>>>,
    last_id: u32,
    /// 0 until the first scan is over; grows with each change.
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
}

/// What a scan found different from before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Changes {
    pub(super) added: u32,
    pub(super) removed: u32,
    pub(super) changed: u32,
}

/// All songs. Everything here takes at most a time that grows with the logarithm of their number.
#[derive(Default)]
pub(super) struct Index {
    listed: Listed,
    tags: BTreeSet<(u64, SongId)>,
}

impl Index {
    pub(super) const fn listed(&self) -> &Listed {
        &self.listed
    }

    /// The song with this content tag, the lowest id if there are several.
    pub(super) fn song_with_tag(&self, tag: u64) -> Option<SongId> {
        let first = self.tags.range((tag, SongId(0))..).next();
        first.filter(|(found, _)| *found == tag).map(|(_, id)| *id)
    }

    /// Records what was read from a song's file. See [`Known::learn`](super::song::Known::learn).
    pub(super) fn learn(&mut self, song: &Song, details: Details, stamp: Stamp, now: SystemTime) {
        let mut known = song.known();
        let before = known.content_tag();
        if known.learn(details, stamp, now) {
            self.listed.generation += 1;
        }
        let tag = known.content_tag();
        if before != tag {
            before.map(|tag| self.tags.remove(&(tag, song.id)));
            tag.map(|tag| self.tags.insert((tag, song.id)));
        }
    }

    /// Songs that have vanished or changed no longer have these content tags, unless they were read again meanwhile.
    pub(super) fn forget_tags(&mut self, tags: &[(u64, Arc<Song>)]) {
        for (tag, song) in tags {
            if song.known().content_tag() != Some(*tag) {
                self.tags.remove(&(*tag, song.id));
            }
        }
    }

    /// Takes over what a scan found. Returns what has to be dropped without a lock.
    #[must_use]
    pub(super) fn update(&mut self, outcome: &mut Outcome) -> Listed {
        let before = self.listed.clone();
        if let Some(songs) = outcome.songs.take() {
            self.listed.songs = songs;
        }
        self.listed.last_id = outcome.last_id;
        if outcome.changes != Changes::default() {
            self.listed.generation += 1;
        }
        before
    }

    /// Sees to it that the generation is no longer 0.
    pub(super) fn first_scan_is_over(&mut self) {
        self.listed.generation = self.listed.generation.max(1);
    }
}

/// Compares what a scan finds with what is known. Nothing is changed before the scan is over, since it may fail.
pub(super) struct Comparison {
    /// Songs that are listed, or have vanished and are remembered, in path order: those behind the last file.
    known: Peekable<vec::IntoIter<Arc<Song>>>,
    /// The song that has or had the path of the last file, if it is not unchanged.
    matched: Option<Arc<Song>>,
    found: Vec<Arc<Song>>,
    new: Vec<Arc<Song>>,
    /// Songs whose files have changed, or are back, with the stamps that they have now.
    changed: Vec<(Arc<Song>, Stamp)>,
    /// Songs whose files are unchanged as far as that can be told.
    uncertain: Vec<Arc<Song>>,
    missing: Vec<Arc<Song>>,
    /// Songs that have vanished, with other files at their paths.
    replaced: Vec<Arc<Song>>,
    last_id: u32,
}

/// What a scan has led to.
#[derive(Default)]
pub(super) struct Outcome {
    /// The songs in the order of their ids. `None` if they are the same as before.
    pub(super) songs: Option<Arc<Vec<Arc<Song>>>>,
    pub(super) last_id: u32,
    pub(super) changes: Changes,
    /// Songs to read, in the order of their ids.
    pub(super) due: Vec<Arc<Song>>,
    pub(super) vanished: Vec<Arc<Song>>,
    /// Content tags that songs no longer have.
    pub(super) stale_tags: Vec<(u64, Arc<Song>)>,
}

impl Comparison {
    /// Begins with the songs that are listed, and those that have vanished before.
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

    /// The song that has or had the path of this file. Files come in path order.
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
        // Nothing is added after four thousand million songs.
        let Some(id) = self.last_id.checked_add(1) else { return };
        self.last_id = id;
        let song = Arc::new(Song::new(SongId(id), FilePath::new(file.directory, file.name), file.stamp));
        self.found.push(song.clone());
        self.new.push(song);
    }

    /// Applies what was found to the songs, when the scan is over.
    pub(super) fn finish(mut self) -> Outcome {
        self.missing.extend(self.known);
        let mut outcome = Outcome { last_id: self.last_id, ..Outcome::default() };
        outcome.changes.added = self.new.len() as u32;
        for song in self.missing {
            outcome.note_missing(song);
        }
        for song in self.replaced {
            song.known().presence = Presence::Forgotten;
        }
        for (song, stamp) in self.changed {
            outcome.note_changed(song, stamp);
        }
        for song in self.uncertain {
            outcome.note_due(song);
        }
        outcome.due.extend(self.new);
        outcome.due.sort_unstable_by_key(|song| song.id);
        let Changes { added, removed, .. } = outcome.changes;
        if added + removed > 0 {
            self.found.sort_unstable_by_key(|song| song.id);
            self.found.shrink_to_fit();
            outcome.songs = Some(Arc::new(self.found));
        }
        outcome
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

impl Outcome {
    fn note_missing(&mut self, song: Arc<Song>) {
        let mut known = song.known();
        if known.presence == Presence::Listed {
            known.presence = Presence::Vanished;
            self.stale_tags.extend(known.forget().map(|tag| (tag, song.clone())));
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
            self.stale_tags.extend(known.forget().map(|tag| (tag, song.clone())));
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

/// Adds songs that have vanished to those that are remembered, and forgets the oldest.
pub(super) fn remember(remembered: &mut Vec<Arc<Song>>, vanished: Vec<Arc<Song>>, most_listed: usize) {
    remembered.retain(|song| song.presence() == Presence::Vanished);
    remembered.extend(vanished);
    let excess = remembered.len().saturating_sub(most_listed.max(MIN_REMEMBERED));
    for song in remembered.drain(..excess) {
        song.known().presence = Presence::Forgotten;
    }
    remembered.shrink_to_fit();
}
