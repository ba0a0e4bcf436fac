//! The search for a song that is to be heard, and what comes of it.

use trill_proto::ids::{RequestId, SongId};
use trill_proto::message::{ListEnd, Song};
use trill_proto::time::Instant;

use super::Music;
use super::albums::AlbumStep;
use crate::command::Seek;
use crate::item::{QueueItem, Transition};
use crate::lookup::{Find, Found, Lookup, Progress};
use crate::pending::Pending;
use crate::queue::{Entry, Place, Source};
use crate::{Direction, Event, Refused};

/// A search for a song that is to be heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    pub(super) lookup: Lookup,
    pub(super) goal: Goal,
    pub(super) transition: Transition,
    /// The direction of the last step that led to it.
    pub(super) direction: Option<Direction>,
    /// A pause lasts when the song begins.
    pub(super) keeps_pause: bool,
    /// A seek during the search.
    pub(super) seek: Option<SeekTarget>,
    pub(super) asked: Option<Instant>,
    /// Steps to take from the song that is found: forward minus backward.
    pub(super) steps: i16,
}

/// Where the song stands that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// In a new queue of all songs of the source.
    NewQueue,
    /// At this place, in a new queue if there is an entry for it.
    Place { place: Place, replaces: Option<Entry> },
    /// In a new queue of one song, which is the neighbour of this one in the library.
    Beside { song: SongId, direction: Direction },
    /// At a place of the queue that depends on albums.
    Album(AlbumStep),
}

/// The song before or after another.
pub(super) enum Neighbour {
    Place {
        place: Place,
        replaces: Option<Entry>,
    },
    InLibrary,
    /// A place of the queue that depends on albums.
    Album,
}

/// The target of a seek during a search, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeekTarget {
    /// In the song that is found.
    pub(super) found_ms: u32,
    /// In the present song, if none is found.
    else_ms: u32,
}

impl SeekTarget {
    /// Moves a target, or begins at the start of the song that is found and at `from_ms` in the present song.
    pub(super) fn moved(target: Option<Self>, from_ms: u64, seek: Seek) -> Self {
        let short = |ms: u64| u32::try_from(ms).unwrap_or(u32::MAX);
        let Self { found_ms, else_ms } = target.unwrap_or(Self { found_ms: 0, else_ms: short(from_ms) });
        let [found_ms, else_ms] = [found_ms, else_ms].map(|ms| short(seek.from_ms(ms.into())));
        Self { found_ms, else_ms }
    }
}

impl Search {
    pub(super) const fn new(lookup: Lookup, goal: Goal, transition: Transition) -> Self {
        Self { lookup, goal, transition, direction: None, keeps_pause: false, seek: None, asked: None, steps: 0 }
    }

    /// Adds a step from the song that is found.
    pub(super) const fn add_step(&mut self, direction: Direction) {
        self.steps = match direction {
            Direction::Next => self.steps.saturating_add(1),
            Direction::Previous => self.steps.saturating_sub(1),
        };
    }

    /// Takes one of the steps that were added.
    const fn take_step(&mut self) -> Option<Direction> {
        let direction = match self.steps {
            0 => return None,
            steps if steps > 0 => Direction::Next,
            _ => Direction::Previous,
        };
        self.steps -= self.steps.signum();
        Some(direction)
    }

    /// The request that a failure of the search leaves without an answer.
    pub(super) fn refused(&self) -> Refused {
        match (self.transition, self.goal, self.direction) {
            (Transition::Follow, ..) => Refused::Following,
            (Transition::Switch, Goal::NewQueue, _) | (Transition::Switch, _, None) => Refused::Selection,
            (Transition::Switch, _, Some(direction)) => Refused::Step(direction),
        }
    }
}

