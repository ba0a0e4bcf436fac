//! The songs: which there are, what they are called, and their bytes.
//!
//! ```text
//!   walk ── scan ──► survey                       which files there are, and are not as they were
//!                        │
//!                        ▼
//!                    catalogue ──► listing        which number is which song
//!                        │  songs, texts          what is kept of each, in little memory
//!                        ▼   background, lowest number first
//!                       mp3                      what is in a file, as the decoder sees it
//!                        │
//!                        ▼
//!               opening ── song                   one open file for all who play it
//! ```
//!
//! The first look at the directory begins at once, every later one when somebody asks for a list: first at the times of
//! its directories, which tell of all that was added, removed or renamed and which the list waits for, and unless they
//! tell of something also at each file, which may have been changed where it is. Each runs on a thread of its own, since a
//! disk may be slow, and so does the opening of a song, which counts its frames unless that was done before. Only what
//! is in memory takes less than a thread, and needs none: a glance at a few directories, or at the file of a song that is
//! open. Nothing polls. Tags and durations are read by a few threads that exist only while there is something to read.
//!
//! What a directory holds was put there by anybody: every file is untrusted input, and what is at a path may be
//! something else a moment later. `file::Inside` keeps a song from being a way out of the directory.

mod background;
mod catalogue;
mod directories;
mod error;
mod file;
mod glance;
mod listing;
mod opening;
mod origin;
mod path;
mod scan;
mod song;
mod songs;
mod survey;
mod texts;
mod walk;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use trill_proto::ids::SongId;

use background::Background;
use catalogue::Catalogue;
use opening::Openings;
use origin::Origin;
use walk::Walks;

pub use error::{OpenError, ReadError, SeekError, SongError};
pub use listing::{Listing, Page};
pub use opening::Opening;
pub use origin::BuiltIn;
pub use song::OpenSong;
pub use walk::Look;

pub use crate::mp3::duration::Measured;
pub use crate::mp3::seek::Location;

/// How long a list waits for tags and durations that are just being read. Mostly that is all of them: those of a small
/// library, or of the file that was just added. A large library is listed as far as it is known.
const LIST_PATIENCE: Duration = Duration::from_millis(100);

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
/// println!("{} songs", library.wait_until_walked());
/// library.refresh();
/// for song in library.page(trill_proto::ids::SongId(1), 20).songs {
///     println!("{} {}", song.id, song.title);
/// }
/// # Ok::<(), trill_server::library::OpenError>(())
/// ```
pub struct Library {
    origin: Origin,
    state: Mutex<State>,
    /// A look at the directory is over, or all songs have been read.
    progress: Condvar,
    openings: Openings,
    now: fn() -> SystemTime,
    this: Weak<Self>,
}

#[derive(Default)]
struct State {
    catalogue: Catalogue,
    walks: Walks,
    background: Background,
}

impl Library {
    /// Begins to serve what is in `source`. Returns at once; the first look at a directory runs in the background.
    ///
    /// # Errors
    /// [`OpenError`] if there is no such directory, or it cannot be read.
    pub fn open(source: Source, options: Options) -> Result<Arc<Self>, OpenError> {
        let origin = match source {
            Source::Directory(path) => Origin::open_directory(&path, options.follow_symlinks)?,
            Source::BuiltIn(songs) => Origin::BuiltIn(songs),
        };
        Self::begin(origin, SystemTime::now)
    }

    fn begin(origin: Origin, now: fn() -> SystemTime) -> Result<Arc<Self>, OpenError> {
        let library = Arc::new_cyclic(|this| Self {
            origin,
            state: Mutex::default(),
            progress: Condvar::new(),
            openings: Openings::default(),
            now,
            this: this.clone(),
        });
        library.state().walks.want();
        library.spawn_walk().map_err(OpenError::NoThread)?;
        Ok(library)
    }

    /// One with this song, whose disk sleeps while somebody else has the lock.
    #[cfg(test)]
    pub(crate) fn asleep(lock: Arc<Mutex<()>>, song: &'static [u8]) -> Arc<Self> {
        Self::begin(Origin::Asleep(lock, song), SystemTime::now).expect("a thread")
    }

    /// One of this directory that takes all times of change for long ago, and trusts them.
    #[cfg(test)]
    pub(crate) fn trusting(directory: &std::path::Path) -> Arc<Self> {
        let later = || SystemTime::now() + Duration::from_secs(3_600);
        Self::begin(Origin::open_directory(directory, false).expect("a directory"), later).expect("a thread")
    }

    /// Waits for the first look at the directory, and says how many songs it found. Blocks for about 10 µs per file.
    pub fn wait_until_walked(&self) -> u32 {
        let is_walking = |state: &mut State| state.catalogue.generation() == 0;
        let state = self.progress.wait_while(self.state(), is_walking).unwrap_or_else(PoisonError::into_inner);
        state.catalogue.song_count()
    }

    /// The same, but no longer than `patience`; whether the look is over.
    pub fn wait_until_walked_for(&self, patience: Duration) -> bool {
        let is_walking = |state: &mut State| state.catalogue.generation() == 0;
        let state = self.progress.wait_timeout_while(self.state(), patience, is_walking);
        !state.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Sees what was added, changed or removed before this call. Blocks until all looks at the directory are over that
    /// have begun, for about 2 µs per file each, and for [`Self::wait_for_tags`].
    pub fn refresh(&self) {
        self.begin_look();
        self.wait_until_rested();
        self.wait_for_tags();
    }

    /// Waits until nobody looks at the directory.
    fn wait_until_rested(&self) {
        let is_looking = |state: &mut State| state.walks.is_running();
        drop(self.progress.wait_while(self.state(), is_looking));
    }

    /// Waits for tags and durations that are just being read. Blocks for up to 100 ms.
    pub fn wait_for_tags(&self) {
        self.wait_until_read_for(LIST_PATIENCE);
    }

    /// 0 until the first look at the directory is over; grows with each change that was seen.
    pub fn generation(&self) -> u32 {
        self.state().catalogue.generation()
    }

    /// Songs in the library; 0 until the first look at the directory is over.
    pub fn song_count(&self) -> u32 {
        self.state().catalogue.song_count()
    }

    /// Up to `at_most` songs from `first` on, as far as they are known; songs that are gone are left out.
    pub fn page(&self, first: SongId, at_most: usize) -> Page {
        Page::of(&self.state().catalogue, first, at_most)
    }

    /// All about an open song, with its exact duration.
    ///
    /// # Errors
    /// [`SongError`], if it is not in the library any more.
    pub fn info(&self, song: &OpenSong) -> Result<Listing, SongError> {
        let listing = Listing::of(song.id(), self.state().catalogue.song(song.id())?);
        Ok(listing.with_audio(song.measured().into()))
    }

    /// The song with this content tag, the lowest number if there are several, among those that have been read.
    pub fn find_tag(&self, tag: u64) -> Option<SongId> {
        self.state().catalogue.song_with_tag(tag)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Library").field(&format_args!("{}", self.origin)).finish()
    }
}
