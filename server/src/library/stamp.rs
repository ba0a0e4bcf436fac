//! Shows without reading a file or directory whether it has changed.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::Metadata;

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
