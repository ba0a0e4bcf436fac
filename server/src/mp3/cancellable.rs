//! Reading that can be cancelled: a sparse file of terabytes costs nothing to make and takes days to read.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::source::ReadAt;

/// A source that fails once its bytes are not wanted any more, or once a budget is spent.
pub(crate) struct CancellableReader<'a> {
    source: &'a dyn ReadAt,
    is_wanted: &'a (dyn Fn() -> bool + Sync),
    bytes_left: AtomicU64,
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
    /// Reads as long as `is_wanted`, which is called before each read.
    pub(crate) fn new(source: &'a dyn ReadAt, is_wanted: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self { source, is_wanted, bytes_left: AtomicU64::new(u64::MAX), deadline: None }
    }

    /// Reads at most this many bytes, and at most for this time from now on.
    pub(crate) fn with_budget(self, bytes: u64, time: Duration) -> Self {
        Self { bytes_left: AtomicU64::new(bytes), deadline: Some(Instant::now() + time), ..self }
    }
}

impl ReadAt for CancellableReader<'_> {
    /// # Errors
    /// The source's, or one that holds a [`GivenUp`].
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if !(self.is_wanted)() {
            return Err(io::Error::other(GivenUp::Unwanted));
        }
        let is_late = self.deadline.is_some_and(|deadline| Instant::now() > deadline);
        if is_late || self.bytes_left.load(Ordering::Relaxed) == 0 {
            return Err(io::Error::other(GivenUp::OverBudget));
        }
        let read = self.source.read_at(offset, buffer)?;
        let spend = |left: u64| Some(left.saturating_sub(read as u64));
        let _ = self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
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
        assert_eq!(read(&reader), Err(Some(GivenUp::Unwanted)));
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
