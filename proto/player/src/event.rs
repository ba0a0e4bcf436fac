//! Events and errors for the listener, as values. The screen makes the words, except for those that all screens share.

use core::fmt;
use core::time::Duration;

use trill_proto::ids::SongId;
use trill_proto::message::{Error, GoodbyeReason, Song, Started, Welcome};

use crate::Source;
use crate::command::{Clock, Selection};
use crate::pager::PageEnd;

/// The direction of a step from one song to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the song after it.
    Next,
    /// To the song before it.
    Previous,
}

/// What happened. It borrows from the player or from the input, so handle it before the next call.
#[derive(Debug)]
pub enum Event<'a> {
    /// This server welcomes us for the first time.
    Connected(Welcome<'a>),
    /// The server welcomes us again, after a loss that the listener was told of.
    Reconnected,
    /// A song of a list, or a group with its first song.
    Listed(Song<'a>),
    /// A page of a list is complete; so many songs or groups were found. The next page follows when the screen has room.
    PageEnd(PageEnd, u32),
    /// The answer to [`Question::Info`](crate::Question::Info).
    Info(Song<'a>),
    /// The title of the song heard. It comes once for each song, not again after a seek.
    Title(Song<'a>),
    /// A song begins to arrive, or goes on after a lost connection.
    Started(Started),
    /// The server ended this song before its end. What has arrived is played.
    EndedEarly(SongId),
    /// The server refused a request.
    Refused(Refused, Error<'a>),
    /// There is no song in this direction beyond this one.
    Edge(Option<SongId>, Direction),
    /// The song that follows the song heard. It comes again if the queue changes.
    Following(Song<'a>),
    /// The first of the songs that [`add`](crate::Player::add) or [`play_next`](crate::Player::play_next) adds.
    Found(Song<'a>),
    /// Songs were added to the queue.
    Added {
        /// Where they come from.
        source: Source,
        /// The position of the first, from 1.
        position: u32,
        /// How many there are.
        songs: u32,
        /// So many other songs, albums or artists match the words.
        others: u32,
    },
    /// So many other songs, albums or artists match the words than the one that plays.
    MoreMatches(Selection<'a>, u32),
    /// The server has no song of this selection.
    NothingFound(Selection<'a>),
    /// The server ends the session because of an error.
    Failed(Error<'a>),
    /// The server closes the connection.
    Goodbye(GoodbyeReason),
}

/// A request that was refused or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Play this song. The song heard plays on.
    Play(SongId),
    /// Send the rest of this song. What has arrived is played.
    Rest(SongId),
    /// Find the song that follows by itself.
    Following,
    /// Find the song before or after another.
    Step(Direction),
    /// Find the first song of a selection.
    Selection,
    /// Find songs to add at the end of the queue.
    Add,
    /// Find songs to play next.
    PlayNext,
    /// List the songs.
    List,
    /// Describe this song.
    Info(SongId),
}

/// Why a command does nothing. The listener can correct it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPossible {
    /// No song plays, was requested or is searched for: play something first.
    NothingPlays,
    /// There is no song in this direction beyond this one; without one, beyond the end of the queue.
    Edge(Option<SongId>, Direction),
    /// The song ends before the position.
    TooShort {
        /// The song.
        song: SongId,
        /// Its length in milliseconds.
        length_ms: u64,
    },
    /// [`MAX_QUESTIONS`](crate::MAX_QUESTIONS) questions, or as many additions to the queue, wait for answers: try again later.
    TooManyQuestions,
    /// The queue has no room for another entry: remove some, or play something else.
    QueueFull,
    /// The queue has no such position. It has so many songs.
    NoSuchPlace {
        /// How many songs the queue has.
        songs: u32,
    },
}

impl core::error::Error for NotPossible {}

impl fmt::Display for NotPossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingPlays => f.write_str("nothing is playing; play N plays song N"),
            Self::Edge(Some(song), Direction::Next) => write!(f, "song {song} is the last"),
            Self::Edge(Some(song), Direction::Previous) => write!(f, "song {song} is the first"),
            Self::Edge(None, Direction::Next) => f.write_str("no song follows; jump N goes to a place of the queue"),
            Self::Edge(None, Direction::Previous) => f.write_str("no song is before"),
            Self::TooShort { song, length_ms } => {
                write!(f, "song {song} is only {} long", Clock(Duration::from_secs(length_ms / 1_000)))
            }
            Self::TooManyQuestions => f.write_str("wait for the answers to the last questions"),
            Self::QueueFull => f.write_str("the queue is full; remove or clear makes room"),
            Self::NoSuchPlace { songs: 0 } => f.write_str("the queue is empty"),
            Self::NoSuchPlace { songs } => write!(f, "the queue has the places 1 to {songs}"),
        }
    }
}

/// Which parts of the client have something to do because of the last calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wakeups {
    /// The network: [`poll_transmit`](crate::Player::poll_transmit), [`poll_timeout`](crate::Player::poll_timeout) or
    /// [`poll_connect`](crate::Player::poll_connect) say something new.
    pub network: bool,
    /// The decoder: the buffer has changed.
    pub decoder: bool,
    /// The sound output: [`is_paused`](crate::Player::is_paused) may have changed.
    pub sound: bool,
    /// The sound output: drop the samples that were not heard, before a pause ends.
    pub discard: bool,
}

impl Wakeups {
    pub(crate) const NONE: Self = Self { network: false, decoder: false, sound: false, discard: false };
    pub(crate) const ALL: Self = Self { network: true, decoder: true, sound: true, discard: true };
}
