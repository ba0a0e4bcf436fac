//! Opens songs and seeks in them on worker threads. A song is opened once for all who want it at the same time.
//!
//! Nobody has to wait without a word for a slow disk, or for frames that have not been counted yet, and nobody's slow
//! connection delays others who want the same song.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use trill_proto::ids::SongId;

use super::Library;
use super::error::SongError;
use super::open_song::OpenSong;
use super::outcome::Outcome;
use super::seek_task::SeekTask;
use super::song::{Details, Song};
use super::stamp::Stamp;
use crate::mp3::cancellable::{CancellableReader, GivenUp};
use crate::mp3::duration::{Counted, Measure};
use crate::mp3::source::ReadAt;
use crate::mp3::tags::Tags;
use crate::threads;

/// How often counting is begun anew because the file changes under it.
const COUNT_ATTEMPTS: usize = 3;

/// Songs that are opened at once; more wait. This bounds the memory and the descriptors that opening takes.
const MAX_THREADS: usize = 64;

/// A song that is being opened. Once every clone is dropped, opening it is given up.
#[derive(Clone, Debug)]
pub struct OpenTask(Arc<Task>);

#[derive(Debug)]
struct Task {
    /// The song's when opening was asked for. Who sees another file at the path does not wait for this one.
    stamp: Stamp,
    outcome: Outcome<Result<Arc<OpenSong>, SongError>>,
}

impl OpenTask {
    fn new(stamp: Stamp) -> Self {
        Self(Arc::new(Task { stamp, outcome: Outcome::default() }))
    }

    /// Waits until the song is open, but no longer than `patience`; `None` if it is not yet.
    pub fn wait_for(&self, patience: Duration) -> Option<Result<Arc<OpenSong>, SongError>> {
        self.0.outcome.wait_for(patience)
    }

    fn wait(&self) -> Result<Arc<OpenSong>, SongError> {
        loop {
            if let Some(outcome) = self.wait_for(Duration::MAX) {
                return outcome;
            }
        }
    }
}

/// The songs that are open, or are being opened.
#[derive(Default)]
pub(super) struct Openers(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    slots: HashMap<SongId, Slot>,
    queue: VecDeque<Job>,
    threads: usize,
}

enum Job {
    Open(OpenTask, Arc<Song>),
    Seek(SeekTask),
}

#[derive(Default)]
struct Slot {
    open: Weak<OpenSong>,
    task: Weak<Task>,
}

impl Openers {
    fn open_song(&self, id: SongId) -> Option<Arc<OpenSong>> {
        self.inner().slots.get(&id)?.open.upgrade()
    }

    /// The task that opens this song: one that was begun for the same file, or else a new one that is queued. Also returns
    /// whether the caller must start a thread for it.
    fn task(&self, song: &Arc<Song>, stamp: Stamp) -> (OpenTask, bool) {
        let mut inner = self.inner();
        if let Some(task) = inner.slots.get(&song.id).and_then(|slot| slot.task.upgrade()).map(OpenTask)
            && task.0.stamp.is_same_content(&stamp)
            && !task.0.outcome.is_set()
        {
            return (task, false);
        }
        let task = OpenTask::new(stamp);
        inner.slots.entry(song.id).or_default().task = Arc::downgrade(&task.0);
        let must_start = inner.enqueue(Job::Open(task.clone(), song.clone()));
        (task, must_start)
    }

    /// The next job. `None` if the thread must end.
    fn next_job(&self) -> Option<Job> {
        let mut inner = self.inner();
        let next = inner.queue.pop_front();
        inner.threads -= usize::from(next.is_none());
        next
    }

    /// A thread that was counted could not be started. Returns whether others are there to do its work.
    fn leave_to_others(&self) -> bool {
        let mut inner = self.inner();
        let has_others = inner.threads > 1;
        inner.threads -= usize::from(has_others);
        has_others
    }

    /// Whether anybody waits for this task besides the thread that does it. Once nobody does, nobody will.
    fn is_awaited(&self, task: &OpenTask, id: SongId) -> bool {
        let mut inner = self.inner();
        let is_awaited = Arc::strong_count(&task.0) > 1;
        let ours = Arc::downgrade(&task.0);
        if let Some(slot) = inner.slots.get_mut(&id).filter(|slot| !is_awaited && slot.task.ptr_eq(&ours)) {
            slot.task = Weak::new();
        }
        is_awaited
    }

    fn remember(&self, song: &Arc<OpenSong>) {
        self.inner().slots.entry(song.id()).or_default().open = Arc::downgrade(song);
    }

