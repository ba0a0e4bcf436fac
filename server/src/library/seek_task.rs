//! Seeks on a worker thread, for as long as somebody waits.

use std::sync::Arc;
use std::time::Duration;

use super::error::SongError;
use super::open_song::OpenSong;
use super::outcome::Outcome;
use crate::mp3::seek::Location;

/// A time that is looked for in a song. Once every clone is dropped, the search is given up.
#[derive(Clone, Debug)]
pub struct SeekTask(Arc<Seek>);

#[derive(Debug)]
struct Seek {
    song: Arc<OpenSong>,
    ms: u32,
    outcome: Outcome<Result<Location, SongError>>,
}

impl SeekTask {
    pub(super) fn new(song: Arc<OpenSong>, ms: u32) -> Self {
        Self(Arc::new(Seek { song, ms, outcome: Outcome::default() }))
    }

    /// Waits until the time is found, but no longer than `patience`; `None` if it is not yet.
    pub fn wait_for(&self, patience: Duration) -> Option<Result<Location, SongError>> {
        self.0.outcome.wait_for(patience)
    }

    /// Looks for the time, while anybody but the caller waits for it.
    pub(super) fn run(&self) {
        let is_wanted = || Arc::strong_count(&self.0) > 1;
        self.0.outcome.set(self.0.song.locate_while(self.0.ms, &is_wanted));
    }

    /// Nobody has to wait any longer: a bug ended the search.
    pub(super) fn fail(&self, error: SongError) {
        self.0.outcome.set(Err(error));
    }
}
