//! The songs: which there are, what is known about them, and their bytes.
//!
//! ```text
//!   scanner ──► storage: folder ──► scan        which songs there are, and which have changed
//!      │                              │
//!      │                              ▼
//!      │        index ◄──────── comparison      id → song, and library order
//!      │          │ song      └─ search         what is known about a song; songs by words
//!      ▼          ▼
//!   tag_reader ──► mp3                          tags and durations, read in the background
//!
//!   open_song ──► worker                        one open file for all clients that play the song
//! ```
//!
//! The first scan begins at once, each later one when a client asks for a list (module `scanner`). Everything that may wait
//! for a disk runs on a background thread: [`Library::begin_check`], [`Library::begin_opening`], [`Library::begin_seek`]. The
//! threads end when there is nothing to do. Reading what is in memory never waits for them: a scan makes a new list of the
//! songs and replaces the old one.
//!
//! Every file is untrusted input, and a different one may be at its path a moment later. No path leads out of the directory
//! (module `folder`).

mod file_path;
mod fold;
mod folder;
mod index;
mod open_song;
mod query;
mod scan;
mod scanner;
mod search;
mod search_slot;
mod song;
mod storage;
mod tag_reader;
mod worker;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use trill_proto::ids::SongId;
use trill_proto::message::{Gain, Search};

use folder::Folder;
use index::{Listed, TagIndex};
use open_song::OpenSongs;
use scan::Watched;
use scanner::{LastScan, Rounds};
use search_slot::SearchSlots;
use storage::{BuiltInSongs, Storage};
use tag_reader::{Albums, Readers};
use worker::Workers;

pub use folder::OpenError;
pub use index::Page;
pub use open_song::OpenSong;
pub use scanner::Check;
pub use search_slot::SearchSlot;
pub use song::{Listing, SongDetails, SongError};
pub use storage::{BuiltIn, DEMO};
pub use worker::Task;

pub use crate::mp3::duration::Measured;
pub use crate::mp3::seek::Location;

/// How long a list waits for tags and durations that are being read. Usually this suffices for all of them: those of a small
/// library or of a new file. A large library is listed without the missing ones.
pub const LIST_TIMEOUT: Duration = Duration::from_millis(100);

/// How old an index of content tags may be while files are being read.
const MAX_TAGS_AGE: Duration = Duration::from_secs(1);

/// The source of the songs.
#[derive(Clone, Debug)]
pub enum Source {
    /// All files below a directory whose names end in `.mp3`.
    Directory {
        /// The directory.
        path: PathBuf,
        /// Whether to follow symbolic links that lead out of the directory.
        follow_symlinks: bool,
    },
    /// These songs.
    BuiltIn(&'static [BuiltIn]),
}

impl Source {
    /// The songs in a directory. Symbolic links that lead out of it are not followed.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self::Directory { path: path.into(), follow_symlinks: false }
    }
}

/// All songs that are served, for use by many threads at once. Methods that block say so.
///
/// ```no_run
/// use trill_server::library::{Library, Source};
///
/// let library = Library::open(Source::directory("/srv/music"))?;
/// println!("{} songs", library.wait_until_scanned());
/// for song in library.page(trill_proto::ids::SongId(1), 20).songs() {
///     println!("{} {}", song.id, song.title);
/// }
/// # Ok::<(), trill_server::library::OpenError>(())
/// ```
pub struct Library {
    storage: Box<dyn Storage>,
    state: Mutex<State>,
    /// Signals that a check or scan has begun or ended, or that all songs have been read.
    progress: Condvar,
    last_scan: Mutex<LastScan>,
    tags: Mutex<Option<CachedTags>>,
    albums: Albums,
    open_songs: Arc<OpenSongs>,
    searches: Arc<SearchSlots>,
    workers: Workers,
    now: fn() -> SystemTime,
    this: Weak<Self>,
}

/// An index of content tags, valid for one version of them.
struct CachedTags {
    index: TagIndex,
    version: u64,
    made: Instant,
}

/// Locked for short times only, however many songs there are.
#[derive(Default)]
struct State {
    listed: Listed,
    /// Grows with each change of a content tag or of the list.
    tags_version: u64,
    checks: Rounds,
    scans: Rounds,
    /// What a check compares. `None` if the last scan failed.
    watched: Option<Arc<Watched>>,
    /// Whether there may be a song that must be read again after the next scan.
    has_uncertain: bool,
    readers: Readers,
}

impl Library {
    /// Opens the songs in `source`. Returns at once; the first scan runs in the background.
    ///
    /// # Errors
    /// [`OpenError`] if the directory does not exist or cannot be read.
    pub fn open(source: Source) -> Result<Arc<Self>, OpenError> {
        let storage: Box<dyn Storage> = match source {
            Source::Directory { path, follow_symlinks } => Box::new(Folder::new(&path, follow_symlinks)?),
            Source::BuiltIn(songs) => Box::new(BuiltInSongs(songs)),
        };
        Self::serve(storage, SystemTime::now)
    }

