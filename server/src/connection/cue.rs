//! From a PLAY to an open song and the place in it to start at.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use trill_proto::error::ErrorCode;
use trill_proto::ids::{SongId, StreamId};
use trill_proto::message::{Play, Start, Started};

use super::Connection;
use super::departure::Departure;
use crate::library::{Location, OpenSong, SeekError, SongError};

/// How long a search for a song's content waits for songs that have not been read yet: long enough for a large library
/// on a server that was just restarted, and no longer than a listener's music lasts.
const FIND_PATIENCE: Duration = Duration::from_secs(20);

/// A song that is ready to be sent.
pub(super) struct Cue {
    pub(super) song: Arc<OpenSong>,
    pub(super) started: Started,
}

/// Why a PLAY or an INFO cannot be answered. `Display` is for people, in the ERROR and in the log.
#[derive(Debug)]
pub(super) enum CueError {
    /// No song ever had this id.
    NoSuchSong,
    /// The song was there once.
    Gone,
    /// No song has the content that is asked for.
    Changed,
    /// The song is not that long.
    BeyondEnd,
    /// The song's file is being written.
    Changing,
    /// There is no frame in the song's file that a decoder would find.
    NoAudio,
    /// Nobody waits for it any more: the PLAY was stopped, or overtaken by another.
    Unwanted,
    /// The file system failed.
    Unreadable(Arc<io::Error>),
}

impl Connection {
    /// Opens the song that is asked for and finds where to start.
    ///
    /// If the song with this id has another content now, or there is none, the one with the content that is asked for is
    /// taken, whatever its id is: a server that was restarted has numbered its songs anew, and a file may have been renamed
    /// since the library last looked for changes.
    pub(super) fn cue(&mut self, play: &Play) -> Result<Result<Cue, CueError>, Departure> {
        let opened = match self.open_if(play.song, play)? {
            Err(error @ (CueError::Changed | CueError::Gone | CueError::NoSuchSong)) if play.content_tag != 0 => {
                match self.find(play)? {
                    Some(elsewhere) => self.open_if(elsewhere, play)?,
                    None => Err(error),
                }
            }
            opened => opened,
        };
        let song = match opened {
            Ok(song) if song.measured().size_bytes == 0 => return Ok(Err(CueError::NoAudio)),
            Ok(song) => song,
            Err(error) => return Ok(Err(error)),
        };
        Ok(self.locate(&song, play)?.map(|location| {
            let started = started(play, &song, location);
            Cue { song, started }
        }))
    }

    /// Where to start in the song. Other requests are answered while a time is looked for, and it is given up with the
    /// stream or the connection.
    fn locate(&mut self, song: &Arc<OpenSong>, play: &Play) -> Result<Result<Location, CueError>, Departure> {
        let ms = match play.start {
            Start::Time(0) => return Ok(Ok(beginning(song))),
            Start::Resume(position) => return Ok(resume(song, position)),
            Start::Time(ms) => ms,
        };
        let Ok(ms) = u32::try_from(ms) else { return Ok(Err(CueError::BeyondEnd)) };
        let task = self.shared.library.begin_seek(song.clone(), ms);
        self.wait_in_company(|this, patience| match task.wait_for(patience) {
            Some(found) => Some(found.map_err(CueError::from)),
            None => (!this.machine.is_awaited(play.stream)).then_some(Err(CueError::Unwanted)),
        })
    }

    /// Opens a song, however long it takes to count its frames; but if it is for a `stream`, only while that is wanted.
    pub(super) fn open(
        &mut self,
        id: SongId,
        stream: Option<StreamId>,
    ) -> Result<Result<Arc<OpenSong>, CueError>, Departure> {
        let task = match self.shared.library.begin_opening(id) {
            Ok(task) => task,
            Err(error) => return Ok(Err(error.into())),
        };
        self.wait_in_company(|this, patience| match task.wait_for(patience) {
            Some(opened) => Some(opened.map_err(CueError::from)),
            None => stream.filter(|stream| !this.machine.is_awaited(*stream)).map(|_| Err(CueError::Unwanted)),
        })
    }

