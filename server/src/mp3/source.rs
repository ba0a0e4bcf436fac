//! Bytes that can be read at any position by several threads at once.

use std::fs::File;
use std::io;

/// Positioned reads: no cursor, so one open file serves every client that plays it.
pub(crate) trait ReadAt: Send + Sync {
    /// Reads bytes at `offset` into `buffer`. Blocks. May read fewer than fit; 0 means the end.
    ///
    /// # Errors
    /// The file system's.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Current length in bytes.
    ///
    /// # Errors
    /// The file system's.
    fn length(&self) -> io::Result<u64>;
}

impl ReadAt for File {
    #[cfg(unix)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        // Also moves the file's cursor, which is not used.
        std::os::windows::fs::FileExt::seek_read(self, buffer, offset)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl ReadAt for &[u8] {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// Fills `buffer` from `offset` on. Returns the number of bytes, which is smaller at the end.
///
/// # Errors
/// The file system's.
pub(crate) fn read_full_at(source: &dyn ReadAt, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read_at(offset + filled as u64, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Up to `length` bytes from `offset` on; fewer at the end.
///
/// # Errors
/// The file system's.
pub(crate) fn read_vec_at(source: &dyn ReadAt, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let filled = read_full_at(source, offset, &mut bytes)?;
    bytes.truncate(filled);
    Ok(bytes)
}

/// A source whose beginning and end are in memory, to save the many system calls of small reads there.
pub(crate) struct Ends<'a> {
    source: &'a dyn ReadAt,
    length: u64,
    head: Vec<u8>,
    tail_start: u64,
    tail: Vec<u8>,
}

/// Room for a tag without a picture, the encoder's information frame, and ten of the longest frames.
const HEAD_BYTES: u64 = 24 * 1024;

/// Room for the last 16 KiB of the audio and a tag behind it.
const TAIL_BYTES: u64 = 17 * 1024;

impl<'a> Ends<'a> {
    /// `length` is that of the source.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn read(source: &'a dyn ReadAt, length: u64) -> io::Result<Self> {
        let head_bytes = length.min(HEAD_BYTES);
        let tail_start = length.saturating_sub(TAIL_BYTES).max(head_bytes);
        let head = read_vec_at(source, 0, head_bytes as usize)?;
        let tail = read_vec_at(source, tail_start, (length - tail_start) as usize)?;
        Ok(Self { source, length, head, tail_start, tail })
    }
}

impl ReadAt for Ends<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset < self.head.len() as u64 {
            return self.head.as_slice().read_at(offset, buffer);
        }
        match offset.checked_sub(self.tail_start) {
            Some(offset) => self.tail.as_slice().read_at(offset, buffer),
            None => self.source.read_at(offset, buffer),
        }
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_its_ends_read_at_once_a_source_is_what_it_was() {
        let bytes: Vec<u8> = (0..HEAD_BYTES + TAIL_BYTES + 5_000).map(|index| (index % 251) as u8).collect();
        for length in [0, 1, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, HEAD_BYTES + TAIL_BYTES, bytes.len() as u64] {
            let source = &bytes[..length as usize];
            let ends = Ends::read(&source, length).expect("memory can be read");
            assert_eq!(ends.length().expect("it is known"), length);
            for offset in (0..length + 10).step_by(997).chain([length.saturating_sub(1), length]) {
                let wanted = source.get(offset as usize..).unwrap_or_default();
                let read = read_vec_at(&ends, offset, 20_000).expect("memory can be read");
                assert!(read == wanted[..wanted.len().min(20_000)], "at {offset} of {length}");
            }
        }
    }

    #[test]
    fn a_source_that_is_shorter_than_it_was_ends_earlier() {
        let bytes = &vec![7; HEAD_BYTES as usize + 100][..];
        let ends = Ends::read(&bytes, HEAD_BYTES + TAIL_BYTES + 100).expect("memory can be read");
        assert_eq!(read_vec_at(&ends, 10, 1 << 20).expect("memory can be read").len(), bytes.len() - 10);
    }
}
