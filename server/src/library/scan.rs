//! Scans a directory: the songs in it, the files that only look like songs, and what shows later whether these are still all.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use cap_std::fs::FileType;

use super::file_path::is_song_name;
use super::folder::{ConfinedDir, LeadsOutside};
use super::storage::{Found, Report, Sink, Stamp, is_exhaustion};

/// Why a file or directory is skipped that looks like a song or may contain some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// A directory, FIFO, socket or device whose name ends in `.mp3`.
    NotAFile,
    /// A metadata file that macOS writes beside each file on foreign disks.
    AppleDouble,
    /// A symbolic link out of the directory.
    LeadsOutside,
    /// A symbolic link to a directory that contains the link.
    Circle,
    /// Another symbolic link leads to the same directory.
    Twice,
    /// A symbolic link to a path that does not exist.
    LeadsNowhere,
    /// It cannot be read, for this reason.
    Unreadable(io::ErrorKind),
}

impl Reason {
    /// Why the target of a link cannot be used.
    fn of_link(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::LeadsNowhere,
            _ if is_link_loop(error) => Self::Circle,
            _ if error.get_ref().is_some_and(|error| error.is::<LeadsOutside>()) => Self::LeadsOutside,
            kind => Self::Unreadable(kind),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAFile => "not a regular file",
            Self::AppleDouble => "holds only macOS metadata of another file",
            Self::LeadsOutside => return LeadsOutside.fmt(f),
            Self::Circle => "leads back to a directory that it is in",
            Self::Twice => "another link leads to the same directory",
            Self::LeadsNowhere => "leads nowhere",
            Self::Unreadable(kind) => return write!(f, "cannot be read: {kind}"),
        })
    }
}

/// Scans `root` and its subdirectories, and gives the songs to `sink` in path order: directory by directory, each by the
/// bytes of its names. `now` is the clock to compare file times with.
///
/// # Errors
/// The file system's error about `root` itself, or about any directory or file if the system is short of a resource. Skips
/// what cannot be read for another reason.
pub(super) fn scan(root: &ConfinedDir<'_>, now: fn() -> SystemTime, sink: &mut dyn Sink) -> io::Result<Report> {
    let (probe, report) = (Probe::new(root.path())?, Report::default());
    let mut scan = Scan { root, now, probe, sink, report, entered_by_link: HashSet::new() };
    let top = Path::new("");
    let top = Directory { path: top.into(), real: root.real_path(top)?, links: Rc::new([]) };
    let mut pending = scan.entries(&Rc::new(top))?;
    // No recursion: directories may be nested deeply, and the thread's stack is small.
    while let Some(entry) = pending.pop() {
        let Some(directory) = scan.visit(entry)?.map(Rc::new) else { continue };
        match scan.entries(&directory) {
            Ok(entries) => pending.extend(entries),
            Err(error) if is_exhaustion(&error) => return Err(error),
            Err(error) => scan.skip_unreadable(directory.path.to_path_buf(), &error),
        }
    }
    Ok(scan.report)
}

struct Scan<'a> {
    root: &'a ConfinedDir<'a>,
    now: fn() -> SystemTime,
    probe: Probe,
    sink: &'a mut dyn Sink,
    report: Report,
    /// Real paths of the directories that were entered by a link. Each is entered by one link only, since a few links could
    /// form endless paths.
    entered_by_link: HashSet<PathBuf>,
}

/// A directory to scan.
struct Directory {
    /// Relative to the root.
    path: Arc<Path>,
    /// The absolute path without symbolic links.
    real: PathBuf,
    /// Real paths of the directories whose links led here.
    links: Rc<[PathBuf]>,
}

impl Directory {
    /// Whether `real` is this directory or one that contains it.
    fn is_within(&self, real: &Path) -> bool {
        self.real.starts_with(real) || self.links.iter().any(|link| link.starts_with(real))
    }
}

/// A relevant directory entry.
struct Entry {
    directory: Rc<Directory>,
    name: OsString,
    kind: FileType,
    /// `Some` for a regular file with the name of a song.
    stamp: Option<Stamp>,
}

