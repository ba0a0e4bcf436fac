//! Reads tags and durations in the background.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, SystemTime};

use super::song::{Album, Details, Presence, Song, Title};
use super::storage::Stamp;
use super::storage::is_exhaustion;
use super::{Library, State};
use crate::mp3::cancellable::{CancellableReader, GivenUp};
use crate::mp3::duration::{Audio, Counted, Measure, from_info_tag};
use crate::mp3::source::{Ends, ReadAt};
use crate::mp3::tags::Tags;
use crate::spawn_thread;

/// More threads do not make a disk faster. A single one may be busy with one file for long.
const THREADS: std::ops::RangeInclusive<usize> = 2..=4;

/// Longer texts are cut. The wire takes 255 bytes and marks longer texts as cut.
const MAX_TEXT_BYTES: usize = 512;

/// The files that wait to be read, and the threads that read them.
#[derive(Default)]
pub(super) struct Readers {
    /// In the order of their ids.
    pub(super) due: VecDeque<Arc<Song>>,
    /// Files that exceeded the budget of the first attempt. One thread reads them when nothing else is due.
    long: VecDeque<Arc<Song>>,
    pub(super) threads: usize,
    /// Files that are being read for the first time.
    reading: usize,
    is_reading_long: bool,
}

/// An attempt to read a file, with a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// Suffices except for recordings of hours that do not state their length.
    First,
    /// If it does not suffice, the duration stays unknown until the song is played.
    Last,
}

impl Attempt {
    const fn budget(self) -> (u64, Duration) {
        match self {
            Self::First => (16 << 20, Duration::from_secs(2)),
            Self::Last => (2 << 30, Duration::from_secs(30)),
        }
    }
}

/// What was read from a file, the file's stamp before that, and the time before that.
struct Read {
    details: Details,
    stamp: Stamp,
    at: SystemTime,
}

impl Library {
    /// Starts threads if there are files to read. The threads end when there are none.
    pub(super) fn start_reading(&self) {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let most = cores.clamp(*THREADS.start(), *THREADS.end());
        let spawn = || {
            let this = self.this.clone();
            spawn_thread("tags", move || read_songs(&this))
        };
        let mut state = self.state();
        let Readers { due, threads, is_reading_long, .. } = &state.readers;
        let wanted = most.min(due.len()).saturating_sub(threads - usize::from(*is_reading_long));
        let spawned: Result<Vec<_>, _> = (0..wanted).map(|_| spawn().inspect(|_| state.readers.threads += 1)).collect();
        drop(state);
        if let Err(error) = spawned {
            log::warn!("cannot start a thread to read tags: {error}");
        }
    }

    /// Waits until all files have been read, at most for `timeout`. Returns whether they have.
    pub fn wait_until_read_for(&self, timeout: Duration) -> bool {
        self.wait_for(timeout, |state| state.readers.is_all_read())
    }

    /// Waits until all files have been read once, at most for `timeout`. Returns whether they have. Then only the durations of
    /// very long files are unknown.
    pub fn wait_for_tags(&self, timeout: Duration) -> bool {
        self.wait_for(timeout, |state| state.readers.is_all_read_once())
    }

    /// Reads one file. Returns `false` if there is none left.
    fn read_next(&self) -> bool {
        let mut state = self.state();
        let Some((song, attempt)) = state.readers.take() else {
            state.readers.threads -= 1;
            if state.readers.threads == 0 {
                self.albums().clear();
            }
            drop(state);
            self.progress.notify_all();
            return false;
        };
        drop(state);
        let is_listed = song.presence() == Presence::Listed;
        let read = if is_listed { self.try_to_read(&song, attempt) } else { Err(io::ErrorKind::NotFound.into()) };
        let mut state = self.state();
        state.readers.finish(&song, attempt, matches!(&read, Ok(read) if read.details.measure.is_none()));
        match read {
            Ok(Read { details, stamp, at }) => state.learn(&song, details, stamp, at),
            Err(error) if is_exhaustion(&error) => state.put_off(&song),
            Err(_) => {} // removed or replaced since it was listed; the next scan finds that
        }
        let is_idle = state.readers.is_all_read_once();
        drop(state);
        if is_idle {
            self.progress.notify_all();
        }
        true
    }

