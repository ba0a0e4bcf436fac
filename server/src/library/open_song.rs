//! Songs that are played: each is opened once for all clients that want it at the same time.
//!
//! Opening and seeking run on worker threads, so that no connection blocks on a slow disk or on counting frames.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use trill_proto::ids::SongId;

use super::Library;
use super::song::{Details, Song, SongError};
use super::storage::{SongFile, Stamp};
use super::worker::{Promise, Task};
use crate::mp3::cancellable::{CancellableReader, GivenUp};
use crate::mp3::duration::{self, Counted, Measure, Measured};
use crate::mp3::seek::{Location, locate};
use crate::mp3::source::ReadAt;
use crate::mp3::tags::Tags;

/// How often counting starts again because the file changes meanwhile.
const COUNT_ATTEMPTS: usize = 3;

/// The songs that are open or being opened. Nothing is kept of closed songs.
#[derive(Default)]
pub(super) struct OpenSongs(Mutex<HashMap<SongId, OpenEntry>>);

#[derive(Default)]
struct OpenEntry {
    open: Weak<OpenSong>,
    /// The task that opens the song, and the stamp of the file that the song had at its begin.
    task: Option<(Weak<Promise<Arc<OpenSong>>>, Stamp)>,
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
            let is_wanted = || is_awaited() && self.still_has(path, &stamp);
            let (details, counted) = match self.count(song, &stamp, &CancellableReader::new(&*file, &is_wanted)) {
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
    fn count(&self, song: &Song, stamp: &Stamp, file: &dyn ReadAt) -> io::Result<(Details, Arc<Counted>)> {
        let known = song.known().details(stamp);
        let counted = match &known {
            Some(Details { measure: Some(Measure::Counted(counted)), .. }) => counted.clone(),
            _ => Counted::of(file)?,
        };
        let measure = Some(Measure::Counted(counted.clone()));
        let details = match known {
            Some(known) => Details { measure, ..known },
            None => self.details(song, Tags::read(file)?, measure),
        };
        Ok((details, counted))
    }
}

impl OpenSongs {
    fn get(&self, id: SongId) -> Option<Arc<OpenSong>> {
        self.entries().get(&id)?.open.upgrade()
    }

    fn insert(&self, song: &Arc<OpenSong>) {
        self.entries().entry(song.id()).or_default().open = Arc::downgrade(song);
    }

    /// The task that opens this song, and whether it is new. A task for another file at the path is not shared.
    fn task(&self, id: SongId, stamp: Stamp) -> (Task<Arc<OpenSong>>, bool) {
        let running; // dropped after the lock: it may hold the last reference to a song, whose drop locks
        let mut entries = self.entries();
        let entry = entries.entry(id).or_default();
        let same_file = entry.task.as_ref().filter(|(_, begun)| begun.is_same_content(&stamp));
        running = same_file.and_then(|(task, _)| task.upgrade()).map(Task);
        if let Some(task) = &running
            && !task.is_done()
        {
            return (task.clone(), false);
        }
        let task = Task::new();
        entry.task = Some((Arc::downgrade(&task.0), stamp));
        (task, true)
    }

    /// Whether a caller waits for this task. Once none does, no other can join it.
    fn is_awaited(&self, id: SongId, task: &Task<Arc<OpenSong>>) -> bool {
        let mut entries = self.entries();
        let is_awaited = task.is_awaited();
        if !is_awaited && let Some(entry) = entries.get_mut(&id) {
            entry.task.take_if(|(begun, _)| begun.ptr_eq(&Arc::downgrade(&task.0)));
        }
        is_awaited
    }

    pub(super) fn forget_if_unused(&self, id: SongId) {
        let mut entries = self.entries();
        let is_opening = |entry: &OpenEntry| entry.task.as_ref().is_some_and(|(task, _)| task.strong_count() > 0);
        if entries.get(&id).is_some_and(|entry| entry.open.strong_count() == 0 && !is_opening(entry)) {
            entries.remove(&id);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<SongId, OpenEntry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries().len()
    }
}

/// One open file, shared by all clients that play the song. It stays readable when the file is removed or replaced.
pub struct OpenSong {
    id: SongId,
    file: Box<dyn SongFile>,
    counted: Arc<Counted>,
    place: Mutex<Place>,
    open_songs: Weak<OpenSongs>,
}

/// The position of the audio in the file.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The file's stamp when the audio was found there.
    stamp: Stamp,
    audio_offset: u64,
    /// `Some` while the file has another stamp and the audio was not found again.
    rewrite: Option<Rewrite>,
}

/// A rewrite of the file in progress.
#[derive(Clone, Copy, Debug)]
struct Rewrite {
    begun: Instant,
    /// The file's last known stamp.
    stamp: Stamp,
    /// When this stamp was first seen.
    seen: Instant,
}

/// A file that was not written to for this time is complete.
const SETTLING_TIME: Duration = Duration::from_secs(1);

/// A file must be rewritten within this time. Otherwise the music of its listeners ends.
const REWRITE_TIMEOUT: Duration = Duration::from_secs(10);

impl fmt::Debug for OpenSong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSong").field("id", &self.id).field("measured", self.measured()).finish_non_exhaustive()
    }
}

