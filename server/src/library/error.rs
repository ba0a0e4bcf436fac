//! Errors of the library.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the library cannot be opened. `Display` gives one line for the user.
#[derive(Debug)]
pub enum OpenError {
    /// There is no such directory.
    Missing(PathBuf),
    /// The path is not a directory.
    NotADirectory(PathBuf),
    /// The directory cannot be read.
    Unreadable(PathBuf, io::Error),
    /// The thread that scans the directory cannot be started.
    NoThread(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "{path:?}: there is no such directory"),
            Self::NotADirectory(path) => write!(f, "{path:?} is not a directory"),
            Self::Unreadable(path, error) => write!(f, "{path:?} cannot be read: {error}"),
            Self::NoThread(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// Why a song cannot be had. `Display` is for the client's user and the log.
#[derive(Clone, Debug)]
pub enum SongError {
    /// No song ever had this id: list the songs.
    NoSuchSong,
    /// The song was removed and may come back: list the songs again.
    Gone,
    /// The file now has other audio, which does not continue what was read before: open the song again.
    Changed,
    /// The file is being written to: try again after a tenth of a second or so. In the end the song is readable or
    /// [`Self::Changed`].
    Changing,
    /// The song is shorter than the position: ask for an earlier one.
    BeyondEnd,
    /// The file contains no decodable MP3 audio: give up on it.
    NoAudio,
    /// The file cannot be opened or read, or is outside the directory: give up on it.
    Unreadable(Arc<io::Error>),
}

impl fmt::Display for SongError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchSong => "there is no such song",
            Self::Gone => "the song has been removed",
            Self::Changed => "the song has changed",
            Self::Changing => "the song is being changed",
            Self::BeyondEnd => "the song is not that long",
            Self::NoAudio => "there is no MP3 audio in this file",
            Self::Unreadable(error) => return write!(f, "the song cannot be read: {error}"),
        })
    }
}

impl std::error::Error for SongError {}

impl From<io::Error> for SongError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Gone,
            _ => Self::Unreadable(Arc::new(error)),
        }
    }
}
