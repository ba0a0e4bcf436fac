//! A list of songs or groups, requested page by page.

use heapless::String;
use trill_proto::ids::SongId;
use trill_proto::limits::MAX_QUERY_BYTES;
use trill_proto::message::{Group, ListEnd, Search, Song};

/// What to list, in library order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRequest {
    /// Words that every song must have; empty for all songs.
    pub words: String<MAX_QUERY_BYTES>,
    /// `Some` to list the albums or artists of the songs instead.
    pub group: Option<Group>,
    /// `Some` to list only songs of the same album, or by the same artist, as this song.
    pub within: Option<(Group, SongId)>,
    /// `Some` to list only songs with a number from the first to the last.
    pub numbers: Option<(SongId, SongId)>,
    /// Where the list begins.
    pub start: Start,
    /// How many songs or groups to list; `None` for all.
    pub at_most: Option<u32>,
}

/// Where a list begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Behind so many of the songs or groups that are found.
    Rank(u32),
    /// At this song, or at the group that begins with it.
    Song(SongId),
}

impl ListRequest {
    /// All songs.
    pub const ALL: Self =
        Self { words: String::new(), group: None, within: None, numbers: None, start: Start::Rank(0), at_most: None };

    /// The songs that match these words. Words beyond the longest query of the protocol, 128 bytes, are left out.
    #[must_use]
    pub fn of_words(words: &str) -> Self {
        let mut request = Self::ALL;
        // A word that does not fit is left out, and all after it.
        let _ = words.split_whitespace().try_for_each(|word| {
            let space = if request.words.is_empty() { "" } else { " " };
            if request.words.len() + space.len() + word.len() > MAX_QUERY_BYTES {
                return Err(());
            }
            request.words.push_str(space).and_then(|()| request.words.push_str(word)).map_err(|_| ())
        });
        request
    }

    /// The search for the page that begins at this rank.
    pub(crate) fn search(&self, rank: u32) -> Search<'_> {
        let Self { words, group, within, numbers, .. } = self;
        Search { query: words, rank, group: *group, within: *within, numbers: *numbers, is_best: false }
    }
}

/// How far a list has come, and where its next page begins.
///
/// A list ends after as many songs as there were at the end of its first page, so it cannot go on for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pager {
    /// The first song of the next page; 0 if the rank says where it begins.
    next: SongId,
    /// How many songs precede the next page.
    rank: u32,
    /// How many are still to be listed.
    left: u32,
    is_first_page: bool,
}

/// What the end of a page means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum PageEnd {
    /// Ask for the next page.
    More,
    /// The list is complete.
    Complete,
}

impl Pager {
    /// Begins a list.
    pub(crate) fn new(list: &ListRequest) -> Self {
        let (next, rank) = match list.start {
            Start::Rank(rank) => (SongId(0), rank),
            Start::Song(song) => (song, 0),
        };
        Self { next, rank, left: list.at_most.unwrap_or(u32::MAX), is_first_page: true }
    }

    /// The song at which the next page begins, the rank if it is 0, and how many songs may still come.
    pub(crate) const fn next(&self) -> (SongId, u32, u32) {
        (self.next, self.rank, self.left)
    }

    /// Takes a song of the page.
    pub(crate) fn on_song(&mut self, song: &Song<'_>) {
        self.left = self.left.saturating_sub(1);
        self.next = SongId(0);
        self.rank = song.rank.unwrap_or(self.rank).saturating_add(1);
    }

    /// Takes back the last song, to list it again.
    pub(crate) const fn take_back(&mut self, song: SongId) {
        self.left = self.left.saturating_add(1);
        self.rank = self.rank.saturating_sub(1);
        self.next = song;
    }

    /// Takes the end of a page.
    pub(crate) fn on_page(&mut self, end: &ListEnd) -> PageEnd {
        if core::mem::take(&mut self.is_first_page) {
            self.left = self.left.min(end.total.saturating_sub(self.rank));
        }
        match end.next {
            Some(next) if self.left > 0 => {
                self.next = next;
                PageEnd::More
            }
            _ => PageEnd::Complete,
        }
    }
}

#[cfg(test)]
mod tests {
    use trill_proto::ids::RequestId;

    use super::*;

    /// How many pages a list takes from a server that sends these totals, and how it ends.
    fn pages(list: &ListRequest, totals: impl Iterator<Item = u32>, songs_a_page: u32, last: u32) -> (usize, PageEnd) {
        let mut pager = Pager::new(list);
        for (asked, total) in (1..).zip(totals) {
            let (next, rank, at_most) = pager.next();
            let begin = if next.0 > 0 { next.0 } else { rank + 1 };
            let end = begin.saturating_add(songs_a_page.min(at_most)).min(last.saturating_add(1));
            for song in begin..end {
                pager.on_song(&Song { song: SongId(song), rank: Some(song - 1), ..Song::default() });
            }
            let next = (end <= last).then_some(SongId(end));
            match pager.on_page(&ListEnd { request: RequestId(1), total, next, generation: 1 }) {
                PageEnd::More => {}
                end => return (asked, end),
            }
        }
        unreachable!("the totals are endless")
    }

    #[test]
    fn a_list_is_asked_for_to_its_end() {
        let pages = |totals: &[u32], songs_a_page, last| {
            pages(&ListRequest::ALL, totals.iter().copied().cycle(), songs_a_page, last)
        };
        assert_eq!(pages(&[0], 5, 0), (1, PageEnd::Complete));
        assert_eq!(pages(&[9], 9, 9), (1, PageEnd::Complete));
        assert_eq!(pages(&[9], 4, 9), (3, PageEnd::Complete));
        // Songs vanish meanwhile, or appear within the first total.
        assert_eq!(pages(&[9, 7, 6], 4, 9), (3, PageEnd::Complete));
    }

    #[test]
    fn a_list_without_end_ends_after_as_many_songs_as_the_server_has() {
        assert_eq!(pages(&ListRequest::ALL, [9].into_iter().cycle(), 1, u32::MAX), (9, PageEnd::Complete));
        assert_eq!(pages(&ListRequest::ALL, 9.., 1, u32::MAX), (9, PageEnd::Complete));
    }

    #[test]
    fn a_part_of_a_list_is_no_longer_than_was_asked_for() {
        for start in [Start::Rank(3), Start::Song(SongId(4))] {
            let part = ListRequest { start, at_most: Some(5), ..ListRequest::ALL };
            assert_eq!(pages(&part, [100].into_iter().cycle(), 2, 100), (3, PageEnd::Complete));
        }
    }

    #[test]
    fn words_of_a_list_are_cut_between_words() {
        assert_eq!(ListRequest::of_words("  so   what ").words, "so what");
        let long = "x".repeat(MAX_QUERY_BYTES - 2);
        assert_eq!(ListRequest::of_words(&std::format!("{long} blue")).words, long.as_str());
    }
}
