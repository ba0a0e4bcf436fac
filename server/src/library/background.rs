//! Reads tags and durations while nobody waits for them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{PoisonError, Weak};
use std::thread;
use std::time::Duration;

use super::file::{Stamp, is_exhaustion};
use super::origin::{Attended, Opener};
use super::songs::Details;
use super::{Library, State};
use crate::mp3::duration::{Audio, Counted, Measure, from_info_tag};
use crate::mp3::source::Ends;
use crate::mp3::tags::Tags;

/// More threads than this do not make a disk faster.
const MAX_THREADS: usize = 4;

/// So many songs are opened in a directory that is opened once.
const SONGS_AT_ONCE: usize = 64;

/// Who is reading.
#[derive(Default)]
pub(super) struct Background {
    pub(super) threads: usize,
    /// Songs that are being read right now.
    reading: usize,
}

impl Library {
    /// Starts threads as far as there are songs to read. They end when there are none.
    pub(super) fn start_reading(&self) {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let spawn = || {
            let this = self.this.clone();
            thread::Builder::new().name("tags".into()).spawn(move || read_songs(&this))
        };
        let mut state = self.state();
        let wanted = state.catalogue.due(cores.min(MAX_THREADS)).saturating_sub(state.background.threads);
        let spawned: Result<Vec<_>, _> =
            (0..wanted).map(|_| spawn().inspect(|_| state.background.threads += 1)).collect();
        drop(state);
        if let Err(error) = spawned {
            log::warn!("cannot start a thread to read tags: {error}");
        }
    }

    /// Waits until all songs have been read, but no longer than `patience`; whether they have.
    pub fn wait_until_read_for(&self, patience: Duration) -> bool {
        let is_busy = |state: &mut State| !state.is_all_read();
        let waited = self.progress.wait_timeout_while(self.state(), patience, is_busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Reads a few songs; `false` if there are none left.
    fn read_some(&self) -> bool {
        let opener = self.origin.opener();
        (0..SONGS_AT_ONCE).all(|_| self.read_next(&opener))
    }

    /// Reads one song; `false` if there is none left.
    fn read_next(&self, opener: &io::Result<Opener<'_>>) -> bool {
        let mut state = self.state();
        let Some((id, song)) = state.catalogue.take_due() else {
            state.background.threads -= 1;
            self.progress.notify_all();
            return false;
        };
        let path = song.path().to_path_buf();
        // What is known exactly does not become less exact.
        let must_count = song.counted().is_some();
        state.background.reading += 1;
        drop(state);

        let now = (self.now)();
        // A file that makes us panic is a bug, but no reason to leave the others unread.
        let read = catch_unwind(AssertUnwindSafe(|| self.read_song(opener, &path, must_count)));

        let read = read.unwrap_or_else(|_| Err(io::Error::other("a bug in reading it")));
        match &read {
            // Removed or replaced since it was listed; the next list will tell.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => log::warn!("{path:?} cannot be read: {error}"),
            Ok(_) => {}
        }
        let mut state = self.state();
        state.background.reading -= 1;
        match read {
            Ok((details, stamp)) => state.catalogue.learn(id, details, stamp, now),
            Err(error) if is_exhaustion(&error) => state.catalogue.put_off(id),
            Err(_) => {}
        }
        if state.is_all_read() {
            self.progress.notify_all();
        }
        true
    }

    fn read_song(
        &self,
        opener: &io::Result<Opener<'_>>,
        path: &Path,
        must_count: bool,
    ) -> io::Result<(Details, Stamp)> {
        let (content, stamp) = opener.as_ref().map_or_else(|_| self.origin.open(path), |opener| opener.open(path))?;
        let content = Attended { content: &content, is_wanted: &|| self.origin.still_has(path, &stamp) };
        let ends = Ends::read(&content, stamp.size_bytes)?;
        let tags = Tags::read(&ends)?;
        let believed = if must_count { None } else { from_info_tag(&ends)? };
        let measure = match believed {
            Some(measured) => Measure::Believed(Audio::from(&measured)),
            None => Measure::Counted(Counted::of(&content)?),
        };
        Ok((Details { tags, measure }, stamp))
    }
}

impl State {
    /// Whether everything is known that the files say.
    pub(super) fn is_all_read(&self) -> bool {
        self.catalogue.due(1) == 0 && self.background.reading == 0
    }
}

fn read_songs(library: &Weak<Library>) {
    while library.upgrade().is_some_and(|library| library.read_some()) {}
}
