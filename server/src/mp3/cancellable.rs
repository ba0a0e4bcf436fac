//! Reading that can be cancelled: a sparse file of terabytes costs nothing to make and takes days to read.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::source::ReadAt;

/// Bytes between two calls of `is_wanted`, which may be a system call: most files are read with fewer.
const CHECK_BYTES: u64 = 256 * 1024;

/// A source that fails once its bytes are not wanted any more, or once a budget is spent.
pub(crate) struct CancellableReader<'a> {
    source: &'a dyn ReadAt,
    is_wanted: &'a (dyn Fn() -> bool + Sync),
    bytes_read: AtomicU64,
    /// Value of `bytes_read` at which to call `is_wanted`.
    check_at: AtomicU64,
    budget_bytes: u64,
    deadline: Option<Instant>,
}

/// Why reading was cancelled, in an [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// The bytes are not wanted any more.
    Unwanted,
    /// It would take more bytes or more time than allowed.
    OverBudget,
}

impl<'a> CancellableReader<'a> {
    /// Reads as long as `is_wanted`, which is called once for every [`CHECK_BYTES`].
    pub(crate) fn new(source: &'a dyn ReadAt, is_wanted: &'a (dyn Fn() -> bool + Sync)) -> Self {
        let check_at = AtomicU64::new(CHECK_BYTES);
        Self { source, is_wanted, bytes_read: AtomicU64::new(0), check_at, budget_bytes: u64::MAX, deadline: None }
    }

    /// Reads at most this many bytes, and at most for this time from now on.
    pub(crate) fn with_budget(self, bytes: u64, time: Duration) -> Self {
        Self { budget_bytes: bytes, deadline: Some(Instant::now() + time), ..self }
    }
}

impl ReadAt for CancellableReader<'_> {
    /// # Errors
    /// The source's, or one that holds a [`GivenUp`].
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let before = self.bytes_read.load(Ordering::Relaxed);
        if before >= self.check_at.load(Ordering::Relaxed) {
            self.check_at.store(before + CHECK_BYTES, Ordering::Relaxed);
            if !(self.is_wanted)() {
                return Err(io::Error::other(GivenUp::Unwanted));
            }
        }
        let is_late = self.deadline.is_some_and(|deadline| Instant::now() > deadline);
        if is_late || before >= self.budget_bytes {
            return Err(io::Error::other(GivenUp::OverBudget));
        }
        let read = self.source.read_at(offset, buffer)?;
        self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn length(&self) -> io::Result<u64> {
        self.source.length()
    }
}

impl GivenUp {
    /// Whether it is the reason for this error.
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Self>().copied()
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unwanted => "no longer wanted",
            Self::OverBudget => "too long to be read",
        })
    }
}

impl std::error::Error for GivenUp {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn read(reader: &CancellableReader<'_>) -> Result<usize, Option<GivenUp>> {
        reader.read_at(0, &mut [0; 100]).map_err(|error| GivenUp::of(&error))
    }

    #[test]
    fn reading_ends_when_it_is_not_wanted() {
        let is_wanted = AtomicBool::new(true);
        let (source, wanted) = (&[0; 1_000][..], || is_wanted.load(Ordering::Relaxed));
        let reader = CancellableReader::new(&source, &wanted);
        assert_eq!(read(&reader), Ok(100));
        is_wanted.store(false, Ordering::Relaxed);
        let reads = std::iter::repeat_with(|| read(&reader)).take_while(Result::is_ok).count() as u64;
        assert_eq!(reads, CHECK_BYTES.div_ceil(100) - 1);
    }

    #[test]
    fn reading_ends_when_the_budget_is_spent() {
        let (source, wanted) = (&[0; 1_000][..], || true);
        let reader = CancellableReader::new(&source, &wanted).with_budget(250, Duration::from_secs(3_600));
        assert_eq!([read(&reader), read(&reader), read(&reader)], [Ok(100); 3]);
        assert_eq!(read(&reader), Err(Some(GivenUp::OverBudget)));
        let reader = CancellableReader::new(&source, &wanted).with_budget(250, Duration::ZERO);
        while read(&reader).is_ok() {} // the clock may not have ticked yet
        assert_eq!(read(&reader), Err(Some(GivenUp::OverBudget)));
    }
}
