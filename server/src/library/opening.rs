//! Opening songs: each once for all who want it at the same time.
//!
//! That is done on a thread of its own, so that nobody has to wait without a word for a slow disk, or for frames that have
//! not been counted yet, and nobody's slow connection holds up the others who want the song. What others have open already
//! needs none, as long as a [glance](super::glance) at its file is enough.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use trill_proto::ids::SongId;

use super::Library;
use super::error::SongError;
use super::file::Stamp;
use super::glance::Glance;
use super::origin::Attended;
use super::song::OpenSong;
use super::songs::Details;
use crate::mp3::duration::{Counted, Measure};
use crate::mp3::source::ReadAt;
use crate::mp3::tags::Tags;

/// How often counting is begun anew because the file changes under it.
const COUNT_ATTEMPTS: usize = 3;

/// Threads that open songs at once; who comes then opens his himself. Well within what the process keeps in reserve.
const MAX_THREADS: usize = 64;

/// A song that is being opened.
#[derive(Clone, Debug)]
pub struct Opening(Arc<Job>);

#[derive(Debug)]
struct Job {
    /// Of the file that is to be opened: another that is put in its place is not waited for with this one.
    stamp: Stamp,
    outcome: Mutex<Option<Result<Arc<OpenSong>, SongError>>>,
    done: Condvar,
}