    /// Opens a song if it has the content that is asked for; 0 is any.
    fn open_if(&mut self, id: SongId, play: &Play) -> Result<Result<Arc<OpenSong>, CueError>, Departure> {
        let is_wanted = |song: &OpenSong| [0, song.measured().content_tag].contains(&play.content_tag);
        Ok(match self.open(id, Some(play.stream))? {
            Ok(song) if !is_wanted(&song) => Err(CueError::Changed),
            opened => opened,
        })
    }

    /// The song with this content. Waits until the library knows of changes, and for songs that have not been read yet.
    fn find(&mut self, play: &Play) -> Result<Option<SongId>, Departure> {
        self.check_library(|this| this.machine.is_awaited(play.stream))?;
        let begun = Instant::now();
        self.wait_in_company(|this, patience| {
            let is_all_read = this.shared.library.wait_until_read_for(patience);
            let found = this.shared.library.find_tag(play.content_tag);
            let is_over = is_all_read || begun.elapsed() >= FIND_PATIENCE || !this.machine.is_awaited(play.stream);
            (found.is_some() || is_over).then_some(found)
        })
    }
}

/// Where most songs start. Nothing has to be searched for this, which may take long.
fn beginning(song: &OpenSong) -> Location {
    let discard = u32::try_from(song.measured().begin_sample).unwrap_or(u32::MAX);
    Location { position: 0, first_sample: 0, first_fraction: 0, discard }
}

/// Where a decoder goes on that has had everything before `position`. It knows the sample better than anybody: what is
/// told here is an estimate, for displays.
fn resume(song: &OpenSong, position: u64) -> Result<Location, CueError> {
    let measured = song.measured();
    if position > measured.size_bytes {
        return Err(CueError::BeyondEnd);
    }
    let part = u128::from(measured.total_samples) * u128::from(position) / u128::from(measured.size_bytes.max(1));
    let first_sample = u64::try_from(part).unwrap_or(u64::MAX);
    Ok(Location { position, first_sample, first_fraction: 0, discard: 0 })
}

fn started(play: &Play, song: &OpenSong, location: Location) -> Started {
    let measured = song.measured();
    Started {
        stream: play.stream,
        song: song.id(),
        content_tag: measured.content_tag,
        position: location.position,
        size_bytes: measured.size_bytes,
        first_sample: location.first_sample,
        first_fraction: location.first_fraction,
        discard: location.discard,
        begin_sample: measured.begin_sample,
        end_sample: measured.end_sample,
        bitrate: measured.bitrate,
        rate: measured.rate,
        channels: measured.channels,
        encoder_delay: measured.encoder_delay,
        encoder_padding: measured.encoder_padding,
    }
}

impl CueError {
    /// The code of the ERROR that says so.
    pub(super) const fn code(&self) -> ErrorCode {
        match self {
            Self::NoSuchSong => ErrorCode::NO_SUCH_SONG,
            Self::Gone | Self::Unwanted => ErrorCode::SONG_GONE,
            Self::Changed => ErrorCode::SONG_CHANGED,
            Self::BeyondEnd => ErrorCode::BAD_POSITION,
            Self::NoAudio => ErrorCode::NO_AUDIO,
            Self::Changing | Self::Unreadable(_) => ErrorCode::READ_FAILED,
        }
    }
}

impl fmt::Display for CueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchSong => f.write_str("there is no such song"),
            Self::Gone => f.write_str("the song has been removed"),
            Self::Changed => f.write_str("the song has changed"),
            Self::BeyondEnd => f.write_str("the song is not that long"),
            Self::Changing => f.write_str("the song is being changed"),
            Self::NoAudio => f.write_str("there is no MP3 audio in this file"),
            Self::Unwanted => f.write_str("the client no longer wants it"),
            Self::Unreadable(error) => write!(f, "the song cannot be read: {error}"),
        }
    }
}

impl From<SongError> for CueError {
    fn from(error: SongError) -> Self {
        match error {
            SongError::NoSuchSong => Self::NoSuchSong,
            SongError::Gone => Self::Gone,
            SongError::Changing => Self::Changing,
            SongError::Unreadable(error) => Self::Unreadable(error),
        }
    }
}

impl From<SeekError> for CueError {
    fn from(error: SeekError) -> Self {
        match error {
            SeekError::BeyondEnd => Self::BeyondEnd,
            SeekError::Changed => Self::Changing,
            SeekError::Unreadable(error) => Self::Unreadable(error),
        }
    }
}
