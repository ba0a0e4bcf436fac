//! What comes from the server, in values of this program's own.

use std::fmt;
use std::io;
use std::time::Duration;

use trill_player::playlist::{Direction, Playlist};
use trill_player::{News, PageEnd, Refused};
use trill_proto::error::{self, ErrorCode, SessionError};
use trill_proto::ids::SongId;
use trill_proto::message::{self, GoodbyeReason, Started};

use super::ConnectError;
use crate::ui::text::clean;

/// A song as the server describes it. Its texts are whatever the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Song {
    /// The song.
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
    /// 0 if unknown.
    pub track: u16,
    /// Never empty in practice.
    pub title: String,
    /// Empty if unknown.
    pub artist: String,
    /// Empty if unknown.
    pub album: String,
}

/// What came from the server.
#[derive(Debug)]
pub enum Event {
    /// The server welcomes the client for the first time.
    Connected {
        /// How the server calls itself; may be empty.
        server_name: String,
        /// Songs it has; `None` while it is still looking.
        song_count: Option<u32>,
    },
    /// The server welcomes the client again, after a loss that was told.
    Reconnected,
    /// A page of a list is complete.
    Page {
        /// In the order of their numbers.
        songs: Vec<Song>,
        /// Whether more pages follow.
        end: PageEnd,
        /// Songs in the library.
        total: u32,
    },
    /// The song that was asked about.
    Info(Song),
    /// The song that is heard.
    Title(Song),
    /// A song begins to arrive, or goes on.
    Started(Started),
    /// The server ended this song before its end.
    EndedEarly(SongId),
    /// The server does not do what it was asked for.
    Refused(Refused, ServerError),
    /// There is no song in this direction beyond this one.
    Edge(SongId, Direction),
    /// The server has no songs of this playlist.
    NoSongs(Playlist),
    /// What was waited for has come, or will not come.
    Settled,
    /// There is no connection.
    Unreachable(ConnectError),
    /// The connection is over.
    Closed(Closed),
}

/// The end of a connection.
#[derive(Debug)]
pub struct Closed {
    /// Why.
    pub reason: CloseReason,
    /// Whether the listener should be told.
    pub news: News,
    /// The server had welcomed the client.
    pub was_open: bool,
    /// It brought music, or lasted.
    pub was_useful: bool,
    /// What the listener asked for and will not get.
    pub unanswered: Vec<Refused>,
}

/// What a server says that does not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// For programs.
    pub code: ErrorCode,
    /// For people; whatever the server sent.
    pub text: String,
}

/// Why a connection is over. `Display` says it in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The network failed. Build a new one.
    Lost(io::ErrorKind),
    /// The server closed it without a word. Build a new one, unless it never said a word at all.
    Ended,
    /// The server took the connection and said no WELCOME. Build a new one later.
    NoWelcome,
    /// The server said goodbye. Build a new one if it restarts, else give up.
    Goodbye(GoodbyeReason),
    /// The server broke the protocol, or is silent: see the error.
    Session(SessionError),
    /// The server gave the client up, and said why.
    Peer(ServerError),
    /// This side closed it.
    Done,
}

impl CloseReason {
    /// What was to be written could not be.
    pub(super) fn lost_writing(error: &io::Error) -> Self {
        Self::Lost(match error.kind() {
            // What std says when a socket's own time-out has passed.
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut,
            kind => kind,
        })
    }

    /// Whether the server was there and did not answer what it was asked.
    pub fn is_unanswered(&self) -> bool {
        *self == Self::Session(SessionError::Unanswered)
    }

    /// Whether another connection may fare better.
    pub fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Lost(_) | Self::Ended | Self::NoWelcome => true,
            Self::Goodbye(reason) => matches!(reason, GoodbyeReason::Restarting | GoodbyeReason::Other(_)),
            Self::Session(error) => matches!(
                error,
                SessionError::Silent
                    | SessionError::Unanswered
                    | SessionError::Stalled
                    | SessionError::Refused(error::Refusal::Busy)
            ),
            Self::Peer(error) => {
                matches!(error.code, ErrorCode::SILENT | ErrorCode::HELLO_TIMEOUT | ErrorCode::TOO_MANY_CLIENTS)
            }
            Self::Done => false,
        }
    }
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
            Self::NoWelcome => f.write_str("the server says nothing"),
            Self::Goodbye(GoodbyeReason::Restarting) => f.write_str("the server is shutting down"),
            Self::Goodbye(GoodbyeReason::Superseded) => f.write_str("another connection took this one's place"),
            Self::Goodbye(_) => f.write_str("the server said goodbye"),
            Self::Session(error) => error.fmt(f),
            Self::Peer(error) => write!(f, "the server gave up: {error}"),
            Self::Done => f.write_str("the connection is closed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_error_keeps_its_kind() {
        let lost = |kind: io::ErrorKind| CloseReason::lost_writing(&kind.into()).to_string();
        assert_eq!(lost(io::ErrorKind::HostUnreachable), "the connection broke: host unreachable");
        assert_eq!(lost(io::ErrorKind::NetworkDown), "the connection broke: network down");
        assert_eq!(lost(io::ErrorKind::WouldBlock), "the connection broke: timed out");
    }
}
