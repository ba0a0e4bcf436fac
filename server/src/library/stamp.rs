//! File metadata that shows without reading a file whether it has changed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::Metadata;

/// The coarsest clock of a file system in use: FAT counts in two seconds.
const CLOCK_TICK: Duration = Duration::from_secs(2);

/// Size and times of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size_bytes: u64,
    /// Time of the last change of the content, in nanoseconds since 1970.
    modified: i64,
    /// Time of the last change of content or metadata, such as permissions, in nanoseconds since 1970. 0 on systems
    /// without such a time.
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

    /// Whether the content is the same, as far as size and time of change show it.
    pub(super) fn is_same_content(&self, other: &Self) -> bool {
        (self.size_bytes, self.modified) == (other.size_bytes, other.modified)
    }

    /// Whether the file changed so shortly before `now` that another change may leave the stamp equal, because the file
    /// system's clock may not have ticked in between.
    pub(super) fn is_fresh(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        // A time far in the future is wrong and shows nothing.
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
