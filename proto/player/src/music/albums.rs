//! The way through a queue whose albums are shuffled.
//!
//! An album is a run of songs in the order of their source that name the same album. Only the server knows where it ends, so
//! each step asks for songs. The order of albums is that of their first songs in the permutation of the places.
//!
//! ```text
//!   next       the song after it is in the same album ─────▶ that song
//!              else the first song of its album ──▶ the next places ──▶ the first of them that begins an album
//!   previous   it begins no album ─────────────────────────▶ the song before it
//!              else the places before it in the order ────▶ the first of them that begins an album
//! ```

use trill_proto::ids::SongId;
use trill_proto::time::Instant;

use super::Music;
use super::search::{Goal, Search};
use crate::command::{Repeat, Shuffle};
use crate::item::Transition;
use crate::lookup::{Find, Found, Lookup};
use crate::queue::{Place, Source};
use crate::{Direction, Event};

/// So many places are asked about. Then the album of the last one plays: few albums of very many songs would take too long.
const MOST_TRIED: u8 = 64;

/// A step to the place before or after another, while albums are shuffled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AlbumStep {
    direction: Direction,
    stage: Stage,
    /// The place that is asked about.
    at: Place,
    /// The first place of the album from which the step leads, as far as it is known.
    album: Place,
    tried: u8,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Whether the place beside it is in the same album.
    InAlbum,
    /// Which is the first song of the album that ends.
    Start,
    /// Whether an album begins here.
    Candidate,
    /// Which is the first song of the album here, after too many candidates.
    LastCandidate,
}

impl AlbumStep {
    /// The place of the song that is found, apart from its rank.
    pub(super) const fn place(&self) -> Place {
        self.at
    }
}

impl Search {
    /// A search from this place for a place that depends on albums.
    pub(super) const fn by_album(from: Place, transition: Transition) -> Self {
        let lookup = Lookup::new(Source::All, Find::At(0));
        Self::new(lookup, Goal::Place { place: from, replaces: None }, transition)
    }

    /// Whether it looks for the song that follows by itself, and its place is not known yet.
    pub(super) const fn follows_by_album(&self) -> bool {
        matches!((self.transition, self.goal), (Transition::Follow, Goal::Album(_)))
    }
}

