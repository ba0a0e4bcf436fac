//! From a PLAY to an open song and the position to start at.

use std::sync::Arc;
use std::time::{Duration, Instant};

use trill_proto::error::ErrorCode;
use trill_proto::ids::{SongId, StreamId};
use trill_proto::message::{Gain, Play, Start, Started};

use super::Connection;
use crate::close::CloseReason;
use crate::library::{Location, OpenSong, SongError};

/// How long a PLAY waits for the tags of songs that were not read yet: as long as the client's music lasts. A large library
/// is read within this time after a restart.
const FIND_TIMEOUT: Duration = Duration::from_secs(20);

/// A song that is ready to be sent.
pub(super) struct PreparedSong {
    pub(super) song: Arc<OpenSong>,
    pub(super) started: Started,
}

/// Why a song is not prepared.
#[derive(Debug)]
pub(super) enum PrepareError {
    /// The song cannot be had. The client is told.
    Song(SongError),
    /// The PLAY was stopped or replaced. It has its END already.
    Unwanted,
    /// The connection must close.
    Close(CloseReason),
}

impl Connection {
    /// Opens the song and finds where to start.
    ///
    /// If the song with this id is gone or has other content, takes the song with the content that the client expects: a
    /// restarted server may have given its songs other ids, and a file may have been renamed. If the song is listed but its
    /// file is gone, the library must find that change first. Other PLAYs cause no check, which would cost more in a large
    /// library.
    pub(super) fn prepare_play(&mut self, play: &Play) -> Result<PreparedSong, PrepareError> {
        let song = match self.open_expected(play.song, play) {
            Err(PrepareError::Song(error)) if play.content_tag != 0 && is_elsewhere(&error) => {
                if self.shared.library.is_listed(play.song) && matches!(error, SongError::Gone) {
                    self.check_library(|this| this.session.is_awaited(play.stream))?;
                }
                let found = self.find(play)?.ok_or(error)?;
                self.open_expected(found, play)?
            }
            opened => opened?,
        };
        if song.measured().size_bytes == 0 {
            return Err(SongError::NoAudio.into());
        }
        let location = self.locate(&song, play)?;
        let started = Started { gain: self.shared.library.gain(song.id()), ..started(play, &song, location) };
        Ok(PreparedSong { song, started })
    }

    /// Opens a song, however long it takes to count its frames. For a `stream`, only as long as that PLAY is awaited.
    pub(super) fn open_song(&mut self, id: SongId, stream: Option<StreamId>) -> Result<Arc<OpenSong>, PrepareError> {
        let task = self.shared.library.begin_opening(id)?;
        self.wait_while_serving(|this, timeout| match task.wait_for(timeout) {
            Some(opened) => Some(opened.map_err(PrepareError::Song)),
            None => stream.filter(|stream| !this.session.is_awaited(*stream)).map(|_| Err(PrepareError::Unwanted)),
        })?
    }

    /// Opens a song if it has the content that the client expects.
    fn open_expected(&mut self, id: SongId, play: &Play) -> Result<Arc<OpenSong>, PrepareError> {
        let song = self.open_song(id, Some(play.stream))?;
        let is_expected = [0, song.measured().content_tag].contains(&play.content_tag);
        if is_expected { Ok(song) } else { Err(SongError::Changed.into()) }
    }

    /// The song with the expected content. Waits for songs that were not read yet.
    fn find(&mut self, play: &Play) -> Result<Option<SongId>, CloseReason> {
        let begun = Instant::now();
        self.wait_while_serving(|this, timeout| {
            let is_last = this.shared.library.wait_until_read_for(timeout)
                || begun.elapsed() >= FIND_TIMEOUT
                || !this.session.is_awaited(play.stream);
            let found = this.shared.library.find_tag(play.content_tag);
            (found.is_some() || is_last).then_some(found)
        })
    }

    /// Where to start in the song. A search for a time is given up with the stream or the connection.
    fn locate(&mut self, song: &Arc<OpenSong>, play: &Play) -> Result<Location, PrepareError> {
        let ms = match play.start {
            Start::Time(0) => return Ok(beginning(song)),
            Start::Resume(position) => return Ok(resume(song, position)?),
            Start::Time(ms) => u32::try_from(ms).map_err(|_| SongError::BeyondEnd)?,
        };
        let task = self.shared.library.begin_seek(song.clone(), ms);
        self.wait_while_serving(|this, timeout| match task.wait_for(timeout) {
            Some(found) => Some(found.map_err(PrepareError::Song)),
            None => (!this.session.is_awaited(play.stream)).then_some(Err(PrepareError::Unwanted)),
        })?
    }
}

/// Whether the content may be found under another id.
const fn is_elsewhere(error: &SongError) -> bool {
    matches!(error, SongError::Changed | SongError::Gone | SongError::NoSuchSong)
}

/// The beginning needs no search.
fn beginning(song: &OpenSong) -> Location {
    let discard = u32::try_from(song.measured().begin_sample).unwrap_or(u32::MAX);
    Location { position: 0, first_sample: 0, first_fraction: 0, discard }
}

/// Where a decoder goes on that has everything before `position`. It knows the sample itself; this estimate is for displays.
fn resume(song: &OpenSong, position: u64) -> Result<Location, SongError> {
    let measured = song.measured();
    if position > measured.size_bytes {
        return Err(SongError::BeyondEnd);
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
        gain: Gain::UNKNOWN,
    }
}

/// The code of the ERROR about a song.
pub(super) const fn error_code(error: &SongError) -> ErrorCode {
    match error {
        SongError::NoSuchSong => ErrorCode::NO_SUCH_SONG,
        SongError::Gone => ErrorCode::SONG_GONE,
        SongError::Changed => ErrorCode::SONG_CHANGED,
        SongError::BeyondEnd => ErrorCode::BAD_POSITION,
        SongError::NoAudio => ErrorCode::NO_AUDIO,
        SongError::Changing | SongError::Unreadable(_) => ErrorCode::READ_FAILED,
    }
}

impl From<SongError> for PrepareError {
    fn from(error: SongError) -> Self {
        Self::Song(error)
    }
}

impl From<CloseReason> for PrepareError {
    fn from(reason: CloseReason) -> Self {
        Self::Close(reason)
    }
}