impl Music<'_> {
    // ── beginning ──

    pub(super) fn look(&mut self, search: Search) {
        self.search = Some(Pending::new(search));
        self.wakeups.network = true;
    }

    /// Goes to a place in the queue, at the listener's command.
    pub(super) fn go_to(&mut self, now: Instant, place: Place, direction: Direction) {
        self.go_to_in(now, place, None, direction);
    }

    /// Goes to a place in the queue, because the present song has left it. A pause lasts.
    pub(super) fn go_on_with(&mut self, now: Instant, place: Place) {
        self.go_to(now, place, Direction::Next);
        self.keep_pause();
    }

    /// A pause lasts when the song begins that is looked for or requested.
    pub(super) fn keep_pause(&mut self) {
        self.search.iter_mut().for_each(|search| search.what.keeps_pause = true);
        self.requested.iter_mut().for_each(|(item, _)| item.keeps_pause = true);
    }

    /// Goes to a place in the queue, or in a new queue with this entry.
    pub(super) fn go_to_in(&mut self, now: Instant, place: Place, replaces: Option<Entry>, direction: Direction) {
        let from = self.target().map(|item| (item.place, item.song));
        let lookup = self.lookup_of(from, place, replaces);
        let goal = Goal::Place { place, replaces };
        self.look_or_want(Search {
            asked: Some(now),
            direction: Some(direction),
            ..Search::new(lookup, goal, Transition::Switch)
        });
    }

    /// Goes to the song before or after this one in the library.
    pub(super) fn look_beside(&mut self, now: Instant, song: SongId, rank: Option<u32>, direction: Direction) {
        let lookup = Lookup::beside(Source::All, song, rank, direction);
        let search = Search::new(lookup, Goal::Beside { song, direction }, Transition::Switch);
        self.look(Search { asked: Some(now), direction: Some(direction), ..search });
    }

    /// Requests the song of a search at once if its number is known, else looks for it.
    pub(super) fn look_or_want(&mut self, search: Search) {
        match search.lookup.source {
            Source::Song(song) if search.transition == Transition::Switch => {
                self.search = None;
                self.take_found(search, Found { song, rank: 0, total: 1 });
            }
            _ => self.look(search),
        }
    }

    /// How to find the song at a place from another place and its song.
    pub(super) fn lookup_of(&self, from: Option<(Place, SongId)>, place: Place, replaces: Option<Entry>) -> Lookup {
        let source = replaces.as_ref().or(self.queue.entry(place)).map_or(Source::All, |entry| entry.source);
        let beside = from.filter(|(from, _)| from.is_in_entry_of(place) && !self.queue.is_shuffled());
        match beside {
            Some((from, song)) if place.rank == from.rank + 1 => {
                Lookup::beside(source, song, Some(from.rank), Direction::Next)
            }
            Some((from, song)) if place.rank + 1 == from.rank => {
                Lookup::beside(source, song, Some(from.rank), Direction::Previous)
            }
            _ => Lookup::new(source, Find::At(place.rank)),
        }
    }

    /// What is before or after a place.
    pub(super) fn neighbour(&self, place: Place, replaces: Option<Entry>, direction: Direction) -> Option<Neighbour> {
        let replaces = replaces.filter(|_| !self.queue.contains(place));
        let place = match (replaces, direction) {
            (Some(entry), _) if entry.is_song() => return Some(Neighbour::InLibrary),
            (None, _) if self.queue.only_song().is_some() => return Some(Neighbour::InLibrary),
            (Some(entry), Direction::Next) => {
                Some(place.rank + 1).filter(|rank| *rank < entry.songs).map(|rank| entry.at(rank))
            }
            (Some(entry), Direction::Previous) => place.rank.checked_sub(1).map(|rank| entry.at(rank)),
            (None, _) if self.queue.depends_on_albums(place, direction) => return Some(Neighbour::Album),
            (None, Direction::Next) => self.queue.next(place),
            (None, Direction::Previous) => self.queue.previous(place),
        };
        place.map(|place| Neighbour::Place { place, replaces })
    }

    // ── answers ──

    /// Takes a SONG of the search.
    pub(super) fn on_searched_song<'a>(&mut self, song: Song<'a>) -> Option<Event<'a>> {
        let search = &mut self.search.as_mut()?.what;
        let is_found = search.lookup.on_song(&song);
        (is_found && search.transition == Transition::Follow).then_some(Event::Following(song))
    }

    /// Whether a LIST was sent for a search or an addition.
    pub(crate) fn has_asked(&self, request: RequestId) -> bool {
        let is_search = self.search.as_ref().is_some_and(|search| search.is_answered_by(request));
        is_search || self.additions.front().is_some_and(|addition| addition.is_answered_by(request))
    }

    /// Takes the LIST-END of the search.
    pub(super) fn on_searched<'a>(&'a mut self, mut search: Search, end: &ListEnd) -> Option<Event<'a>> {
        let lookup = search.lookup;
        let progress = search.lookup.on_page(end);
        match &mut search.goal {
            Goal::Place { place, replaces: None } => self.queue.resize(*place, end.total),
            Goal::Place { replaces: Some(entry), .. } => entry.songs = end.total,
            Goal::NewQueue | Goal::Beside { .. } | Goal::Album(_) => {}
        }
        if let (Goal::Album(step), Progress::Found(..) | Progress::Nothing) = (search.goal, progress) {
            let found = if let Progress::Found(found, _) = progress { Some(found) } else { None };
            return self.on_album_searched(search, step, found);
        }
        let others = match progress {
            Progress::Found(found, others) => {
                if let Some((song, direction)) = self.take_found(search, found) {
                    return Some(Event::Edge(Some(song), direction));
                }
                others
            }
            Progress::Asks => {
                self.look(search);
                0
            }
            Progress::AsksOf(others) => {
                self.look(search);
                others
            }
            Progress::Nothing => return self.on_nothing_found(&search, end.total),
        };
        (others > 0).then(|| Event::MoreMatches(lookup.selection(&self.words), others))
    }

    /// `total` is how many songs the source has.
    fn on_nothing_found<'a>(&'a mut self, search: &Search, total: u32) -> Option<Event<'a>> {
        match search.goal {
            Goal::NewQueue => {
                self.stay(search);
                Some(Event::NothingFound(search.lookup.selection(&self.words)))
            }
            Goal::Beside { song, direction } => {
                // Steps that were added have led to this song.
                let rank = if direction == Direction::Next { total.saturating_sub(1) } else { 0 };
                match self.target() {
                    Some(_) => drop(self.take_found(Search { steps: 0, ..*search }, Found { song, rank, total })),
                    None => self.stay(search),
                }
                Some(Event::Edge(Some(song), direction))
            }
            Goal::Place { place, replaces } => {
                let goes_on = self.look_past(None, place, replaces, search);
                let direction = search.direction.filter(|_| search.transition == Transition::Switch && !goes_on)?;
                Some(Event::Edge(self.target().map(|item| item.song), direction))
            }
            Goal::Album(_) => None,
        }
    }

    /// Requests the song that was found, unless steps were added. Returns the edge to which they led.
    pub(super) fn take_found(&mut self, mut search: Search, found: Found) -> Option<(SongId, Direction)> {
        let mut item = self.item_of(&search, found);
        if search.goal == Goal::NewQueue
            && let Some(entry) = item.replaces.filter(|entry| !entry.is_song())
        {
            let rank = if search.lookup.names_song() { found.rank } else { self.queue.first_rank(found.total) };
            search.goal = Goal::Place { place: entry.at(rank), replaces: Some(entry) };
            if rank != found.rank {
                search.lookup = Lookup::new(entry.source, self.first_find(entry.source, rank));
                self.look(search);
                return None;
            }
        }
        let mut edge = None;
        if let Some(direction) = search.take_step() {
            match self.neighbour(item.place, item.replaces, direction) {
                Some(Neighbour::InLibrary) => {
                    let lookup = Lookup::beside(Source::All, found.song, item.library_rank, direction);
                    let goal = Goal::Beside { song: found.song, direction };
                    self.look(Search { lookup, goal, direction: Some(direction), ..search });
                    return None;
                }
                Some(Neighbour::Place { place, replaces }) => {
                    let lookup = self.lookup_of(Some((item.place, found.song)), place, replaces);
                    self.look(Search { lookup, goal: Goal::Place { place, replaces }, ..search });
                    return None;
                }
                Some(Neighbour::Album) if self.look_by_album(item.place, Some(found.song), direction, search) => {
                    return None;
                }
                Some(Neighbour::Album) | None => edge = Some((found.song, direction)),
            }
        }
        if search.transition == Transition::Follow {
            self.next = Some(item);
            self.look_for_next();
            return None;
        }
        // If a step finds the current song again, nothing changes.
        let is_current = |target: &QueueItem| match search.goal {
            Goal::NewQueue => false,
            Goal::Beside { .. } => target.song == found.song,
            Goal::Place { place, .. } => target.place == place && target.song == found.song,
            Goal::Album(_) => target.place == item.place && target.song == found.song,
        };
        if self.target().is_some_and(is_current) {
            self.stay(&search);
        } else {
            item.at_ms = search.seek.map_or(0, |target| target.found_ms.into());
            self.want(item);
        }
        edge
    }

    /// The song that a search has found, as it is requested.
    fn item_of(&mut self, search: &Search, found: Found) -> QueueItem {
        let (place, replaces, library_rank) = match search.goal {
            Goal::NewQueue => {
                let entry = self.queue.new_entry(search.lookup.source, found.total);
                (entry.at(found.rank), Some(entry), None)
            }
            Goal::Beside { .. } => {
                let entry = self.queue.new_entry(Source::Song(found.song), 1);
                (entry.at(0), Some(entry), Some(found.rank))
            }
            Goal::Place { place, replaces } => (place.at_rank(found.rank), replaces, None),
            Goal::Album(step) => (step.place().at_rank(found.rank), None, None),
        };
        let Search { transition, keeps_pause, asked, .. } = *search;
        let id = self.next_id();
        QueueItem { replaces, library_rank, transition, keeps_pause, asked, ..QueueItem::new(id, found.song, place) }
    }

    /// The search for another song found none: the music goes on.
    pub(super) fn stay(&mut self, search: &Search) {
        if let (Some(target), Some(asked)) = (search.seek, search.asked) {
            // If the song is too short, it goes on where it is.
            let _ = self.seek_to(asked, target.else_ms.into());
        }
        self.look_for_next();
    }

    /// Takes an ERROR, if it is about a search.
    pub(crate) fn on_search_failed(&mut self, request: RequestId) -> Option<Refused> {
        if self.additions.front().is_some_and(|addition| addition.is_answered_by(request)) {
            return self.additions.pop_front().map(|addition| addition.what.refused());
        }
        let search = self.search.take_if(|search| search.is_answered_by(request))?.what;
        match search.transition {
            // The next attempt would be refused, too.
            Transition::Follow => self.end_queue(),
            Transition::Switch => self.stay(&search),
        }
        Some(search.refused())
    }

    // ── what follows ──

    /// Looks for the song after the song heard, and requests it when all of that has arrived.
    pub(crate) fn look_for_next(&mut self) {
        if !self.requested.is_empty() || self.search.is_some() || self.buffer.is_followed() {
            return;
        }
        let (last, is_over) = match self.buffer.last() {
            Some(track) if track.is_final => return,
            Some(track) => (Some((track.item.song, track.item.place)), track.is_over),
            None => (self.finished, true),
        };
        if let Some(item) = self.next.take_if(|_| is_over) {
            return self.want(item);
        }
        if let Some((song, place)) = last.filter(|_| self.next.is_none()) {
            self.look_after(song, place);
        }
    }

    /// Looks for the song after this one. If none can follow, the queue ends.
    fn look_after(&mut self, song: SongId, place: Place) {
        let may_follow = self.failures <= self.queue.songs();
        if may_follow && self.queue.follows_by_album(place) {
            let search = Search { keeps_pause: true, ..Search::by_album(place, Transition::Follow) };
            if !self.look_by_album(place, Some(song), Direction::Next, search) {
                self.end_queue();
            }
            return;
        }
        match self.queue.following(place).filter(|_| may_follow) {
            Some(next) if next == place => {
                let id = self.next_id();
                let again = QueueItem::new(id, song, place);
                self.next = Some(QueueItem { transition: Transition::Follow, keeps_pause: true, ..again });
                self.look_for_next();
            }
            Some(next) => {
                let lookup = self.lookup_of(Some((place, song)), next, None);
                let goal = Goal::Place { place: next, replaces: None };
                self.look(Search { keeps_pause: true, ..Search::new(lookup, goal, Transition::Follow) });
            }
            None => self.end_queue(),
        }
    }

    /// No song follows by itself those that are in the buffer.
    pub(super) fn end_queue(&mut self) {
        self.buffer.end_with_last();
        self.finished = None;
    }

    /// The song at this place cannot be had: looks for the one after it. Returns whether there may be one.
    fn look_past(&mut self, from: Option<SongId>, place: Place, replaces: Option<Entry>, search: &Search) -> bool {
        self.failures = self.failures.saturating_add(1);
        let songs = replaces.map_or_else(|| self.queue.songs(), |entry| entry.songs);
        let next = self.neighbour(place, replaces, Direction::Next).filter(|_| self.failures <= songs);
        self.queue.drop_if_up_next(place);
        let is_target =
            |next| search.transition == Transition::Switch && self.target().is_some_and(|item| item.place == next);
        match next {
            Some(Neighbour::Place { place: next, replaces }) if next != place && !is_target(next) => {
                let lookup = self.lookup_of(from.map(|song| (place, song)), next, replaces);
                let goal = Goal::Place { place: next, replaces };
                self.look_or_want(Search { lookup, goal, seek: None, steps: 0, ..*search });
                return true;
            }
            Some(Neighbour::Album)
                if self.look_by_album(place, from, Direction::Next, Search { seek: None, steps: 0, ..*search }) =>
            {
                return true;
            }
            _ if search.transition == Transition::Follow => self.end_queue(),
            _ => self.stay(search),
        }
        false
    }

    /// The same, for a song that was requested and did not start.
    pub(super) fn look_past_item(&mut self, item: &QueueItem) {
        let QueueItem { song, place, replaces, transition, keeps_pause, asked, .. } = *item;
        let is_beside = replaces.is_none() || replaces.is_some_and(|entry| !entry.is_song());
        let lookup = Lookup::new(Source::Song(song), Find::At(0));
        let search = Search::new(lookup, Goal::Place { place, replaces }, transition);
        if is_beside {
            self.look_past(Some(song), place, replaces, &Search { keeps_pause, asked, ..search });
        }
    }
}
