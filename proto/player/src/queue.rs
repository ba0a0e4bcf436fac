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

use heapless::VecView;
use trill_proto::ids::SongId;
use trill_proto::message::{Group, Search};

use crate::command::{Repeat, Shuffle};
use crate::shuffle::{Permutation, hash};
use crate::{ListRequest, NotPossible, Start};

/// Where songs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// One song.
    Song(SongId),
    /// The songs with these numbers.
    Numbers {
        /// The lowest number.
        first: SongId,
        /// The highest number.
        last: SongId,
    },
    /// The songs in the same album, or by the same artist, as this song.
    Group(Group, SongId),
    /// All songs of the server.
    All,
}

impl Source {
    /// The search for its songs from this rank on.
    pub(crate) const fn search(self, rank: u32) -> Search<'static> {
        let (within, numbers) = (self.within(), self.numbers());
        Search { query: "", rank, group: None, within, numbers, is_best: false }
    }

    const fn within(self) -> Option<(Group, SongId)> {
        if let Self::Group(group, song) = self { Some((group, song)) } else { None }
    }

    const fn numbers(self) -> Option<(SongId, SongId)> {
        match self {
            Self::Song(song) => Some((song, song)),
            Self::Numbers { first, last } => Some((first, last)),
            Self::Group(..) | Self::All => None,
        }
    }
}

/// Consecutive songs of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The source.
    pub source: Source,
    /// The rank of its first song in the source.
    pub first: u32,
    /// How many songs it has, at least one.
    pub songs: u32,
    id: u16,
    standing: Standing,
    /// It has all songs of the source, also those that are added to the library.
    is_whole: bool,
}

/// How an entry stands in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// In order.
    Main,
    /// In order, after the places that are shuffled.
    Late,
    /// After the current song.
    UpNext,
    /// Only its numbers in the permutation are left.
    Removed,
}

impl Standing {
    const fn is_shown(self) -> bool {
        !matches!(self, Self::Removed)
    }

    const fn is_main(self) -> bool {
        matches!(self, Self::Main | Self::Late)
    }

    const fn is_shuffled(self) -> bool {
        matches!(self, Self::Main | Self::Removed)
    }

    const fn is_late(self) -> bool {
        matches!(self, Self::Late)
    }

    const fn is_up_next(self) -> bool {
        matches!(self, Self::UpNext)
    }
}

impl Entry {
    const fn holds(&self, place: Place) -> bool {
        self.id == place.entry && place.rank >= self.first && place.rank - self.first < self.songs
    }

    /// Whether it is one song, named by its number.
    pub(crate) const fn is_song(&self) -> bool {
        matches!(self.source, Source::Song(_))
    }

    /// The place at this rank of its source.
    pub(crate) const fn at(&self, rank: u32) -> Place {
        Place { entry: self.id, round: 0, rank }
    }
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The entry's id.
    entry: u16,
    /// How often the queue was shuffled when it came.
    round: u16,
    /// The rank in the entry's source.
    pub(crate) rank: u32,
}

impl Place {
    pub(crate) const fn at_rank(self, rank: u32) -> Self {
        Self { rank, ..self }
    }

    pub(crate) const fn is_in_entry_of(self, other: Self) -> bool {
        self.entry == other.entry
    }
}

