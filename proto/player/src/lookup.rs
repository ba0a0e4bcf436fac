//! Searches for a song: by words, at a rank of a source, or beside another song.
//!
//! ```text
//!   best      words ──▶ the song
//!             words ──▶ the album ──▶ its first song
//!   at        rank ──▶ the song
//!   from      song ──▶ its rank
//!   after     song ──▶ the song after it
//!   before    song ──▶ the song before it, if its rank was right; else from, then at
//!   in album  song ──▶ the song after it, if it is in the same album
//!   new album rank ──▶ the song, if the song before it is in another album
//!   start     rank ──▶ the first song of its album, page by page backward
//! ```
//!
//! A library may change between two songs. So a neighbour is looked for from the song itself, not only from its rank.
//!
//! ```text
//!   ask            sends the LIST
//!   on_song        for every song of the answer
//!   on_page        at its end: ask again, or the result
//! ```

use trill_proto::ids::{RequestId, SongId};
use trill_proto::message::{Group, ListEnd, Search, Song};
use trill_proto::session::OutboxFull;
use trill_proto::session::client::Client;

use crate::Direction;
use crate::command::Selection;
use crate::queue::Source;
use crate::shuffle::hash;

/// Songs of a page on which the first song of an album is looked for: most albums have fewer.
const ALBUM_PAGE_SONGS: u32 = 32;

/// What to look for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Find {
    /// The song that matches the words best, or the group.
    Best(Option<Group>),
    /// The song at a rank.
    At(u32),
    /// This song, or the song at the rank if it has left the library.
    From(SongId, u32),
    /// The song after this one, at about this rank.
    After(SongId, u32),
    /// The song before this one. `None` if its rank is not known.
    Before(SongId, Option<u32>),
    /// The song after this one, at about this rank, if both are in the same album.
    InAlbum(SongId, u32),
    /// The song at this rank, not the first, if an album begins with it.
    NewAlbum(u32),
    /// The first song of the album that the song at this rank is in, at the rank `least` or after it.
    AlbumStart { rank: u32, least: u32 },
}

/// A search for a song of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lookup {
    pub(crate) source: Source,
    find: Find,
    /// The first songs of the answer, with their ranks. If an album is looked for, the first of the songs that are in the same
    /// album as the last, and the last.
    songs: [Option<(SongId, u32)>; 2],
    /// The hash of the last song's album; `None` if the song has none.
    album: Option<u32>,
}

/// A song that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) song: SongId,
    /// Its rank in the source.
    pub(crate) rank: u32,
    /// How many songs the source has.
    pub(crate) total: u32,
}

/// What a page of the list means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Progress {
    /// Ask again.
    Asks,
    /// The group that matches best was found, and so many others. Ask again for its first song.
    AsksOf(u32),
    /// This is the song. So many others match the words.
    Found(Found, u32),
    /// There is no such song.
    Nothing,
}

impl Lookup {
    pub(crate) const fn new(source: Source, find: Find) -> Self {
        Self { source, find, songs: [None; 2], album: None }
    }

    /// Looks for the first song of a selection. The words, if it has any, are given to [`ask`](Self::ask).
    pub(crate) const fn first(selection: &Selection<'_>) -> Self {
        let (source, find) = match *selection {
            Selection::Song { song, .. } => (Source::Song(song), Find::At(0)),
            Selection::Range { first, last } => (Source::Numbers { first, last }, Find::At(0)),
            Selection::All => (Source::All, Find::At(0)),
            Selection::Best(_) => (Source::All, Find::Best(None)),
            Selection::Album(_) => (Source::All, Find::Best(Some(Group::Album))),
            Selection::Artist(_) => (Source::All, Find::Best(Some(Group::Artist))),
            Selection::AlbumOf { album, from } => (Source::Group(Group::Album, album), Self::from(from)),
            Selection::ArtistOf { artist, from } => (Source::Group(Group::Artist, artist), Self::from(from)),
        };
        Self::new(source, find)
    }

    const fn from(song: Option<SongId>) -> Find {
        match song {
            Some(song) => Find::From(song, 0),
            None => Find::At(0),
        }
    }

    /// Looks for the neighbour of a song.
    pub(crate) const fn beside(source: Source, song: SongId, rank: Option<u32>, direction: Direction) -> Self {
        let find = match (direction, rank) {
            (Direction::Next, Some(rank)) => Find::After(song, rank),
            (Direction::Next, None) => Find::After(song, 0),
            (Direction::Previous, rank) => Find::Before(song, rank),
        };
        Self::new(source, find)
    }

    /// Whether it looks for words.
    pub(crate) const fn uses_words(&self) -> bool {
        matches!(self.find, Find::Best(_))
    }

    /// Whether it looks for a song by its number.
    pub(crate) const fn names_song(&self) -> bool {
        matches!(self.find, Find::From(..))
    }