    fn try_to_read(&self, song: &Song, attempt: Attempt) -> io::Result<Read> {
        // A file that causes a panic must not leave the others unread.
        let read = catch_unwind(AssertUnwindSafe(|| self.read_song(song, attempt)));
        let read = read.unwrap_or_else(|_| Err(io::Error::other("a bug in reading it")));
        if let Err(error) = &read
            && GivenUp::of(error).is_none()
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!("{:?} cannot be read: {error}", song.path.to_path_buf());
        }
        read
    }

    fn read_song(&self, song: &Song, attempt: Attempt) -> io::Result<Read> {
        let (path, at) = (song.path.to_path_buf(), (self.now)());
        let (file, stamp) = self.storage.open(&path)?;
        let is_wanted = || self.still_has(&path, &stamp);
        let (bytes, time) = attempt.budget();
        let reader = CancellableReader::new(&*file, &is_wanted).with_budget(bytes, time);
        let ends = Ends::read(&reader, stamp.size_bytes)?;
        let tags = Tags::read(&ends)?;
        // A counted duration is more exact than a stated one.
        let stated = if song.known().counted().is_some() { None } else { from_info_tag(&ends)? };
        let measure = match stated {
            Some(measured) => Some(Measure::Stated(Audio::from(&measured))),
            None => count_within_budget(&ends)?.map(Measure::Counted),
        };
        Ok(Read { details: self.details(song, tags, measure), stamp, at })
    }

    /// Whether the file at this path has not changed.
    pub(super) fn still_has(&self, path: &Path, stamp: &Stamp) -> bool {
        self.storage.stamp(path).is_ok_and(|now| now.is_same_content(stamp))
    }

    /// Shares equal album texts among the files that are being read.
    pub(super) fn details(&self, song: &Song, tags: Tags, measure: Option<Measure>) -> Details {
        let Tags { title, artist, album, album_artist, genre, track, disc, year, gain } = tags;
        let [artist, album, album_artist, genre] =
            [artist, album, album_artist, genre].map(|text| shortened(&text).into());
        let album_gain = [gain.album, gain.album_peak];
        let album = Album { artist, album, album_artist, genre, year, disc, gain: album_gain };
        let mut albums = self.albums();
        let album = albums.get(&album).cloned().unwrap_or_else(|| {
            let album = Arc::new(album);
            albums.insert(album.clone());
            album
        });
        let title = Title::new(shortened(&title), &song.path.name);
        Details { title, album, track, gain: [gain.track, gain.track_peak], measure }
    }

    fn albums(&self) -> std::sync::MutexGuard<'_, HashSet<Arc<Album>>> {
        self.albums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Albums of the files that are being read.
pub(super) type Albums = Mutex<HashSet<Arc<Album>>>;

/// Counts the frames. `None` if that exceeds the budget.
fn count_within_budget(reader: &dyn ReadAt) -> io::Result<Option<Arc<Counted>>> {
    match Counted::of(reader) {
        Ok(counted) => Ok(Some(counted)),
        Err(error) if GivenUp::of(&error) == Some(GivenUp::OverBudget) => Ok(None),
        Err(error) => Err(error),
    }
}

fn shortened(text: &str) -> &str {
    let end = text.floor_char_boundary(MAX_TEXT_BYTES);
    text.get(..end).unwrap_or_default()
}

impl Readers {
    fn take(&mut self) -> Option<(Arc<Song>, Attempt)> {
        if let Some(song) = self.due.pop_front() {
            song.known().is_due = false;
            self.reading += 1;
            if self.due.is_empty() {
                self.due = VecDeque::new(); // gives back the memory of a large library's queue
            }
            return Some((song, Attempt::First));
        }
        if self.is_reading_long {
            return None;
        }
        let song = self.long.pop_front()?;
        self.is_reading_long = true;
        Some((song, Attempt::Last))
    }

    fn finish(&mut self, song: &Arc<Song>, attempt: Attempt, is_over_budget: bool) {
        match attempt {
            Attempt::First => {
                self.reading -= 1;
                if is_over_budget {
                    self.long.push_back(song.clone());
                }
            }
            Attempt::Last => self.is_reading_long = false,
        }
    }

    /// Whether every file has been read or has exceeded its first budget.
    fn is_all_read_once(&self) -> bool {
        self.due.is_empty() && self.reading == 0
    }

    pub(super) fn is_all_read(&self) -> bool {
        self.is_all_read_once() && self.long.is_empty() && !self.is_reading_long
    }
}

impl State {
    /// Records what was read from a song's file. See [`Known::learn`](super::song::Known::learn).
    pub(super) fn learn(&mut self, song: &Song, details: Details, stamp: Stamp, now: SystemTime) {
        let mut known = song.known();
        let before = known.content_tag();
        self.listed.generation += u32::from(known.learn(details, stamp, now));
        self.tags_version += u64::from(known.content_tag() != before);
        self.has_uncertain |= known.is_uncertain;
    }

    /// Has a song read again after the next scan, because the system was short of a resource.
    fn put_off(&mut self, song: &Song) {
        song.known().is_uncertain = true;
        self.has_uncertain = true;
    }
}

fn read_songs(library: &Weak<Library>) {
    while library.upgrade().is_some_and(|library| library.read_next()) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::file_path::FilePath;
    use trill_proto::ids::SongId;

    #[test]
    fn long_files_are_read_after_all_others_one_at_a_time() {
        let song = |id| {
            let path = FilePath::new(&Path::new("").into(), "a.mp3".as_ref());
            Arc::new(Song::new(SongId(id), path, Stamp::of_built_in(b"")))
        };
        let mut readers = Readers { due: [1, 2, 3].map(song).into(), ..Readers::default() };
        let take = |readers: &mut Readers| readers.take().map(|(song, attempt)| (song.id.0, attempt, song));
        for (id, is_over_budget) in [(1, true), (2, false), (3, true)] {
            let (taken, attempt, song) = take(&mut readers).unwrap();
            assert_eq!((taken, attempt), (id, Attempt::First));
            assert!(!readers.is_all_read_once());
            readers.finish(&song, Attempt::First, is_over_budget);
        }
        for id in [1, 3] {
            assert!(readers.is_all_read_once() && !readers.is_all_read());
            let (taken, attempt, song) = take(&mut readers).unwrap();
            assert_eq!((taken, attempt), (id, Attempt::Last));
            assert!(take(&mut readers).is_none() && !readers.is_all_read());
            readers.finish(&song, Attempt::Last, true);
        }
        assert!(take(&mut readers).is_none() && readers.is_all_read());
    }
}
