//! The queue: which songs play, and in which order. It knows places, not the songs at them, and sends no requests.
//!
//! ```text
//!   entries     │ numbers 3-7   │ song 12 │ album of song 40        │     24 bytes each, however many songs
//!   ranks       │ 0  1  2  3  4 │ 0       │ 0  1  2  3  4  5  6  7  │     in the entry's source
//!   positions     1  2  3  4  5   6         7  8  9 10 11 12 13 14        as people see them
//!                    ▲     ▲
//!                 current  up next
//! ```
//!
//! A [`Place`] is an entry's id and a rank in its source. It stays valid when other places come and go, so a song that was
//! requested before a change is still found after it.
//!
//! Songs *up next* stand behind the current song, play before everything else, and leave the queue when they were heard.
//!
//! While the queue is shuffled, the order is a permutation of the places that the queue had when the round began. Places that
//! were added since come after them. Places that were removed keep their number in the permutation until the next round.

mod changes;
mod entry;
mod order;
#[cfg(test)]
mod tests;

use heapless::VecView;
use trill_proto::ids::SongId;
use trill_proto::message::Group;

use crate::command::{Repeat, Shuffle};
use crate::{ListRequest, NotPossible, Start};
use entry::Standing;
pub use entry::{Entry, Place, Source};
use order::Order;

/// Memory for a queue of at most `N` entries.
pub type QueueMemory<const N: usize> = heapless::Vec<Entry, N>;

/// The queue, in memory of the caller: what a screen can know of it.
#[derive(Debug)]
pub struct Queue<'m> {
    entries: &'m mut VecView<Entry>,
    /// The place heard, or heard last.
    current: Place,
    /// The place heard last that was not up next.
    main: Place,
    order: Option<Order>,
    shuffle: Shuffle,
    pub(crate) repeat: Repeat,
    pub(crate) stops_after: bool,
    /// The current song was heard to its end.
    pub(crate) is_over: bool,
    last_id: u16,
    random: u32,
}

impl<'m> Queue<'m> {
    pub(crate) fn new(entries: &'m mut VecView<Entry>, seed: u32) -> Self {
        entries.clear();
        Self {
            entries,
            current: Place::default(),
            main: Place::default(),
            order: None,
            shuffle: Shuffle::Off,
            repeat: Repeat::Off,
            stops_after: false,
            is_over: false,
            last_id: 0,
            random: seed,
        }
    }

    // ── what is in it ──

    pub(crate) const fn current(&self) -> Place {
        self.current
    }

    pub(crate) const fn shuffle(&self) -> Shuffle {
        self.shuffle
    }

    pub(crate) const fn is_shuffled(&self) -> bool {
        self.order.is_some()
    }

    pub(crate) fn contains(&self, place: Place) -> bool {
        self.entry(place).is_some()
    }

