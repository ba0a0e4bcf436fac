//! A whole list of songs, requested page by page.

use trill_proto::ids::SongId;

/// How far a list has come, and where its next page begins.
///
/// A list ends after as many songs as the server had at its beginning, so it cannot go on for ever. Songs that are added
/// meanwhile have higher numbers, and the next list shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pager {
    next: SongId,
    listed: u32,
    /// How many songs the server had at the end of the first page.
    total: Option<u32>,
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
    /// Begins a list at this song.
    pub(crate) const fn new(first: SongId) -> Self {
        Self { next: first, listed: 0, total: None }
    }

    /// The first song of the next page. In the middle of a page, the song after the last one that was listed.
    pub(crate) const fn next(&self) -> SongId {
        self.next
    }

    /// Takes a song of the page.
    pub(crate) const fn on_song(&mut self, song: SongId) {
        self.listed = self.listed.saturating_add(1);
        self.next = SongId(song.0.saturating_add(1));
    }

    /// Takes back the last song, to list it again.
    pub(crate) const fn take_back(&mut self, song: SongId) {
        self.listed = self.listed.saturating_sub(1);
        self.next = song;
    }

    /// Takes the end of a page. `total` and `next` are what LIST-END says.
    pub(crate) fn on_page(&mut self, total: u32, next: Option<SongId>) -> PageEnd {
        let total = *self.total.get_or_insert(total);
        match next {
            Some(next) if self.listed < total => {
                self.next = next;
                PageEnd::More
            }
            _ => PageEnd::Complete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many pages a list takes from a server that sends these totals, and how it ends.
    fn pages(totals: impl Iterator<Item = u32>, songs_a_page: u32, last: u32) -> (usize, PageEnd) {
        let mut pager = Pager::new(SongId(1));
        for (asked, total) in (1..).zip(totals) {
            let begin = pager.next().0;
            let end = begin.saturating_add(songs_a_page).min(last.saturating_add(1));
            (begin..end).for_each(|song| pager.on_song(SongId(song)));
            match pager.on_page(total, (end <= last).then_some(SongId(end))) {
                PageEnd::More => {}
                end => return (asked, end),
            }
        }
        unreachable!("the totals are endless")
    }

    #[test]
    fn a_list_is_asked_for_to_its_end() {
        assert_eq!(pages([0].into_iter().cycle(), 5, 0), (1, PageEnd::Complete));
        assert_eq!(pages([9].into_iter().cycle(), 9, 9), (1, PageEnd::Complete));
        assert_eq!(pages([9].into_iter().cycle(), 4, 9), (3, PageEnd::Complete));
        // Songs vanish meanwhile, or appear within the first total.
        assert_eq!(pages([9, 7, 6].into_iter(), 4, 9), (3, PageEnd::Complete));
    }

    #[test]
    fn a_list_without_end_ends_after_as_many_songs_as_the_server_has() {
        assert_eq!(pages([9].into_iter().cycle(), 1, u32::MAX), (9, PageEnd::Complete));
        assert_eq!(pages([0].into_iter().cycle(), 1, u32::MAX), (1, PageEnd::Complete));
        assert_eq!(pages(9.., 1, u32::MAX), (9, PageEnd::Complete));
    }
}