impl Opening {
    /// Waits until the song is open, but no longer than `patience`; `None` if it is not yet.
    pub fn wait_for(&self, patience: Duration) -> Option<Result<Arc<OpenSong>, SongError>> {
        let waited = self.0.done.wait_timeout_while(self.outcome(), patience, |outcome| outcome.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn wait(&self) -> Result<Arc<OpenSong>, SongError> {
        loop {
            if let Some(outcome) = self.wait_for(Duration::MAX) {
                return outcome;
            }
        }
    }

    fn finish(&self, outcome: Result<Arc<OpenSong>, SongError>) {
        *self.outcome() = Some(outcome);
        self.0.done.notify_all();
    }

    fn outcome(&self) -> MutexGuard<'_, Option<Result<Arc<OpenSong>, SongError>>> {
        self.0.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The songs that are open, or being opened.
#[derive(Debug, Default)]
pub(super) struct Openings {
    slots: Mutex<HashMap<SongId, Slot>>,
    threads: AtomicUsize,
}

#[derive(Debug, Default)]
struct Slot {
    song: Weak<OpenSong>,
    job: Weak<Job>,
    /// Whether it can be told at a glance that the file is still the same.
    glance: Glance,
}

impl Slot {
    fn is_used(&self) -> bool {
        self.song.strong_count() + self.job.strong_count() > 0
    }
}

impl Openings {
    fn open_song(&self, id: SongId) -> Option<Arc<OpenSong>> {
        self.slots().get(&id)?.song.upgrade()
    }

    /// The opening of the song, whose file is like `stamp`, that somebody has begun; or else a new one, and `true`, for
    /// whoever asks to begin with.
    fn job(&self, id: SongId, stamp: Stamp) -> (Opening, bool) {
        let mut slots = self.slots();
        if let Some(job) = slots.get(&id).and_then(|slot| slot.job.upgrade())
            && job.stamp.is_same_content(&stamp)
            && job.outcome.lock().unwrap_or_else(PoisonError::into_inner).is_none()
        {
            return (Opening(job), false);
        }
        slots.retain(|_, slot| slot.is_used());
        let job = Arc::new(Job { stamp, outcome: Mutex::default(), done: Condvar::new() });
        slots.entry(id).or_default().job = Arc::downgrade(&job);
        (Opening(job), true)
    }

    /// Whether anybody waits for this opening besides the thread that does it. Once nobody does, nobody will.
    fn is_awaited(&self, opening: &Opening, id: SongId) -> bool {
        let mut slots = self.slots();
        let is_awaited = Arc::strong_count(&opening.0) > 1;
        let ours = Arc::downgrade(&opening.0);
        if let Some(slot) = slots.get_mut(&id).filter(|slot| !is_awaited && slot.job.ptr_eq(&ours)) {
            slot.job = Weak::new();
        }
        is_awaited
    }

    fn remember(&self, song: &Arc<OpenSong>) {
        self.slots().entry(song.id()).or_default().song = Arc::downgrade(song);
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<SongId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn threads(&self) -> usize {
        self.threads.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots().len()
    }
}

impl Library {
    /// Opens a song, or shares it with those who have it open. Blocks on the disk, and while its frames are counted unless
    /// that was done before.
    ///
    /// # Errors
    /// [`SongError`].
    pub fn open_song(&self, id: SongId) -> Result<Arc<OpenSong>, SongError> {
        self.begin_opening(id)?.wait()
    }

    /// The same, for those who have something else to do meanwhile.
    ///
    /// # Errors
    /// [`SongError`], if the song is not in the library.
    pub fn begin_opening(&self, id: SongId) -> Result<Opening, SongError> {
        let state = self.state();
        let song = state.catalogue.song(id)?;
        let (path, stamp) = (song.path().to_path_buf(), song.record.stamp);
        drop(state);
        let (opening, is_ours) = self.openings.job(id, stamp);
        if is_ours && !self.open_elsewhere(&opening, id, &path) {
            self.finish(&opening, id, &path, &|| true);
        }
        Ok(opening)
    }

    /// Opens the song on a thread of its own, if there may be one more.
    fn open_elsewhere(&self, opening: &Opening, id: SongId, path: &Path) -> bool {
        let Some(library) = self.this.upgrade() else { return false };
        let (opening, path) = (opening.clone(), path.to_owned());
        let open = move || {
            library.finish(&opening, id, &path, &|| library.openings.is_awaited(&opening, id));
            library.openings.threads.fetch_sub(1, Ordering::Relaxed);
        };
        let is_allowed = self.openings.threads.fetch_add(1, Ordering::Relaxed) < MAX_THREADS;
        let is_begun = is_allowed && thread::Builder::new().name(format!("song {id}")).spawn(open).is_ok();
        if !is_begun {
            self.openings.threads.fetch_sub(1, Ordering::Relaxed);
        }
        is_begun
    }

    fn finish(&self, opening: &Opening, id: SongId, path: &Path, is_awaited: &(dyn Fn() -> bool + Sync)) {
        let open = || self.share(id, path).map_or_else(|| self.open_anew(id, path, is_awaited), Ok);
        // A file that makes us panic is a bug, but no reason to let others wait for ever.
        let opened = catch_unwind(AssertUnwindSafe(open));
        opening.finish(opened.unwrap_or_else(|_| Err(io::Error::other("a bug in reading it").into())));
    }

    /// The song, if somebody has it open and it can be told at a glance that the file is still the same. Takes up to a
    /// millisecond, and is not tried where it would take longer, unless memory has since been taken from under the file's
    /// name: then it blocks.
    pub fn share_at_a_glance(&self, id: SongId) -> Option<Arc<OpenSong>> {
        if !self.openings.slots().get_mut(&id)?.glance.take(Instant::now()) {
            return None;
        }
        let path = self.state().catalogue.song(id).ok()?.path().to_path_buf();
        self.share(id, &path)
    }

    /// The song, if somebody has it open and the file is still the same.
    fn share(&self, id: SongId, path: &Path) -> Option<Arc<OpenSong>> {
        let song = self.openings.open_song(id)?;
        let begun = Instant::now();
        let is_same = self.origin.stamp(path).is_ok_and(|stamp| song.is_of(&stamp));
        if let Some(slot) = self.openings.slots().get_mut(&id) {
            slot.glance.note(is_same, begun, Instant::now());
        }
        is_same.then_some(song)
    }

    fn open_anew(
        &self,
        id: SongId,
        path: &Path,
        is_awaited: &(dyn Fn() -> bool + Sync),
    ) -> Result<Arc<OpenSong>, SongError> {
        for _ in 0..COUNT_ATTEMPTS {
            let now = (self.now)();
            let (content, stamp) = self.origin.open(path)?;
            let known = self.state().catalogue.details(id, &stamp);
            let is_wanted = || is_awaited() && self.origin.still_has(path, &stamp);
            let (tags, counted) = match counted(&Attended { content: &content, is_wanted: &is_wanted }, known) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                counted => counted?,
            };
            let song = Arc::new(OpenSong::new(id, content, stamp, counted.clone()));
            if song.is_unchanged()? {
                let details = Details { tags, measure: Measure::Counted(counted) };
                self.state().catalogue.learn(id, details, stamp, now);
                self.openings.remember(&song);
                return Ok(song);
            }
        }
        Err(SongError::Changing)
    }
}

/// What is `known` about a song, with what counting its frames adds to it.
fn counted(content: &dyn ReadAt, known: Option<Details>) -> io::Result<(Tags, Arc<Counted>)> {
    match known {
        Some(Details { tags, measure: Measure::Counted(counted) }) => Ok((tags, counted)),
        Some(Details { tags, .. }) => Ok((tags, Counted::of(content)?)),
        None => Ok((Tags::read(content)?, Counted::of(content)?)),
    }
}
