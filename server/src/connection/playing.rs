//! The song that a connection's stream is about.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use trill_proto::ids::{SongId, StreamId};
use trill_proto::transport::blocking::{ReadOutcome, Source};

use crate::library::{OpenSong, ReadError};

/// The current stream's song, if there is one.
#[derive(Default)]
pub(super) struct Playing {
    current: Option<(StreamId, Arc<OpenSong>)>,
    /// When to read again of a song that is being written to.
    retry_at: Option<Instant>,
    failure: Option<Failure>,
}

/// How often a song that is being written to is tried. Its listeners have music for seconds.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// A song that cannot be read on.
#[derive(Debug)]
pub(super) struct Failure {
    song: SongId,
    error: ReadError,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "song {} broke off: {}", self.song, self.error)
    }
}

impl Playing {
    /// From now on `stream` is the current one, and sends `song`.
    pub(super) fn start(&mut self, stream: StreamId, song: Arc<OpenSong>) {
        self.current = Some((stream, song));
        self.retry_at = None;
    }

    /// How long there is nothing to be read of a song that is being written to.
    pub(super) fn pause(&self) -> Duration {
        self.retry_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Closes the song, unless the stream that it belongs to is the `current` one still.
    pub(super) fn let_go_unless(&mut self, current: Option<StreamId>) {
        self.current.take_if(|(stream, _)| Some(*stream) != current);
    }

    /// Why the last stream broke off, once.
    pub(super) fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }
}

impl Source for Playing {
    fn read_song(&mut self, stream: StreamId, position: u64, payload: &mut [u8]) -> ReadOutcome {
        let Some((_, song)) = self.current.as_ref().filter(|(current, _)| *current == stream) else {
            return ReadOutcome::Failed;
        };
        match read_full(song, position, payload) {
            Ok(()) => ReadOutcome::Filled,
            Err(ReadError::Changing) => {
                self.retry_at = Some(Instant::now() + RETRY_AFTER);
                ReadOutcome::NotNow
            }
            Err(error) => {
                self.failure = Some(Failure { song: song.id(), error });
                ReadOutcome::Failed
            }
        }
    }
}

/// Fills `payload`, which ends at the end of the song at most.
fn read_full(song: &OpenSong, mut position: u64, mut payload: &mut [u8]) -> Result<(), ReadError> {
    while !payload.is_empty() {
        let count = song.read_at(position, payload)?;
        if count == 0 {
            return Err(ReadError::Changed); // shorter than it was
        }
        position += count as u64;
        payload = payload.get_mut(count..).unwrap_or_default();
    }
    Ok(())
}