impl Music<'_> {
    /// How to find the song with which a source begins at this rank.
    pub(super) fn first_find(&self, source: Source, rank: u32) -> Find {
        match self.queue.shuffle() {
            Shuffle::Albums if !source.is_one_album() => Find::AlbumStart { rank, least: 0 },
            Shuffle::Albums => Find::At(0),
            Shuffle::Off | Shuffle::Songs => Find::At(rank),
        }
    }

    /// Goes to the place before or after this one, at the listener's command. Returns whether there may be one.
    pub(super) fn go_by_album(
        &mut self,
        now: Instant,
        from: Place,
        song: Option<SongId>,
        direction: Direction,
    ) -> bool {
        let search = Search::by_album(from, Transition::Switch);
        self.look_by_album(from, song, direction, Search { asked: Some(now), direction: Some(direction), ..search })
    }

    /// Looks for the place before or after this one, with `song` if it is known. Returns whether there may be one.
    pub(super) fn look_by_album(
        &mut self,
        from: Place,
        song: Option<SongId>,
        direction: Direction,
        search: Search,
    ) -> bool {
        let at = self.queue.main_of(from);
        let step = AlbumStep { direction, stage: Stage::InAlbum, at, album: at, tried: 0 };
        let beside = if direction == Direction::Next { Some(at.after()) } else { at.before() };
        let Some((beside, source)) = beside.and_then(|beside| Some((beside, self.queue.entry(beside)?.source))) else {
            return self.leave_album(step, search);
        };
        if source.is_one_album() {
            self.end_at(beside, search);
            return true;
        }
        let song = song.filter(|_| at == from).unwrap_or(SongId(0));
        let find = if direction == Direction::Next { Find::InAlbum(song, at.rank) } else { Find::NewAlbum(at.rank) };
        self.ask_about(source, find, step, search)
    }

    /// Takes the answer. Without a song, the answer is no.
    pub(super) fn on_album_searched<'a>(
        &mut self,
        search: Search,
        step: AlbumStep,
        found: Option<Found>,
    ) -> Option<Event<'a>> {
        let place = found.map(|found| step.at.at_rank(found.rank)).filter(|place| self.queue.contains(*place));
        let goes_on = match (step.stage, step.direction, place.zip(found)) {
            (Stage::InAlbum, Direction::Next, Some((_, found))) | (Stage::Candidate, _, Some((_, found))) => {
                return self.take_found(search, found).map(|(song, direction)| Event::Edge(Some(song), direction));
            }
            (Stage::InAlbum, Direction::Previous, None) => {
                self.end_at(step.at.before().unwrap_or(step.at), search);
                true
            }
            (Stage::InAlbum, ..) => self.leave_album(step, search),
            (Stage::Start, _, found) => {
                let album = found.map_or(step.at, |(first, _)| first);
                self.try_albums(AlbumStep { at: album, album, ..step }, search)
            }
            (Stage::Candidate, _, None) => self.try_albums(step, search),
            (Stage::LastCandidate, _, found) => {
                let first = found.map_or(step.at, |(first, _)| first);
                let is_new = !first.is_same(step.album) || self.queue.repeat == Repeat::All;
                if is_new {
                    self.end_at(first, search);
                }
                is_new
            }
        };
        match search.transition {
            _ if goes_on => None,
            Transition::Follow => {
                self.end_queue();
                None
            }
            Transition::Switch => {
                self.stay(&search);
                Some(Event::Edge(self.target().map(|item| item.song), step.direction))
            }
        }
    }

    /// The album ends here: looks for the album before or after it.
    fn leave_album(&mut self, step: AlbumStep, search: Search) -> bool {
        let first = self.queue.first_in_source(step.at);
        // Songs that were added later are in order, so their albums are, too.
        if step.direction == Direction::Previous || first == step.at || self.queue.is_late(step.at) {
            return self.try_albums(step, search);
        }
        match self.queue.entry(first).map(|entry| entry.source) {
            Some(source) if !source.is_one_album() => {
                let find = Find::AlbumStart { rank: step.at.rank, least: first.rank };
                self.ask_about(source, find, AlbumStep { stage: Stage::Start, ..step }, search)
            }
            _ => self.try_albums(AlbumStep { at: first, album: first, ..step }, search),
        }
    }

    /// Goes from place to place in the order until an album begins.
    fn try_albums(&mut self, mut step: AlbumStep, search: Search) -> bool {
        self.queue.begin_with_album(step.album);
        while let Some(at) = self.queue.beside_main(step.at, step.direction) {
            step.at = at;
            let source = self.queue.entry(at).map_or(Source::All, |entry| entry.source);
            let first = self.queue.first_in_source(at);
            if first == at {
                self.end_at(at, search);
                return true;
            }
            if source.is_one_album() {
                continue;
            }
            let (find, stage) = if step.tried < MOST_TRIED {
                (Find::NewAlbum(at.rank), Stage::Candidate)
            } else {
                (Find::AlbumStart { rank: at.rank, least: first.rank }, Stage::LastCandidate)
            };
            let tried = step.tried.saturating_add(1);
            return self.ask_about(source, find, AlbumStep { stage, tried, ..step }, search);
        }
        false
    }

    fn ask_about(&mut self, source: Source, find: Find, step: AlbumStep, search: Search) -> bool {
        self.look(Search { lookup: Lookup::new(source, find), goal: Goal::Album(step), ..search });
        true
    }

    /// Looks for the song at this place.
    fn end_at(&mut self, place: Place, search: Search) {
        let lookup = self.lookup_of(None, place, None);
        self.look_or_want(Search { lookup, goal: Goal::Place { place, replaces: None }, ..search });
    }
}
