//! One look at the directory: which songs are there now, and what only looks like one.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use super::directories::{Directories, Probe};
use super::file::{Stamp, is_exhaustion, is_song_name};
use super::path::FilePath;

/// A song's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) path: FilePath<'a>,
    pub(super) stamp: Stamp,
}

/// Why something that might have been a song, or held some, is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// A directory, FIFO, socket or device whose name ends in `.mp3`.
    NotAFile,
    /// A file that macOS writes beside each on foreign disks; it holds no sound.
    AppleDouble,
    /// A symbolic link out of the directory.
    LeadsOutside,
    /// A symbolic link to a directory that it is in.
    Circle,
    /// Another symbolic link leads to the same directory.
    Twice,
    /// A symbolic link to nothing.
    LeadsNowhere,
    /// Not readable, for this reason.
    Unreadable(io::ErrorKind),
}

impl Reason {
    /// Why a link that is called like a song leads to none.
    fn of_link(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::LeadsNowhere,
            _ if is_link_loop(error) => Self::Circle,
            kind => Self::Unreadable(kind),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAFile => "not a regular file",
            Self::AppleDouble => "holds no sound, only what macOS notes about another file",
            Self::LeadsOutside => "leads out of the directory; --follow-symlinks allows that",
            Self::Circle => "leads back to a directory that it is in",
            Self::Twice => "another link leads to the same directory",
            Self::LeadsNowhere => "leads nowhere",
            Self::Unreadable(kind) => return write!(f, "cannot be read: {kind}"),
        })
    }
}

/// What a look at the directory has shown, besides songs.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// With paths from the directory that is served.
    pub(super) skipped: Vec<(PathBuf, Reason)>,
    /// Where it was looked for songs.
    pub(super) directories: Directories,
}

/// What time it is, and whether to go on.
pub(super) struct Pace<'a> {
    /// The time.
    pub(super) now: fn() -> SystemTime,
    /// Asked before each directory.
    pub(super) goes_on: &'a mut dyn FnMut() -> bool,
}

/// Who takes the files that are found, in path order: directory by directory, each by the bytes of its names. One that it
/// cannot take is skipped, for the reason that it gives.
pub(super) type Taker<'a> = &'a mut dyn FnMut(Found<'_>) -> io::Result<()>;

/// Looks through `root`, a canonical path, and all directories in it, for files that `take` is given; `None` if it was not
/// to go on.
///
/// # Errors
/// Whatever the file system reports about `root` itself, and about any directory or file if the system is short of
/// descriptors; others that cannot be read are skipped.
pub(super) fn scan(root: &Path, follow_symlinks: bool, pace: Pace<'_>, take: Taker<'_>) -> io::Result<Option<Scan>> {
    let (now, probe, scan) = (pace.now, Probe::new(root)?, Scan::default());
    let mut walk = Walk { root, follow_symlinks, now, probe, take, scan, entered_by_link: HashSet::new() };
    let top = Directory { path: PathBuf::new(), real: root.to_owned(), links: Rc::new([]) };
    let mut pending = walk.entries(Rc::new(top))?;
    // A stack, not recursion: directories nest as deep as somebody likes, and a connection's thread has a small stack.
    while let Some(entry) = pending.pop() {
        let Some(directory) = walk.visit(entry)? else { continue };
        if !(pace.goes_on)() {
            return Ok(None);
        }
        let path = directory.path.clone();
        match walk.entries(Rc::new(directory)) {
            Ok(entries) => pending.extend(entries),
            Err(error) if is_exhaustion(&error) => return Err(error),
            Err(error) => walk.skip_unreadable(path, &error),
        }
    }
    Ok(Some(walk.scan))
}

struct Walk<'a> {
    root: &'a Path,
    follow_symlinks: bool,
    now: fn() -> SystemTime,
    probe: Probe,
    take: Taker<'a>,
    scan: Scan,
    /// Directories that links led to. Each is entered once that way, or a few links could make endless paths.
    entered_by_link: HashSet<PathBuf>,
}

/// A directory to look through.
struct Directory {
    /// From the root.
    path: PathBuf,
    /// Where it really is, without symbolic links.
    real: PathBuf,
    /// The directories, by their real paths, in which the links are that led here.
    links: Rc<[PathBuf]>,
}

impl Directory {
    /// Whether `real` is this directory or one that it is in, on the way that led here.
    fn is_within(&self, real: &Path) -> bool {
        self.real.starts_with(real) || self.links.iter().any(|link| link.starts_with(real))
    }
}

/// Something in a directory.
struct Entry {
    directory: Rc<Directory>,
    name: OsString,
    kind: FileType,
    /// Of a regular file that is called like a song.
    stamp: Option<Stamp>,
}

