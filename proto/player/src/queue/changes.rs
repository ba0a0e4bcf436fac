//! Changes of the queue.

use super::Queue;
use super::entry::{Entry, Place, Source, Standing};
use super::order::Order;
use crate::NotPossible;
use crate::command::Shuffle;
use crate::shuffle::hash;

impl Queue<'_> {
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

    /// Adds an entry at the end. There is room. Returns the first of its places in the order.
    pub(crate) fn add(&mut self, entry: Entry) -> Place {
        let is_alone = self.songs() == 0;
        let standing = if self.order.is_some() { Standing::Late } else { Standing::Main };
        let _ = self.entries.push(Entry { standing, ..entry });
        if is_alone {
            self.begin_order();
        }
        let first = self.next(self.current).filter(|_| is_alone);
        first.unwrap_or_else(|| self.in_present_round(entry.at(0)))
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

    /// Joins neighbours that were one entry.
    pub(super) fn join(&mut self) {
        let mut last: Option<usize> = None;
        for index in 0..self.entries.len() {
            let Some(&entry) = self.entries.get(index) else { break };
            let before = last.and_then(|last| self.entries.get_mut(last));
            match before.filter(|before| before.continues_in(&entry)) {
                Some(before) => {
                    before.songs += entry.songs;
                    if let Some(joined) = self.entries.get_mut(index) {
                        joined.songs = 0;
                    }
                }
                None => last = Some(index),
            }
        }
        self.entries.retain(|entry| entry.songs > 0);
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
        if is_removed(self.main) {
            self.main = self.place_kept_before(self.main, is_removed);
        }
        self.divide(first - 1);
        self.divide(last);
        let mut before = 0_u32;
        let is_shuffled = self.order.is_some();
        self.entries.retain_mut(|entry| {
            if !entry.standing.is_shown() {
                return true;
            }
            before = before.saturating_add(entry.songs);
            if before < first || before > last {
                return true;
            }
            let stays = is_shuffled && entry.standing == Standing::Main;
            entry.standing = Standing::Removed;
            stays
        });
        self.join();
        // What stays up next is behind the current song, and the main place is before all that follow it.
        Ok(is_current.then(|| self.next(self.current)))
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
        if self.order.is_none() {
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
            let (key, begins_album) = (self.random(), false);
            let mut order = Order { key, round, first_round: round, offset: 0, begins_album, songs };
            if let Some(number) = self.index_of(self.main, Standing::is_main) {
                order.offset = order.permutation().index_of(number);
            }
            self.order = Some(order);
        }
    }

    /// Counts the songs that were added as all others, and forgets those that were removed.
    pub(super) fn merge(&mut self) {
        self.entries.retain(|entry| entry.standing.is_shown());
        let late = self.entries.iter_mut().filter(|entry| entry.standing.is_late());
        late.for_each(|entry| entry.standing = Standing::Main);
        self.join();
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
