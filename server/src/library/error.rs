//! What can go wrong, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why there is no library. All of it is for the user to put right.
#[derive(Debug)]
pub enum OpenError {
    /// There is no such directory.
    Missing(PathBuf),
    /// It is a file, or something else.
    NotADirectory(PathBuf),
    /// It cannot be read.
    Unreadable(PathBuf, io::Error),
    /// The system gives us no thread to look through it.
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

/// Why a song cannot be had. Several may wait for the same song, and are told the same.
#[derive(Clone, Debug)]
pub enum SongError {
    /// No song ever had this number: list the songs.
    NoSuchSong,
    /// The song was there once, and may come back: list the songs again.
    Gone,
    /// Its file cannot be opened or read, or is no longer a file inside the directory: give up on it.
    Unreadable(Arc<io::Error>),
    /// Its file is being written: try again later.
    Changing,
}

impl fmt::Display for SongError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchSong => f.write_str("there is no such song"),
            Self::Gone => f.write_str("the song has been removed"),
            Self::Unreadable(error) => write!(f, "the song cannot be read: {error}"),
            Self::Changing => f.write_str("the song is being changed"),
        }
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

/// Why a song's bytes cannot be had.
#[derive(Debug)]
pub enum ReadError {
    /// The file is being written to: try again after a tenth of a second or so. In the end it is readable or
    /// [`Self::Changed`].
    Changing,
    /// The file has other audio than when it was opened: what would come now does not fit what came before.
    Changed,
    /// The file system failed: give up on this song.
    Unreadable(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changing => f.write_str("the song is being changed"),
            Self::Changed => f.write_str("the song has changed"),
            Self::Unreadable(error) => write!(f, "the song cannot be read: {error}"),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// Why a time was not found in a song.
#[derive(Clone, Debug)]
pub enum SeekError {
    /// The song is not that long: ask for an earlier time.
    BeyondEnd,
    /// The file was written to since it was opened: open the song again.
    Changed,
    /// The file system failed: give up on this song.
    Unreadable(Arc<io::Error>),
}

impl fmt::Display for SeekError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeyondEnd => f.write_str("the song is not that long"),
            Self::Changed => f.write_str("the song has changed"),
            Self::Unreadable(error) => write!(f, "the song cannot be read: {error}"),
        }
    }
}

impl std::error::Error for SeekError {}

impl From<io::Error> for SeekError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(Arc::new(error))
    }
}
