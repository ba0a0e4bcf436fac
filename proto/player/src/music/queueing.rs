//! Changes of the queue, and what follows because of them.

use trill_proto::message::ListEnd;
use trill_proto::time::Instant;

use super::Music;
use super::search::{Goal, Search};
use crate::command::{Repeat, Selection, Shuffle};
use crate::item::{QueueItem, Transition};
use crate::lookup::{Found, Lookup, Progress};
use crate::pending::Pending;
use crate::queue::{Entry, Place};
use crate::{Direction, Event, NotPossible, Refused};

/// Songs that are looked for to be added to the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addition {
    pub(super) lookup: Lookup,
    is_up_next: bool,
    /// What was selected, if it was not words.
    others: u32,
}

impl Addition {
    /// The request that a failure leaves without an answer.
    pub(super) const fn refused(&self) -> Refused {
        if self.is_up_next { Refused::PlayNext } else { Refused::Add }
    }

    /// How many entries it may need: one more if it divides another.
    const fn entries(&self) -> usize {
        if self.is_up_next { 2 } else { 1 }
    }
}

impl Music<'_> {
    /// Adds a selection at the end of the queue, or after the present song. If nothing plays, it begins to play.
    pub(crate) fn add(&mut self, selection: &Selection<'_>, is_up_next: bool) -> Result<(), NotPossible> {
        let addition = Addition { lookup: Lookup::first(&selection.whole()), is_up_next, others: 0 };
        if !self.can_add(selection) {
            return Err(NotPossible::TooManyQuestions);
        }
        if self.room() < addition.entries() {
            return Err(NotPossible::QueueFull);
        }
        self.keep_words(selection);
        let _ = self.additions.push_back(Pending::new(addition));
        self.wakeups.network = true;
        Ok(())
    }

    /// Whether there is memory for another addition that waits for an answer, and for its words.
    pub(crate) fn can_add(&self, selection: &Selection<'_>) -> bool {
        let are_words_free = self.search.iter().all(|search| !search.what.lookup.uses_words())
            && self.additions.iter().all(|addition| !addition.what.lookup.uses_words());
        !self.additions.is_full() && (selection.words().is_none() || are_words_free)
    }

    /// Entries that the queue has room for, apart from those that additions need.
    fn room(&self) -> usize {
        let taken = self.additions.iter().map(|addition| addition.what.entries()).sum();
        self.queue.room().saturating_sub(taken)
    }

    /// Takes the LIST-END of the first addition.
    pub(super) fn on_addition_found<'a>(&'a mut self, mut addition: Addition, end: &ListEnd) -> Option<Event<'a>> {
        let lookup = addition.lookup;
        let mut others = addition.others;
        let found = match addition.lookup.on_page(end) {
            Progress::Found(found, more) => {
                others += more;
                found
            }
            Progress::Nothing => return Some(Event::NothingFound(lookup.selection(&self.words))),
            Progress::Asks => return self.ask_on(addition),
            Progress::AsksOf(others) => return self.ask_on(Addition { others, ..addition }),
        };
        let (position, songs) = self.apply(&addition, found);
        Some(Event::Added { source: addition.lookup.source, position, songs, others })
    }

    fn ask_on<'a>(&mut self, addition: Addition) -> Option<Event<'a>> {
        // The addition has just left the queue, so there is room.
        let _ = self.additions.push_front(Pending::new(addition));
        self.wakeups.network = true;
        None
    }

    /// Adds the songs that were found. Returns the position of the first, and how many there are.
    fn apply(&mut self, addition: &Addition, found: Found) -> (u32, u32) {
        let entry = self.queue.new_entry(addition.lookup.source, found.total);
        let begins = self.is_idle();
        if begins {
            let first = self.queue.add(entry);
            self.begin_at(first, &entry, found);
        } else if addition.is_up_next {
            self.queue.add_up_next(entry);
        } else {
            self.queue.add(entry);
        }
        self.on_queue_changed();
        (self.queue.position(entry.at(0)).unwrap_or(0), found.total)
    }

    /// Begins with a place of an entry whose first song was found.
    fn begin_at(&mut self, place: Place, entry: &Entry, found: Found) {
        if place.rank == entry.first {
            let id = self.next_id();
            return self.want(QueueItem::new(id, found.song, place));
        }
        let lookup = Lookup::new(entry.source, self.first_find(entry.source, place.rank));
        self.look(Search::new(lookup, Goal::Place { place, replaces: None }, Transition::Switch));
    }

    /// Removes the songs at these positions. If the present song is one of them, the following takes its place.
    pub(crate) fn remove(&mut self, now: Instant, first: u32, last: u32) -> Result<(), NotPossible> {
        let room = self.room();
        if let Some(next) = self.queue.remove(first, last, room)? {
            let current = self.queue.current();
            let is_by_album = self.queue.depends_on_albums(current, Direction::Next);
            match next {
                // What was requested in its place comes anyway.
                _ if self.is_idle() || self.is_switching() => {}
                _ if is_by_album && self.go_by_album(now, current, None, Direction::Next) => self.keep_pause(),
                Some(place) if !is_by_album => self.go_on_with(now, place),
                _ => drop(self.stop()),
            }
        }
        self.on_queue_changed();
        Ok(())
    }

    /// Removes what follows the present song.
    pub(crate) fn clear_queue(&mut self) {
        self.additions.clear();
        self.queue.clear();
        self.on_queue_changed();
    }

    pub(crate) fn set_shuffle(&mut self, shuffle: Shuffle) {
        self.queue.set_shuffle(shuffle);
        if shuffle == Shuffle::Albums {
            self.drop_follower();
        }
        self.on_queue_changed();
    }

    pub(crate) fn set_repeat(&mut self, repeat: Repeat) {
        self.queue.repeat = repeat;
        self.on_queue_changed();
    }

    pub(crate) fn set_stop_after(&mut self, stops_after: bool) -> Result<(), NotPossible> {
        if stops_after && self.is_idle() {
            return Err(NotPossible::NothingPlays);
        }
        self.queue.stops_after = stops_after;
        self.on_queue_changed();
        Ok(())
    }

    /// The queue is another than when the following song was looked for. If that is not the right one, it is dropped.
    fn on_queue_changed(&mut self) {
        let heard = self.buffer.first().map(|track| track.item.place);
        let Some(place) = heard.or(self.finished.map(|(_, place)| place)) else { return };
        if self.follower().is_some_and(|follower| !self.queue.is_followed_by(place, follower)) {
            self.drop_follower();
        }
        self.search.take_if(|search| search.what.follows_by_album());
        self.failures = 0;
        self.buffer.reopen();
        self.look_for_next();
    }

    /// The position of the song that follows the one heard by itself, from 1. `None` if none follows, or if albums are shuffled and
    /// it was not found yet.
    pub(crate) fn following_position(&self) -> Option<u32> {
        let current = self.queue.current();
        let is_by_album = self.queue.follows_by_album(current);
        let following = if is_by_album { self.follower() } else { self.queue.following(current) };
        following.and_then(|place| self.queue.position(place))
    }

    /// The place of the song that follows, as far as it was looked for, requested or received.
    fn follower(&self) -> Option<Place> {
        let received = self.buffer.last().filter(|_| self.buffer.is_followed()).map(|track| track.item.place);
        let requested =
            || self.requested.iter().map(|(item, _)| item).find(|item| item.transition == Transition::Follow);
        let searched = || match self.search.as_ref()?.what {
            search if search.transition == Transition::Switch => None,
            search => Some(search.goal),
        };
        received.or_else(|| requested().map(|item| item.place)).or(self.next.map(|item| item.place)).or_else(|| {
            match searched()? {
                Goal::Place { place, .. } => Some(place),
                Goal::NewQueue | Goal::Beside { .. } | Goal::Album(_) => None,
            }
        })
    }

    fn drop_follower(&mut self) {
        self.next = None;
        self.search.take_if(|search| search.what.transition == Transition::Follow);
        let requested = self.requested.len();
        self.requested.retain(|(item, _)| item.transition == Transition::Switch);
        let was_requested = requested > self.requested.len();
        let was_received = self.buffer.drop_follower();
        if was_received || was_requested {
            // All of the song heard has arrived.
            self.arriving = None;
            // A song that was requested in its place replaces the follower's stream.
            self.is_stopping |= self.requested.is_empty();
        }
        self.wakeups = crate::Wakeups { network: true, decoder: true, ..self.wakeups };
    }
}
