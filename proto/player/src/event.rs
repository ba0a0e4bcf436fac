//! What a listener may be told, as values. The screen makes the words.

use core::fmt;

use trill_proto::ids::SongId;
use trill_proto::message::{Error, GoodbyeReason, Song, Started, Welcome};

use crate::pager::PageEnd;
use crate::playlist::{Direction, Playlist};

/// What happened. Borrows from the player or from the input, so act on it before the next call.
#[derive(Debug)]
pub enum Event<'a> {
    /// This server welcomes us for the first time.
    Connected(Welcome<'a>),
    /// The server welcomes us again, after a loss that was told.
    Reconnected,
    /// A song of the list that was asked for.
    Listed(Song<'a>),
    /// A page of the list is complete, of a library of so many songs. The next page is asked for when the screen has room.
    PageEnd(PageEnd, u32),
    /// The song that was asked for with [`Question::Info`](crate::Question::Info).
    Info(Song<'a>),
    /// The song that is heard now. It comes once for each song, and not after a seek.
    Title(Song<'a>),
    /// A song begins to arrive, or goes on after a cut.
    Started(Started),
    /// The server ended this song before its end. What has come of it is played.
    EndedEarly(SongId),
    /// The server does not do what it was asked for.
    Refused(Refused, Error<'a>),
    /// There is no song in this direction beyond this one.
    Edge(SongId, Direction),
    /// The server has no songs of this playlist.
    NoSongs(Playlist),
    /// The server gave the client up. The connection ends.
    Failed(Error<'a>),
    /// The server closes the connection.
    Goodbye(GoodbyeReason),
}

/// What a server refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// To play this song. What is heard plays on.
    Play(SongId),
    /// To send more of this song. What has come of it is played.
    Rest(SongId),
    /// To say which song follows by itself.
    Following,
    /// To say which song is before or after another.
    Step(Direction),
    /// To say which song is the first of a playlist.
    Playlist,
    /// A list.
    List,
    /// To describe this song.
    Info(SongId),
}

/// Why a command does nothing. The listener can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPossible {
    /// Nothing plays, is asked for or looked for: play something first.
    NothingPlays,
    /// There is no song in this direction beyond this one.
    Edge(SongId, Direction),
    /// The song ends before the place to seek.
    TooShort {
        /// The song.
        song: SongId,
        /// Its length in milliseconds.
        length_ms: u64,
    },
    /// [`MAX_QUESTIONS`](crate::MAX_QUESTIONS) questions wait for their answers: ask again later.
    TooManyQuestions,
}

impl core::error::Error for NotPossible {}

impl fmt::Display for NotPossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingPlays => "nothing plays",
            Self::Edge(..) => "no song in this direction",
            Self::TooShort { .. } => "the song is not that long",
            Self::TooManyQuestions => "too many questions wait for answers",
        })
    }
}

/// Who has something to do because of the last calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wakeups {
    /// The network: [`poll_transmit`](crate::Player::poll_transmit), [`poll_timeout`](crate::Player::poll_timeout) or
    /// [`poll_connect`](crate::Player::poll_connect) say something new.
    pub network: bool,
    /// The decoder: the buffer has changed.
    pub decoder: bool,
    /// The sound output: [`is_paused`](crate::Player::is_paused) may have changed.
    pub sound: bool,
    /// The sound output: what was decoded and not heard is to be dropped, before a pause is lifted.
    pub discard: bool,
}

impl Wakeups {
    pub(crate) const NONE: Self = Self { network: false, decoder: false, sound: false, discard: false };
    pub(crate) const ALL: Self = Self { network: true, decoder: true, sound: true, discard: true };
}