impl Walk<'_> {
    /// What is in a directory that matters, last name first.
    fn entries(&mut self, directory: Rc<Directory>) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        // Before it is read: what changes meanwhile shows the next time.
        let (now, stamp) = ((self.now)(), self.probe.stamp(&directory.path)?);
        self.scan.directories.note(&directory.path, stamp, now);
        for entry in fs::read_dir(self.root.join(&directory.path))? {
            let entry = entry?;
            let (name, kind) = (entry.file_name(), entry.file_type()?);
            let is_song = is_song_name(&name);
            if !is_song && !kind.is_dir() && !kind.is_symlink() {
                continue;
            }
            let stamp = (is_song && kind.is_file()).then(|| entry.metadata().map(|metadata| Stamp::of(&metadata)));
            match stamp.transpose() {
                Ok(stamp) => entries.push(Entry { directory: directory.clone(), name, kind, stamp }),
                Err(error) => self.skip_unreadable(directory.path.join(name), &error),
            }
        }
        entries.sort_unstable_by(|a, b| b.name.cmp(&a.name));
        Ok(entries)
    }

    /// Takes note of a song. A directory is handed back, to be looked through.
    fn visit(&mut self, entry: Entry) -> io::Result<Option<Directory>> {
        let path = || entry.directory.path.join(&entry.name);
        let is_song = is_song_name(&entry.name);
        if entry.kind.is_symlink() {
            return self.visit_link(&entry, is_song);
        }
        if entry.kind.is_dir() && !is_song {
            let real = entry.directory.real.join(&entry.name);
            if entry.directory.is_within(&real) {
                return Ok(self.skip(path(), Reason::Circle));
            }
            return Ok(Some(Directory { path: path(), real, links: entry.directory.links.clone() }));
        }
        match entry.stamp {
            Some(stamp) => self.take_song(&entry, stamp),
            None => Ok(self.skip(path(), Reason::NotAFile)),
        }
    }

    fn visit_link(&mut self, entry: &Entry, is_song: bool) -> io::Result<Option<Directory>> {
        let from = &entry.directory;
        let path = from.path.join(&entry.name);
        let full = self.root.join(&path);
        let target = fs::metadata(&full).and_then(|metadata| Ok((metadata, fs::canonicalize(&full)?)));
        let (metadata, real) = match target {
            Ok((metadata, _)) if !is_song && !metadata.is_dir() => return Ok(None),
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_song => {
                self.scan.directories.miss_something(); // of music on a disk that is not mounted, perhaps
                return Ok(None);
            }
            Err(error) => return Ok(self.skip(path, Reason::of_link(&error))),
        };
        if !self.follow_symlinks && !real.starts_with(self.root) {
            return Ok(self.skip(path, Reason::LeadsOutside));
        }
        if metadata.is_file() {
            if !real.starts_with(self.root) {
                self.scan.directories.miss_something(); // it may go, and no directory that was looked at tells
            }
            return self.take_song(entry, Stamp::of(&metadata));
        }
        let reason = if is_song || !metadata.is_dir() {
            Reason::NotAFile
        } else if from.is_within(&real) {
            Reason::Circle
        } else if !self.entered_by_link.insert(real.clone()) {
            Reason::Twice
        } else {
            let links = from.links.iter().chain([&from.real]).cloned().collect();
            return Ok(Some(Directory { path, real, links }));
        };
        Ok(self.skip(path, reason))
    }

    fn take_song(&mut self, Entry { directory, name, .. }: &Entry, stamp: Stamp) -> io::Result<Option<Directory>> {
        let path = || directory.path.join(name);
        if name.as_encoded_bytes().starts_with(b"._") {
            return Ok(self.skip(path(), Reason::AppleDouble));
        }
        match (self.take)(Found { path: FilePath::new(&directory.path, name), stamp }) {
            Err(error) if is_exhaustion(&error) => return Err(error),
            Err(error) => self.skip_unreadable(path(), &error),
            Ok(()) => {}
        }
        Ok(None)
    }

    fn skip(&mut self, path: PathBuf, reason: Reason) -> Option<Directory> {
        if matches!(reason, Reason::LeadsNowhere | Reason::Unreadable(_)) {
            self.scan.directories.miss_something();
        }
        self.scan.skipped.push((path, reason));
        None
    }

    fn skip_unreadable(&mut self, path: PathBuf, error: &io::Error) {
        // What was removed this very moment is not there, and no more to be said about it.
        if error.kind() != io::ErrorKind::NotFound {
            self.skip(path, Reason::Unreadable(error.kind()));
        }
    }
}

/// Links that lead to each other; std has no stable name for this. ELOOP, and Windows' ERROR_CANT_RESOLVE_FILENAME.
fn is_link_loop(error: &io::Error) -> bool {
    #[cfg(unix)]
    const LINK_LOOP: i32 = libc::ELOOP;
    #[cfg(not(unix))]
    const LINK_LOOP: i32 = 1921;
    error.raw_os_error() == Some(LINK_LOOP)
}
