//! Changes of the queue, and what follows because of them.

use trill_proto::message::ListEnd;
use trill_proto::time::Instant;

use super::Music;
use super::search::Goal;
use crate::command::{Repeat, Selection, Shuffle};
use crate::item::{QueueItem, Transition};
use crate::lookup::{Found, Lookup, Progress};
use crate::pending::Pending;
use crate::queue::Place;
use crate::{Direction, Event, NotPossible};

/// Songs that are looked for to be added to the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addition {
    pub(super) lookup: Lookup,
    is_up_next: bool,
    /// What was selected, if it was not words.
    others: u32,
}

impl Addition {
    /// How many entries it may need: one more if it divides another.
    const fn entries(&self) -> usize {
        if self.is_up_next { 2 } else { 1 }
    }
}

impl Music<'_> {
    /// Adds a selection at the end of the queue, or after the present song. If nothing plays, it begins to play.
    pub(crate) fn add(&mut self, selection: &Selection<'_>, is_up_next: bool) -> Result<(), NotPossible> {
        let lookup = Lookup::first(&selection.whole());
        let addition = Addition { lookup, is_up_next, others: 0 };
        let uses_words = lookup.uses_words();
        let are_words_used = self.search.iter().any(|search| search.what.lookup.uses_words())
            || self.additions.iter().any(|addition| addition.what.lookup.uses_words());
        if self.additions.is_full() || (uses_words && are_words_used) {
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
        Some(Event::Added { position, songs, others })
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
        let place = entry.at(0);
        let begins = self.is_idle();
        if addition.is_up_next && !begins {
            self.queue.add_up_next(entry);
        } else {
            self.queue.add(entry);
        }
        if begins {
            let id = self.next_id();
            self.want(QueueItem::new(id, found.song, place));
        }
        self.on_queue_changed();
        (self.queue.position(place).unwrap_or(0), found.total)
    }

    /// Removes the songs at these positions. If the present song is one of them, the following takes its place.
    pub(crate) fn remove(&mut self, now: Instant, first: u32, last: u32) -> Result<(), NotPossible> {
        let room = self.room();
        if let Some(next) = self.queue.remove(first, last, room)? {
            match next {
                _ if self.is_idle() => {}
                Some(place) => self.go_to(now, place, Direction::Next),
                None => drop(self.stop()),
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
        self.on_queue_changed();
    }

    pub(crate) fn set_repeat(&mut self, repeat: Repeat) {
        self.queue.repeat = repeat;
        self.on_queue_changed();
    }

    pub(crate) fn set_stop_after(&mut self, stops_after: bool) {
        self.queue.stops_after = stops_after;
        self.on_queue_changed();
    }

    /// The queue is another than when the following song was looked for. If that is not the right one, it is dropped.
    fn on_queue_changed(&mut self) {
        let heard = self.buffer.first().map(|track| track.item.place);
        let Some(place) = heard.or(self.finished.map(|(_, place)| place)) else { return };
        if self.follower().is_some_and(|follower| self.queue.following(place) != Some(follower)) {
            self.drop_follower();
        }
        self.failures = 0;
        self.buffer.reopen();
        self.look_for_next();
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
                Goal::NewQueue | Goal::Beside { .. } => None,
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
        // All of the song heard has arrived. A switch would replace the follower's stream.
        if (was_received || was_requested) && !self.is_switching() {
            self.arriving = None;
            self.is_stopping = true;
        }
        self.wakeups = crate::Wakeups { network: true, decoder: true, ..self.wakeups };
    }
}
