//! Opens songs and seeks in them on worker threads, so that no connection blocks on a slow disk or on counting frames.
//!
//! A song is opened once for all clients that want it at the same time.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use trill_proto::ids::SongId;

use super::Library;
use super::error::SongError;
use super::open_song::OpenSong;
use super::song::{Details, Song};
use super::stamp::Stamp;
use super::worker::{Outcome, Task};
use crate::mp3::cancellable::{CancellableReader, GivenUp};
use crate::mp3::duration::{Counted, Measure};
use crate::mp3::seek::Location;
use crate::mp3::source::ReadAt;
use crate::mp3::tags::Tags;

/// How often counting starts again because the file changes meanwhile.
const COUNT_ATTEMPTS: usize = 3;

/// The songs that are open or being opened. Nothing is kept of closed songs.
#[derive(Default)]
pub(super) struct OpenSongs(Mutex<HashMap<SongId, Slot>>);

#[derive(Default)]
struct Slot {
    open: Weak<OpenSong>,
    /// The task that opens the song, and the stamp of the file that the song had at its begin.
    task: Option<(Weak<Outcome<Arc<OpenSong>>>, Stamp)>,
}

impl Library {
    /// Opens a song, or shares an open one. Blocks on the disk, and while frames are counted unless they were before.
    ///
    /// # Errors
    /// [`SongError`].
    pub fn open_song(&self, id: SongId) -> Result<Arc<OpenSong>, SongError> {
        self.begin_opening(id)?.wait()
    }

    /// Begins to open a song. Does not block.
    ///
    /// # Errors
    /// [`SongError::NoSuchSong`] or [`SongError::Gone`].
    pub fn begin_opening(&self, id: SongId) -> Result<Task<Arc<OpenSong>>, SongError> {
        let song = self.listed().song(id)?.clone();
        let stamp = song.known().stamp;
        let (task, is_new) = self.open_songs.task(id, stamp);
        if is_new {
            let job = task.clone();
            self.run_in_background(move |library| library.open_for(job, &song));
        }
        Ok(task)
    }

    /// Begins to search for where to start sending, so that the music starts `ms` milliseconds after its beginning. Does not
    /// block.
    pub fn begin_seek(&self, song: Arc<OpenSong>, ms: u32) -> Task<Location> {
        let task = Task::new();
        let job = task.clone();
        self.run_in_background(move |_| job.run(|| song.locate_while(ms, &|| job.is_awaited())));
        task
    }

    fn open_for(&self, task: Task<Arc<OpenSong>>, song: &Song) {
        let path = song.path.to_path_buf();
        let is_awaited = || self.open_songs.is_awaited(song.id, &task);
        task.run(|| self.share(song.id, &path).map_or_else(|| self.open_file(song, &path, &is_awaited), Ok));
        drop(task);
        self.open_songs.forget_if_unused(song.id);
    }

    /// The song, if it is open and the file is still the same.
    fn share(&self, id: SongId, path: &Path) -> Option<Arc<OpenSong>> {
        let song = self.open_songs.get(id)?;
        self.storage.stamp(path).is_ok_and(|stamp| song.is_of(&stamp)).then_some(song)
    }

    fn open_file(
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
            let open = Arc::new(OpenSong::new(song.id, (file, stamp), counted, Arc::downgrade(&self.open_songs)));
            if open.is_unchanged()? {
                self.state().learn(song, details, stamp, now);
                self.open_songs.insert(&open);
                return Ok(open);
            }
        }
        Err(SongError::Changing)
    }

    /// Counts a song's frames unless that was done before, and reads its tags unless they are known.
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

impl OpenSongs {
    fn get(&self, id: SongId) -> Option<Arc<OpenSong>> {
        self.slots().get(&id)?.open.upgrade()
    }

    fn insert(&self, song: &Arc<OpenSong>) {
        self.slots().entry(song.id()).or_default().open = Arc::downgrade(song);
    }

    /// The task that opens this song, and whether it is new. A task for another file at the path is not shared.
    fn task(&self, id: SongId, stamp: Stamp) -> (Task<Arc<OpenSong>>, bool) {
        let running; // dropped after the lock: it may hold the last reference to a song, whose drop locks
        let mut slots = self.slots();
        let slot = slots.entry(id).or_default();
        let same_file = slot.task.as_ref().filter(|(_, begun)| begun.is_same_content(&stamp));
        running = same_file.and_then(|(task, _)| task.upgrade()).map(Task);
        if let Some(task) = &running
            && !task.is_done()
        {
            return (task.clone(), false);
        }
        let task = Task::new();
        slot.task = Some((Arc::downgrade(&task.0), stamp));
        (task, true)
    }

    /// Whether a caller waits for this task. Once none does, no other can join it.
    fn is_awaited(&self, id: SongId, task: &Task<Arc<OpenSong>>) -> bool {
        let mut slots = self.slots();
        let is_awaited = task.is_awaited();
        if !is_awaited && let Some(slot) = slots.get_mut(&id) {
            slot.task.take_if(|(begun, _)| begun.ptr_eq(&Arc::downgrade(&task.0)));
        }
        is_awaited
    }

    pub(super) fn forget_if_unused(&self, id: SongId) {
        let mut slots = self.slots();
        let is_opening = |slot: &Slot| slot.task.as_ref().is_some_and(|(task, _)| task.strong_count() > 0);
        if slots.get(&id).is_some_and(|slot| slot.open.strong_count() == 0 && !is_opening(slot)) {
            slots.remove(&id);
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<SongId, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots().len()
    }
}
