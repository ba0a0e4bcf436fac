//! A directory of songs. It is accessed through an open handle, so that no path leads out of it.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{self, Path, PathBuf};
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions, ReadDir};

use super::scan::Watched;
use super::scan::scan;
use super::storage::Stamp;
use super::storage::{Report, Sink, SongFile, Storage};

/// A directory of songs. It is opened for each use: a symbolic link in its path may change at any time, and an open handle
/// would prevent unmounting the disk.
pub(super) struct Folder {
    path: PathBuf,
    follow_symlinks: bool,
}

impl Folder {
    /// # Errors
    /// [`OpenError`] if the directory does not exist or cannot be read.
    pub(super) fn new(path: &Path, follow_symlinks: bool) -> Result<Self, OpenError> {
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => OpenError::Missing(path.to_owned()),
            io::ErrorKind::NotADirectory => OpenError::NotADirectory(path.to_owned()),
            _ => OpenError::Unreadable(path.to_owned(), error),
        };
        fs::read_dir(path).map_err(unreadable)?;
        Ok(Self { path: path::absolute(path).map_err(unreadable)?, follow_symlinks })
    }

    pub(super) fn open_dir(&self) -> io::Result<ConfinedDir<'_>> {
        let dir = Dir::open_ambient_dir(&self.path, ambient_authority())?;
        Ok(ConfinedDir { path: &self.path, dir, follow_symlinks: self.follow_symlinks })
    }
}

impl Storage for Folder {
    fn is_unchanged(&self, watched: &Watched) -> bool {
        watched.is_unchanged(&self.path)
    }

    fn scan(&self, now: fn() -> SystemTime, sink: &mut dyn Sink) -> io::Result<Report> {
        scan(&self.open_dir()?, now, sink)
    }

    fn open(&self, path: &Path) -> io::Result<(Box<dyn SongFile>, Stamp)> {
        let (file, stamp) = self.open_dir()?.open_song(path)?;
        Ok((Box::new(file), stamp))
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        // Only compared with the stamp of an open file, so the path may lead outside.
        fs::metadata(self.path.join(path)).map(|metadata| Stamp::of(&Metadata::from_just_metadata(metadata)))
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.path)
    }
}

/// An open folder. All paths are relative to it. Unless symbolic links may lead outside, no path leads out of the folder, even
/// if a directory is replaced by a link at that moment: the system or `cap-std` resolves each path beneath the open handle.
pub(super) struct ConfinedDir<'a> {
    path: &'a Path,
    dir: Dir,
    follow_symlinks: bool,
}

impl<'a> ConfinedDir<'a> {
    /// The folder's path with unresolved links.
    pub(super) const fn path(&self) -> &'a Path {
        self.path
    }

    /// Lists a directory.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] if the path leads outside; else the file system's error.
    pub(super) fn read_dir(&self, path: &Path) -> io::Result<ReadDir> {
        self.resolve(path, |dir, path| dir.read_dir(path))
    }

    /// The metadata of the target of a path.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] if the path leads outside; else the file system's error.
    pub(super) fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.resolve(path, |dir, path| dir.metadata(path))
    }

    /// The absolute path without symbolic links.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(self.path.join(path))
    }

    /// Opens a song for reading.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] if the path leads outside, [`io::ErrorKind::InvalidInput`] if it is not a
    /// regular file; else the file system's error.
    pub(super) fn open_song(&self, path: &Path) -> io::Result<(File, Stamp)> {
        let mut options = OpenOptions::new();
        options.read(true);
        // Opening a FIFO must not block until there is a writer.
        #[cfg(unix)]
        cap_std::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
        let file = self.resolve(path, |dir, path| dir.open_with(path, &options))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok((file.into_std(), Stamp::of(&metadata)))
    }

    /// Accesses a path through the handle of the folder. If the path leads outside and that is allowed, accesses it through the
    /// handle of the directory that it leads to.
    fn resolve<T>(&self, path: &Path, access: impl Fn(&Dir, &Path) -> io::Result<T>) -> io::Result<T> {
        match access(&self.dir, or_dot(path)) {
            // The system refuses an absolute link even if it leads inside.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let real = self.real_path(path)?;
                match (real.strip_prefix(fs::canonicalize(self.path)?), real.parent(), real.file_name()) {
                    (Ok(inside), ..) => access(&self.dir, or_dot(inside)),
                    (Err(_), Some(parent), Some(name)) if self.follow_symlinks => {
                        access(&Dir::open_ambient_dir(parent, ambient_authority())?, name.as_ref())
                    }
                    _ => Err(io::Error::new(io::ErrorKind::PermissionDenied, LeadsOutside)),
                }
            }
            accessed => accessed,
        }
    }
}

/// The path, or `.` for the folder itself.
fn or_dot(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// A path leads out of the folder, which is not allowed.
#[derive(Debug)]
pub(super) struct LeadsOutside;

impl fmt::Display for LeadsOutside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("leads out of the directory; --follow-symlinks allows that")
    }
}

impl std::error::Error for LeadsOutside {}

/// Why the library cannot be opened. `Display` gives one line for the user.
#[derive(Debug)]
pub enum OpenError {
    /// There is no such directory.
    Missing(PathBuf),
    /// The path is not a directory.
    NotADirectory(PathBuf),
    /// The directory cannot be read.
    Unreadable(PathBuf, io::Error),
    /// The thread that scans the directory cannot be started.
    NoThread(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "{path:?}: there is no such directory"),
            Self::NotADirectory(path) => write!(f, "{path:?} is not a directory"),
            Self::Unreadable(path, error) => write!(f, "{path:?} cannot be read: {error}"),
            Self::NoThread(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}