    /// The entry of a place.
    pub(crate) fn entry(&self, place: Place) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.holds(place) && entry.standing.is_shown())
    }

    /// Whether the place is in an album that plays in order.
    pub(crate) fn plays_album(&self, place: Place) -> bool {
        let is_album = || self.entry(place).is_some_and(|entry| matches!(entry.source, Source::Group(Group::Album, _)));
        match self.shuffle {
            Shuffle::Off => is_album(),
            Shuffle::Songs => false,
            Shuffle::Albums => true,
        }
    }

    /// Whether the place was added after the order of the others.
    pub(crate) fn is_late(&self, place: Place) -> bool {
        self.index_of(place, Standing::is_late).is_some()
    }

    /// The first place of those in the same source that precede this one without a gap; itself if there are none.
    pub(crate) fn first_in_source(&self, place: Place) -> Place {
        let mut first = place;
        while let Some(entry) = first.before().and_then(|before| self.entry(before)) {
            first = place.at_rank(entry.first);
        }
        first
    }

    /// How many entries it has room for.
    pub(crate) fn room(&self) -> usize {
        self.entries.capacity() - self.entries.len()
    }

    /// Its entries, in order. While the queue is shuffled, some may have left it.
    pub fn entries(&self) -> &[Entry] {
        self.entries
    }

    /// The entries that it shows, in order, each with the position of its first song, from 1.
    pub fn shown_entries(&self) -> impl Iterator<Item = (u32, &Entry)> {
        let shown = self.entries.iter().filter(|entry| entry.standing.is_shown());
        shown.scan(1, |next: &mut u32, entry| {
            let position = *next;
            *next = position.saturating_add(entry.songs);
            Some((position, entry))
        })
    }

    /// How many songs it has.
    pub fn songs(&self) -> u32 {
        self.count(Standing::is_shown)
    }

    /// The position of the song heard, or heard last, from 1. `None` if it has left the queue.
    pub fn present(&self) -> Option<u32> {
        self.position(self.current)
    }

    /// The position of a place, from 1. `None` if it has left the queue.
    pub fn position(&self, place: Place) -> Option<u32> {
        self.index_of(place, Standing::is_shown).map(|index| index + 1)
    }

    /// The place at a position, from 1, in the present round.
    ///
    /// # Errors
    /// [`NotPossible::NoSuchPlace`].
    pub(crate) fn at_position(&self, position: u32) -> Result<Place, NotPossible> {
        let place = position.checked_sub(1).and_then(|index| self.place_at(index, Standing::is_shown));
        let place = place.ok_or_else(|| NotPossible::NoSuchPlace { songs: self.songs() })?;
        Ok(self.in_present_round(place))
    }

    pub(super) fn in_present_round(&self, place: Place) -> Place {
        Place { round: self.order.map_or(place.round, |order| order.round), ..place }
    }

    /// The only song, if the queue is one song that was named by its number. Then all songs of the server are before and after
    /// it.
    pub(crate) fn only_song(&self) -> Option<SongId> {
        match **self.entries {
            [Entry { source: Source::Song(song), .. }] => Some(song),
            _ => None,
        }
    }

    /// What to ask for to show the song at this position, from 1, and at most `at_most` songs in all, as far as they are in the
    /// same entry. `None` if the queue is not so long.
    pub fn list(&self, position: u32, at_most: u32) -> Option<ListRequest> {
        let place = self.at_position(position).ok()?;
        let entry = self.entry(place)?;
        let (within, numbers) = (entry.source.within(), entry.source.numbers());
        let at_most = Some(at_most.min(entry.songs - (place.rank - entry.first)));
        Some(ListRequest { within, numbers, start: Start::Rank(place.rank), at_most, ..ListRequest::ALL })
    }

    fn count(&self, counts: fn(Standing) -> bool) -> u32 {
        let entries = self.entries.iter().filter(|entry| counts(entry.standing));
        entries.fold(0, |songs, entry| songs.saturating_add(entry.songs))
    }

    fn index_of(&self, place: Place, counts: fn(Standing) -> bool) -> Option<u32> {
        let mut before = 0_u32;
        for entry in self.entries.iter().filter(|entry| counts(entry.standing)) {
            if entry.holds(place) {
                return Some(before.saturating_add(place.rank - entry.first));
            }
            before = before.saturating_add(entry.songs);
        }
        None
    }

    fn place_at(&self, index: u32, counts: fn(Standing) -> bool) -> Option<Place> {
        let mut left = index;
        for entry in self.entries.iter().filter(|entry| counts(entry.standing)) {
            match left.checked_sub(entry.songs) {
                Some(rest) => left = rest,
                None => return Some(entry.at(entry.first + left)),
            }
        }
        None
    }

    // ── what is heard ──

    /// A song begins at this place. If the place has left the queue, the queue stays where it was.
    pub(crate) fn go_to(&mut self, place: Place) {
        self.is_over = false;
        if place != self.current {
            self.drop_up_next_before(place);
        }
        if !self.contains(place) {
            return;
        }
        self.current = place;
        if let Some(order) = self.order.filter(|order| order.round != place.round) {
            let order = self.order_in(&order, place.round);
            self.merge();
            self.order = Some(order);
        }
        if self.index_of(place, Standing::is_main).is_some() {
            self.main = place;
        }
    }

    /// The current song was heard to its end, and none is heard now.
    pub(crate) const fn on_over(&mut self) {
        (self.is_over, self.stops_after) = (true, false);
    }

    /// Drops the songs up next that are before this place, and the current one if it was up next.
    fn drop_up_next_before(&mut self, place: Place) {
        let heard = self.index_of(self.current, Standing::is_up_next).map_or(0, |index| index + 1);
        let passed = self.index_of(place, Standing::is_up_next).unwrap_or(0);
        for _ in 0..heard.max(passed) {
            if let Some(first) = self.place_at(0, Standing::is_up_next) {
                self.drop_first(first);
            }
        }
    }

    /// A song up next cannot be played. One behind others leaves when a later song begins.
    pub(crate) fn drop_if_up_next(&mut self, place: Place) {
        if self.place_at(0, Standing::is_up_next).is_some_and(|first| first.is_same(place)) && place != self.current {
            self.drop_first(place);
        }
    }

    /// Drops a place that is the first of its entry.
    fn drop_first(&mut self, place: Place) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.holds(place)) {
            (entry.first, entry.songs, entry.is_whole) = (entry.first + 1, entry.songs - 1, false);
        }
        self.entries.retain(|entry| entry.songs > 0);
        self.join();
    }

    /// The source of this entry has so many songs now.
    pub(crate) fn resize(&mut self, place: Place, songs: u32) {
        let (current, is_shuffled) = (self.current, self.order.is_some());
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.holds(place) && entry.is_whole && !is_shuffled)
        {
            let least = if current.entry == entry.id { current.rank } else { place.rank }.max(place.rank) + 1;
            entry.songs = songs.max(least);
        }
    }
}
