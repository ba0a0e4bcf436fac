//! Whether files were added, removed or renamed, as far as the directories they are in tell that.
//!
//! A directory's time of change moves with each name that comes, goes or is given to another file. Asking for it costs
//! about a microsecond, and there are ten times fewer directories than files, so this is what a list can wait for. What it
//! does not tell is that a file was changed in its place, which only a look at the file does.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::file::Stamp;
use super::texts::{self, Texts};

/// The directories that a look went through, as they were right before.
#[derive(Debug, Default)]
pub(super) struct Directories {
    /// Of a large library there are 10,000, and they are kept until the next look.
    paths: Texts,
    stamps: Vec<Stamp>,
    /// They do not tell everything: one changed so shortly before that another change might not show, or a file may come to
    /// be there of which none of them tells.
    is_incomplete: bool,
}

impl Directories {
    /// Takes note of a directory that is about to be read at `now`.
    pub(super) fn note(&mut self, path: &Path, stamp: Stamp, now: SystemTime) {
        self.is_incomplete |= stamp.is_fresh(now);
        self.paths.push(&texts::to_bytes(path.as_os_str()));
        self.stamps.push(stamp);
    }

    /// Something was found that may become a song, or a directory with songs, without any of these telling it.
    pub(super) fn miss_something(&mut self) {
        self.is_incomplete = true;
    }

    /// Whether in all of them, below `root`, the same names are the same things as before. Blocks for about 1 µs each.
    pub(super) fn are_as_they_were(&self, root: &Path) -> bool {
        // Not every file system of others keeps such times.
        if self.is_incomplete || self.stamps.is_empty() || !cfg!(unix) {
            return false;
        }
        let Ok(probe) = Probe::new(root) else { return false };
        let is_as_it_was = |path: &[u8], stamp: &Stamp| {
            let now = probe.stamp(Path::new(&texts::from_bytes(path)));
            now.is_ok_and(|now| now == *stamp)
        };
        self.paths.iter().zip(&self.stamps).all(|(path, stamp)| is_as_it_was(path, stamp))
    }
}

/// Asks how directories below a root are now: not how a network file system remembers them from half a minute ago.
#[cfg(target_os = "linux")]
pub(super) struct Probe(rustix::fd::OwnedFd);

#[cfg(target_os = "linux")]
impl Probe {
    /// # Errors
    /// Whatever the file system reports.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        use rustix::fs::{Mode, OFlags, open};
        // It saves looking up what leads to the root each time. Not kept, for it would keep a disk from being unmounted.
        Ok(Self(open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// # Errors
    /// Whatever the file system reports.
    pub(super) fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        use rustix::fs::{AtFlags, StatxFlags, statx};
        let wanted = StatxFlags::SIZE | StatxFlags::MTIME | StatxFlags::CTIME;
        Ok(Stamp::of_statx(&statx(&self.0, path, AtFlags::STATX_FORCE_SYNC | AtFlags::EMPTY_PATH, wanted)?))
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) struct Probe(std::path::PathBuf);

#[cfg(not(target_os = "linux"))]
impl Probe {
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        Ok(Self(root.to_owned()))
    }

    pub(super) fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        // Opening a directory is what makes a network file system ask its server. It may have become a pipe, which would
        // have to be waited for.
        #[cfg(unix)]
        let metadata = {
            use std::os::unix::fs::OpenOptionsExt;
            let flags = libc::O_DIRECTORY | libc::O_NONBLOCK;
            std::fs::OpenOptions::new().read(true).custom_flags(flags).open(self.0.join(path))?.metadata()?
        };
        #[cfg(not(unix))]
        let metadata = std::fs::metadata(self.0.join(path))?;
        Ok(Stamp::of(&metadata))
    }
}
