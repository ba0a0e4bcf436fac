//! Opening a song's file, and telling whether it is still the same.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

/// The coarsest clock of a file system in use: FAT counts in two seconds.
const CLOCK_TICK: Duration = Duration::from_secs(2);

/// What tells without reading a file that it has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size_bytes: u64,
    /// When its content was last changed, in nanoseconds since 1970.
    modified: i64,
    /// When anything about it was last changed, permissions included. Always 0 where there is no such thing.
    touched: i64,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let since_1970 = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
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

    /// Of a song that cannot change.
    pub(super) const fn of_built_in(bytes: &[u8]) -> Self {
        Self { size_bytes: bytes.len() as u64, modified: 0, touched: 0 }
    }

    /// Whether the content is the same, as far as size and time tell.
    pub(super) fn is_same_content(&self, other: &Self) -> bool {
        (self.size_bytes, self.modified) == (other.size_bytes, other.modified)
    }

    /// Whether the file changed so shortly before `now` that another change might leave this stamp as it is: the clock of
    /// its file system may not have ticked in between.
    pub(super) fn is_fresh(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        // A time far in the future is wrong, and says nothing.
        [self.modified, self.touched]
            .iter()
            .any(|&time| now.abs_diff(time.unsigned_abs().into()) < CLOCK_TICK.as_nanos())
    }
}

#[cfg(unix)]
fn touched(metadata: &Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn touched(_: &Metadata) -> i64 {
    0
}

/// Opens a file for reading. A FIFO neither blocks this nor is read by mistake: it has to be looked at afterwards anyway,
/// for what is at a path may be something else since it was listed.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] if it is no regular file; else whatever the file system reports.
pub(super) fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    regular(options.open(path)?)
}

/// A directory in which files are opened, and nowhere else. Not to be kept: while it is open its disk cannot be unmounted.
pub(super) struct Inside<'a> {
    root: &'a Path,
    directory: Dir,
}

impl<'a> Inside<'a> {
    /// `root` must be a canonical path.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub(super) fn new(root: &'a Path) -> io::Result<Self> {
        Ok(Self { root, directory: Dir::open_ambient_dir(root, ambient_authority())? })
    }

    /// Opens the file that `path` leads to. Symbolic links are followed as long as they stay inside.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] if it leads outside, [`io::ErrorKind::InvalidInput`] if it is no regular file;
    /// else whatever the file system reports.
    pub(super) fn open(&self, path: &Path) -> io::Result<(File, Metadata)> {
        match self.open_beneath(path) {
            // An absolute link may lead inside all the same.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let real = fs::canonicalize(self.root.join(path))?;
                self.open_beneath(real.strip_prefix(self.root).map_err(|_| error)?)
            }
            opened => opened,
        }
    }

    /// Whether the system says that this process may read the file: a third of what it costs to open it. Where it does not
    /// say so, that is to be found out by trying.
    #[cfg(target_os = "linux")]
    pub(super) fn may_read(&self, path: &Path) -> bool {
        use rustix::fs::{Access, AtFlags, accessat};
        accessat(&self.directory, path, Access::READ_OK, AtFlags::EACCESS).is_ok()
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn may_read(&self, _: &Path) -> bool {
        false
    }

    /// Whatever has become a link since the path was looked at, it does not lead outside: the system, or `cap-std` in its
    /// place, stops where the path would leave the directory.
    fn open_beneath(&self, path: &Path) -> io::Result<(File, Metadata)> {
        let mut options = OpenOptions::new();
        options.read(true);
        #[cfg(unix)]
        cap_std::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
        regular(self.directory.open_with(path, &options)?.into_std())
    }
}

/// Whether it is the system that is short of something, which says nothing about the file or the directory.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    #[cfg(unix)]
    const CODES: [i32; 3] = [libc::EMFILE, libc::ENFILE, libc::ENOMEM];
    // ERROR_TOO_MANY_OPEN_FILES, ERROR_NOT_ENOUGH_MEMORY, ERROR_OUTOFMEMORY.
    #[cfg(not(unix))]
    const CODES: [i32; 3] = [4, 8, 14];
    error.raw_os_error().is_some_and(|code| CODES.contains(&code))
}

fn regular(file: File) -> io::Result<(File, Metadata)> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((file, metadata))
}

/// Whether a file of this name is taken for a song.
pub(super) fn is_song_name(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.len().checked_sub(4).and_then(|stem| name.get(stem..)).is_some_and(|end| end.eq_ignore_ascii_case(b".mp3"))
}

/// What a song is called whose tags do not say: the file's name without `.mp3`, and with `�` for what is not Unicode.
pub(super) fn title_of(name: &OsStr) -> String {
    let name = Path::new(name).file_stem().filter(|stem| !stem.is_empty()).unwrap_or(name);
    name.to_string_lossy().into_owned()
}
