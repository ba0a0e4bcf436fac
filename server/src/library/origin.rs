//! Where songs come from: a directory, or the program itself.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::directories::Directories;
use super::error::OpenError;
use super::file::{Inside, Stamp, open_regular};
use super::path::FilePath;
use super::scan::{Found, Pace, Scan, Taker, scan};
use crate::mp3::source::ReadAt;

/// A song that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// What its file would be called.
    pub name: &'static str,
    /// What would be in it.
    pub bytes: &'static [u8],
}

/// Where a library's songs come from.
pub(super) enum Origin {
    Directory {
        /// Canonical, so that what is inside can be told by its path.
        root: PathBuf,
        follow_symlinks: bool,
    },
    BuiltIn(&'static [BuiltIn]),
    /// A disk with one song, that sleeps while somebody else has the lock. What is open can be read all the same.
    #[cfg(test)]
    Asleep(std::sync::Arc<std::sync::Mutex<()>>, &'static [u8]),
}

impl Origin {
    /// # Errors
    /// [`OpenError`] if there is no such directory, or it cannot be read.
    pub(super) fn open_directory(path: &Path, follow_symlinks: bool) -> Result<Self, OpenError> {
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => OpenError::Missing(path.to_owned()),
            io::ErrorKind::NotADirectory => OpenError::NotADirectory(path.to_owned()),
            _ => OpenError::Unreadable(path.to_owned(), error),
        };
        let root = fs::canonicalize(path).map_err(unreadable)?;
        fs::read_dir(&root).map_err(unreadable)?;
        Ok(Self::Directory { root, follow_symlinks })
    }

    /// Whether no file was added, removed or renamed since a look found these directories; `false` if they do not tell.
    pub(super) fn is_told_by(&self, directories: &Directories) -> bool {
        match self {
            Self::Directory { root, .. } => directories.are_as_they_were(root),
            Self::BuiltIn(_) => true,
            #[cfg(test)]
            Self::Asleep(lock, _) => {
                drop(lock.lock());
                true
            }
        }
    }

    /// What is there now; `None` if the look was not to go on.
    ///
    /// # Errors
    /// Whatever the file system reports about the directory itself.
    pub(super) fn scan(&self, pace: Pace<'_>, take: Taker<'_>) -> io::Result<Option<Scan>> {
        let mut take_file =
            |name: &str, stamp| take(Found { path: FilePath::new(Path::new(""), name.as_ref()), stamp });
        match self {
            Self::Directory { root, follow_symlinks } => return scan(root, *follow_symlinks, pace, take),
            Self::BuiltIn(songs) => {
                let mut songs: Vec<_> = songs.iter().collect();
                songs.sort_by_key(|song| Path::new(song.name));
                for song in songs {
                    take_file(song.name, Stamp::of_built_in(song.bytes))?;
                }
            }
            #[cfg(test)]
            Self::Asleep(..) => {
                let (_, stamp) = self.open(Path::new(""))?;
                take_file("1.mp3", stamp)?;
            }
        }
        Ok(Some(Scan::default()))
    }

    /// Opens a song, and tells what it was like at that moment.
    ///
    /// # Errors
    /// Those of [`Opener::open`].
    pub(super) fn open(&self, path: &Path) -> io::Result<(Content, Stamp)> {
        self.opener()?.open(path)
    }

    /// For many songs, one after the other.
    ///
    /// # Errors
    /// Whatever the file system reports about the directory.
    pub(super) fn opener(&self) -> io::Result<Opener<'_>> {
        Ok(match self {
            Self::Directory { root, follow_symlinks: false } => Opener::Inside(Inside::new(root)?),
            Self::Directory { root, follow_symlinks: true } => Opener::Anywhere(root),
            Self::BuiltIn(songs) => Opener::BuiltIn(songs),
            #[cfg(test)]
            Self::Asleep(lock, bytes) => {
                drop(lock.lock());
                Opener::Asleep(lock, bytes)
            }
        })
    }

    /// What a song is like now, without opening it.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub(super) fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        match self {
            Self::Directory { root, .. } => Ok(Stamp::of(&fs::metadata(root.join(path))?)),
            _ => Ok(self.open(path)?.1),
        }
    }

    /// Whether there still is a song like `stamp`.
    pub(super) fn still_has(&self, path: &Path, stamp: &Stamp) -> bool {
        self.stamp(path).is_ok_and(|now| now.is_same_content(stamp))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { root, .. } => write!(f, "{root:?}"),
            _ => f.write_str("built-in songs"),
        }
    }
}

/// Opens songs.
pub(super) enum Opener<'a> {
    Inside(Inside<'a>),
    Anywhere(&'a Path),
    BuiltIn(&'static [BuiltIn]),
    #[cfg(test)]
    Asleep(&'a std::sync::Mutex<()>, &'static [u8]),
}

impl Opener<'_> {
    /// Opens a song, and tells what it was like at that moment.
    ///
    /// # Errors
    /// Those of [`Inside::open`].
    pub(super) fn open(&self, path: &Path) -> io::Result<(Content, Stamp)> {
        let of_file = |(file, metadata): (File, Metadata)| (Content::File(file), Stamp::of(&metadata));
        match self {
            Self::Inside(inside) => inside.open(path).map(of_file),
            Self::Anywhere(root) => open_regular(&root.join(path)).map(of_file),
            Self::BuiltIn(songs) => {
                let song = songs.iter().find(|song| Path::new(song.name) == path);
                let bytes = song.ok_or(io::ErrorKind::NotFound)?.bytes;
                Ok((Content::BuiltIn(bytes), Stamp::of_built_in(bytes)))
            }
            #[cfg(test)]
            Self::Asleep(lock, bytes) => {
                drop(lock.lock());
                Ok((Content::BuiltIn(bytes), Stamp::of_built_in(bytes)))
            }
        }
    }

    /// Finds out whether a song can be opened.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub(super) fn check(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Inside(inside) if inside.may_read(path) => Ok(()),
            _ => self.open(path).map(drop),
        }
    }
}

/// The bytes of a song.
pub(super) enum Content {
    File(File),
    BuiltIn(&'static [u8]),
}

impl Content {
    /// What the song is like now.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub(super) fn stamp(&self) -> io::Result<Stamp> {
        match self {
            Self::File(file) => Ok(Stamp::of(&file.metadata()?)),
            Self::BuiltIn(bytes) => Ok(Stamp::of_built_in(bytes)),
        }
    }
}

impl ReadAt for Content {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => ReadAt::read_at(file, offset, buffer),
            Self::BuiltIn(bytes) => bytes.read_at(offset, buffer),
        }
    }

    fn length(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => file.length(),
            Self::BuiltIn(bytes) => bytes.length(),
        }
    }
}

/// A song while it is read from end to end. That takes days for a file of terabytes, which costs nothing to make if they
/// are a hole: so it is given up when nobody wants it any more.
pub(super) struct Attended<'a> {
    pub(super) content: &'a Content,
    pub(super) is_wanted: &'a (dyn Fn() -> bool + Sync),
}

impl ReadAt for Attended<'_> {
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if it is not wanted any more.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if !(self.is_wanted)() {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.content.read_at(offset, buffer)
    }

    fn length(&self) -> io::Result<u64> {
        self.content.length()
    }
}