impl Scan<'_> {
    /// The relevant entries of a directory, last name first.
    fn entries(&mut self, directory: &Rc<Directory>) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        // Recorded before the directory is read, so that the next check sees a change in between.
        self.report.watched.note(&directory.path, self.probe.mark(&directory.path).ok(), (self.now)());
        for entry in self.root.read_dir(&directory.path)? {
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

    /// Reports a song. Returns a directory to scan.
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
            return Ok(Some(Directory { path: path().into(), real, links: entry.directory.links.clone() }));
        }
        match entry.stamp {
            Some(stamp) => self.take_song(&entry, stamp),
            None => Ok(self.skip(path(), Reason::NotAFile)),
        }
    }

    fn visit_link(&mut self, entry: &Entry, is_song: bool) -> io::Result<Option<Directory>> {
        let from = &entry.directory;
        let path = from.path.join(&entry.name);
        let metadata = match self.root.metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                let reason = Reason::of_link(&error);
                if reason != Reason::LeadsOutside {
                    self.watch(&path); // the target may appear later, for example when a disk is mounted
                }
                // A broken link is reported only if it has the name of a song.
                return Ok(if is_song || reason != Reason::LeadsNowhere { self.skip(path, reason) } else { None });
            }
        };
        if !is_song && !metadata.is_dir() {
            return Ok(None);
        }
        if metadata.is_file() {
            self.report.watched.note_existence(&path, self.probe.mark(&path).ok());
            return self.take_song(entry, Stamp::of(&metadata));
        }
        let real = match self.root.real_path(&path) {
            Ok(real) => real,
            Err(error) => return Ok(self.skip(path, Reason::of_link(&error))),
        };
        let reason = if is_song || !metadata.is_dir() {
            Reason::NotAFile
        } else if from.is_within(&real) {
            Reason::Circle
        } else if !self.entered_by_link.insert(real.clone()) {
            Reason::Twice
        } else {
            let links = from.links.iter().chain([&from.real]).cloned().collect();
            return Ok(Some(Directory { path: path.into(), real, links }));
        };
        Ok(self.skip(path, reason))
    }

    fn take_song(&mut self, Entry { directory, name, .. }: &Entry, stamp: Stamp) -> io::Result<Option<Directory>> {
        let path = || directory.path.join(name);
        if name.as_encoded_bytes().starts_with(b"._") {
            return Ok(self.skip(path(), Reason::AppleDouble));
        }
        let file = Found { directory: &directory.path, name, stamp };
        if self.sink.is_known(&file) {
            return Ok(None);
        }
        match self.root.open_song(&path()) {
            Ok(_) => self.sink.add(&file),
            Err(error) if is_exhaustion(&error) => return Err(error),
            Err(error) => self.skip_unreadable(path(), &error),
        }
        Ok(None)
    }

    /// Returns `None`: there is no directory to scan.
    fn skip(&mut self, path: PathBuf, reason: Reason) -> Option<Directory> {
        self.report.skipped.push((path, reason));
        None
    }

    fn skip_unreadable(&mut self, path: PathBuf, error: &io::Error) {
        // A file that was removed this moment needs no report.
        if error.kind() != io::ErrorKind::NotFound {
            self.watch(&path);
            self.skip(path, Reason::Unreadable(error.kind()));
        }
    }

    /// Makes a change at this path cause another scan, although no directory shows it.
    fn watch(&mut self, path: &Path) {
        self.report.watched.note(&path.into(), self.probe.mark(path).ok(), (self.now)());
    }
}

/// A cheap check for added, removed and renamed songs: what decided which songs there are, as it was right before the scan
/// read it. These are the directories, the targets of links and everything that could not be read.
///
/// A directory's time of change moves with each name that is added, removed or replaced. Reading it takes about a
/// microsecond, and there are ten times fewer directories than files, so a list can wait for this check. A change inside a
/// file does not show; only a scan finds it.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// `None` for a path that led nowhere.
    marks: Vec<(Arc<Path>, Option<Mark>)>,
    /// Something changed so shortly before the scan that a further change might not show.
    is_fresh: bool,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    inode: u64,
    /// `None` if only the file's existence matters.
    pub(super) stamp: Option<Stamp>,
}