    /// What was selected, for the listener.
    pub(crate) const fn selection<'a>(&self, words: &'a str) -> Selection<'a> {
        match (self.find, self.source) {
            (Find::Best(None), _) => Selection::Best(words),
            (Find::Best(Some(Group::Album)), _) => Selection::Album(words),
            (Find::Best(Some(Group::Artist)), _) => Selection::Artist(words),
            (_, Source::Song(song)) => Selection::Song { song, at: core::time::Duration::ZERO },
            (_, Source::Numbers { first, last }) => Selection::Range { first, last },
            (_, Source::Group(Group::Album, album)) => Selection::AlbumOf { album, from: None },
            (_, Source::Group(Group::Artist, artist)) => Selection::ArtistOf { artist, from: None },
            (_, Source::All) => Selection::All,
        }
    }

    pub(crate) fn ask<const CONTROL: usize>(
        &mut self,
        client: &mut Client<CONTROL>,
        words: &str,
    ) -> Result<RequestId, OutboxFull> {
        const NO_SONG: SongId = SongId(0);
        // A lost connection may have ended an answer.
        (self.songs, self.album) = ([None; 2], None);
        let search = |rank| self.source.search(rank);
        match self.find {
            Find::Best(group) => {
                client.search(Search { query: words, group, is_best: true, ..Search::default() }, NO_SONG, 1)
            }
            Find::At(rank) => client.search(search(rank), NO_SONG, 1),
            Find::From(song, rank) => client.search(search(rank), song, 1),
            Find::Before(song, None) => client.search(search(0), song, 1),
            Find::After(song, rank) | Find::InAlbum(song, rank) => client.search(search(rank), song, 2),
            Find::Before(_, Some(rank)) | Find::NewAlbum(rank) => {
                client.search(search(rank.saturating_sub(1)), NO_SONG, 2)
            }
            Find::AlbumStart { rank, least } => {
                let first = album_page(rank, least);
                client.search(search(first), NO_SONG, rank - first + 1)
            }
        }
    }

    /// Takes a song of the answer. Returns whether it is the one that is looked for, as far as it is known yet.
    pub(crate) fn on_song(&mut self, song: &Song<'_>) -> bool {
        let rank = song.rank.unwrap_or(0);
        if let Find::InAlbum(..) | Find::NewAlbum(_) | Find::AlbumStart { .. } = self.find {
            let is_same_album = self.on_song_of_album(song, rank);
            return match self.find {
                Find::InAlbum(..) => is_same_album,
                Find::NewAlbum(at) => !is_same_album && rank == at,
                _ => false,
            };
        }
        let place = self.songs.iter_mut().find(|place| place.is_none());
        place.into_iter().for_each(|place| *place = Some((song.song, rank)));
        match self.find {
            Find::After(origin, _) => song.song != origin,
            Find::Before(..) | Find::InAlbum(..) | Find::NewAlbum(_) | Find::AlbumStart { .. } => false,
            Find::Best(group) => group.is_none(),
            Find::At(_) | Find::From(..) => true,
        }
    }

    /// Returns whether the song is in the same album as the one before it.
    fn on_song_of_album(&mut self, song: &Song<'_>, rank: u32) -> bool {
        let album = Some(song.album).filter(|album| !album.is_empty());
        let album = album.map(|album| album.bytes().fold(0, |bits, byte| hash(bits ^ u32::from(byte))));
        let is_same = album.is_some() && album == self.album;
        let place = Some((song.song, rank));
        let first = if is_same { self.songs[0] } else { place };
        (self.songs, self.album) = ([first, place], album);
        is_same
    }

    /// Takes the end of a page.
    pub(crate) fn on_page(&mut self, end: &ListEnd) -> Progress {
        let [first, second] = core::mem::take(&mut self.songs);
        let found = |song: Option<(SongId, u32)>| match song {
            Some((song, rank)) if rank < end.total => Progress::Found(Found { song, rank, total: end.total }, 0),
            _ => Progress::Nothing,
        };
        let others = end.total.saturating_sub(1);
        match (self.find, first) {
            (Find::Best(None), Some((song, _))) => {
                self.source = Source::Song(song);
                Progress::Found(Found { song, rank: 0, total: 1 }, others)
            }
            (Find::Best(Some(group)), Some((song, _))) => {
                *self = Self::new(Source::Group(group, song), Find::At(0));
                Progress::AsksOf(others)
            }
            (Find::At(_) | Find::From(..), first) => found(first),
            (Find::After(origin, _), first) => found(first.filter(|(song, _)| *song != origin).or(second)),
            (Find::Before(origin, Some(rank)), first) if rank > 0 => match second {
                Some((song, _)) if song == origin => found(first),
                _ => {
                    self.find = Find::Before(origin, None);
                    Progress::Asks
                }
            },
            (Find::Before(_, None), Some((_, rank))) if rank > 0 => {
                self.find = Find::At(rank - 1);
                Progress::Asks
            }
            (Find::InAlbum(origin, _), Some((song, _))) if song == origin || origin == SongId(0) => {
                found(second.filter(|_| second != first))
            }
            (Find::NewAlbum(at), Some((_, rank))) if rank == at => found(first),
            (Find::AlbumStart { rank, least }, Some((_, first)))
                if first > least && first == album_page(rank, least) =>
            {
                self.find = Find::AlbumStart { rank: first, least };
                Progress::Asks
            }
            (Find::AlbumStart { .. }, first) => found(first),
            (Find::Best(_) | Find::Before(..) | Find::InAlbum(..) | Find::NewAlbum(_), _) => Progress::Nothing,
        }
    }
}

/// The rank at which a page begins that ends with this one.
fn album_page(rank: u32, least: u32) -> u32 {
    rank.saturating_sub(ALBUM_PAGE_SONGS - 1).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_beyond_the_end_of_a_list_finds_nothing() {
        let end = |total| ListEnd { request: RequestId(1), total, next: None, generation: 1 };
        for rank in [9, u32::MAX] {
            let mut lookup = Lookup::new(Source::All, Find::After(SongId(1), 0));
            lookup.on_song(&Song { song: SongId(2), rank: Some(rank), ..Song::default() });
            assert_eq!(lookup.on_page(&end(9)), Progress::Nothing, "{rank}");
        }
    }
}
