//! Where songs are stored: in a directory, in the program itself, or in tests on a sleeping disk.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::Metadata;

use super::scan::{Reason, Watched};
use crate::mp3::source::ReadAt;

/// A store of songs. Every method may block until a disk has woken up.
pub(super) trait Storage: fmt::Display + Send + Sync {
    /// Whether no song was added, removed or renamed since the scan that recorded `watched`. `false` if only another scan can
    /// show that.
    fn is_unchanged(&self, watched: &Watched) -> bool;

    /// Gives every song to `sink` in path order.
    ///
    /// # Errors
    /// The file system's error about the top directory, or about any other if the system is short of a resource. Skips and
    /// reports what cannot be read for another reason.
    fn scan(&self, now: fn() -> SystemTime, sink: &mut dyn Sink) -> io::Result<Report>;

    /// Opens a song. Also returns its current stamp.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] if the path leads outside, [`io::ErrorKind::InvalidInput`] if it is not a
    /// regular file; else the file system's error.
    fn open(&self, path: &Path) -> io::Result<(Box<dyn SongFile>, Stamp)>;

    /// A song's current stamp, without opening it.
    ///
    /// # Errors
    /// The file system's.
    fn stamp(&self, path: &Path) -> io::Result<Stamp>;
}

/// An open song that several threads can read at once.
pub(super) trait SongFile: ReadAt {
    /// The file's current stamp.
    ///
    /// # Errors
    /// The file system's.
    fn stamp(&self) -> io::Result<Stamp>;
}

/// The coarsest clock of a common file system: FAT counts in two seconds.
const CLOCK_TICK: Duration = Duration::from_secs(2);

/// A file's size and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size_bytes: u64,
    /// The last change of the content, in nanoseconds since 1970.
    modified: i64,
    /// The last change of content or metadata, such as permissions, in nanoseconds since 1970. 0 on systems without it.
    touched: i64,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
        let since_1970 = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = since_1970.and_then(|time| time.as_nanos().try_into().ok()).unwrap_or(0);
        Self { size_bytes: metadata.len(), modified, touched: touched(metadata) }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn of_statx(statx: &rustix::fs::Statx) -> Self {
        let nanos = |time: rustix::fs::StatxTimestamp| {
            time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec.into())
        };
        Self { size_bytes: statx.stx_size, modified: nanos(statx.stx_mtime), touched: nanos(statx.stx_ctime) }
    }

    /// The stamp of a song in memory, which never changes.
    pub(super) const fn of_built_in(bytes: &[u8]) -> Self {
        Self { size_bytes: bytes.len() as u64, modified: 0, touched: 0 }
    }

    /// Whether the content is the same, judging by size and time of change.
    pub(super) fn is_same_content(&self, other: &Self) -> bool {
        (self.size_bytes, self.modified) == (other.size_bytes, other.modified)
    }

    /// Whether the file changed so shortly before `now` that a further change may leave the stamp equal, because the file
    /// system's clock may not have ticked in between.
    pub(super) fn is_fresh(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        // A time far in the future is wrong.
        [self.modified, self.touched]
            .iter()
            .any(|&time| now.abs_diff(time.unsigned_abs().into()) < CLOCK_TICK.as_nanos())
    }
}

#[cfg(unix)]
fn touched(metadata: &Metadata) -> i64 {
    use cap_std::fs::MetadataExt;
    metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn touched(_: &Metadata) -> i64 {
    0
}

/// Receives the songs that a scan finds.
pub(super) trait Sink {
    /// Whether the file is known and unchanged. The scan does not open such a file to see whether it is readable.
    fn is_known(&mut self, file: &Found<'_>) -> bool;

    /// Takes a file that is new or changed. Called right after [`Self::is_known`].
    fn add(&mut self, file: &Found<'_>);
}

/// A file that a scan found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    /// Relative to the served directory.
    pub(super) directory: &'a Arc<Path>,
    pub(super) name: &'a OsStr,
    pub(super) stamp: Stamp,
}

/// What a scan found besides songs.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Files and directories that were skipped, with paths relative to the served directory.
    pub(super) skipped: Vec<(PathBuf, Reason)>,
    pub(super) watched: Watched,
}

impl SongFile for File {
    fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp::of(&Metadata::from_just_metadata(self.metadata()?)))
    }
}

impl SongFile for &[u8] {
    fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp::of_built_in(self))
    }
}

/// A song that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// The name of its file.
    pub name: &'static str,
    /// The content of the file.
    pub bytes: &'static [u8],
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(BuiltIn { name: $name, bytes: include_bytes!(concat!("../../assets/", $name)) }),*]
    };
}

/// Songs composed for Trill, free for any use. `server/assets/README.md` tells how they are made.
pub const DEMO: &[BuiltIn] = built_in!["01 Paper Kites.mp3", "02 Lantern Light.mp3", "03 Three Swifts.mp3"];

/// Serves songs that come with the program.
pub(super) struct BuiltInSongs(pub(super) &'static [BuiltIn]);

impl Storage for BuiltInSongs {
    fn is_unchanged(&self, _: &Watched) -> bool {
        true
    }

    fn scan(&self, _: fn() -> SystemTime, sink: &mut dyn Sink) -> io::Result<Report> {
        let top = Path::new("").into();
        let mut songs: Vec<_> = self.0.iter().collect();
        songs.sort_by_key(|song| Path::new(song.name));
        for song in songs {
            let stamp = Stamp::of_built_in(song.bytes);
            let file = Found { directory: &top, name: song.name.as_ref(), stamp };
            if !sink.is_known(&file) {
                sink.add(&file);
            }
        }
        Ok(Report::default())
    }

    fn open(&self, path: &Path) -> io::Result<(Box<dyn SongFile>, Stamp)> {
        let song = self.0.iter().find(|song| Path::new(song.name) == path);
        let bytes = song.ok_or(io::ErrorKind::NotFound)?.bytes;
        Ok((Box::new(bytes), Stamp::of_built_in(bytes)))
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        Ok(self.open(path)?.1)
    }
}

impl fmt::Display for BuiltInSongs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("built-in songs")
    }
}

/// Whether the system is short of a resource. Such an error says nothing about the file or directory.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    #[cfg(unix)]
    const CODES: [i32; 3] = [libc::EMFILE, libc::ENFILE, libc::ENOMEM];
    // ERROR_TOO_MANY_OPEN_FILES, ERROR_NOT_ENOUGH_MEMORY, ERROR_OUTOFMEMORY.
    #[cfg(not(unix))]
    const CODES: [i32; 3] = [4, 8, 14];
    error.raw_os_error().is_some_and(|code| CODES.contains(&code))
}