impl Watched {
    /// Records what is at a path at the time `now`. Any change of it requires another scan.
    pub(super) fn note(&mut self, path: &Arc<Path>, mark: Option<Mark>, now: SystemTime) {
        self.is_fresh |= mark.and_then(|mark| mark.stamp).is_some_and(|stamp| stamp.is_fresh(now));
        self.marks.push((path.clone(), mark));
    }

    /// Records that there is a file at a path. Its content may change.
    pub(super) fn note_existence(&mut self, path: &Path, mark: Option<Mark>) {
        self.marks.push((path.into(), mark.map(|mark| Mark { stamp: None, ..mark })));
    }

    /// Whether everything below `root` is as it was. Blocks for about 1 µs per path.
    pub(super) fn is_unchanged(&self, root: &Path) -> bool {
        // Not all file systems of other systems keep such times.
        if self.is_fresh || self.marks.is_empty() || !cfg!(unix) {
            return false;
        }
        let Ok(probe) = Probe::new(root) else { return false };
        self.marks.iter().all(|(path, mark)| match (probe.mark(path).ok(), mark) {
            (Some(now), Some(mark)) => now.inode == mark.inode && (mark.stamp.is_none() || now.stamp == mark.stamp),
            (now, mark) => now.is_none() && mark.is_none(),
        })
    }
}

/// Reads the current marks below a root, not the cached ones of a network file system.
#[cfg(target_os = "linux")]
pub(super) struct Probe(rustix::fd::OwnedFd);

#[cfg(target_os = "linux")]
impl Probe {
    /// # Errors
    /// The file system's.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        use rustix::fs::{Mode, OFlags, open};
        Ok(Self(open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// # Errors
    /// The file system's.
    pub(super) fn mark(&self, path: &Path) -> io::Result<Mark> {
        use rustix::fs::{AtFlags, StatxFlags, statx};
        let wanted = StatxFlags::INO | StatxFlags::SIZE | StatxFlags::MTIME | StatxFlags::CTIME;
        let statx = statx(&self.0, path, AtFlags::STATX_FORCE_SYNC | AtFlags::EMPTY_PATH, wanted)?;
        Ok(Mark { inode: statx.stx_ino, stamp: Some(Stamp::of_statx(&statx)) })
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) struct Probe(std::path::PathBuf);

#[cfg(not(target_os = "linux"))]
impl Probe {
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        Ok(Self(root.to_owned()))
    }

    #[cfg(unix)]
    pub(super) fn mark(&self, path: &Path) -> io::Result<Mark> {
        use cap_std::fs::{Metadata, MetadataExt};
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.0.join(path);
        // Opening a directory makes a network file system ask its server. Opening a FIFO must not block.
        let opened =
            std::fs::OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_NONBLOCK).open(&path);
        let metadata = opened.and_then(|directory| directory.metadata()).or_else(|_| std::fs::metadata(&path))?;
        let metadata = Metadata::from_just_metadata(metadata);
        Ok(Mark { inode: metadata.ino(), stamp: Some(Stamp::of(&metadata)) })
    }

    #[cfg(not(unix))]
    pub(super) fn mark(&self, path: &Path) -> io::Result<Mark> {
        let metadata = cap_std::fs::Metadata::from_just_metadata(std::fs::metadata(self.0.join(path))?);
        Ok(Mark { inode: 0, stamp: Some(Stamp::of(&metadata)) })
    }
}

/// Whether links lead to each other: ELOOP, or ERROR_CANT_RESOLVE_FILENAME on Windows. std has no stable name for it.
fn is_link_loop(error: &io::Error) -> bool {
    #[cfg(unix)]
    const LINK_LOOP: i32 = libc::ELOOP;
    #[cfg(not(unix))]
    const LINK_LOOP: i32 = 1921;
    error.raw_os_error() == Some(LINK_LOOP)
}
