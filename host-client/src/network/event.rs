//! Events of the connection, as values that own their text.

use std::fmt;
use std::io;
use std::time::Duration;

use trill_player::{Direction, LossNotice, PageEnd, Refused, Source};
use trill_proto::error::{ErrorCode, SessionError};
use trill_proto::ids::SongId;
use trill_proto::message::{self, Gain, GoodbyeReason, SongGroup, Started};

use super::ConnectError;
use crate::server::Server;
use crate::ui::text::clean;

/// A song as the server describes it. The texts are not cleaned for a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Song {
    /// The number of the song.
    pub id: SongId,
    /// `None` until the server has measured it.
    pub duration: Option<Duration>,
    /// Bytes of audio.
    pub size_bytes: u64,
    /// Mean bit rate in bit/s; 0 if unknown.
    pub bitrate: u32,
    /// Sample rate in Hz; 0 if unknown.
    pub rate: u32,
    /// 1 or 2; 0 if unknown.
    pub channels: u8,
    /// Track number; 0 if unknown.
    pub track: u16,
    /// Trill's server sends the file's name if there is no title.
    pub title: String,
    /// Empty if unknown.
    pub artist: String,
    /// Empty if unknown.
    pub album: String,
    /// Artist of the whole album; empty if unknown. This and what follows come in answer to `info`.
    pub album_artist: String,
    /// Empty if unknown.
    pub genre: String,
    /// 0 if unknown.
    pub year: u16,
    /// Number of the disc in its album; 0 if unknown.
    pub disc: u16,
    /// How loud it is.
    pub gain: Gain,
    /// Path of the file below the server's directory; empty if unknown.
    pub path: String,
    /// The group that this song stands for, if groups were listed.
    pub group: Option<SongGroup>,
    /// How many of the songs or groups that were found precede it, if it is part of a list.
    pub rank: Option<u32>,
}

/// An event of the connection.
#[derive(Debug)]
pub enum Event {
    /// The server was found on the network, at this address.
    Located(Server),
    /// The server welcomes the client for the first time.
    Connected {
        /// The server's name; may be empty.
        server_name: String,
        /// Number of songs; `None` while the server is scanning.
        song_count: Option<u32>,
    },
    /// The server welcomes the client again after a loss that was reported.
    Reconnected,
    /// A page of a list is complete.
    Page {
        /// The songs, in the order of their numbers.
        songs: Vec<Song>,
        /// Whether more pages follow.
        end: PageEnd,
        /// Number of songs in the library.
        total: u32,
    },
    /// The answer to `info`.
    Info(Song),
    /// The title of the song that is heard.
    Title(Song),
    /// A song begins to arrive, or goes on after a cut.
    Started(Started),
    /// The server ended this song before its end.
    EndedEarly(SongId),
    /// The server refused a request.
    Refused(Refused, ServerError),
    /// There is no song before or after this one.
    Edge(Option<SongId>, Direction),
    /// The server has no such songs: why, for the user.
    NothingFound(String),
    /// So many other songs, albums or artists match, and the command that lists them.
    MoreMatches(u32, String),
    /// The song that follows the one that is heard.
    Following(Song),
    /// The first of the songs that are added to the queue.
    Found(Song),
    /// Songs were added to the queue.
    Added {
        /// Where they come from.
        source: Source,
        /// The position of the first, from 1.
        position: u32,
        /// How many there are.
        songs: u32,
        /// So many others match the words.
        others: u32,
    },
    /// The player has become silent or settled, or is no longer so.
    Settled,
    /// An attempt to connect failed. These requests will get no answer.
    Unreachable(ConnectError, Vec<Refused>),
    /// The connection has ended.
    Closed(Closed),
}

/// The end of a connection.
#[derive(Debug)]
pub struct Closed {
    /// The reason.
    pub reason: CloseReason,
    /// Whether to tell the user.
    pub notice: LossNotice,
    /// Whether the server had welcomed the client.
    pub was_open: bool,
    /// Whether the connection brought music or lasted long.
    pub was_useful: bool,
    /// The requests that will get no answer.
    pub unanswered: Vec<Refused>,
}

/// An ERROR from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// The code, for programs.
    pub code: ErrorCode,
    /// The text, for people; not cleaned for a terminal.
    pub text: String,
}

/// Why a connection ended. `Display` gives one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The network failed. Connect again.
    Lost(io::ErrorKind),
    /// The server closed the connection without a reason. Connect again, unless the server never sent WELCOME.
    Ended,
    /// The server accepted the connection and sent no WELCOME. Connect again later.
    NoWelcome,
    /// The server sent GOODBYE. Connect again if it restarts, else give up.
    Goodbye(GoodbyeReason),
    /// The server violated the protocol or is silent; see the error.
    Session(SessionError),
    /// The server ended the connection with an ERROR.
    Peer(ServerError),
    /// The client closed the connection.
    Done,
}

impl From<SessionError> for CloseReason {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<&message::Error<'_>> for ServerError {
    fn from(error: &message::Error<'_>) -> Self {
        Self { code: error.code, text: error.text.to_owned() }
    }
}

impl From<&message::Song<'_>> for Song {
    fn from(song: &message::Song<'_>) -> Self {
        Self {
            id: song.song,
            duration: song.duration_ms.map(|ms| Duration::from_millis(ms.into())),
            size_bytes: song.size_bytes,
            bitrate: song.bitrate,
            rate: song.rate,
            channels: song.channels,
            track: song.track,
            title: song.title.to_owned(),
            artist: song.artist.to_owned(),
            album: song.album.to_owned(),
            album_artist: song.album_artist.to_owned(),
            genre: song.genre.to_owned(),
            year: song.year,
            disc: song.disc,
            gain: song.gain,
            path: song.path.to_owned(),
            group: song.group,
            rank: song.rank,
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = ErrorCode::ALL.iter().find(|(_, code)| *code == self.code);
        match (known, self.text.is_empty()) {
            (_, false) => f.write_str(&clean(&self.text)),
            (Some((name, _)), true) => write!(f, "{}", name.to_ascii_lowercase().replace('_', " ")),
            (None, true) => write!(f, "error {}", self.code.0),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(kind) => write!(f, "the connection broke: {kind}"),
            Self::Ended => f.write_str("the server closed the connection"),
            Self::NoWelcome => f.write_str("the server does not reply"),
            Self::Goodbye(GoodbyeReason::Restarting) => f.write_str("the server is shutting down"),
            Self::Goodbye(GoodbyeReason::Superseded) => f.write_str("another connection took this one's place"),
            Self::Goodbye(_) => f.write_str("the server said goodbye"),
            Self::Session(error) => error.fmt(f),
            Self::Peer(error) => write!(f, "the server gave up: {error}"),
            Self::Done => f.write_str("the connection is closed"),
        }
    }
}
