//! One look at the directory: which songs are there now, and what only looks like one.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use super::directories::{Directories, Probe};
use super::file::{Stamp, is_exhaustion, is_song_name};
use super::path::FilePath;
use super::texts::{self, Texts};

/// A song's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) path: FilePath<'a>,
    pub(super) stamp: Stamp,
}

/// Songs' files in path order: directory by directory, each by the bytes of its names. In a few large allocations, for a
/// small one for each name would leave a hole when they are given back after the look.
#[derive(Debug, Default)]
pub(super) struct Files {
    directories: Texts,
    names: Texts,
    /// Each one's directory and stamp.
    files: Vec<(u32, Stamp)>,
}

impl Files {
    /// Takes the next file.
    pub(super) fn push(&mut self, directory: &Path, name: &OsStr, stamp: Stamp) {
        let directory = texts::to_bytes(directory.as_os_str());
        if self.directories.last().is_none_or(|last| last != directory.as_ref()) {
            self.directories.push(&directory);
        }
        self.names.push(&texts::to_bytes(name));
        self.files.push((self.directories.len() as u32 - 1, stamp));
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Found<'_>> {
        self.files.iter().enumerate().map(|(number, &(directory, stamp))| {
            let (directory, name) = (self.directories.at(directory as usize), self.names.at(number));
            Found { path: FilePath::from_bytes(directory, name), stamp }
        })
    }
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

/// What a look at the directory has shown.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) found: Files,
    /// With paths from the directory that is served.
    pub(super) skipped: Vec<(PathBuf, Reason)>,
    /// Where it was looked for them.
    pub(super) directories: Directories,
}

/// What time it is, and whether to go on.
pub(super) struct Pace<'a> {
    /// The time.
    pub(super) now: fn() -> SystemTime,
    /// Asked before each directory.
    pub(super) goes_on: &'a mut dyn FnMut() -> bool,
}

/// Looks through `root`, a canonical path, and all directories in it; `None` if it was not to go on.
///
/// # Errors
/// Whatever the file system reports about `root` itself, and about any directory if the system is short of descriptors;
/// other directories that cannot be read are skipped.
pub(super) fn scan(root: &Path, follow_symlinks: bool, pace: Pace<'_>) -> io::Result<Option<Scan>> {
    let (now, probe, scan) = (pace.now, Probe::new(root)?, Scan::default());
    let mut walk = Walk { root, follow_symlinks, now, probe, scan, entered_by_link: HashSet::new() };
    let top = Directory { path: PathBuf::new(), real: root.to_owned(), links: Rc::new([]) };
    let mut pending = walk.entries(Rc::new(top))?;
    // A stack, not recursion: directories nest as deep as somebody likes, and a connection's thread has a small stack.
    while let Some(entry) = pending.pop() {
        let Some(directory) = walk.visit(entry) else { continue };
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
    fn visit(&mut self, entry: Entry) -> Option<Directory> {
        let path = || entry.directory.path.join(&entry.name);
        let is_song = is_song_name(&entry.name);
        if entry.kind.is_symlink() {
            return self.visit_link(&entry, is_song);
        }
        if entry.kind.is_dir() && !is_song {
            let real = entry.directory.real.join(&entry.name);
            if entry.directory.is_within(&real) {
                return self.skip(path(), Reason::Circle);
            }
            return Some(Directory { path: path(), real, links: entry.directory.links.clone() });
        }
        match entry.stamp {
            Some(stamp) => self.note_song(&entry, stamp),
            None => return self.skip(path(), Reason::NotAFile),
        }
        None
    }

    fn visit_link(&mut self, entry: &Entry, is_song: bool) -> Option<Directory> {
        let from = &entry.directory;
        let path = from.path.join(&entry.name);
        let full = self.root.join(&path);
        let target = fs::metadata(&full).and_then(|metadata| Ok((metadata, fs::canonicalize(&full)?)));
        let (metadata, real) = match target {
            Ok((metadata, _)) if !is_song && !metadata.is_dir() => return None,
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_song => {
                self.scan.directories.miss_something(); // of music on a disk that is not mounted, perhaps
                return None;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.skip(path, Reason::LeadsNowhere),
            Err(error) if is_link_loop(&error) => return self.skip(path, Reason::Circle),
            Err(error) => return self.skip(path, Reason::Unreadable(error.kind())),
        };
        if !self.follow_symlinks && !real.starts_with(self.root) {
            return self.skip(path, Reason::LeadsOutside);
        }
        if metadata.is_file() {
            if !real.starts_with(self.root) {
                self.scan.directories.miss_something(); // it may go, and no directory that was looked at tells
            }
            self.note_song(entry, Stamp::of(&metadata));
            return None;
        }
        let reason = if is_song || !metadata.is_dir() {
            Reason::NotAFile
        } else if from.is_within(&real) {
            Reason::Circle
        } else if !self.entered_by_link.insert(real.clone()) {
            Reason::Twice
        } else {
            let links = from.links.iter().chain([&from.real]).cloned().collect();
            return Some(Directory { path, real, links });
        };
        self.skip(path, reason)
    }

    fn note_song(&mut self, Entry { directory, name, .. }: &Entry, stamp: Stamp) {
        if name.as_encoded_bytes().starts_with(b"._") {
            self.skip(directory.path.join(name), Reason::AppleDouble);
        } else {
            self.scan.found.push(&directory.path, name, stamp);
        }
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
