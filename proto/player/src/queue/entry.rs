//! What the queue is made of: entries, and places in them.

use core::fmt;

use trill_proto::ids::SongId;
use trill_proto::message::{Group, Search};

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

    /// Whether all of its songs are in one album.
    pub(crate) const fn is_one_album(self) -> bool {
        matches!(self, Self::Song(_) | Self::Group(Group::Album, _))
    }

    pub(super) const fn within(self) -> Option<(Group, SongId)> {
        if let Self::Group(group, song) = self { Some((group, song)) } else { None }
    }

    pub(super) const fn numbers(self) -> Option<(SongId, SongId)> {
        match self {
            Self::Song(song) => Some((song, song)),
            Self::Numbers { first, last } => Some((first, last)),
            Self::Group(..) | Self::All => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Song(song) => write!(f, "song {song}"),
            Self::Numbers { first, last } if first == last => write!(f, "song {first}"),
            Self::Numbers { first, last } => write!(f, "songs {first}-{last}"),
            Self::Group(Group::Album, song) => write!(f, "the album of song {song}"),
            Self::Group(Group::Artist, song) => write!(f, "the artist of song {song}"),
            Self::All => f.write_str("all songs"),
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
    pub(super) id: u16,
    pub(super) standing: Standing,
    /// It has all songs of the source, also those that are added to the library.
    pub(super) is_whole: bool,
}

/// How an entry stands in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
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
    pub(super) const fn is_shown(self) -> bool {
        !matches!(self, Self::Removed)
    }

    pub(super) const fn is_main(self) -> bool {
        matches!(self, Self::Main | Self::Late)
    }

    pub(super) const fn is_shuffled(self) -> bool {
        matches!(self, Self::Main | Self::Removed)
    }

    pub(super) const fn is_late(self) -> bool {
        matches!(self, Self::Late)
    }

    pub(super) const fn is_up_next(self) -> bool {
        matches!(self, Self::UpNext)
    }
}

impl Entry {
    pub(super) const fn holds(&self, place: Place) -> bool {
        self.id == place.entry && place.rank >= self.first && place.rank - self.first < self.songs
    }

    /// Whether another entry has the songs of the source after these.
    pub(super) fn continues_in(&self, next: &Self) -> bool {
        (self.id, self.standing, self.first + self.songs) == (next.id, next.standing, next.first)
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
    pub(super) entry: u16,
    /// How often the queue was shuffled when it came.
    pub(super) round: u16,
    /// The rank in the entry's source.
    pub(crate) rank: u32,
}

impl Place {
    pub(crate) const fn at_rank(self, rank: u32) -> Self {
        Self { rank, ..self }
    }

    /// The place after it in its source.
    pub(crate) const fn after(self) -> Self {
        self.at_rank(self.rank.saturating_add(1))
    }

    /// The place before it in its source.
    pub(crate) fn before(self) -> Option<Self> {
        self.rank.checked_sub(1).map(|rank| self.at_rank(rank))
    }

    /// Whether both are the same song of the queue, in whichever round.
    pub(crate) fn is_same(self, other: Self) -> bool {
        (self.entry, self.rank) == (other.entry, other.rank)
    }

    pub(crate) const fn is_in_entry_of(self, other: Self) -> bool {
        self.entry == other.entry
    }
}
