//! Playlists, and the search for the song before or after another.
//!
//! Song numbers have gaps, and a server lists songs only from a number on. A search lists page by page until it finds the
//! song:
//!
//! ```text
//!   Search::first, Search::step
//!   ask            what to LIST
//!   on_song        for every song of the answer
//!   on_page        at its end: ask again, or the result
//! ```

use trill_proto::ids::SongId;

/// The songs of one `play`: a range of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playlist {
    /// The lowest number of the range.
    pub first: SongId,
    /// The highest number of the range.
    pub last: SongId,
    /// Each song follows the one before it by itself.
    pub advances: bool,
}

impl Playlist {
    /// All songs, one after the other.
    pub const ALL: Self = Self { first: SongId(1), last: SongId(u32::MAX), advances: true };

    /// One song. All others are before or after it, for `next` and `previous`.
    pub const SINGLE: Self = Self { advances: false, ..Self::ALL };
}

/// The direction of a step from one song to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the song after it.
    Next,
    /// To the song before it.
    Previous,
}

/// The most numbers to list at once for the song before another. So many songs fit into one page.
const MOST_NUMBERS_BACK: u32 = 64;

/// A search for a song of a playlist: its first, or the one before or after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Search {
    playlist: Playlist,
    /// The song from which it steps, and the direction; `None` for the playlist's first song.
    origin: Option<(SongId, Direction)>,
    /// The numbers to list, `begin` to `last` inclusive. Those from `from` on are still to be listed.
    begin: u32,
    last: u32,
    from: u32,
    found: Option<SongId>,
    /// Steps that were added during the search: forward minus backward.
    steps: i16,
}

/// What a page of the list means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Progress {
    /// Ask again.
    Asks,
    /// This is the song.
    Found(SongId),
    /// No song is in this direction: this song is the playlist's last, or first.
    Edge(SongId, Direction),
    /// The playlist has no songs.
    Nothing,
}

impl Search {
    /// Searches for the playlist's first song.
    pub(crate) const fn first(playlist: Playlist) -> Self {
        Self::among(playlist, None, playlist.first.0, playlist.last.0)
    }

    /// Searches for the song before or after `song`. `None` if the playlist has no number there.
    pub(crate) fn step(playlist: Playlist, song: SongId, direction: Direction) -> Option<Self> {
        let (begin, last) = match direction {
            Direction::Next => (song.0.checked_add(1)?.max(playlist.first.0), playlist.last.0),
            // Usually it is the number before.
            Direction::Previous => {
                let last = song.0.checked_sub(1)?.min(playlist.last.0);
                (last, last)
            }
        };
        let is_within = begin >= playlist.first.0 && begin <= last;
        is_within.then_some(Self::among(playlist, Some((song, direction)), begin, last))
    }

    const fn among(playlist: Playlist, origin: Option<(SongId, Direction)>, begin: u32, last: u32) -> Self {
        Self { playlist, origin, begin, last, from: begin, found: None, steps: 0 }
    }

    /// The playlist.
    pub(crate) const fn playlist(&self) -> Playlist {
        self.playlist
    }

    /// The song from which it steps, and the direction; `None` for the playlist's first song.
    pub(crate) const fn origin(&self) -> Option<(SongId, Direction)> {
        self.origin
    }

    /// Adds a step from the song that is found.
    pub(crate) const fn add(&mut self, direction: Direction) {
        self.steps = match direction {
            Direction::Next => self.steps.saturating_add(1),
            Direction::Previous => self.steps.saturating_sub(1),
        };
    }

    /// The first number to list, and how many songs.
    pub(crate) const fn ask(&self) -> (SongId, u32) {
        let at_most = if self.is_backward() { self.last - self.from + 1 } else { 1 };
        (SongId(self.from), at_most)
    }

    const fn is_backward(&self) -> bool {
        matches!(self.origin, Some((_, Direction::Previous)))
    }

    /// Takes a song of the list.
    pub(crate) fn on_song(&mut self, song: SongId) {
        let is_meant = self.found.is_none() || self.is_backward();
        if is_meant && (self.from..=self.last).contains(&song.0) {
            self.found = Some(song);
        }
    }

    /// Takes the end of a page. `next` is what LIST-END says.
    pub(crate) fn on_page(&mut self, next: Option<SongId>) -> Progress {
        // A page may be shorter than requested.
        if let Some(SongId(next)) = next
            && (self.found.is_none() || self.is_backward())
            && next > self.from
            && next <= self.last
        {
            self.from = next;
            return Progress::Asks;
        }
        match (self.found, self.origin) {
            (Some(song), _) => self.arrive_at(song, None),
            (None, _) if self.is_backward() && self.begin > self.playlist.first.0 => {
                let numbers = (self.last - self.begin + 1).saturating_mul(8).min(MOST_NUMBERS_BACK);
                self.last = self.begin - 1;
                self.begin = self.begin.saturating_sub(numbers).max(self.playlist.first.0);
                self.from = self.begin;
                Progress::Asks
            }
            (None, Some((song, direction))) => self.arrive_at(song, Some(direction)),
            (None, None) => Progress::Nothing,
        }
    }