/// The order of a shuffled queue.
#[derive(Clone, Copy, Debug)]
struct Order {
    key: u32,
    /// The present round.
    round: u16,
    /// The first round with this number of songs. Its order begins at `offset`, with the song that played.
    first_round: u16,
    offset: u32,
    songs: u32,
}

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
        let source = self.entry(place).map(|entry| entry.source);
        self.shuffle != Shuffle::Songs && matches!(source, Some(Source::Group(Group::Album, _)))
    }

    /// How many entries it has room for.
    pub(crate) fn room(&self) -> usize {
        self.entries.capacity() - self.entries.len()
    }

    /// Its entries, in order. While the queue is shuffled, some may have left it.
    pub fn entries(&self) -> &[Entry] {
        self.entries
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
        let place = self.place_at(position.checked_sub(1)?, Standing::is_shown)?;
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

    // ── its order ──

    /// The place that follows by itself.
    pub(crate) fn following(&self, from: Place) -> Option<Place> {
        match self.repeat {
            _ if self.stops_after => None,
            Repeat::One if self.contains(from) => Some(from),
            _ => self.next(from),
        }
    }

    pub(crate) fn next(&self, from: Place) -> Option<Place> {
        let next_up = self.index_of(from, Standing::is_up_next).map_or(0, |index| index + 1);
        let up_next = self.place_at(next_up, Standing::is_up_next);
        up_next
            .map(|place| Place { round: self.round_of(from), ..place })
            .or_else(|| self.next_main(self.main_of(from)))
    }

    pub(crate) fn previous(&self, from: Place) -> Option<Place> {
        let main = self.main_of(from);
        if from != main && self.contains(main) {
            return Some(main);
        }
        match self.order {
            None => self.place_at(self.index_of(main, Standing::is_main)?.checked_sub(1)?, Standing::is_main),
            Some(order) => self.previous_shuffled(&order, main),
        }
    }

    /// The place itself, or the main place if it is up next or was removed.
    fn main_of(&self, place: Place) -> Place {
        if self.index_of(place, Standing::is_main).is_some() { place } else { self.main }
    }

    fn round_of(&self, place: Place) -> u16 {
        if self.contains(place) { place.round } else { self.main.round }
    }

    fn next_main(&self, from: Place) -> Option<Place> {
        let repeats = self.repeat == Repeat::All;
        match self.order {
            None => {
                // If the main place was removed, `main` is the place before it.
                let next = self.index_of(from, Standing::is_main).map_or(0, |index| index + 1);
                let again = || self.place_at(0, Standing::is_main).filter(|_| repeats);
                self.place_at(next, Standing::is_main).or_else(again)
            }
            Some(order) => self.next_shuffled(&order, from, repeats),
        }
    }

    fn next_shuffled(&self, order: &Order, from: Place, repeats: bool) -> Option<Place> {
        let present = self.order_in(order, from.round);
        let begin = self.index_in(&present, from).map_or(0, |index| index + 1);
        // A late place is behind all that are shuffled.
        let late = self.index_of(from, Standing::is_late);
        let begin = if late.is_some() { present.songs } else { begin };
        let rest = (begin..present.songs).find_map(|index| self.place_in(&present, index));
        rest.or_else(|| self.late_place(&present, late.map_or(0, |index| index + 1))).or_else(|| {
            let next = self.order_in(order, from.round.wrapping_add(1));
            (0..next.songs).find_map(|index| self.place_in(&next, index)).filter(|_| repeats)
        })
    }

    fn previous_shuffled(&self, order: &Order, from: Place) -> Option<Place> {
        let present = self.order_in(order, from.round);
        let late = self.index_of(from, Standing::is_late);
        if let Some(index) = late.and_then(|index| index.checked_sub(1)) {
            return self.late_place(&present, index);
        }
        let end = if late.is_some() { Some(present.songs) } else { self.index_in(&present, from) };
        let before = (0..end?).rev().find_map(|index| self.place_in(&present, index));
        before.or_else(|| {
            // A round before songs came or went had another permutation.
            let is_first = present.round == present.first_round || self.has_changed();
            let last = self.order_in(order, present.round.wrapping_sub(1));
            (0..last.songs).rev().find_map(|index| self.place_in(&last, index)).filter(|_| !is_first)
        })
    }

    /// The order of a round. If songs came or went, another round than the present one shuffles anew.
    fn order_in(&self, order: &Order, round: u16) -> Order {
        if round == order.round || !self.has_changed() {
            return Order { round, ..*order };
        }
        Order { round, first_round: round, offset: 0, songs: self.count(Standing::is_main), ..*order }
    }

    /// Whether songs came or went since the round began.
    fn has_changed(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.standing, Standing::Late | Standing::Removed))
    }

    /// Which songs an order counts: in another round than the present one, those that came meanwhile and not those that went.
    fn counted(&self, order: &Order) -> fn(Standing) -> bool {
        let is_present = self.order.is_some_and(|present| present.round == order.round);
        if is_present { Standing::is_shuffled } else { Standing::is_main }
    }

    fn late_place(&self, order: &Order, index: u32) -> Option<Place> {
        let is_present = self.order.is_some_and(|present| present.round == order.round);
        let place = self.place_at(index, Standing::is_late).filter(|_| is_present)?;
        Some(Place { round: order.round, ..place })
    }

    fn place_in(&self, order: &Order, index: u32) -> Option<Place> {
        let number = order.permutation().at(wrap(index, order.begin(), order.songs));
        let place = self.place_at(number, self.counted(order)).filter(|place| self.contains(*place))?;
        Some(Place { round: order.round, ..place })
    }

    fn index_in(&self, order: &Order, place: Place) -> Option<u32> {
        let number = self.index_of(place, self.counted(order)).filter(|number| *number < order.songs)?;
        Some(wrap(order.permutation().index_of(number), order.songs - order.begin(), order.songs))
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
                self.drop_place(first);
            }
        }
    }

    /// A song up next cannot be played.
    pub(crate) fn drop_if_up_next(&mut self, place: Place) {
        if self.index_of(place, Standing::is_up_next).is_some() && place != self.current {
            self.drop_place(place);
        }
    }

    /// Drops a place that is the first or last of its entry.
    fn drop_place(&mut self, place: Place) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.holds(place)) {
            entry.first += u32::from(place.rank == entry.first);
            entry.songs -= 1;
            entry.is_whole = false;
        }
        self.entries.retain(|entry| entry.songs > 0);
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

    // ── changes ──

    /// An entry with all songs of a source, for this queue.
    pub(crate) fn new_entry(&mut self, source: Source, songs: u32) -> Entry {
        loop {
            self.last_id = self.last_id.wrapping_add(1).max(1);
            if self.entries.iter().all(|entry| entry.id != self.last_id) {
                break;
            }
        }
        Entry { source, first: 0, songs, id: self.last_id, standing: Standing::Main, is_whole: true }
    }

    /// Begins with this entry, in place of all others, unless it is here.
    pub(crate) fn replace(&mut self, entry: Entry, at: Place) {
        if self.contains(at) {
            return;
        }
        self.clear_all();
        let _ = self.entries.push(entry);
        (self.current, self.main, self.is_over) = (at, at, false);
        self.begin_order();
    }

    pub(crate) fn clear_all(&mut self) {
        self.entries.clear();
        (self.current, self.main, self.order) = (Place::default(), Place::default(), None);
    }

    /// Adds an entry at the end. There is room.
    pub(crate) fn add(&mut self, entry: Entry) {
        let standing = if self.order.is_some() { Standing::Late } else { Standing::Main };
        let _ = self.entries.push(Entry { standing, ..entry });
    }

    /// Adds an entry after the current song and what is up next already. There is room for two.
    pub(crate) fn add_up_next(&mut self, entry: Entry) {
        let is_up_next = |entry: &Entry| entry.standing.is_up_next();
        let last = self.entries.iter().rposition(is_up_next).map(|last| last + 1);
        let at = last.or_else(|| {
            let here = self.entries.iter().position(|entry| entry.holds(self.main))?;
            self.split(here, self.main.rank + 1);
            Some(here + 1)
        });
        let _ = self.entries.insert(at.unwrap_or(self.entries.len()), Entry { standing: Standing::UpNext, ..entry });
    }

    /// Divides an entry before this rank. There is room.
    fn split(&mut self, index: usize, rank: u32) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        let before = rank - entry.first;
        if before == 0 || before >= entry.songs {
            return;
        }
        let rest = Entry { first: rank, songs: entry.songs - before, is_whole: false, ..*entry };
        (entry.songs, entry.is_whole) = (before, false);
        let _ = self.entries.insert(index + 1, rest);
    }

    /// Removes the songs at these positions. Returns whether the current song is one of them, and where to go on then.
    ///
    /// # Errors
    /// [`NotPossible::NoSuchPlace`], [`NotPossible::QueueFull`] if there is no room to divide an entry.
    pub(crate) fn remove(&mut self, first: u32, last: u32, room: usize) -> Result<Option<Option<Place>>, NotPossible> {
        let songs = self.songs();
        if first == 0 || first > last || last > songs {
            return Err(NotPossible::NoSuchPlace { songs });
        }
        let divided = [first - 1, last].into_iter().filter(|index| self.is_inside_entry(*index));
        if divided.count() > room {
            return Err(NotPossible::QueueFull);
        }
        let is_removed = |place| self.position(place).is_some_and(|position| (first..=last).contains(&position));
        let is_current = is_removed(self.current);
        let mut next = self.next(self.current).filter(|_| last - first < songs - 1);
        while let Some(place) = next.filter(|place| is_current && is_removed(*place)) {
            next = self.next(place);
        }
        if self.order.is_none() && is_removed(self.main) {
            let before = (0..first - 1).rev().filter_map(|index| self.place_at(index, Standing::is_shown));
            let mut before = before.filter(|place| self.index_of(*place, Standing::is_main).is_some());
            self.main = before.next().unwrap_or_default();
        }
        self.divide(first - 1);
        self.divide(last);
        let mut before = 0;
        let is_shuffled = self.order.is_some();
        self.entries.retain_mut(|entry| {
            if !entry.standing.is_shown() {
                return true;
            }
            before += entry.songs;
            if before < first || before > last {
                return true;
            }
            let stays = is_shuffled && entry.standing == Standing::Main;
            entry.standing = Standing::Removed;
            stays
        });
        Ok(is_current.then_some(next))
    }

    /// Whether an entry must be divided for one to begin behind so many songs.
    fn is_inside_entry(&self, index: u32) -> bool {
        let place = self.place_at(index, Standing::is_shown);
        place.is_some_and(|place| self.entry(place).is_some_and(|entry| entry.first != place.rank))
    }

    /// Divides an entry so that one begins behind so many songs.
    fn divide(&mut self, index: u32) {
        if let Some(place) = self.place_at(index, Standing::is_shown)
            && let Some(here) = self.entries.iter().position(|entry| entry.holds(place) && entry.standing.is_shown())
        {
            self.split(here, place.rank);
        }
    }

    /// Removes what follows the current song; in a shuffled queue, all other songs.
    pub(crate) fn clear(&mut self) {
        let Some(entry) = self.entry(self.current).copied() else { return self.clear_all() };
        let rank = self.current.rank;
        if self.order.is_none() && entry.standing == Standing::Main {
            let here = self.entries.iter().position(|entry| entry.holds(self.current)).unwrap_or(0);
            self.entries.truncate(here + 1);
            if let Some(last) = self.entries.last_mut().filter(|last| last.songs > rank - last.first + 1) {
                (last.songs, last.is_whole) = (rank - last.first + 1, false);
            }
        } else {
            self.entries.clear();
            let _ =
                self.entries.push(Entry { first: rank, songs: 1, is_whole: false, standing: Standing::Main, ..entry });
            self.main = self.current;
            self.begin_order();
        }
    }

    /// Sets the order. The current song stays current; a shuffled queue plays every other song once after it.
    pub(crate) fn set_shuffle(&mut self, shuffle: Shuffle) {
        self.shuffle = shuffle;
        self.begin_order();
    }

    /// Begins the order with the main place.
    fn begin_order(&mut self) {
        self.merge();
        self.order = None;
        if self.shuffle != Shuffle::Off {
            let songs = self.count(Standing::is_main);
            let round = self.main.round;
            let mut order = Order { key: self.random(), round, first_round: round, offset: 0, songs };
            if let Some(number) = self.index_of(self.main, Standing::is_main) {
                order.offset = order.permutation().index_of(number);
            }
            self.order = Some(order);
        }
    }

    /// Counts the songs that were added as all others, and forgets those that were removed.
    fn merge(&mut self) {
        self.entries.retain(|entry| entry.standing.is_shown());
        let late = self.entries.iter_mut().filter(|entry| entry.standing.is_late());
        late.for_each(|entry| entry.standing = Standing::Main);
    }

    /// The rank at which to begin a source with so many songs.
    pub(crate) fn first_rank(&mut self, songs: u32) -> u32 {
        if self.shuffle == Shuffle::Off || songs == 0 { 0 } else { self.random() % songs }
    }

    fn random(&mut self) -> u32 {
        self.random = self.random.wrapping_add(0x9e37_79b9);
        hash(self.random)
    }
}

impl Order {
    /// Each round has another order.
    fn permutation(&self) -> Permutation {
        Permutation::new(self.key ^ hash(self.round.into()), self.songs)
    }

    /// The index in the permutation at which the round begins.
    const fn begin(&self) -> u32 {
        if self.round == self.first_round { self.offset } else { 0 }
    }
}

/// (`index` + `offset`) modulo `songs`.
fn wrap(index: u32, offset: u32, songs: u32) -> u32 {
    ((u64::from(index) + u64::from(offset)) % u64::from(songs.max(1))) as u32
}

#[cfg(test)]
mod tests;
