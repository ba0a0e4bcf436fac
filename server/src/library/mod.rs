//! The songs: which there are, what is known about them, and their bytes.
//!
//! ```text
//!   scanner ──► storage: folder ──► scan        which songs there are, and which have changed
//!      │                              │
//!      │                              ▼
//!      │        index ◄──────── comparison      id → song, content tag → song
//!      │          │  song, listing              what is known about a song
//!      ▼          ▼
//!   readers ──► mp3                             tags and durations, read in the background
//!
//!   open_task ──► open_song                     one open file for all who play the song
//! ```
//!
//! The first scan begins at once. Every later one begins when a client asks for a list (module `scanner`). Everything that
//! may wait for a disk runs on a worker thread, and its caller waits as long as it likes: [`Library::begin_check`],
//! [`Library::begin_opening`]. Worker threads end when they have nothing to do. What is in memory is read without waiting
//! for any of them: a scan makes a new list of the songs and puts it in the place of the old one.
//!
//! Anybody may have put the files there: every file is untrusted input, and a moment later another may be at its path. No
//! path leads out of the directory (module `folder`).

mod error;
mod folder;
mod index;
mod listing;
mod open_song;
mod open_task;
mod outcome;
mod path;
mod readers;
mod scan;
mod scanner;
mod seek_task;
mod song;
mod stamp;
mod storage;
mod watched;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use trill_proto::ids::SongId;

use folder::Folder;
use index::{Index, Listed};
use open_task::Openers;
use readers::{Albums, Readers};
use scanner::{LastScan, Rounds};
use storage::{BuiltInSongs, Storage};
use watched::Watched;

pub use error::{OpenError, SongError};
pub use listing::{Listing, Page};
pub use open_song::OpenSong;
pub use open_task::OpenTask;
pub use scanner::Check;
pub use seek_task::SeekTask;
pub use storage::{BuiltIn, DEMO};

pub use crate::mp3::duration::Measured;
pub use crate::mp3::seek::Location;

/// How long a list waits for tags and durations that are being read. Mostly that is all of them: those of a small library,
/// or of the file that was just added. A large library is listed as far as it is known.
pub const LIST_TIMEOUT: Duration = Duration::from_millis(100);

/// Where the songs are.
#[derive(Clone, Debug)]
pub enum Source {
    /// All files below this directory whose names end in `.mp3`.
    Directory(PathBuf),
    /// These.
    BuiltIn(&'static [BuiltIn]),
}

/// How to look for songs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Also where symbolic links lead out of the directory.
    pub follow_symlinks: bool,
}

/// All songs that are served; used by all threads at once. What blocks says so.
///
/// ```no_run
/// use trill_server::library::{Library, Options, Source};
///
/// let library = Library::open(Source::Directory("/srv/music".into()), Options::default())?;
/// println!("{} songs", library.wait_until_scanned());
/// library.refresh();
/// for song in library.page(trill_proto::ids::SongId(1), 20).songs {
///     println!("{} {}", song.id, song.title);
/// }
/// # Ok::<(), trill_server::library::OpenError>(())
/// ```
pub struct Library {
    storage: Box<dyn Storage>,
    state: Mutex<State>,
    /// A check or scan has begun or is over, or all songs have been read.
    progress: Condvar,
    last_scan: Mutex<LastScan>,
    albums: Albums,
    openers: Arc<Openers>,
    now: fn() -> SystemTime,
    this: Weak<Self>,
}

/// Locked for moments only, however many songs there are.
#[derive(Default)]
struct State {
    index: Index,
    checks: Rounds,
    scans: Rounds,
    /// What the last scan found to watch; `None` if it failed.
    watched: Option<Arc<Watched>>,
    /// There may be a song that the next scan must have read again.
    has_uncertain: bool,
    readers: Readers,
}

impl Library {
    /// Begins to serve what is in `source`. Returns at once; the first scan of a directory runs in the background.
    ///
    /// # Errors
    /// [`OpenError`] if there is no such directory, or it cannot be read.
    pub fn open(source: Source, options: Options) -> Result<Arc<Self>, OpenError> {
        let storage: Box<dyn Storage> = match source {
            Source::Directory(path) => Box::new(Folder::new(&path, options.follow_symlinks)?),
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
            albums: Mutex::default(),
            openers: Arc::default(),
            now,
            this: this.clone(),
        });
        library.begin_scan().map_err(OpenError::NoThread)?;
        Ok(library)
    }

    /// Waits for the first scan, and returns how many songs it found. Blocks for about 10 µs per file.
    pub fn wait_until_scanned(&self) -> u32 {
        self.wait_while(|state| state.index.listed().generation == 0);
        self.song_count()
    }

    /// Waits for the first scan, but no longer than `patience`. Returns whether it is over.
    pub fn wait_until_scanned_for(&self, patience: Duration) -> bool {
        self.wait_for(patience, |state| state.index.listed().generation > 0)
    }

    /// Sees what was added, changed or removed before this call. Blocks until all checks and scans are over that have
    /// begun, for about 3 µs per file each, and for up to [`LIST_TIMEOUT`] while tags are read.
    pub fn refresh(&self) {
        self.begin_check();
        self.wait_until_rested();
        self.wait_for_tags(LIST_TIMEOUT);
    }

    /// Waits until no check and no scan is running or wanted.
    fn wait_until_rested(&self) {
        self.wait_while(|state| state.checks.is_running() || state.scans.is_running());
    }

    /// 0 until the first scan is over; grows with each change that was seen.
    pub fn generation(&self) -> u32 {
        self.listed().generation
    }

    /// Songs in the library; 0 until the first scan is over.
    pub fn song_count(&self) -> u32 {
        self.listed().len() as u32
    }

    /// Up to `at_most` songs from `first` on, as far as they are known; songs that are gone are left out.
    pub fn page(&self, first: SongId, at_most: usize) -> Page {
        Page::of(&self.listed(), first, at_most)
    }

    /// All about an open song, with its exact duration.
    ///
    /// # Errors
    /// [`SongError`], if it is not in the library any more.
    pub fn info(&self, song: &OpenSong) -> Result<Listing, SongError> {
        let listing = self.listed().song(song.id())?.listing();
        Ok(listing.with_audio(song.measured().into()))
    }

    /// The song with this content tag, the lowest id if there are several, among those that have been read.
    pub fn find_tag(&self, tag: u64) -> Option<SongId> {
        self.state().index.song_with_tag(tag)
    }

    /// The songs as they are listed now.
    fn listed(&self) -> Listed {
        self.state().index.listed().clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locked while a scan runs.
    fn last_scan(&self) -> MutexGuard<'_, LastScan> {
        self.last_scan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is so, but no longer than `patience`. Returns whether it is.
    fn wait_for(&self, patience: Duration, is_so: impl Fn(&State) -> bool) -> bool {
        let waited = self.progress.wait_timeout_while(self.state(), patience, |state| !is_so(state));
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