    /// Nothing is kept of songs that are closed.
    pub(super) fn forget_if_unused(&self, id: SongId) {
        let mut inner = self.inner();
        let is_used = |slot: &Slot| slot.open.strong_count() + slot.task.strong_count() > 0;
        if inner.slots.get(&id).is_some_and(|slot| !is_used(slot)) {
            inner.slots.remove(&id);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn threads(&self) -> usize {
        self.inner().threads
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.inner().slots.len()
    }
}

impl Inner {
    /// Returns whether the caller must start a thread for it.
    fn enqueue(&mut self, job: Job) -> bool {
        self.queue.push_back(job);
        let must_start = self.threads < MAX_THREADS;
        self.threads += usize::from(must_start);
        must_start
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

    /// Begins to open a song, for those who have something else to do meanwhile.
    ///
    /// # Errors
    /// [`SongError`], if the song is not in the library.
    pub fn begin_opening(&self, id: SongId) -> Result<OpenTask, SongError> {
        let song = self.listed().song(id)?.clone();
        let stamp = song.known().stamp;
        let (task, must_start) = self.openers.task(&song, stamp);
        if must_start {
            self.start_worker();
        }
        Ok(task)
    }

    /// Begins to look for where to start sending, so that the music is heard from `ms` milliseconds after its beginning.
    pub fn begin_seek(&self, song: Arc<OpenSong>, ms: u32) -> SeekTask {
        let task = SeekTask::new(song, ms);
        if self.openers.inner().enqueue(Job::Seek(task.clone())) {
            self.start_worker();
        }
        task
    }

    /// Starts one more thread, or if there is none to be had and no other works, works on this one.
    fn start_worker(&self) {
        let this = self.this.clone();
        let open = move || this.upgrade().iter().for_each(|library| library.run_jobs());
        if threads::spawn("open", open).is_err() && !self.openers.leave_to_others() {
            self.run_jobs();
        }
    }

    fn run_jobs(&self) {
        while let Some(job) = self.openers.next_job() {
            match job {
                Job::Open(task, song) => self.run_open_task(task, &song),
                Job::Seek(task) => {
                    if catch_unwind(AssertUnwindSafe(|| task.run())).is_err() {
                        task.fail(io::Error::other("a bug in reading it").into());
                    }
                }
            }
        }
    }

    fn run_open_task(&self, task: OpenTask, song: &Arc<Song>) {
        let path = song.path.to_path_buf();
        let is_awaited = || self.openers.is_awaited(&task, song.id);
        let open = || self.share(song.id, &path).map_or_else(|| self.open_anew(song, &path, &is_awaited), Ok);
        // A file that causes a panic is a bug, but no reason to let others wait for ever.
        let opened = catch_unwind(AssertUnwindSafe(open));
        task.0.outcome.set(opened.unwrap_or_else(|_| Err(io::Error::other("a bug in reading it").into())));
        drop(task);
        self.openers.forget_if_unused(song.id);
    }

    /// The song, if somebody has it open and the file is still the same.
    fn share(&self, id: SongId, path: &Path) -> Option<Arc<OpenSong>> {
        let song = self.openers.open_song(id)?;
        self.storage.stamp(path).is_ok_and(|stamp| song.is_of(&stamp)).then_some(song)
    }

    fn open_anew(
        &self,
        song: &Song,
        path: &Path,
        is_awaited: &(dyn Fn() -> bool + Sync),
    ) -> Result<Arc<OpenSong>, SongError> {
        for _ in 0..COUNT_ATTEMPTS {
            let now = (self.now)();
            let (file, stamp) = self.storage.open(path)?;
            let known = song.known().details(&stamp);
            let is_wanted = || is_awaited() && self.still_has(path, &stamp);
            let (details, counted) = match self.count(&CancellableReader::new(&*file, &is_wanted), known) {
                Err(error) if GivenUp::of(&error).is_some() => continue,
                counted => counted?,
            };
            let open = OpenSong::new(song.id, (file, stamp), counted, Arc::downgrade(&self.openers));
            let open = Arc::new(open);
            if open.is_unchanged()? {
                self.state().learn(song, details, stamp, now);
                self.openers.remember(&open);
                return Ok(open);
            }
        }
        Err(SongError::Changing)
    }

    /// Adds to what is known about a song what counting its frames shows.
    fn count(&self, file: &dyn ReadAt, known: Option<Details>) -> io::Result<(Details, Arc<Counted>)> {
        let counted = match &known {
            Some(Details { measure: Some(Measure::Counted(counted)), .. }) => counted.clone(),
            _ => Counted::of(file)?,
        };
        let measure = Some(Measure::Counted(counted.clone()));
        let details = match known {
            Some(known) => Details { measure, ..known },
            None => self.details(Tags::read(file)?, measure),
        };
        Ok((details, counted))
    }
}
