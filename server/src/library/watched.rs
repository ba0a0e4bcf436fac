//! A cheap check for added, removed and renamed songs.
//!
//! A directory's time of change moves with each name that is added, removed or replaced. To ask for it costs about a
//! microsecond, and there are ten times fewer directories than files, so a list can wait for this check. The check does
//! not show that a file was changed in its place; only a scan does.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::stamp::Stamp;

/// What decided which songs there are: the directories, the targets of links and all that could not be read, as they
/// were right before the scan read them.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// With `None` for a path that led nowhere.
    marks: Vec<(Arc<Path>, Option<Mark>)>,
    /// Something changed so shortly before the scan that another change might not show.
    is_fresh: bool,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    inode: u64,
    /// `None` if changes of the content do not matter.
    pub(super) stamp: Option<Stamp>,
}

impl Watched {
    /// Records what is at a path, at the time `now`. Any change of it calls for another scan.
    pub(super) fn note(&mut self, path: &Arc<Path>, mark: Option<Mark>, now: SystemTime) {
        self.is_fresh |= mark.and_then(|mark| mark.stamp).is_some_and(|stamp| stamp.is_fresh(now));
        self.marks.push((path.clone(), mark));
    }

    /// Records that there is a file at a path. Its content may change.
    pub(super) fn note_existence(&mut self, path: &Path, mark: Option<Mark>) {
        self.marks.push((path.into(), mark.map(|mark| Mark { stamp: None, ..mark })));
    }

    /// Whether everything, below `root`, is as it was. Blocks for about 1 µs for each.
    pub(super) fn is_unchanged(&self, root: &Path) -> bool {
        // File systems of other systems do not all keep such times.
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

/// Reads marks below a root, as they are now: not as a network file system remembers them from half a minute ago.
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
        // Opening a directory makes a network file system ask its server. A FIFO must not be waited for.
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