    /// Goes on from `song` with the steps that were added. `edge` is the direction in which no song was found.
    fn arrive_at(&mut self, song: SongId, edge: Option<Direction>) -> Progress {
        let (direction, rest) = match self.steps {
            0 => return edge.map_or(Progress::Found(song), |direction| Progress::Edge(song, direction)),
            steps if steps > 0 => (Direction::Next, steps - 1),
            steps => (Direction::Previous, steps + 1),
        };
        match Self::step(self.playlist, song, direction).filter(|_| edge != Some(direction)) {
            Some(search) => {
                *self = Self { steps: rest, ..search };
                Progress::Asks
            }
            None => Progress::Edge(song, direction),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a search finds on a server with these songs and page length, and how many pages it takes.
    fn find(mut search: Search, songs: &[u32], page: usize) -> (Progress, usize) {
        for asked in 1.. {
            let (first, at_most) = search.ask();
            let mut rest = songs.iter().filter(|song| **song >= first.0);
            rest.by_ref().take(page.min(at_most as usize)).for_each(|song| search.on_song(SongId(*song)));
            match search.on_page(rest.next().map(|song| SongId(*song))) {
                Progress::Asks => {}
                progress => return (progress, asked),
            }
        }
        unreachable!("the library is small")
    }

    #[track_caller]
    fn check(search: Option<Search>, expected: Progress) {
        for page in 1..=4 {
            assert_eq!(find(search.expect("there are numbers"), &[2, 5, 9, 300], page).0, expected, "pages of {page}");
        }
    }

    const fn range(first: u32, last: u32) -> Playlist {
        Playlist { first: SongId(first), last: SongId(last), advances: true }
    }

    const fn edge(song: u32, direction: Direction) -> Progress {
        Progress::Edge(SongId(song), direction)
    }

    const fn found(song: u32) -> Progress {
        Progress::Found(SongId(song))
    }

    #[test]
    fn the_first_song_of_a_playlist() {
        check(Some(Search::first(Playlist::ALL)), found(2));
        check(Some(Search::first(range(3, 8))), found(5));
        check(Some(Search::first(range(6, 8))), Progress::Nothing);
        assert_eq!(find(Search::first(Playlist::ALL), &[], 1), (Progress::Nothing, 1));
    }

    #[test]
    fn a_step_goes_to_the_next_song_whatever_its_number() {
        let step = |song, step| Search::step(Playlist::SINGLE, SongId(song), step);
        check(step(2, Direction::Next), found(5));
        check(step(9, Direction::Next), found(300));
        check(step(300, Direction::Next), edge(300, Direction::Next));
        check(step(300, Direction::Previous), found(9));
        check(step(9, Direction::Previous), found(5));
        check(step(2, Direction::Previous), edge(2, Direction::Previous));
        assert_eq!((step(1, Direction::Previous), step(u32::MAX, Direction::Next)), (None, None));
    }

    #[test]
    fn a_step_stays_within_the_playlist() {
        let step = |song, step| Search::step(range(3, 10), SongId(song), step);
        check(step(9, Direction::Next), edge(9, Direction::Next));
        check(step(5, Direction::Previous), edge(5, Direction::Previous));
        assert_eq!((step(10, Direction::Next), step(3, Direction::Previous)), (None, None));
        // A resumed song may have another number.
        check(step(400, Direction::Previous), found(9));
        check(step(1, Direction::Next), found(5));
    }

    #[test]
    fn a_gap_is_crossed_in_few_questions() {
        let search = Search::step(Playlist::ALL, SongId(300), Direction::Previous).expect("there are numbers");
        assert_eq!(find(search, &[1, 300], 100), (found(1), 7));
    }

    #[test]
    fn steps_that_are_added_are_taken_from_the_song_that_is_found() {
        let search = |search: Option<Search>, steps: &[Direction]| {
            let mut search = search?;
            steps.iter().for_each(|direction| search.add(*direction));
            Some(search)
        };
        let from = |song, direction| Search::step(Playlist::SINGLE, SongId(song), direction);
        use Direction::{Next, Previous};
        check(search(from(2, Next), &[Next]), found(9));
        check(search(from(2, Next), &[Next, Next, Next, Next]), edge(300, Next));
        check(search(from(300, Next), &[Previous]), found(9));
        check(search(from(2, Next), &[Next, Previous]), found(5));
        check(search(Some(Search::first(range(4, 9))), &[Previous]), edge(5, Previous));
    }

    #[test]
    fn a_server_that_makes_no_progress_is_not_asked_for_ever() {
        let mut search = Search::first(Playlist::ALL);
        assert_eq!(search.on_page(Some(SongId(1))), Progress::Nothing);
        let mut search = Search::step(Playlist::ALL, SongId(9), Direction::Next).expect("there are numbers");
        search.on_song(SongId(3));
        assert_eq!(search.on_page(Some(SongId(4))), edge(9, Direction::Next));
    }
}