    fn serve(storage: Box<dyn Storage>, now: fn() -> SystemTime) -> Result<Arc<Self>, OpenError> {
        let library = Arc::new_cyclic(|this| Self {
            storage,
            state: Mutex::default(),
            progress: Condvar::new(),
            last_scan: Mutex::default(),
            tags: Mutex::default(),
            albums: Mutex::default(),
            open_songs: Arc::default(),
            searches: Arc::default(),
            workers: Workers::default(),
            now,
            this: this.clone(),
        });
        library.begin_scan().map_err(OpenError::NoThread)?;
        Ok(library)
    }

    /// Waits for the first scan and returns the number of songs. Blocks for about 10 µs per file.
    pub fn wait_until_scanned(&self) -> u32 {
        self.wait_while(|state| state.listed.generation == 0);
        self.song_count()
    }

    /// Waits for the first scan, at most for `timeout`. Returns whether it is over.
    pub fn wait_until_scanned_for(&self, timeout: Duration) -> bool {
        self.wait_for(timeout, |state| state.listed.generation > 0)
    }

    /// 0 until the first scan is over. Grows with each change that is found.
    pub fn generation(&self) -> u32 {
        self.listed().generation
    }

    /// The number of songs. 0 until the first scan is over.
    pub fn song_count(&self) -> u32 {
        self.listed().len() as u32
    }

    /// Whether the song was there at the last scan.
    pub fn is_listed(&self, id: SongId) -> bool {
        self.listed().song(id).is_ok()
    }

    /// Up to `at_most` songs in the order of their ids, from `first` on. Songs that are gone are left out.
    pub fn page(&self, first: SongId, at_most: usize) -> Page {
        Page::by_id(&self.listed(), first, at_most)
    }

    /// Waits for the right to [`search`](Self::search), at most for `timeout`. Only as many searches run at once as there are cores.
    pub fn wait_for_search(&self, timeout: Duration) -> Option<SearchSlot> {
        self.searches.take(timeout)
    }

    /// Up to `at_most` songs or groups that a search finds, in library order, or the best of them. The page begins at the song
    /// `first` if it is in the library, else at the rank. Takes some hundred nanoseconds for each song of the library, and
    /// little if all songs are wanted.
    pub fn search(&self, search: &Search<'_>, first: SongId, at_most: usize) -> Page {
        self.listed().search(search, first, at_most)
    }

    /// An open song's listing with its exact duration.
    ///
    /// # Errors
    /// [`SongError::Gone`] if it is no longer in the library.
    pub fn info(&self, song: &OpenSong) -> Result<Listing, SongError> {
        let listing = self.listed().song(song.id())?.listing();
        Ok(listing.with_audio(song.measured().into()))
    }

    /// What a [`Page`] does not tell about a song.
    ///
    /// # Errors
    /// [`SongError::Gone`] if it is no longer in the library.
    pub fn song_details(&self, id: SongId) -> Result<SongDetails, SongError> {
        Ok(self.listed().song(id)?.details())
    }

    /// How loud a song is. Nothing is known of one that is no longer in the library.
    pub fn gain(&self, id: SongId) -> Gain {
        self.listed().song(id).map_or_else(|_| Gain::UNKNOWN, |song| song.gain())
    }

    /// The song with this content tag among those that have been read; the lowest id if there are several. While files are
    /// being read, the answer may be a second old.
    ///
    /// The index is made on demand, since only a client that resumes after a restart needs it.
    pub fn find_tag(&self, tag: u64) -> Option<SongId> {
        let mut cached = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let (version, is_reading) = {
            let state = self.state();
            (state.tags_version, !state.readers.is_all_read())
        };
        let is_recent = |cached: &CachedTags| is_reading && cached.made.elapsed() < MAX_TAGS_AGE;
        if !cached.as_ref().is_some_and(|cached| cached.version == version || is_recent(cached)) {
            let index = TagIndex::of(&self.listed());
            *cached = Some(CachedTags { index, version, made: Instant::now() });
        }
        cached.as_ref().and_then(|cached| cached.index.find(tag))
    }

    /// The current list.
    fn listed(&self) -> Listed {
        self.state().listed.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locked while a scan runs.
    fn last_scan(&self) -> MutexGuard<'_, LastScan> {
        self.last_scan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a condition holds, at most for `timeout`. Returns whether it does.
    fn wait_for(&self, timeout: Duration, is_so: impl Fn(&State) -> bool) -> bool {
        let waited = self.progress.wait_timeout_while(self.state(), timeout, |state| !is_so(state));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn wait_while(&self, is_so: impl Fn(&State) -> bool) {
        drop(self.progress.wait_while(self.state(), |state| is_so(state)));
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Library").field(&format_args!("{}", self.storage)).finish()
    }
}