impl Drop for OpenSong {
    fn drop(&mut self) {
        if let Some(open_songs) = self.open_songs.upgrade() {
            open_songs.forget_if_unused(self.id);
        }
    }
}

impl OpenSong {
    pub(super) fn new(
        id: SongId,
        (file, stamp): (Box<dyn SongFile>, Stamp),
        counted: Arc<Counted>,
        open_songs: Weak<OpenSongs>,
    ) -> Self {
        let place = Place { stamp, audio_offset: counted.measured.audio_offset, rewrite: None };
        Self { id, file, counted, place: Mutex::new(place), open_songs }
    }

    /// The song's id.
    pub const fn id(&self) -> SongId {
        self.id
    }

    /// Its audio; every frame was counted. The offset in the file is that of the time of opening.
    pub fn measured(&self) -> &Measured {
        &self.counted.measured
    }

    /// Reads audio from `position` on, in bytes from the first audio frame. Blocks on the disk only. Returns the number of bytes
    /// read, which may be fewer than fit. 0 means the end, or an empty `buffer`.
    ///
    /// # Errors
    /// [`SongError::Changing`], [`SongError::Changed`] and [`SongError::Unreadable`].
    pub fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<usize, SongError> {
        let rest = self.measured().size_bytes.saturating_sub(position);
        let length = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        if length == 0 {
            return Ok(0);
        }
        loop {
            let place = *self.place();
            let filled = match self.file.read_at(place.audio_offset + position, &mut buffer[..length]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            // Checked after reading, so that the bytes are valid.
            let stamp = self.file.stamp()?;
            if !place.stamp.is_same_content(&stamp) {
                self.find_again(stamp)?;
            } else if filled == 0 {
                return Err(SongError::Changed);
            } else {
                return Ok(filled);
            }
        }
    }

    /// Finds the audio again in a file that was written to and now has this stamp.
    fn find_again(&self, stamp: Stamp) -> Result<(), SongError> {
        let found = duration::find_again(&*self.file, self.measured())?;
        let (after, now) = (self.file.stamp()?, Instant::now());
        let mut place = self.place();
        match found {
            Some(audio_offset) if after == stamp => {
                *place = Place { stamp, audio_offset, rewrite: None };
                Ok(())
            }
            _ => {
                let rewrite = place.rewrite.get_or_insert(Rewrite { begun: now, stamp: after, seen: now });
                Err(if rewrite.is_over(after, now) { SongError::Changed } else { SongError::Changing })
            }
        }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to start sending so that the music starts `ms` milliseconds after its beginning, exact to the sample. Reads up to
    /// about a thousand frames.
    ///
    /// # Errors
    /// [`SongError::BeyondEnd`], [`SongError::Changing`] and [`SongError::Unreadable`].
    pub fn locate(&self, ms: u32) -> Result<Location, SongError> {
        self.locate_while(ms, &|| true)
    }

    /// The same, cancelled with an error once it is no longer wanted: it may read gigabytes without frames.
    pub(super) fn locate_while(&self, ms: u32, is_wanted: &(dyn Fn() -> bool + Sync)) -> Result<Location, SongError> {
        let reader = CancellableReader::new(&*self.file, is_wanted);
        loop {
            let place = *self.place();
            let measured = Measured { audio_offset: place.audio_offset, ..*self.measured() };
            let location = locate(&reader, &measured, &self.counted.index, ms)?.ok_or(SongError::BeyondEnd)?;
            let stamp = self.file.stamp()?;
            if place.stamp.is_same_content(&stamp) {
                return Ok(location);
            }
            self.find_again(stamp).map_err(|_| SongError::Changing)?;
        }
    }

    /// Whether the audio was found in the open file with this stamp.
    pub(super) fn is_of(&self, stamp: &Stamp) -> bool {
        self.place().stamp.is_same_content(stamp)
    }

    #[cfg(test)]
    pub(super) fn counted(&self) -> &Arc<Counted> {
        &self.counted
    }

    /// Whether the file has not been written to since it was opened.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn is_unchanged(&self) -> io::Result<bool> {
        Ok(self.is_of(&self.file.stamp()?))
    }
}

impl Rewrite {
    /// Whether the change is over, so that audio that was not found in a file with this stamp is gone.
    fn is_over(&mut self, stamp: Stamp, now: Instant) -> bool {
        if self.stamp != stamp {
            (self.stamp, self.seen) = (stamp, now);
        }
        now - self.seen >= SETTLING_TIME || now - self.begun >= REWRITE_TIMEOUT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_over_when_writing_stops_or_takes_too_long() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let stamps = [b"".as_slice(), b"1"].map(Stamp::of_built_in);
        let mut rewrite = Rewrite { begun, stamp: stamps[0], seen: begun };
        assert!(!rewrite.is_over(stamps[0], at(999)));
        assert!(!rewrite.is_over(stamps[1], at(1_000)), "the file is still written to");
        assert!(!rewrite.is_over(stamps[1], at(1_999)));
        assert!(rewrite.is_over(stamps[1], at(2_000)));
        for (stamp, second) in stamps.iter().cycle().zip(0..20) {
            assert_eq!(rewrite.is_over(*stamp, at(second * 500 + 500)), second >= 19);
        }
    }
}
